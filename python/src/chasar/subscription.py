"""The reading end of a masternode's stream."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import math
import random
import re
import socket
import time
from types import TracebackType
from typing import Any, Callable, Dict, Generic, Iterable, Iterator, List, Optional, Tuple, Type, TypeVar, cast

import zmq
from zmq.utils.monitor import recv_monitor_message

from chasar.schema import REPORT_DEFAULTS, NodeEvent, Report

STREAM_PORT = 6666
"""The port a masternode streams on, unless its `--stream` says otherwise."""

HIGH_WATER_MARK = 1000
"""Messages that wait here, unless told otherwise, before the masternode has to hold and then drop them."""

ALL_REPORTS = b"Chasar-Client"
NODE_PREFIX = "chasar/node/"
NODE_ID = re.compile(r"[^/\s\x00-\x1f\x7f]{1,255}")

# What a masternode lets pass; more is not from one.
MAX_MESSAGE_BYTES = 1024 * 1024 + 256
# A link that breaks without a word is noticed within two seconds and 2.8 more, then built anew.
HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS = 2_000, 2_800
RECONNECT_FIRST_MS, RECONNECT_LAST_MS, CONNECT_TIMEOUT_MS = 100, 5_000, 5_000
# libzmq gives up for good on a peer that broke the protocol once; so after this long without a link it is told anew.
CONNECT_ANEW_SECONDS = 10.0
# A sender of nonsense must not fill the log.
COMPLAIN_EVERY_SECONDS = 60.0

log = logging.getLogger("chasar")

T = TypeVar("T")


class Error(Exception):
    """What this package raises; the text says what, where and what to do."""


class NothingReceived(Error, TimeoutError):
    """Nothing came within the timeout. The subscription goes on: the next call waits anew."""


class Subscription(Generic[T]):
    """A stream of messages: an iterator that never ends by itself, and a context manager.

    A link that breaks, or is not there yet, is tried again for ever, after 0.1 s at first and 5 s at last, and with
    heartbeats a silent break is noticed within 5 s. What is published while there is no link is not received;
    `sequence` shows the gap.

    At most `high_water_mark` messages wait here to be read, then those that the masternode still holds for this
    subscriber fill up its queue, and then the newest are lost: nobody else is held up by a slow reader.

    Belongs to one thread.
    """

    endpoint: str
    """Where the stream is, `tcp://host:port`."""

    refused_total: int
    """Messages passed over because they are not what their topic says; each kind is logged once a minute."""

    def __init__(
        self,
        host: str,
        port: int,
        topics: List[bytes],
        read: Callable[[bytes, bytes], Optional[T]],
        timeout: Optional[float],
        high_water_mark: int,
    ) -> None:
        self._closed = True
        if not 1 <= port <= 65_535:
            raise ValueError(f"port {port} is none; give 1 to 65535")
        if high_water_mark < 1:
            raise ValueError(f"high_water_mark {high_water_mark} bounds nothing; give at least 1")
        self.refused_total = 0
        self.timeout = _checked_timeout(timeout)
        self._read = read
        self._complained_at: Optional[float] = None
        self._connected = False
        self._connect_anew_at = time.monotonic() + CONNECT_ANEW_SECONDS
        address, ipv6 = _resolve(host, port)
        self.endpoint = f"tcp://{address}:{port}"
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._monitor = self._context.socket(zmq.PAIR)
        self._closed = False
        try:
            self._connect(ipv6, topics, high_water_mark)
        except zmq.ZMQError as error:
            self.close()
            raise Error(f"cannot subscribe to {self.endpoint}: {error}") from error

    def _connect(self, ipv6: bool, topics: List[bytes], high_water_mark: int) -> None:
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.IPV6, int(ipv6)),
            (zmq.RCVHWM, high_water_mark),
            (zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES),
            # Not all readers of a masternode that restarts come back in the same moment.
            (zmq.RECONNECT_IVL, int(RECONNECT_FIRST_MS * random.uniform(0.75, 1.25))),
            (zmq.RECONNECT_IVL_MAX, int(RECONNECT_LAST_MS * random.uniform(0.6, 1.0))),
            (zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS),
            (zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS),
            (zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS),
        ):
            self._socket.setsockopt(option, value)
        # Link events wait unbounded, since a full queue of them would stop libzmq; there are few.
        self._monitor.setsockopt(zmq.RCVHWM, 0)
        self._monitor.setsockopt(zmq.LINGER, 0)
        there = f"inproc://chasar-link-{id(self)}"
        self._socket.monitor(there, zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self._monitor.connect(there)
        for topic in topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        self._socket.connect(self.endpoint)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    @property
    def connected(self) -> bool:
        """Whether there is a link at this moment."""
        self._look_at_link()
        return self._connected

    def receive(self, timeout: Optional[float] = None) -> Optional[T]:
        """The next message, waiting at most `timeout` seconds (`None`: as long as it takes); `None` when there is none.

        Raises:
            Error: closed, or the link's library failed.
        """
        timeout = _checked_timeout(timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._closed:
            try:
                message = self._receive_one(deadline)
            except zmq.ZMQError as error:
                raise Error(f"cannot receive from {self.endpoint}: {error}") from error
            if message is not None:
                return message
            if deadline is not None and time.monotonic() >= deadline:
                return None
        raise Error(f"the subscription to {self.endpoint} is closed")

    def _receive_one(self, deadline: Optional[float]) -> Optional[T]:
        """A message, or `None` when there was none: time was over, one was passed over, the link changed."""
        self._look_at_link()
        wake = [at for at in (deadline, None if self._connected else self._connect_anew_at) if at is not None]
        wait = math.ceil(max(min(wake) - time.monotonic(), 0.0) * 1000) if wake else None
        if self._socket not in dict(self._poller.poll(wait)):
            return None
        frames = self._socket.recv_multipart(zmq.NOBLOCK)
        if len(frames) != 2:
            self._refuse(f"it has {len(frames)} frames, not 2")
            return None
        try:
            return self._read(frames[0], frames[1])
        except ValueError as error:
            self._refuse(str(error))
            return None

    def _look_at_link(self) -> None:
        while not self._closed and self._monitor.poll(0, zmq.POLLIN):
            self._connected = recv_monitor_message(self._monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
            self._connect_anew_at = time.monotonic() + CONNECT_ANEW_SECONDS
        overdue = not self._connected and time.monotonic() >= self._connect_anew_at
        # What still waits to be read would be lost with the old link.
        if overdue and not self._closed and not self._socket.poll(0, zmq.POLLIN):
            self._connect_anew_at = time.monotonic() + CONNECT_ANEW_SECONDS
            with contextlib.suppress(zmq.ZMQError):  # It has been given up already.
                self._socket.disconnect(self.endpoint)
            self._socket.connect(self.endpoint)

    def _refuse(self, why: str) -> None:
        self.refused_total += 1
        now = time.monotonic()
        if self._complained_at is None or now - self._complained_at >= COMPLAIN_EVERY_SECONDS:
            self._complained_at = now
            log.warning(
                "passed over a message from %s: %s (%d so far)", self.endpoint, why[:200], self.refused_total
            )

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._closed:
            raise StopIteration
        message = self.receive(self.timeout)
        if message is not None:
            return message
        why = (
            "there is a link, but no node that is subscribed to sent anything"
            if self.connected
            else "there is no link; is a masternode running there, and does it let this computer reach its stream?"
        )
        raise NothingReceived(f"nothing from {self.endpoint} within {self.timeout} s: {why}")

    def __enter__(self) -> Subscription[T]:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends it; what waited unread is gone. Closing twice is no error. Iterating then ends."""
        if not self._closed:
            self._closed = True
            self._connected = False
            self._socket.disable_monitor()
            self._monitor.close()
            self._socket.close()
            self._context.term()

    def __del__(self) -> None:
        # `for report in subscribe(...)` has nobody who could close it.
        if not getattr(self, "_closed", True):
            self.close()


def subscribe(
    host: str = "127.0.0.1",
    *,
    port: int = STREAM_PORT,
    nodes: Iterable[str] = (),
    timeout: Optional[float] = None,
    high_water_mark: int = HIGH_WATER_MARK,
) -> Subscription[Report]:
    """The reports of all computers, or of `nodes`, as they come.

    Args:
        host: The masternode: a name, an IPv4 or an IPv6 address.
        port: Its stream (`chasar masternode start --stream`).
        nodes: Identities (`report["node_id"]`) to receive; all without one. Only these then cross the network.
        timeout: Seconds without a report after which iterating raises `NothingReceived`; `None` waits for ever.
        high_water_mark: Reports that may wait here; see `Subscription`.

    Returns at once: nobody need be there yet, connecting goes on until somebody is.

    Raises:
        Error: `host` has no address, or the system refuses a socket.
        ValueError: an argument that cannot be.
    """
    wanted = _node_ids(nodes)
    topics = [f"{NODE_PREFIX}{node}/report".encode() for node in wanted] or [ALL_REPORTS]
    exact = frozenset(topics)

    def read(topic: bytes, body: bytes) -> Optional[Report]:
        # ZeroMQ subscribes by prefix.
        return _report(body) if topic in exact else None

    return Subscription(host, port, topics, read, timeout, high_water_mark)


def events(
    host: str = "127.0.0.1",
    *,
    port: int = STREAM_PORT,
    nodes: Iterable[str] = (),
    timeout: Optional[float] = None,
    high_water_mark: int = HIGH_WATER_MARK,
) -> Subscription[NodeEvent]:
    """What the masternode says of computers: joined, late, down, back, left, gap, renamed, cloned.

    The present state of each node is repeated from time to time, marked `repeated`. Without `nodes` reports cross the
    network too and are passed over here, since ZeroMQ subscribes by prefix. Arguments, result and errors are those
    of `subscribe`.
    """
    wanted = _node_ids(nodes)
    topics = [f"{NODE_PREFIX}{node}/state".encode() for node in wanted] or [NODE_PREFIX.encode()]
    exact = frozenset(topics) if wanted else None

    def read(topic: bytes, body: bytes) -> Optional[NodeEvent]:
        wants = topic in exact if exact is not None else topic.endswith(b"/state")
        return _event(body) if wants else None

    return Subscription(host, port, topics, read, timeout, high_water_mark)


def _node_ids(nodes: Iterable[str]) -> List[str]:
    if isinstance(nodes, str):
        raise ValueError(f"nodes={nodes!r} is one text; give a list: nodes=[{nodes!r}]")
    wanted = list(nodes)
    for node in wanted:
        if not NODE_ID.fullmatch(node):
            raise ValueError(f"{node!r} is no node's identity; report['node_id'] is one")
    return wanted


def _checked_timeout(timeout: Optional[float]) -> Optional[float]:
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout {timeout} is none; give seconds, or None to wait for ever")
    return timeout


def _resolve(host: str, port: int) -> Tuple[str, bool]:
    """How libzmq wants the address, and whether it is IPv6; names are left to libzmq, which asks at each attempt."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare:
        if bare.count(":") == 1:
            raise ValueError(f"host {host!r} has a port in it; give it as port=")
        return f"[{bare}]", True
    try:
        found = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Error(f"host {host!r} has no address: {error}; check its name") from error
    return bare, all(family == socket.AF_INET6 for family, *_ in found)


def _object(body: bytes) -> Dict[str, Any]:
    try:
        value = json.loads(body, parse_constant=_not_json)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(value, dict) or not isinstance(value.get("hostname"), str):
        raise ValueError("it is no object with a hostname")
    return value


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _report(body: bytes) -> Report:
    report = _object(body)
    for key, default in REPORT_DEFAULTS.items():
        there = report.setdefault(key, copy.deepcopy(default))
        if isinstance(default, dict):
            if not isinstance(there, dict):
                raise ValueError(f"{key} is no object")
            for inner, value in default.items():
                there.setdefault(inner, copy.deepcopy(value))
    return cast(Report, report)


def _event(body: bytes) -> NodeEvent:
    event = _object(body)
    if not isinstance(event.get("state"), str) or not isinstance(event.get("node_id"), str):
        raise ValueError("it is no event of a node")
    return cast(NodeEvent, event)
