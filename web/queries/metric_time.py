"""Buckets of time: which one an instant is in, in SQL and in Python, and all those of a range. Pure.

A bucket is a number: its start in Unix seconds, of months YYYYMM. Everything is UTC, weeks start on Monday.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Granularity → seconds, and the first bucket after 1970-01-01 (a Thursday).
LENGTHS = {"minute": (60, 0), "hour": (3600, 0), "day": (86_400, 0), "week": (604_800, 4 * 86_400)}
MONTH = "month"
GRANULARITIES = (*LENGTHS, MONTH)
#: Range in hours from which on `auto` is no longer this granularity.
_AUTO = (("minute", 2), ("hour", 72), ("day", 60 * 24), ("week", 365 * 24))


def auto(from_ns: int, to_ns: int) -> str:
    """The granularity that suits a range (public-api.md section 7.1)."""
    return next((name for name, hours in _AUTO if to_ns - from_ns < hours * 3600 * _SECOND), MONTH)


def sql(at: str, granularity: str) -> str:
    """The bucket of an expression of DateTime64(9), Int64."""
    if granularity == MONTH:
        return f"toInt64(toYYYYMM({at}))"
    length, first = LENGTHS[granularity]
    ns = f"toUnixTimestamp64Nano({at})"
    return f"intDiv({ns} - positiveModulo({ns} - {first * _SECOND}, {length * _SECOND}), {_SECOND})"


def bucket(ns: int, granularity: str) -> int:
    """The bucket of an instant."""
    seconds = ns // _SECOND
    if granularity == MONTH:
        at = _EPOCH + timedelta(seconds=seconds)
        return at.year * 100 + at.month
    length, first = LENGTHS[granularity]
    return seconds - (seconds - first) % length


def buckets(from_ns: int, to_ns: int, granularity: str) -> Iterator[int]:
    """All those that have an instant of [from_ns, to_ns], in order."""
    at, last = bucket(from_ns, granularity), bucket(to_ns, granularity)
    while at <= last:
        yield at
        at = _next_month(at) if granularity == MONTH else at + LENGTHS[granularity][0]


def text(at: int, granularity: str) -> str:
    """As an answer has it: `YYYY-MM-DD` for day, week and month, else `YYYY-MM-DDTHH:MM:SSZ`."""
    if granularity == MONTH:
        return f"{at // 100:04d}-{at % 100:02d}-01"
    when = _EPOCH + timedelta(seconds=at)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ" if granularity in ("minute", "hour") else "%Y-%m-%d")


def _next_month(at: int) -> int:
    return at + 1 if at % 100 < 12 else (at // 100 + 1) * 100 + 1
