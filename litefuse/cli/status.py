"""Lag, rates, oldest unprocessed record, parts and dead letters on one screen.

Asks log and ClickHouse themselves, so it works beside any role, and says what cannot be reached or cannot be asked.
Exit code 1 then. "rows stored" has the copies of re-sent spans in it until ClickHouse merges them; counting spans alone,
as `litefuse sql "SELECT count() FROM spans"` does, reads all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from litefuse.cli.calling import command
from litefuse.errors import ConfigError, LitefuseError, StoreError, StoreMisconfigured
from litefuse.settings import Settings
from litefuse.telemetry.logs import escape

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store
    from litefuse.log.base import Log

_TABLES = (
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN ('spans', 'projects', 'api_keys')"
)
_PARTS = (
    "SELECT count(), sum(rows), sum(bytes_on_disk), uniqExact(partition_id) FROM system.parts "
    "WHERE database = currentDatabase() AND table = 'spans' AND active"
)
_RATES = (
    "SELECT countIf(received_at >= now() - INTERVAL 1 MINUTE), countIf(received_at >= now() - INTERVAL 1 HOUR), "
    "max(received_at) FROM spans WHERE received_at >= now() - INTERVAL 1 DAY"
)
_PROJECTS = (
    "SELECT (SELECT count() FROM projects FINAL WHERE NOT deleted), "
    "(SELECT count() FROM api_keys FINAL WHERE NOT revoked)"
)
_TIMEOUT = 20.0
#: No such column, identifier, table, database.
_SCHEMA = frozenset((16, 47, 60, 81))


def arguments(parser: ArgumentParser) -> None:
    """Settings only."""


def run(options: Namespace, settings: Settings) -> int:
    return asyncio.run(_run(settings))


@dataclass
class Screen:
    rows: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, value: str) -> None:
        self.rows.append((name, value))

    def __str__(self) -> str:
        return "\n".join(f"{name:<22}{escape(value)}" for name, value in self.rows)


async def _run(settings: Settings) -> int:
    from litefuse.cli.places import opened_log, opened_store

    screen = Screen()
    for what, part in (("log", _log), ("ClickHouse", _store)):
        try:
            async with contextlib.AsyncExitStack() as stack:
                if part is _log:
                    await _log(screen, await stack.enter_async_context(opened_log(settings)), settings.kafka_group)
                else:
                    opened = await stack.enter_async_context(opened_store(settings))
                    await _store(screen, opened.store)
        except (LitefuseError, OSError, TimeoutError) as error:
            screen.add(what, problem(error))
            screen.problems.append(what)
    print(screen)
    return 1 if screen.problems else 0


def problem(error: Exception) -> str:
    """What happened: no answer at all, or an answer that is an error, in ClickHouse's words."""
    text = str(error) or type(error).__name__
    if not isinstance(error, StoreError) or not error.code:
        return text if isinstance(error, ConfigError | StoreMisconfigured) else f"not reached: {text}"
    migrate = f"; `{command()} migrate` brings the schema up to date" if error.code in _SCHEMA else ""
    return f"answers with an error: {text}{migrate}"


async def _log(screen: Screen, log: Log, group: str) -> None:
    from litefuse.dead import read_open
    from litefuse.log.base import TRACES

    positions = await log.positions(TRACES, group)
    lag = {partition.number: max(0, at.end - max(0, at.committed)) for partition, at in positions.items()}
    behind = ", ".join(f"{number}: {count:,}" for number, count in sorted(lag.items()) if count)
    screen.add("log", f"{len(lag)} partition{'' if len(lag) == 1 else 's'} of {TRACES}")
    screen.add(
        "waiting records", f"{sum(lag.values()):,}{f' (by partition {behind})' if behind and len(lag) > 1 else ''}"
    )
    oldest = min(
        (at.oldest_ns for partition, at in positions.items() if lag[partition.number] and at.oldest_ns is not None),
        default=None,
    )
    screen.add("oldest waits", "nothing waits" if oldest is None else age(time.time() - oldest / 1e9))
    letters = await read_open(log)
    reasons = ", ".join(f"{name} {count}" for name, count in Counter(x.reason or "-" for x in letters).most_common())
    screen.add("dead letters", f"{len(letters):,}{f' ({reasons})' if reasons else ''}")


async def _store(screen: Screen, store: Store) -> None:
    async def one(sql: str) -> tuple[Any, ...]:
        return (await store.rows(sql, timeout=_TIMEOUT))[0]

    there = {row[0] for row in await store.rows(_TABLES, timeout=_TIMEOUT)}
    if missing := sorted({"spans", "projects", "api_keys"} - there):
        names = f"table {missing[0]} is" if len(missing) == 1 else f"tables {', '.join(missing)} are"
        raise StoreMisconfigured(f"{names} missing; `{command()} migrate` makes them")
    parts, rows, size, partitions = await one(_PARTS)
    screen.add("rows stored", f"{rows:,}, {bytes_text(size)} (copies of re-sent spans included until merged)")
    screen.add("parts", f"{parts:,} in {partitions:,} partition{'' if partitions == 1 else 's'}")
    minute, hour, newest = await one(_RATES)
    screen.add("spans, last minute", f"{minute:,} ({minute / 60:,.1f}/s)")
    screen.add("spans, last hour", f"{hour:,} ({hour / 3600:,.1f}/s)")
    screen.add(
        "newest span came in", "not in the last 24 hours" if newest.year < 1980 else f"{newest:%Y-%m-%d %H:%M:%S} UTC"
    )
    projects, keys = await one(_PROJECTS)
    screen.add("projects, valid keys", f"{projects:,}, {keys:,}")


def age(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}" if size == 1 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def bytes_text(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
