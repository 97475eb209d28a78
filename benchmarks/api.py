"""The public API of `litefuse up` through HTTP, over a million spans and a hundred thousand scores: milliseconds until the
whole answer is there.

The spans are those of the part `queries`, filled in the same way, through the process' port for SQL. One client with Basic
auth and one connection asks, each time about another user, tag or trace; key, parameters, statements, answers and JSON are
all in it. Reading the JSON is not, but of the pages of a long list, which are asked for one after another.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks import api_requests, queries, scores
from benchmarks import store as filling
from benchmarks.api_requests import (
    PAGED_ROWS,
    PAGINGS,
    QUESTIONS,
    QUICK_PAGED_ROWS,
    Get,
    Paging,
    Question,
    page_query,
)
from benchmarks.figures import Section, Series, Table, short
from benchmarks.loop import run_in_loop
from benchmarks.machine import spending
from benchmarks.queries import QUICK_SPANS, SPANS, Known
from benchmarks.rounds import Rounds
from benchmarks.scores import Scored
from benchmarks.servers import PUBLIC_KEY, SECRET_KEY, ended, keys, pid_of
from benchmarks.visible import percentile
from litefuse.clickhouse.client import Store
from litefuse.settings import Secret
from tests.processes import Litefuse
from tests.sql import Sql

#: Scores for each span.
_SCORED = 0.1
#: Times that each question is asked in a round, after two that are not counted.
_TIMES = 25
_QUICK_TIMES = 2
_TIMEOUT_S = 60.0
_PREFIX = "/api/public"
#: How scores are sent: in one request, connections, requests of a round.
_POSTS = ((15, 1, 40), (15, 16, 320), (1, 1, 40), (1, 16, 640))
_QUICK_SHARE = 10
US = 1e6


class Refused(Exception):
    """A request was not answered with success, or the answer is empty where something was to be found."""


@dataclass(slots=True)
class Asked:
    """What was found by question, list or kind of request: milliseconds of each request; CPU milliseconds of `up` for one, by
    round; bytes of the answers; milliseconds of the statement alone; rows of a list, seconds until all are there; scores a
    second and CPU seconds of `up` for one, by round. `loads`: runnable processes at the end of each round."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, list[float]] = field(default_factory=dict)
    alone: dict[str, list[float]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    rate: dict[str, list[float]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Filled:
    """What the tables have, and how long it took, s."""

    spans: filling.Filled
    scores: int
    took: float
    parts: tuple[int, int, int]


def run(directory: Path, rounds: Rounds, quick: bool) -> Section:
    """Fill, then ask. Everything embedded, in one process beside this one."""
    environment = {**keys(), "LITEFUSE_LOG_LEVEL": "warning"}
    with ended(Litefuse(("up",), directory / "api", environment)) as up:
        up.start()
        return run_in_loop(_measure(up, rounds, quick))


async def _measure(up: Litefuse, rounds: Rounds, quick: bool) -> Section:
    store = await Store.open(Secret(Sql(up, "litefuse").url()))
    try:
        rounds.say("api, filling")
        began = time.perf_counter()
        spans = await filling.fill(store, QUICK_SPANS if quick else SPANS, time.time_ns(), rounds.say)
        scored = await scores.spans(store, int(spans.spans * _SCORED))
        number = await scores.fill(store, scored)
        filled = Filled(spans, number, time.perf_counter() - began, await filling.parts(store))
        known = await known_of(store, spans, scored)
        gc.collect()
        return _section(await ask(up, store, known, scored, rounds, quick), filled)
    finally:
        await store.close()


async def known_of(store: Store, spans: filling.Filled, scored: Sequence[Scored]) -> Known:
    """Of tables that were filled. Of few traces' scores, so that not every trace that is asked for has one."""
    known = await queries.known_of(store, spans)
    rows = await store.rows("SELECT trace_id FROM scores WHERE trace_id != '' ORDER BY cityHash64(trace_id) LIMIT 500")
    known.scored.extend(row[0] for row in rows)
    return known


async def ask(up: Litefuse, store: Store, known: Known, scored: Sequence[Scored], rounds: Rounds, quick: bool) -> Asked:
    """Everything, round by round. Raises Refused."""
    asked, rng, pid = Asked(), random.Random(7), pid_of(up)
    times = _QUICK_TIMES if quick else _TIMES
    alone = {question.name: question for question in queries.QUESTIONS}
    async with Client(up.url) as client:
        for number in rounds:
            for question in QUESTIONS:
                rounds.say(f"api, {question.name}")
                await _ask(client, question, known, rng, times, pid, asked)
                if question.statement:
                    await _ask_alone(store, alone[question.statement], known, rng, times, asked)
            for paging in PAGINGS:
                rounds.say(f"api, paging {paging.name}")
                await _page(client, paging, QUICK_PAGED_ROWS if quick else PAGED_ROWS, pid, asked)
            for size, connections, requests in _POSTS:
                rounds.say(f"api, POST /scores of {size}, {connections} at once")
                requests = requests // _QUICK_SHARE if quick else requests
                await _post(client, scored, (size, connections, requests), pid, asked, seed=number)
            asked.loads.append(os.getloadavg()[0])
    return asked


class Client:
    """Asks and sends with the benchmark's key."""

    def __init__(self, url: str) -> None:
        self._url = url + _PREFIX

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(
            auth=aiohttp.BasicAuth(PUBLIC_KEY, SECRET_KEY), timeout=aiohttp.ClientTimeout(_TIMEOUT_S)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, query: Mapping[str, str], accept: str = "") -> bytes:
        """Raises Refused, aiohttp.ClientError, TimeoutError."""
        headers = {"Accept": accept} if accept else {}
        async with self._session.get(self._url + path, params=query, headers=headers) as answer:
            return _succeeded(path, answer.status, await answer.read())

    async def post(self, path: str, body: bytes) -> bytes:
        """Raises as `get`."""
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url + path, data=body, headers=headers) as answer:
            return _succeeded(path, answer.status, await answer.read())


def _succeeded(path: str, status: int, body: bytes) -> bytes:
    if status not in (200, 202):
        raise Refused(f"{path}: {status} {body[:500].decode(errors='replace')}")
    return body


def found_something(asked: Get, body: bytes) -> bool:
    """Whether there is anything in an answer."""
    if asked.accept == api_requests.PROTOBUF:
        return bool(body)
    answer = orjson.loads(body)
    return bool(answer.get("data", answer))


async def _ask(
    client: Client, question: Question, known: Known, rng: random.Random, times: int, pid: int, asked: Asked
) -> None:
    for _ in range(2):
        request = question.make(known, rng)
        if not found_something(request, await client.get(request.path, request.query, request.accept)):
            raise Refused(f"{question.name}: nothing is found by {request}")
    samples, sizes = asked.samples.setdefault(question.name, []), asked.sizes.setdefault(question.name, [])
    with spending({"up": pid}) as spent:
        for _ in range(times):
            request = question.make(known, rng)
            began = time.perf_counter()
            body = await client.get(request.path, request.query, request.accept)
            samples.append((time.perf_counter() - began) * 1000)
            sizes.append(len(body))
    asked.cpu.setdefault(question.name, []).append(spent.cpu["up"] / times * 1000)


async def _ask_alone(
    store: Store, question: queries.Question, known: Known, rng: random.Random, times: int, asked: Asked
) -> None:
    if question.name in asked.alone and len(asked.alone[question.name]) >= len(asked.loads) * times + times:
        return  # two routes have the same
    samples = asked.alone.setdefault(question.name, [])
    await question.ask(store, known, rng)
    for _ in range(times):
        began = time.perf_counter()
        await question.ask(store, known, rng)
        samples.append((time.perf_counter() - began) * 1000)


async def _page(client: Client, paging: Paging, most: int, pid: int, asked: Asked) -> None:
    """Read the list to its end, or to that many rows. Raises Refused when a row comes twice."""
    samples = asked.samples.setdefault(paging.name, [])
    ids: list[str] = []
    number, meta = 0, dict[str, Any]()
    with spending({"up": pid}) as spent:
        while (query := page_query(paging, number := number + 1, meta, most)) is not None:
            began = time.perf_counter()
            body = await client.get(paging.path, query)
            samples.append((time.perf_counter() - began) * 1000)
            answer = orjson.loads(body)
            ids += [row["id"] for row in answer["data"]]
            meta = answer["meta"]
    if not ids or len(set(ids)) < len(ids):
        raise Refused(f"{paging.name}: {len(ids)} rows, {len(set(ids))} of them different")
    asked.rows[paging.name] = len(ids)
    asked.seconds.setdefault(paging.name, []).append(spent.wall)
    asked.cpu.setdefault(paging.name, []).append(spent.cpu["up"])


def post_name(size: int, connections: int) -> str:
    return f"{'an array of ' + str(size) if size > 1 else 'one object'}, {connections} at once"


async def _post(
    client: Client, scored: Sequence[Scored], how: tuple[int, int, int], pid: int, asked: Asked, *, seed: int
) -> None:
    """New scores; every one is stored when its request is answered."""
    size, connections, requests = how
    source = scores.bodies(scored, 1000 * seed + 10 * size + connections)
    one = size == 1
    left = [orjson.dumps(next(source) if one else [next(source) for _ in range(size)]) for _ in range(requests)]
    name = post_name(size, connections)
    samples = asked.samples.setdefault(name, [])

    async def send() -> None:
        while left:
            body = left.pop()
            began = time.perf_counter()
            await client.post("/scores", body)
            samples.append((time.perf_counter() - began) * 1000)

    with spending({"up": pid}) as spent:
        await asyncio.gather(*(send() for _ in range(connections)))
    asked.rate.setdefault(name, []).append(size * requests / spent.wall)
    asked.cpu.setdefault(name, []).append(spent.cpu["up"] / (size * requests) * US)


# -- tables --------------------------------------------------------------------------------------------------------------


def _section(asked: Asked, filled: Filled) -> Section:
    section = Section([_questions(asked, filled), _pages(asked), _posts(asked)])
    figures = section.figures
    figures |= {f"api/{name}": Series.of(found, "ms") for name, found in asked.samples.items()}
    names = [*(question.name for question in QUESTIONS), *(paging.name for paging in PAGINGS)]
    slowest = max(percentile(asked.samples[name], 0.95) for name in names)
    figures["api/slowest/p95"] = Series((slowest,), "ms")
    return section


def _questions(asked: Asked, filled: Filled) -> Table:
    count, rows, size = filled.parts
    table = Table(
        "api",
        f"Routes over {short(filled.spans.spans)} spans and {short(filled.scores)} scores: ms",
        ("route under /api/public", "kB", "median", "p95", "most", "CPU", "statement alone"),
        note=f"{short(filled.spans.spans)} spans of a month, {short(filled.spans.repeated)} of them sent twice: "
        f"{short(rows)} rows in {count} parts, {short(size / 1e6)} MB, filled in {filled.took:.0f} s. Each route was asked "
        f"{len(next(iter(asked.samples.values())))} times by one client, with {short(min(asked.loads))} to "
        f"{short(max(asked.loads))} runnable processes on the machine. Lists have 50 rows unless another limit is said. "
        "`kB`: median size of the answers; `CPU`: milliseconds of all threads of `up` for one; `statement alone`: median of "
        "what `web/queries` takes for the same in the part `queries`, in turns in this run.",
    )
    for question in QUESTIONS:
        found = asked.samples[question.name]
        alone = Series.of(asked.alone[question.statement], "ms") if question.statement else None
        table.rows.append(
            (
                question.name,
                short(Series.of(asked.sizes[question.name], "B").median / 1000),
                short(Series.of(found, "ms").median),
                short(percentile(found, 0.95)),
                short(max(found)),
                Series.of(asked.cpu[question.name], "ms"),
                short(alone.median) if alone else "",
            )
        )
    return table


def _pages(asked: Asked) -> Table:
    table = Table(
        "api-pages",
        f"Reading {short(PAGED_ROWS)} rows page by page",
        ("list", "rows", "all, s", "page, median ms", "page, p95 ms", "most", "CPU of all, s"),
        note="Each page when the one before was read, from the newest on.",
    )
    for paging in PAGINGS:
        found = asked.samples[paging.name]
        table.rows.append(
            (
                paging.name,
                short(asked.rows[paging.name]),
                Series.of(asked.seconds[paging.name], "s"),
                short(Series.of(found, "ms").median),
                short(percentile(found, 0.95)),
                short(max(found)),
                Series.of(asked.cpu[paging.name], "s"),
            )
        )
    return table


def _posts(asked: Asked) -> Table:
    table = Table(
        "api-scores",
        "POST /scores, answered when ClickHouse has them",
        ("requests", "scores a second", "median, ms", "p95, ms", "CPU of `up`, µs a score"),
        note="New ids each time, over as many connections as requests are under way at once.",
    )
    for size, connections, _ in _POSTS:
        name = post_name(size, connections)
        found = asked.samples[name]
        table.rows.append(
            (
                name,
                Series.of(asked.rate[name], "scores/s"),
                short(Series.of(found, "ms").median),
                short(percentile(found, 0.95)),
                Series.of(asked.cpu[name], "µs/score"),
            )
        )
    return table
