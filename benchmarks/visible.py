"""From acknowledged to visible: how long after the answer to a request a SELECT, as the reader, sees its span.

First the peak: what goes through from the first byte sent to the last span visible, as fast as senders can. Then half of
that rate, evenly, while probes are sent beside it: single spans, of which one is asked for until it is there. The figure
is an upper bound by the time between two questions and the answer to the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks import gen, inputs
from benchmarks.figures import Section, Series, Table, short
from benchmarks.load import request, send
from benchmarks.loop import run_in_loop
from benchmarks.machine import spending
from benchmarks.records import PROJECT
from benchmarks.rounds import Rounds
from benchmarks.servers import PUBLIC_KEY, SECRET_KEY, Servers, ended, keys, pid_of
from tests.processes import Litefuse
from tests.sql import Sql

_SPANS = 512
#: Requests before the first measurement.
_WARM = 16
_CONNECTIONS = 4
_PROBE_EVERY_S = 0.05
_ASK_EVERY_S = 0.05
_DEADLINE_S = 60.0
#: Probes lie this much later than the load's spans, so that finding them costs next to nothing.
_AHEAD_NS = 3600 * 10**9
US = 1e6


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where to send, where to ask, and whose CPU to count."""

    name: str
    ingest: Litefuse
    engine: Litefuse
    pids: dict[str, int]


@dataclass
class Result:
    peak: float
    """Spans a second, sent and visible."""
    seconds: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds a span of each process at half of peak."""


def run(servers: Servers, rounds: Rounds, quick: bool) -> Section:
    """`up` alone, then ingest, worker and ClickHouse as processes over Kafka."""
    results: dict[str, list[Result]] = {}
    for deploy in (_up, _roles):
        with deploy(servers) as deployment:
            for _ in rounds:
                rounds.say(f"visible, {deployment.name}")
                result = run_in_loop(_measure(deployment, 2.0 if quick else 4.0, 30 if quick else 200))
                results.setdefault(deployment.name, []).append(result)
    return _section(results)


@contextlib.contextmanager
def _up(servers: Servers) -> Iterator[Deployment]:
    environment = {**keys(), "LITEFUSE_LOG_LEVEL": "warning"}
    with ended(Litefuse(("up",), servers.directory / "up-visible", environment)) as up:
        up.start()
        yield Deployment("up", up, up, {"up": pid_of(up)})


@contextlib.contextmanager
def _roles(servers: Servers) -> Iterator[Deployment]:
    with contextlib.ExitStack() as ending:
        processes = {
            role: ending.enter_context(ended(servers.role(role, "kafka", f"visible-{role}"))).start()
            for role in ("ingest", "worker")
        }
        pids = {role: pid_of(process) for role, process in processes.items()} | servers.pids("kafka")
        yield Deployment("roles over Kafka", processes["ingest"], servers.clickhouse, pids)


async def _measure(deployment: Deployment, seconds: float, burst: int) -> Result:
    base = time.time_ns()
    async with Asker(deployment.engine) as asker:
        before = await asker.count()
        await send(deployment.ingest.port, _wires(_WARM), _CONNECTIONS)
        await asker.until(before + _WARM * _SPANS)
        before += _WARM * _SPANS
        wires = _wires(burst)
        began = time.perf_counter()
        await send(deployment.ingest.port, wires, _CONNECTIONS)
        await asker.until(before + burst * _SPANS)
        result = Result(burst * _SPANS / (time.perf_counter() - began))

        rate = result.peak / 2 / _SPANS
        number = max(2, round(rate * seconds))
        wires = _wires(number)
        load = asyncio.create_task(send(deployment.ingest.port, wires, _CONNECTIONS, rate))
        with spending(deployment.pids) as spent:
            probes = asyncio.create_task(_probe(deployment.ingest.port, asker, base + _AHEAD_NS, load))
            await load
        result.seconds = await probes
        result.cpu = {name: cpu / (number * _SPANS) for name, cpu in spent.cpu.items()}
    return result


def _wires(number: int) -> list[bytes]:
    """So many requests, no span in them twice: copies would not be counted."""
    bodies = inputs.http_spans(_SPANS, 4)
    return [
        request(body, PUBLIC_KEY, SECRET_KEY)
        for body in inputs.renewed([bodies[i % len(bodies)] for i in range(number)])
    ]


async def _probe(port: int, asker: Asker, start: int, load: asyncio.Task[Any]) -> list[float]:
    """Send a probe every now and then while the load lasts; seconds from each one's answer until it was seen."""
    waiting: list[asyncio.Task[float]] = []
    number = 0
    while not load.done():
        number += 1
        body = gen.request(1, seed=random.getrandbits(48), first_start=start + number)
        wire = request(inputs.Body(body, 1), PUBLIC_KEY, SECRET_KEY)
        waiting.append(asyncio.create_task(_probe_once(port, wire, asker, start + number)))
        await asyncio.sleep(_PROBE_EVERY_S)
    return list(await asyncio.gather(*waiting))


async def _probe_once(port: int, wire: bytes, asker: Asker, start: int) -> float:
    await send(port, [wire], 1)
    acknowledged = time.perf_counter()
    await asker.seen(start)
    return time.perf_counter() - acknowledged


class Asker:
    """SELECTs on a running engine. One question for all probes that are waited for, again and again."""

    def __init__(self, engine: Litefuse) -> None:
        self._url = f"http://127.0.0.1:{engine.clickhouse_port}/"
        self._logins = {name: Sql(engine, name) for name in ("reader", "litefuse")}
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def __aenter__(self) -> Asker:
        self._session = aiohttp.ClientSession()
        self._task = asyncio.create_task(self._ask())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._session.close()

    async def count(self) -> int:
        """Rows in the table, copies counted."""
        return int(await self._select("litefuse", "SELECT count() FROM spans"))

    async def until(self, rows: int) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while await self.count() < rows:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{await self.count()} rows instead of {rows}")
            await asyncio.sleep(_ASK_EVERY_S)

    async def seen(self, start: int) -> None:
        """Returns when the reader sees the span that starts then (Unix ns)."""
        future = self._waiting.setdefault(start, asyncio.get_running_loop().create_future())
        async with asyncio.timeout(_DEADLINE_S):
            await asyncio.wait([future, self._task], return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            self._task.result()

    async def _ask(self) -> None:
        while True:
            if self._waiting:
                first, last = min(self._waiting), max(self._waiting)
                answer = await self._select(
                    "reader",
                    "SELECT DISTINCT toUnixTimestamp64Nano(start_time) FROM spans "
                    f"WHERE project_id = '{PROJECT}' AND start_time BETWEEN "
                    f"fromUnixTimestamp64Nano({first}) AND fromUnixTimestamp64Nano({last})",
                )
                for text in answer.split():
                    future = self._waiting.pop(int(text), None)
                    if future is not None:
                        future.set_result(None)
            await asyncio.sleep(_ASK_EVERY_S)

    async def _select(self, login: str, sql: str) -> str:
        headers = {"X-ClickHouse-User": login, "X-ClickHouse-Key": self._logins[login].password}
        async with self._session.post(
            self._url, params={"database": "litefuse"}, data=sql.encode(), headers=headers
        ) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {text}")
            return text


def _section(results: dict[str, list[Result]]) -> Section:
    table = Table(
        "visible",
        "Acknowledged → visible to a SELECT, at half of peak",
        ("deployment", "peak, spans a second", "probes", "p50, s", "p99, s", "CPU µs a span, at half of peak"),
        note="Peak: 512-span requests, from the first byte to the last span visible. All processes share the machine with the "
        "senders. `roles over Kafka`: ingest, worker, ClickHouse and the broker as processes of their own. The CPU of "
        "ClickHouse (and `up`) has the questions in it, twenty a second.",
    )
    section = Section([table])
    for name, rounds in results.items():
        p50, p99 = (Series.of((percentile(r.seconds, share) for r in rounds), "s") for share in (0.5, 0.99))
        peak = Series.of((r.peak for r in rounds), "spans/s")
        cpu = {process: Series.of((r.cpu[process] * US for r in rounds), "µs/span") for process in rounds[0].cpu}
        costs = ", ".join(f"{process} {short(series.median)}" for process, series in cpu.items())
        table.rows.append((name, peak, str(sum(len(r.seconds) for r in rounds)), p50, p99, costs))
        key = "up" if name == "up" else "roles"
        section.figures |= {f"visible/{key}/p50": p50, f"visible/{key}/p99": p99, f"visible/{key}/peak": peak}
        section.figures |= {f"visible/{key}/cpu/{process}": series for process, series in cpu.items()}
    return section


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
