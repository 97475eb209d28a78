"""Dead letters: what is refused for good, kept with all its bytes and the reason (architecture section 5)."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from litefuse.errors import RecordTooLarge
from litefuse.log.base import DEAD, Log, Record
from litefuse.reasons import Reason
from litefuse.telemetry import metrics as m
from litefuse.telemetry.logs import event

logger = logging.getLogger("litefuse.worker")

_OWN = ("reason", "error", "topic", "partition", "offset", "row", "failed_at")


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused record, or one span of it: `row` is the span's place within the record, and `value` then is an export
    request cut down to it (uncompressed protobuf), else the record's own bytes."""

    record: Record
    reason: Reason
    error: str
    row: int | None = None
    value: bytes | None = None


def headers(letter: Letter, failed_at_ns: int) -> list[tuple[str, bytes]]:
    """The record's headers and what happened to it. Pure."""
    kept = [(k, v) for k, v in letter.record.headers if k not in _OWN]
    if letter.value is not None:
        kept = [(k, v) for k, v in kept if k not in ("content_type", "content_encoding")]
        kept.append(("content_type", b"application/x-protobuf"))
    place = letter.record
    added: list[tuple[str, str]] = [
        ("reason", letter.reason.value),
        ("error", letter.error[:2000]),
        ("topic", place.topic),
        ("partition", str(place.partition)),
        ("offset", str(place.offset)),
        ("failed_at", str(failed_at_ns)),
    ]
    if letter.row is not None:
        added.append(("row", str(letter.row)))
    return kept + [(k, v.encode("utf-8", "replace")) for k, v in added]


async def bury(log: Log, letter: Letter) -> None:
    """Durably write a dead letter. Raises LogError: the caller retries, it never goes on without.

    A crash before the commit writes the same letter again; `litefuse dead list` shows one of them, by origin.
    """
    failed_at = time.time_ns()
    too_large: RecordTooLarge | None = None
    async for value, added in _forms(letter, failed_at):
        try:
            await log.publish(DEAD, value, added, letter.record.key)
        except RecordTooLarge as error:
            too_large = error
        else:
            m.DEAD_LETTERS.labels(reason=letter.reason.value).inc()
            _tell(letter, time.monotonic())
            return
    assert too_large is not None
    raise too_large


#: Seconds between two log lines about the same reason: an operator has to learn of it, not line by line.
_TELL_EVERY = 60.0
_told: dict[Reason, float] = {}


def _tell(letter: Letter, now: float) -> None:
    if now - _told.get(letter.reason, float("-inf")) < _TELL_EVERY:
        return
    _told[letter.reason] = now
    place = letter.record
    event(
        logger,
        logging.WARNING,
        "refused for good, kept as a dead letter: see `litefuse dead list`",
        reason=letter.reason.value,
        error=letter.error,
        topic=place.topic,
        partition=place.partition,
        offset=place.offset,
    )


async def _forms(letter: Letter, failed_at_ns: int) -> AsyncIterator[tuple[bytes, list[tuple[str, bytes]]]]:
    """Value and headers of the letter, the next for when the log does not take the one before. A span cut out of a
    compressed record may be larger than any record: then compressed, else all of its record, which the log has taken once."""
    if letter.value is not None:
        added = headers(letter, failed_at_ns)
        yield letter.value, added
        packed = await asyncio.to_thread(gzip.compress, letter.value, 6, mtime=0)
        yield packed, [*added, ("content_encoding", b"gzip")]
    yield letter.record.value, headers(replace(letter, value=None), failed_at_ns)
