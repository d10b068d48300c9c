"""Chasar: the health of a fleet of computers, live.

A masternode streams a report of each computer, once a second; this package receives them, typed::

    import chasar

    for report in chasar.subscribe("server.example"):
        print(report["hostname"], report["memory"]["percent_used"])

`subscribe` gives reports (`Report`), `events` gives changes of state (`NodeEvent`); both return a `Subscription`.
What is in them is in `chasar.schema`, made from the JSON Schemas of the stream.
"""

from chasar.schema import NodeEvent, Report
from chasar.subscription import Error, NothingReceived, Subscription, events, subscribe

__all__ = ["Error", "NodeEvent", "NothingReceived", "Report", "Subscription", "events", "subscribe"]
