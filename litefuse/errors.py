"""Every error Litefuse raises on purpose, and the one table that says what becomes of the data.

    LitefuseError
    ├── ConfigError            a setting is wrong: the process does not start
    ├── LogError
    │   ├── LogUnavailable     the log cannot be reached or written now: retry
    │   ├── LogFull            its buffer is full: slow down (503 at ingest)
    │   ├── RecordTooLarge     the record is larger than the topic takes
    │   └── Fenced             this consumer no longer owns the partition: stop writing for it
    ├── RequestError           a request is refused as a whole; carries the HTTP status
    ├── RowRefused             ClickHouse refuses this content, whoever sends it
    ├── StoreUnavailable       ClickHouse cannot be reached or cannot take it now: retry
    │   └── StoreTooBig        … because the block needs too much memory: retry with a smaller plan
    └── StoreMisconfigured     wrong password, missing table or column: nobody's data is at fault

`outcome` sorts everything that can happen to a record or
a span into the three things that may (architecture section 6): kept, rejected with a reason, retried.
"""

from __future__ import annotations

from enum import Enum


class LitefuseError(Exception):
    """Base of all errors below."""


class ConfigError(LitefuseError):
    """A setting is unknown or invalid; the text names key, value and reason (never a secret's value)."""


class LogError(LitefuseError):
    """Base of what a log can answer."""


class LogUnavailable(LogError):
    """The log cannot be reached, or has not confirmed in time. What was sent may or may not be there."""


class LogFull(LogError):
    """The log's own buffer has no room: nothing of this record was taken."""


class RecordTooLarge(LogError):
    """The record exceeds what the topic takes. Nothing of it was stored."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"record of {size} bytes, the log takes {limit}")
        self.size = size
        self.limit = limit


class Fenced(LogError):
    """The partition belongs to another consumer (or generation) by now; nothing was committed."""


class RequestError(LitefuseError):
    """A request is refused as a whole: HTTP `status`, and a text for the sender.

    `retry_after` (seconds) goes with 429 and 503. `close` ends the connection, because its body was not read.
    """

    def __init__(self, status: int, text: str, *, retry_after: int | None = None, close: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after
        self.close = close


class StoreError(LitefuseError):
    """Base of what ClickHouse can answer; `code` is ClickHouse's error code, 0 for a broken connection."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class RowRefused(StoreError):
    """ClickHouse refuses the content of some row in the block."""


class StoreUnavailable(StoreError):
    """ClickHouse did not answer, or cannot take it now. The outcome of an insert is unknown."""


class StoreTooBig(StoreUnavailable):
    """Too little memory for this block (241): smaller blocks may pass."""


class StoreMisconfigured(StoreError):
    """Wrong credentials, missing table or column, readonly login: an operator has to act."""


class Outcome(Enum):
    """What becomes of the data an error was met with."""

    REJECT = "reject"  # the content is refused for good: dead letter or partial_success, with the reason
    RETRY = "retry"  # nothing is wrong with the data: try again, with back-off
    SHRINK = "shrink"  # retry with a smaller plan
    YIELD = "yield"  # not ours any more: drop the work, its owner does it
    STOP = "stop"  # consume nothing and say why, until an operator has acted; then retry


_OUTCOMES: tuple[tuple[type[BaseException], Outcome], ...] = (
    (Fenced, Outcome.YIELD),
    (RecordTooLarge, Outcome.REJECT),
    (RowRefused, Outcome.REJECT),
    (StoreTooBig, Outcome.SHRINK),
    (StoreMisconfigured, Outcome.STOP),
    (StoreUnavailable, Outcome.RETRY),
    (LogError, Outcome.RETRY),
    (OSError, Outcome.RETRY),
    (TimeoutError, Outcome.RETRY),
)


def outcome(error: BaseException) -> Outcome:
    """The one place that decides. An error that is not in the table is a bug, and is retried and logged as
    such: data is never dropped because our own code failed (reliability section 2)."""
    for kind, what in _OUTCOMES:
        if isinstance(error, kind):
            return what
    return Outcome.RETRY
