"""Real programs to subscribe to: masternodes and clientnodes, each set on a loopback address of its own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, TypeVar

import pytest

T = TypeVar("T")

PROGRAM = Path(os.environ.get("CHASAR_TEST_BIN", Path(__file__).parents[2] / "target/debug/chasar"))


def until(seconds: float, what: str, look: Callable[[], T]) -> T:
    """Looks until what is seen is true."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Fleet:
    """A masternode on the usual ports of a loopback address, and clientnodes of it."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAM.is_file(), f"{PROGRAM} is not there (CHASAR_TEST_BIN); cargo xtask test builds it"
        self.folder = folder
        self.host = f"127.{random.randint(32, 63)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        self.running: Dict[str, subprocess.Popen[bytes]] = {}

    def masternode(self) -> None:
        self._start("masternode", ["masternode", "start", self.host])

    def clientnode(self, name: str) -> None:
        self._start(name, ["clientnode", "start", self.host])

    def _start(self, name: str, arguments: List[str]) -> None:
        state = self.folder / name
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CHASAR_")}
        environment["XDG_CONFIG_HOME"] = str(self.folder)
        with open(self.folder / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                [PROGRAM, *arguments, "--state-dir", state], stdout=log, stderr=log, env=environment
            )

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        program = self.running.pop(name)
        program.send_signal(how)
        program.wait(20)

    def said(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(self.folder.glob("*.log")))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path)
    yield fleet
    for name in list(fleet.running):
        fleet.end(name, signal.SIGKILL)
    print(fleet.said())
