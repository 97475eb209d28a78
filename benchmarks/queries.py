"""What the API and the UI ask, over a month of LLM traffic: milliseconds until the answer is there as Python values.

The tables are filled once, by the worker's stages, with copies and with parts that nobody has merged. Then every question is
asked over and over, each time about another user, tag or trace, as the operator's login and through the embedded
engine's HTTP front, as the product does it. One question at a time.
"""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import store as filling
from benchmarks.figures import Section, Series, Table, short
from benchmarks.loop import run_in_loop
from benchmarks.machine import spending
from benchmarks.records import PROJECT
from benchmarks.rounds import Rounds
from benchmarks.servers import ended, pid_of
from benchmarks.visible import percentile
from litefuse.clickhouse.client import Store
from litefuse.settings import Secret
from schemas.runner import migrate
from tests.processes import Litefuse
from tests.sql import Sql
from web.queries import metrics, observation_pages, observations, sessions, traces
from web.queries.conditions import Condition
from web.queries.merge import Filter

SPANS = 1_000_000
QUICK_SPANS = 50_000
#: Times that each question is asked in a round, after two that are not counted.
_TIMES = 25
_QUICK_TIMES = 5
DAY_NS = 86_400 * 10**9
LIST_MS = 100.0
METRICS_MS = 300.0


@dataclass(frozen=True, slots=True)
class Known:
    """What is there to be asked for: traces' ids, users and sessions as often as they have traces, models as often as they have
    generations; a cost, USD, that one trace in a hundred exceeds."""

    trace_ids: list[str]
    users: list[str]
    sessions: list[str]
    spans: list[str]
    models: list[str]
    dear: float
    until_ns: int
    scored: list[str] = field(default_factory=list)
    """Traces with scores; none here."""


Ask = Callable[[Store, Known, random.Random], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Question:
    """`aim` in ms; None for what has none."""

    name: str
    ask: Ask
    aim: float | None = LIST_MS


def _listed(*conditions: tuple[Any, ...], days: float = 0.0) -> Ask:
    """The 50 newest traces that fulfil these, of the last days."""

    async def ask(store: Store, known: Known, rng: random.Random) -> object:
        filled = [Condition(c[0], c[1], c[2](known, rng) if callable(c[2]) else c[2], *c[3:]) for c in conditions]
        since = int(known.until_ns - days * DAY_NS) if days else None
        return await traces.newest(store, PROJECT, Filter(since, None, filled))

    return ask


async def _next_page(store: Store, known: Known, rng: random.Random) -> object:
    """From somewhere in the month."""
    before = traces.Position(known.until_ns - rng.randrange(20 * DAY_NS), "")
    return await traces.newest(store, PROJECT, before=before)


async def _trace(store: Store, known: Known, rng: random.Random) -> object:
    return await observations.trace(store, PROJECT, rng.choice(known.trace_ids))


async def _trace_large(store: Store, known: Known, rng: random.Random) -> object:
    return await observations.trace(store, PROJECT, rng.choice(known.trace_ids), large=True)


async def _observation(store: Store, known: Known, rng: random.Random) -> object:
    return await observations.by_id(store, PROJECT, rng.choice(known.spans))


async def _generations(store: Store, known: Known, rng: random.Random) -> object:
    filter_ = observations.Filter(None, None, [Condition("type", "=", "GENERATION")])
    return await observation_pages.newest(store, PROJECT, filter_)


async def _sessions(store: Store, known: Known, rng: random.Random) -> object:
    return await sessions.sessions(store, PROJECT)


async def _sessions_of_day(store: Store, known: Known, rng: random.Random) -> object:
    return await sessions.sessions(store, PROJECT, sessions.Range(since_ns=known.until_ns - DAY_NS))


async def _session(store: Store, known: Known, rng: random.Random) -> object:
    return await sessions.session(store, PROJECT, rng.choice(known.sessions))


async def _users(store: Store, known: Known, rng: random.Random) -> object:
    return await sessions.users(store, PROJECT)


async def _user(store: Store, known: Known, rng: random.Random) -> object:
    return await sessions.user(store, PROJECT, rng.choice(known.users))


def _models(days: int, bucket: str | None) -> Ask:
    async def ask(store: Store, known: Known, rng: random.Random) -> object:
        until = known.until_ns - (rng.randrange(3) * DAY_NS if days == 1 else 0)
        return await metrics.models(store, PROJECT, until - days * DAY_NS, until, bucket)

    return ask


async def _count(store: Store, known: Known, rng: random.Random) -> object:
    return await traces.count(store, PROJECT, Filter(since_ns=known.until_ns - 7 * DAY_NS))


QUESTIONS = (
    Question("traces: 50 newest", _listed()),
    Question("traces: 50 from somewhere in the month", _next_page),
    Question("traces: by user", _listed(("userId", "=", lambda k, r: r.choice(k.users)))),
    Question("traces: by a tag that many have", _listed(("tags", "any of", ["chat"]))),
    Question("traces: by a tag that few have", _listed(("tags", "any of", ["demo"]))),
    Question("traces: by metadata (tenant)", _listed(("metadata", "=", lambda k, r: tenant(r), "tenant"))),
    Question("traces: by metadata that few have", _listed(("metadata", "=", "A", "experiment.arm"))),
    Question("traces: by cost, one in a hundred", _listed(("totalCost", ">", lambda k, r: k.dear))),
    Question("traces: with errors", _listed(("errorCount", ">", 0))),
    Question("trace by id, with its observations", _trace),
    Question("trace by id, with input and output of all", _trace_large),
    Question("observation by id alone", _observation),
    Question("observations: 50 newest generations", _generations),
    Question("sessions: 50 newest of all", _sessions),
    Question("sessions: 50 newest of the last day", _sessions_of_day),
    Question("session by id", _session),
    Question("users: 50 seen last of all", _users),
    Question("user by id", _user),
    Question("metrics of a day by model", _models(1, None), METRICS_MS),
    Question("metrics of a day by model and hour", _models(1, "hour"), METRICS_MS),
    Question("metrics of 30 days by model and day", _models(30, "day"), None),
    Question("count of the traces of 7 days", _count, None),
)


def tenant(rng: random.Random) -> str:
    return f"tenant-{min(149, int(rng.paretovariate(0.7)) - 1):03d}"


def run(directory: Path, rounds: Rounds, quick: bool) -> Section:
    """Fill, then ask; the embedded engine in its own process."""
    clickhouse = Litefuse(("clickhouse",), directory / "queries", {"LITEFUSE_LOG_LEVEL": "warning"})
    with ended(clickhouse):
        clickhouse.start()
        return run_in_loop(_measure(Sql(clickhouse, "litefuse").url(), pid_of(clickhouse), rounds, quick))


async def _measure(url: str, pid: int, rounds: Rounds, quick: bool) -> Section:
    store = await Store.open(Secret(url))
    try:
        await migrate(store)
        rounds.say("queries, filling")
        began = time.perf_counter()
        filled = await filling.fill(store, QUICK_SPANS if quick else SPANS, time.time_ns(), rounds.say)
        took = time.perf_counter() - began
        known = await known_of(store, filled)
        gc.collect()
        asked = Asked()
        rng = random.Random(7)
        for _ in rounds:
            for question in QUESTIONS:
                rounds.say(f"queries, {question.name}")
                await _ask(store, question, known, rng, _QUICK_TIMES if quick else _TIMES, pid, asked)
            asked.loads.append(os.getloadavg()[0])
        return _section(asked, filled, took, await filling.parts(store))
    finally:
        await store.close()


@dataclass(slots=True)
class Asked:
    """By question: milliseconds of each time, and CPU milliseconds a time, ours and ClickHouse's, of each round. `loads`:
    runnable processes at the end of each round."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)


async def _ask(
    store: Store, question: Question, known: Known, rng: random.Random, times: int, pid: int, asked: Asked
) -> None:
    found = asked.samples.setdefault(question.name, [])
    for _ in range(2):
        await question.ask(store, known, rng)
    with spending({"clickhouse": pid, "client": os.getpid()}) as spent:
        for _ in range(times):
            began = time.perf_counter()
            await question.ask(store, known, rng)
            found.append((time.perf_counter() - began) * 1000)
    asked.cpu.setdefault(question.name, []).append(sum(spent.cpu.values()) / times * 1000)


async def known_of(store: Store, filled: filling.Filled) -> Known:
    """Of tables that were filled."""
    some = await store.rows("SELECT trace_id, user_id, session_id FROM traces ORDER BY cityHash64(trace_id) LIMIT 2000")
    spans = await store.rows("SELECT span_id FROM spans ORDER BY cityHash64(span_id) LIMIT 500")
    models = await store.rows(
        "SELECT model FROM spans WHERE type = 'GENERATION' AND model != '' ORDER BY cityHash64(span_id) LIMIT 500"
    )
    dear = await store.rows(
        "SELECT quantile(0.99)(usd) FROM (SELECT toFloat64(sum(total_cost)) AS usd FROM spans GROUP BY trace_id)"
    )
    return Known(
        trace_ids=[row[0] for row in some],
        users=[row[1] for row in some if row[1]],
        sessions=[row[2] for row in some if row[2]],
        spans=[row[0] for row in spans],
        models=[row[0] for row in models],
        dear=float(dear[0][0]),
        until_ns=filled.until_ns,
    )


def _section(asked: Asked, filled: filling.Filled, took: float, parts: tuple[int, int, int]) -> Section:
    count, rows, size = parts
    samples = asked.samples
    table = Table(
        "queries",
        f"Queries over {short(filled.spans)} spans: ms",
        ("question", "median", "p95", "CPU", "aim", ""),
        note=f"{short(filled.spans)} spans of a month, {short(filled.repeated)} of them sent twice: {short(rows)} rows in "
        f"{count} parts, {short(size / 1e6)} MB, filled in {took:.0f} s. Each question was asked "
        f"{len(next(iter(samples.values())))} times, one at a time, with {short(min(asked.loads))} to "
        f"{short(max(asked.loads))} runnable processes on the machine. `CPU`: milliseconds of all threads, ClickHouse's and "
        "the asker's, which other work stretches less.",
    )
    section = Section([table])
    worst: dict[float, tuple[float, float]] = {}
    for question in QUESTIONS:
        found = samples[question.name]
        median, p95 = Series.of(found, "ms").median, percentile(found, 0.95)
        cpu = Series.of(asked.cpu[question.name], "ms")
        aim, verdict = "", ""
        if question.aim is not None:
            aim = f"≤ {question.aim:g}"
            verdict = "met" if p95 <= question.aim else "median met" if median <= question.aim else "missed"
            before = worst.get(question.aim, (0.0, 0.0))
            worst[question.aim] = (max(before[0], median), max(before[1], p95))
        table.rows.append((question.name, short(median), short(p95), cpu, aim, verdict))
        section.figures[f"queries/{question.name}"] = Series.of(found, "ms")
    for limit, name in ((LIST_MS, "lists"), (METRICS_MS, "metrics")):
        section.figures[f"queries/{name}/median"] = Series((worst[limit][0],), "ms")
        section.figures[f"queries/{name}/p95"] = Series((worst[limit][1],), "ms")
    return section
