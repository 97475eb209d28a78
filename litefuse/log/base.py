"""The log: what ingest writes to and workers read from (architecture sections 5 and 6).

Two implementations, `sqlite` (one process, one file) and `kafka`; `tests/log/test_contract.py` runs against
both. Everything here is data and protocol; no I/O.

Positions follow Kafka: an *offset* counts the records of one partition, `committed` is the offset of the next
record to be worked on, and a commit carries *metadata*, a short text (at most 4 096 bytes) that the next owner
of the partition reads. The worker keeps its insert plans there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

TRACES = "litefuse.traces"
DEAD = "litefuse.dead"
#: The consumer group of the workers (contract, architecture section 3).
WORKER_GROUP = "litefuse-worker"

Headers = Sequence[tuple[str, bytes]]


class Partition(NamedTuple):
    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record as read from the log. `timestamp_ns` is the log's own time of arrival, Unix ns."""

    topic: str
    partition: int
    offset: int
    timestamp_ns: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str | None:
        """The last header of that name as text (bad UTF-8 replaced), or None."""
        for key, value in reversed(self.headers):
            if key == name:
                return value.decode("utf-8", "replace")
        return None

    def texts(self) -> dict[str, str]:
        """All headers at once, as `header` gives each: one pass for those who need several."""
        return {key: value.decode("utf-8", "replace") for key, value in self.headers}

    @property
    def size(self) -> int:
        """Bytes this record is counted with in every bound: value, headers and a constant for objects."""
        return len(self.value) + sum([len(k) + len(v) for k, v in self.headers]) + 200


class Committed(NamedTuple):
    """`offset` is the next to be worked on; -1 when the group has committed nothing yet."""

    offset: int
    metadata: str


class Position(NamedTuple):
    """Where a partition stands, for lag. `end` is the offset the next published record will get."""

    committed: int
    end: int
    oldest_ns: int | None
    """Arrival of the oldest record not yet committed, Unix ns, None when there is none or it is not known."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a published record lies."""

    partition: int
    offset: int


#: Called with the partitions that were given to or taken from this consumer. `on_revoked` is awaited before the
#: partitions go to their next owner, with a deadline of the log's; `on_assigned` before the first record is polled.
RebalanceHook = Callable[[frozenset[Partition]], Awaitable[None]]


async def _no_hook(_: frozenset[Partition]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Hooks:
    on_assigned: RebalanceHook = field(default=_no_hook)
    on_revoked: RebalanceHook = field(default=_no_hook)


class Consumer(Protocol):
    """A member of a consumer group on one topic. All methods belong to one event loop."""

    async def start(self) -> None:
        """Join the group. Raises LogUnavailable."""

    async def stop(self) -> None:
        """Leave the group at once (no commit). Idempotent; never raises for a log that is gone."""

    def assignment(self) -> frozenset[Partition]:
        """The partitions owned now."""

    async def poll(self, *, timeout: float, max_bytes: int) -> Mapping[Partition, Sequence[Record]]:
        """Records that follow the position of each unpaused partition, in order, without gaps other than those the
        log itself has (transaction markers, compaction). Waits up to `timeout` seconds for the first; returns about
        `max_bytes` at most, but at least one record if there is one. Keeps the membership alive; so it is called on
        also when everything is paused. Raises LogUnavailable. A position outside the log's range (retention overran
        it, the topic was made anew) is an alarm: it is logged, counted in `log_offset_reset`, and reading goes on at the
        *earliest* record, never silently at the latest."""

    def position(self, partition: Partition) -> int:
        """The offset after the last one consumed by `poll` (or passed over: markers). A batch is complete when the
        position has passed its end."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Make `poll` go on at `offset`."""

    def pause(self, partitions: frozenset[Partition]) -> None: ...

    def resume(self, partitions: frozenset[Partition]) -> None: ...

    async def committed(self, partition: Partition) -> Committed:
        """The group's commit, with metadata, read from the log now. Raises LogUnavailable."""

    async def commit(self, partition: Partition, offset: int, metadata: str = "") -> None:
        """Durably set the group's offset and metadata. Raises Fenced when this member's generation is over (nothing
        is changed then), LogUnavailable when the outcome is unknown."""


class Log(Protocol):
    """A log with topics. All methods belong to one event loop."""

    async def start(self) -> None:
        """Connect, and make the topics that are missing. Raises LogUnavailable, ConfigError."""

    async def close(self) -> None:
        """Flush what was published and let go. Idempotent."""

    async def publish(self, topic: str, value: bytes, headers: Headers, key: bytes | None = None) -> Placed:
        """Returns when the record is durable (architecture section 6). Raises LogFull at once, rather than waiting,
        when the producer's buffer has no room; RecordTooLarge; LogUnavailable after a deadline (outcome unknown)."""

    def max_value_bytes(self, headers: Headers) -> int:
        """The largest value `publish` takes with these headers."""

    def consumer(self, topic: str, group: str, hooks: Hooks | None = None) -> Consumer: ...

    def read(self, topic: str) -> AsyncIterator[Record]:
        """All records of a topic as it stands now, partition by partition, without a group: for `litefuse dead`."""

    async def fetch(self, topic: str, partition: int, offset: int) -> Record | None:
        """The record at exactly this place, None when it is not there (any more)."""

    async def positions(self, topic: str, group: str) -> Mapping[Partition, Position]:
        """Lag of a group, from the log itself; needs no membership. Raises LogUnavailable."""

    async def ping(self) -> None:
        """Raises LogUnavailable when records could not be published now. For readiness."""
