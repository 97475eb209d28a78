"""Insert plans and tokens: what makes a repeated insert the same insert (architecture section 6). Pure.

A plan says which records of one log partition the next inserts hold. It is committed, as metadata of the unchanged
offset, before the first insert; whoever owns the partition next reads it and repeats exactly that batch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from litefuse.log.base import Committed, Partition


class UnreadablePlan(Exception):
    """The commit's metadata is not a plan of a version we know: a newer worker wrote it. Nothing may be inserted for
    this partition until a worker that can read it has finished it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Records `first` ≤ offset < `end` of a partition; with `rows`, of the single record `first` only the spans whose
    place within the record is in that half-open range (all rows before it are stored or dead-lettered already).

    `look` > `first`: up to the offset `look` rows may be stored already under another token (the range was cut out of a
    larger one), or tokens be known for other rows (the log has begun anew). So each insert is preceded by a look, and
    followed by one.
    """

    first: int
    end: int
    rows: tuple[int, int] | None = None
    look: int = 0

    @property
    def looks(self) -> bool:
        """Whether each insert of this plan is preceded and followed by a look."""
        return self.look > self.first

    def metadata(self) -> str:
        """The text committed with the offset `first`; at most 100 bytes of the 4 096 Kafka takes."""
        rows = f" rows={self.rows[0]}-{self.rows[1]}" if self.rows else ""
        return f"v1 end={self.end}{rows}{_look(self.look)}"

    def token(self, partition: Partition, table_partition: str) -> str:
        """The insert_deduplication_token of one insert. Its form is a contract: workers of two versions share it."""
        rows = f"#{self.rows[0]}-{self.rows[1]}" if self.rows else ""
        return f"{partition.topic}/{partition.number}/{self.first}-{self.end - 1}{rows}/{table_partition}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a partition's commit says: an open plan to be repeated, and up to which offset later plans look first."""

    plan: Plan | None = None
    look: int = 0


_METADATA = re.compile(r"v1(?: end=(\d+)(?: rows=(\d+)-(\d+))?)?(?: look=(\d+))?")


def _look(offset: int) -> str:
    return f" look={offset}" if offset else ""


def read(committed: Committed) -> Standing:
    """The standing of a partition. Raises UnreadablePlan."""
    if committed.offset < 0 or not committed.metadata:
        return Standing()
    match = _METADATA.fullmatch(committed.metadata)
    if match is None:
        raise UnreadablePlan(f"commit metadata {committed.metadata[:80]!r} is not a plan this version can read")
    end, low, high, look_text = match.groups()
    look = int(look_text or 0)
    if end is None:
        return Standing(None, look)
    rows = (int(low), int(high)) if low is not None else None
    return Standing(Plan(committed.offset, int(end), rows, look), look)


def done(plan: Plan) -> str:
    """The metadata committed with the offset `plan.end`, when the plan is carried out."""
    return f"v1{_look(plan.look)}" if plan.look > plan.end else ""


def fresh(first: int, end: int, look: int) -> Plan:
    """A new plan, given up to which offset plans have to look."""
    return Plan(first, end, None, look if look > first else 0)


def halves(plan: Plan, offsets: Sequence[int], row_count: int) -> list[Plan]:
    """A plan cut in two, for a block that ClickHouse refuses or has no memory for; [] when it is a single span.

    `offsets` are those of the plan's records, ascending; `row_count` is the number of spans (refused ones included) of
    its record, when it has but one.
    """
    look = max(plan.look, plan.end)
    if len(offsets) > 1:
        middle = offsets[len(offsets) // 2]
        return [Plan(plan.first, middle, None, look), Plan(middle, plan.end, None, look)]
    low, high = plan.rows or (0, row_count)
    if high - low < 2:
        return []
    middle = (low + high) // 2
    return [replace(plan, rows=(low, middle), look=look), replace(plan, rows=(middle, high), look=look)]


def rest(plan: Plan, row_count: int) -> Plan | None:
    """What of its record is left after an inherited plan of some rows; None when nothing is."""
    if plan.rows is None or plan.rows[1] >= row_count:
        return None
    return replace(plan, rows=(plan.rows[1], row_count), look=max(plan.look, plan.end))
