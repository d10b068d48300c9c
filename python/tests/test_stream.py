"""Against a stream that the test makes itself: nonsense, floods and nodes of 2016."""

from __future__ import annotations

import json
import logging
from typing import Iterator, Tuple

import pytest
import zmq
from conftest import until

import chasar

TOPIC = b"Chasar-Client"
Stream = Tuple["zmq.Socket[bytes]", int]


@pytest.fixture
def stream() -> Iterator[Stream]:
    """A socket that streams, and its port."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    publisher.setsockopt(zmq.LINGER, 0)
    publisher.setsockopt(zmq.RCVTIMEO, 20_000)
    publisher.setsockopt(zmq.SNDHWM, 20)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    yield publisher, port
    publisher.close()
    context.term()


def test_nonsense_is_passed_over_counted_and_logged_once(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    publisher, port = stream
    nonsense = [
        [TOPIC],
        [TOPIC, b"{}", b"{}"],
        [TOPIC, b"{"],
        [TOPIC, b"\xff\xff"],
        [TOPIC, b"[1]"],
        [TOPIC, b"{}"],
        [TOPIC, b'{"hostname": 1}'],
        [TOPIC, b'{"hostname": "a", "load": NaN}'],
        [TOPIC, b'{"hostname": "a", "cpu": 1}'],
        [TOPIC, b'{"hostname": ' + b"[" * 200_000],
        [TOPIC, b'{"hostname": "a", "n": ' + b"9" * 5_000 + b"}"],
    ]
    with caplog.at_level(logging.WARNING, "chasar"), chasar.subscribe(port=port, timeout=20) as reports:
        publisher.recv()
        for frames in nonsense:
            publisher.send_multipart(frames)
        publisher.send_multipart([TOPIC + b"-more", b'{"hostname": "another topic"}'])
        publisher.send_multipart([TOPIC, b'{"hostname": "sound"}'])
        assert next(reports)["hostname"] == "sound"
        # Numbers of any length were read before Python 3.11.
        assert reports.refused_total in (len(nonsense), len(nonsense) - 1)
    assert len(caplog.records) == 1
    assert caplog.messages[0].startswith(f"passed over a message from tcp://127.0.0.1:{port}: it has 1 frames, not 2")


def test_a_message_that_is_too_long_ends_the_link_and_the_next_one_begins(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chasar.subscription.CONNECT_ANEW_SECONDS", 0.3)
    publisher, port = stream
    with chasar.subscribe(port=port, timeout=20) as reports:
        publisher.recv()
        publisher.send_multipart([TOPIC, b" " * (2 << 20)])
        until(20, "the link ends", lambda: reports.receive(timeout=0) is None and not reports.connected)
        until(20, "the next one", lambda: reports.receive(timeout=0) is None and reports.connected)
        publisher.send_multipart([TOPIC, b'{"hostname": "sound"}'])
        assert next(reports)["hostname"] == "sound"


def test_what_a_node_of_2016_leaves_out_is_filled_in(stream: Stream) -> None:
    publisher, port = stream
    with chasar.subscribe(port=port, timeout=20) as reports:
        publisher.recv()
        for text in ('{"hostname": "old", "memory": {"total_bytes": 7}}', '{"hostname": "older"}'):
            publisher.send_multipart([TOPIC, text.encode()])
        old, older = next(reports), next(reports)
    assert old["memory"] == {"total_bytes": 7, "total_bytes_used": None, "percent_used": None}
    assert old["cpu"]["percent_used"] == [] and old["process"] == {} and old["mac_address"] is None
    # Each report has lists of its own.
    old["ipv4_interfaces"].append({"addr": "192.0.2.1", "netmask": None, "broadcast": None})
    old["cpu"]["percent_used"].append(1.0)
    assert older["ipv4_interfaces"] == [] and older["cpu"]["percent_used"] == []


def test_a_reader_that_is_too_slow_loses_reports_and_keeps_the_bound(stream: Stream) -> None:
    publisher, port = stream
    body = json.dumps({"hostname": "a", "filler": "x" * 100_000}).encode()
    with chasar.subscribe(port=port, timeout=20, high_water_mark=10) as reports:
        publisher.recv()
        for _ in range(1_000):
            publisher.send_multipart([TOPIC, body])
        read = 0
        while reports.receive(timeout=0.5) is not None:
            read += 1
        # The two queues and what the system's socket buffers hold.
        assert 10 <= read < 500
        publisher.send_multipart([TOPIC, b'{"hostname": "b"}'])
        assert next(reports)["hostname"] == "b"


def test_events_come_without_the_reports_that_share_their_prefix(stream: Stream) -> None:
    publisher, port = stream
    event = {"node_id": "n", "hostname": "h", "at_ms": 1, "state": "late"}
    with chasar.events(port=port, timeout=20) as events:
        assert publisher.recv() == b"\x01chasar/node/"
        publisher.send_multipart([b"chasar/node/n/report", b'{"hostname": "h"}'])
        publisher.send_multipart([b"chasar/node/n/state", b'{"hostname": "h"}'])
        publisher.send_multipart([b"chasar/node/n/state", json.dumps(event).encode()])
        assert next(events) == event
        assert events.refused_total == 1


def test_closing_ends_it_for_good(stream: Stream) -> None:
    _, port = stream
    with chasar.subscribe(port=port) as reports:
        assert not reports.endpoint.endswith(":6666")
    reports.close()
    assert list(reports) == [] and not reports.connected
    with pytest.raises(chasar.Error, match="is closed"):
        reports.receive(timeout=1)


def test_names_and_ipv6_lead_there(stream: Stream) -> None:
    publisher, port = stream
    publisher.setsockopt(zmq.IPV6, 1)
    publisher.bind(f"tcp://[::1]:{port}")
    for host in ("localhost", "::1", "[::1]"):
        with chasar.subscribe(host, port=port) as reports:
            until(20, f"a link to {host}", lambda: reports.connected)


def test_arguments_that_cannot_be_are_refused() -> None:
    for arguments in ({"port": 0}, {"port": 65_536}, {"timeout": -1.0}, {"timeout": float("nan")},
                      {"high_water_mark": 0}, {"nodes": "abc"}, {"nodes": ["a/b"]}, {"nodes": [""]},
                      {"host": "server:6666"}):
        with pytest.raises(ValueError):
            chasar.subscribe(**arguments)
    with pytest.raises(chasar.Error, match="'no.such.host.invalid' has no address"):
        chasar.subscribe("no.such.host.invalid")
