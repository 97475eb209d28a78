"""Days (UTC) and Unix nanoseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS = (1 << 63) - 1


def day(ns: int) -> str:
    """The day, with the time when it is not midnight."""
    moment = _EPOCH + timedelta(microseconds=ns // 1000)
    return moment.strftime("%Y-%m-%d" if not ns % (86_400 * 10**9) else "%Y-%m-%dT%H:%M:%SZ")


def start_of(day: date) -> int:
    """Midnight UTC as Unix ns."""
    return (day - _EPOCH.date()).days * 86_400 * 10**9


def parse(text: str) -> int:
    """`2026-03-01` or `2026-03-01T12:00:00Z` as Unix ns; without a zone it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    ns = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
    if not 0 <= ns <= _LAST_NS:
        raise ValueError(f"{text}: not between 1970 and 2262")
    return ns
