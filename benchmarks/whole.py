"""The running worker: CPU of this process a span, from records in the log to the HTTP body sent and the offset committed.

The log is filled first and not measured; then `worker.app.start_worker` works it off in this process. ClickHouse is
another process, so its share does not count here: once it is a sink that keeps nothing, once the embedded ClickHouse,
whose CPU is printed beside.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Counter

from benchmarks import edges, inputs
from benchmarks.figures import Section, Series, Table
from benchmarks.inputs import Body
from benchmarks.loop import run_in_loop
from benchmarks.machine import spending
from benchmarks.records import fill
from benchmarks.rounds import Rounds
from benchmarks.servers import LOGS, Servers, forget_log
from litefuse.clickhouse.client import Store
from litefuse.log import open_log
from litefuse.settings import Secret, Settings
from litefuse.telemetry import metrics as m
from worker.app import start_worker

_DEADLINE_S = 120.0
_LOOK_EVERY_S = 0.02
US = 1e6

Watch = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Once:
    """One round: seconds of CPU by process, `worker` and the servers, and of the clock, over `spans` spans."""

    spans: int
    wall: float
    cpu: Mapping[str, float]

    def per_span(self, process: str) -> float:
        return self.cpu[process] / self.spans * US


def inputs_of(quick: bool) -> dict[str, list[Body]]:
    """By name; a round of each takes about a second."""
    share = 10 if quick else 1
    return {
        "http-512": inputs.repeated(inputs.http_spans(512, 16), 100_000 // share),
        "http-1": inputs.repeated(inputs.http_spans(1, 1000), 20_000 // share),
        "LLM": inputs.repeated(inputs.llm_spans(), 25_000 // share),
        "LLM JSON": inputs.repeated(inputs.each(inputs.llm_spans(), inputs.as_json), 10_000 // share),
    }


def run(servers: Servers, rounds: Rounds, quick: bool) -> Section:
    """Every input over both logs into the sink, then into ClickHouse. Logs take turns within a round."""
    feeds = inputs_of(quick)
    runs: dict[tuple[str, str, str], list[Once]] = {}
    for log in LOGS:
        once(servers, log, feeds["http-512"][:8], servers.sink, f"worker-{log}")  # imports, first connections
    plan = [("sink", name) for name in feeds] + [("clickhouse", name) for name in feeds if name != "LLM JSON"]
    ends: edges.Samples = {}
    for _ in rounds:
        for into, name in plan:
            rounds.say(f"worker, {name} into {into}")
            for log in LOGS:
                url = servers.sink if into == "sink" else servers.store_url
                one = once(servers, log, feeds[name], url, f"worker-{log}")
                runs.setdefault((into, name, log), []).append(one)
        for name in ("http-512", "http-1", "LLM"):
            rounds.say(f"worker, ends, {name}")
            edges.once(servers, name, inputs.renewed(feeds[name]), ends)
    section = _section(runs)
    found = edges.section(ends)
    section.tables += found.tables
    section.figures |= found.figures
    return section


def once(
    servers: Servers,
    log: str,
    bodies: Sequence[Body],
    store_url: str,
    name: str,
    watched: Watch = contextlib.nullcontext,
) -> Once:
    """Fill the log and work it off; `watched` is open while that is done."""
    settings = servers.settings(log, name)
    if bodies[0].content_type == inputs.PROTOBUF:
        bodies = inputs.renewed(bodies)
    pids = {"worker": os.getpid(), **servers.pids(log)}
    try:
        return run_in_loop(_once(settings, store_url, bodies, pids, watched))
    finally:
        forget_log(settings.data_dir)


async def _once(
    settings: Settings, store_url: str, bodies: Sequence[Body], pids: Mapping[str, int], watched: Watch
) -> Once:
    log = open_log(settings)
    await log.start()
    store = await Store.open(Secret(store_url))
    try:
        await store.ping()  # connects
        await fill(log, bodies)
        spans = sum(body.spans for body in bodies)
        target = counted(m.ROWS_INSERTED) + spans
        gc.collect()
        with watched(), spending(pids) as spent:
            # The log is a new one in every round: with rows of the last one there, the worker would look before each insert,
            # and never find what went into a sink.
            await store.command("TRUNCATE TABLE spans")
            await store.command("TRUNCATE TABLE trace_parts")
            worker = await start_worker(settings, log, store)
            try:
                deadline = time.monotonic() + _DEADLINE_S
                while counted(m.ROWS_INSERTED) < target or worker.buffered_bytes():
                    if time.monotonic() > deadline:
                        raise TimeoutError(
                            f"{target - counted(m.ROWS_INSERTED):.0f} of {spans} spans are not inserted; {worker.ready()}"
                        )
                    await asyncio.sleep(_LOOK_EVERY_S)
            except BaseException:
                await worker.close()
                raise
        await worker.close()
    finally:
        await log.close()
        await store.close()
    return Once(spans, spent.wall, spent.cpu)


def counted(counter: Counter) -> float:
    """The value of a counter without labels."""
    return float(next(iter(counter.collect())).samples[0].value)


def _section(runs: Mapping[tuple[str, str, str], Sequence[Once]]) -> Section:
    section = Section()
    sink = Table(
        "worker",
        "Worker, whole: CPU µs a span, log → HTTP body sent, offsets committed",
        ("spans", "log", "worker", "broker", "spans a second"),
        note="Into a sink that answers every insert and keeps nothing. The worker works off a full log, in one process.",
    )
    real = Table(
        "clickhouse",
        "Worker into the embedded ClickHouse in its own process: CPU µs a span",
        ("spans", "log", "worker", "ClickHouse", "broker", "spans a second"),
        note="ClickHouse's share has our HTTP front, the table with all its indexes, fsync and the merges of that time in it.",
    )
    for (into, name, log), rounds in runs.items():
        worker = Series.of((one.per_span("worker") for one in rounds), "µs/span")
        broker = Series.of((one.per_span("broker") for one in rounds), "µs/span") if log == "kafka" else "–"
        rate = Series.of((one.spans / one.wall for one in rounds), "spans/s")
        section.figures[f"worker/{log}/{name}/{into}"] = worker
        if into == "sink":
            sink.rows.append((name, log, worker, broker, rate))
        else:
            clickhouse = Series.of((one.per_span("clickhouse") for one in rounds), "µs/span")
            section.figures[f"clickhouse/{log}/{name}"] = clickhouse
            real.rows.append((name, log, worker, clickhouse, broker, rate))
    section.tables += [sink, real]
    return section
