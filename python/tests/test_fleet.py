"""Against real programs."""

from __future__ import annotations

import signal
import subprocess
import sys
import typing
from typing import Any, List

import pytest
from conftest import Fleet, until

import chasar
from chasar import schema


def is_a(value: object, hint: Any, where: str) -> None:
    """Asserts that a value is of a type that the schema module knows."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hasattr(hint, "__required_keys__"):
        assert isinstance(value, dict), where
        hints = typing.get_type_hints(hint)
        assert value.keys() <= hints.keys(), f"{where}: unknown keys {value.keys() - hints.keys()}"
        assert hint.__required_keys__ <= value.keys(), f"{where}: missing {hint.__required_keys__ - value.keys()}"
        for key, inner in value.items():
            is_a(inner, hints[key], f"{where}.{key}")
    elif origin is list:
        assert isinstance(value, list), where
        for inner in value:
            is_a(inner, arguments[0], f"{where}[]")
    elif origin is dict:
        assert isinstance(value, dict), where
        for key, inner in value.items():
            is_a(inner, arguments[1], f"{where}.{key}")
    elif origin is typing.Union:
        if value is not None:
            is_a(value, arguments[0], where)
    elif origin is typing.Literal:
        assert value in arguments, where
    elif hint is float:
        assert isinstance(value, (int, float)) and not isinstance(value, bool), where
    else:
        assert type(value) is hint, f"{where}: {value!r} is no {hint}"


def test_reports_come_once_a_second_and_are_of_their_type(fleet: Fleet) -> None:
    fleet.masternode()
    fleet.clientnode("a")
    seen: List[chasar.Report] = []
    for report in chasar.subscribe(fleet.host, timeout=20):
        is_a(report, chasar.Report, "report")
        seen.append(report)
        if len(seen) == 3:
            break
    sequence = [report.get("sequence") for report in seen]
    assert sequence[0] is not None and sequence == list(range(sequence[0], sequence[0] + 3))
    at = [report.get("sampled_at_ms") or 0 for report in seen]
    assert 700 <= at[1] - at[0] <= 1300 and 700 <= at[2] - at[1] <= 1300
    assert seen[0]["memory"]["total_bytes"] and seen[0]["process"] and seen[0]["cpu"]["percent_used"]


def test_only_the_nodes_asked_for(fleet: Fleet) -> None:
    fleet.masternode()
    fleet.clientnode("a")
    with chasar.subscribe(fleet.host, timeout=20) as reports:
        a = next(reports).get("node_id")
        assert a is not None
        fleet.clientnode("b")
        b = next(node for node in (report.get("node_id") for report in reports) if node != a)
        assert b is not None
        with chasar.subscribe(fleet.host, nodes=[a], timeout=20) as only_a:
            got = {next(only_a).get("node_id") for _ in range(3)}
        # The other one still reported then, so it was there to be missed.
        sent = next(report.get("sequence") or 0 for report in reports if report.get("node_id") == b)
        assert sent > 0
    assert got == {a}


def test_events_tell_who_comes_and_goes(fleet: Fleet) -> None:
    fleet.masternode()
    with chasar.events(fleet.host, timeout=20) as events:
        until(20, "a link", lambda: events.connected)
        fleet.clientnode("a")
        joined = next(event for event in events if not event.get("repeated"))
        is_a(joined, schema.Joined, "event")
        with chasar.events(fleet.host, nodes=[joined["node_id"]], timeout=20) as of_a:
            until(20, "a link", lambda: of_a.connected)
            fleet.end("a")
            left = next(event for event in events if event["state"] == "left")
            assert left["node_id"] == joined["node_id"]
            assert next(event for event in of_a if event["state"] == "left") == left
        assert events.refused_total == 0


def test_a_masternode_that_comes_back_is_found(fleet: Fleet) -> None:
    fleet.masternode()
    fleet.clientnode("a")
    with chasar.subscribe(fleet.host, timeout=30) as reports:
        next(reports)
        fleet.end("masternode", signal.SIGKILL)
        until(20, "the break is noticed", lambda: not reports.connected)
        fleet.masternode()
        after = next(reports)
        assert reports.connected and after.get("node_id")


def test_the_timeout_says_what_is_wrong(fleet: Fleet) -> None:
    with chasar.subscribe(fleet.host, timeout=0.2) as reports:
        with pytest.raises(chasar.NothingReceived, match=r"nothing from tcp://127\S+:6666 within 0.2 s: there is no link"):
            next(reports)
        assert reports.receive(timeout=0) is None
        fleet.masternode()
        until(20, "a link", lambda: reports.connected)
        with pytest.raises(TimeoutError, match="there is a link, but no node"):
            next(reports)
        fleet.clientnode("a")
        reports.timeout = 20
        assert next(reports)["hostname"]


def test_a_loop_that_nobody_closes_leaves_nothing_behind(fleet: Fleet) -> None:
    fleet.masternode()
    fleet.clientnode("a")
    program = f"import chasar\nfor r in chasar.subscribe({fleet.host!r}, timeout=20):\n    print(r['hostname'])\n    break\n"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", program],
        env=environment, capture_output=True, text=True, timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.strip()
