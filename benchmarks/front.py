"""Ingest: CPU of its process for each span (512-span requests) and each request (1-span requests), acknowledged when durable.

The server is a process of its own (benchmarks.role); requests come from this process, over several connections with one
request on its way each. Over the SQLite log durable means one fsync for all that waited, over Kafka acks=all.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import inputs
from benchmarks.figures import Section, Series, Table
from benchmarks.inputs import Body
from benchmarks.load import request, send
from benchmarks.loop import run_in_loop
from benchmarks.machine import spending
from benchmarks.rounds import Rounds
from benchmarks.servers import LOGS, PUBLIC_KEY, SECRET_KEY, Servers, ended, pid_of
from tests.processes import Litefuse

#: Connections at once, by spans a request.
CONNECTIONS = {512: 8, 1: 32}
US = 1e6


@dataclass(frozen=True, slots=True)
class Feed:
    """What one row of the table sends: `requests` HTTP requests out of `bodies`, all of `spans` spans."""

    name: str
    spans: int
    kind: str
    bodies: Sequence[Body]
    requests: int


@dataclass(frozen=True, slots=True)
class Once:
    """One round."""

    requests: int
    spans: int
    wall: float
    cpu: Mapping[str, float]
    latency: float
    """Median seconds from a request's last byte to its answer."""


def feeds(quick: bool) -> list[Feed]:
    """A round of each takes about half a second."""
    share = 10 if quick else 1
    large = inputs.http_spans(512, 16)
    small = inputs.http_spans(1, 500)
    return [
        Feed("http-512", 512, "protobuf", large, 240 // share),
        Feed("http-512", 512, "gzip", inputs.each(large, inputs.as_gzip), 160 // share),
        Feed("http-512", 512, "JSON", inputs.each(large, inputs.as_json), 30 // share),
        Feed("http-1", 1, "protobuf", small, 5000 // share),
        Feed("http-1", 1, "gzip", inputs.each(small, inputs.as_gzip), 3000 // share),
        Feed("http-1", 1, "JSON", inputs.each(small, inputs.as_json), 3000 // share),
    ]


def run(servers: Servers, rounds: Rounds, quick: bool) -> Section:
    """Every input to an ingest over each log. Both run all the time, and take turns within a round."""
    runs: dict[tuple[str, str, str], list[Once]] = {}
    with contextlib.ExitStack() as ending:
        ingests = {
            log: ending.enter_context(ended(servers.role("ingest", log, f"ingest-{log}"))).start() for log in LOGS
        }
        everything = feeds(quick)
        for _ in rounds:
            for feed in everything:
                rounds.say(f"ingest, {feed.name} {feed.kind}")
                for log, ingest in ingests.items():
                    pids = {"ingest": pid_of(ingest), **servers.pids(log)}
                    runs.setdefault((log, feed.name, feed.kind), []).append(once(ingest, feed, pids))
    return _section(runs)


def once(ingest: Litefuse, feed: Feed, pids: Mapping[str, int]) -> Once:
    """Send it, and see what it cost."""
    wires = [request(body, PUBLIC_KEY, SECRET_KEY) for body in feed.bodies]
    requests = [wires[i % len(wires)] for i in range(feed.requests)]
    with spending(pids) as spent:
        sent = run_in_loop(send(ingest.port, requests, CONNECTIONS[feed.spans]))
    return Once(sent.answered, sent.answered * feed.spans, spent.wall, spent.cpu, statistics.median(sent.seconds))


def _section(runs: Mapping[tuple[str, str, str], Sequence[Once]]) -> Section:
    section = Section()
    for spans, name, what, key in (
        (512, "http-512", "512-span requests: CPU µs a span", "span"),
        (1, "http-1", "1-span requests: CPU µs a request", "request"),
    ):
        table = Table(
            f"ingest-{spans}",
            f"Ingest, {what}, acknowledged when durable",
            ("encoding", "log", "ingest", "broker", f"{key}s a second", "answered in, median ms"),
            note=f"{CONNECTIONS[spans]} connections, one request on its way on each; no worker beside.",
        )
        for (log, feed, kind), rounds in runs.items():
            if feed != name:
                continue
            units = [one.spans if spans > 1 else one.requests for one in rounds]
            pairs = list(zip(rounds, units, strict=True))
            ours = Series.of((one.cpu["ingest"] / n * US for one, n in pairs), f"µs/{key}")
            broker = Series.of((one.cpu["broker"] / n * US for one, n in pairs), f"µs/{key}") if log == "kafka" else "–"
            rate = Series.of((n / one.wall for one, n in pairs), f"{key}s/s")
            latency = Series.of((one.latency * 1e3 for one in rounds), "ms")
            table.rows.append((kind, log, ours, broker, rate, latency))
            section.figures[f"ingest/{log}/{name}/{kind}"] = ours
        section.tables.append(table)
    return section
