"""Blocks: when they are cut, what their parts are, and the names of table partitions."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.worker.model import START_NS, record
from worker.block import Cutter, Limits, Slice, build, copies, expired, without
from worker.decode import Defaults, decode
from worker.plan import Plan

DAY = 86_400


def piece(offset: int, *spans: tuple[int, int], read_at: float = 0.0) -> Slice:
    return decode([record(offset, spans)], Defaults(), read_at)


def test_a_block_is_cut_by_bytes_rows_or_age() -> None:
    one = piece(0, (0, 0), (1, 0), read_at=10.0)
    by_rows = Cutter(Limits(1 << 30, 3, 0.5))
    by_rows.add(one)
    assert not by_rows.full()
    by_rows.add(piece(1, (2, 0)))
    assert by_rows.full()
    by_bytes = Cutter(Limits(one.size, 1000, 0.5))
    assert by_bytes.due_in(10.0) is None
    by_bytes.add(one)
    assert by_bytes.full()
    assert by_bytes.due_in(10.2) == pytest.approx(0.3)
    assert by_bytes.due_in(99.0) == 0.0


def test_a_block_has_a_part_for_each_retention_class_and_week() -> None:
    cutter = Cutter(Limits(1 << 30, 1000, 0.5))
    cutter.add(piece(3, (0, 0), (1, 1)))
    cutter.add(piece(5, (2, 0)))
    block = cutter.take()
    assert block.plan == Plan(3, 6)
    assert {p.table_partition: p.spans.column("name").to_pylist() for p in block.parts} == {
        "0-20241118": ["0", "2"],
        "0-20241125": ["1"],
    }
    assert len(cutter) == 0


def test_what_a_smaller_plan_covers() -> None:
    slices = [piece(3, (0, 0), (1, 1)), piece(4, (2, 0), (3, 0))]
    assert build(Plan(4, 5), slices).rows == 2
    rows = build(Plan(4, 5, (1, 2)), slices)
    assert [p.spans.column("name").to_pylist() for p in rows.parts] == [["3"]]
    assert rows.row_count() == 2
    assert build(Plan(9, 12), slices).parts == ()


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("1970-01-01", "0-19700101"),
        ("1970-01-04", "0-19700101"),
        ("1970-01-05", "0-19700105"),
        ("2024-11-24", "0-20241118"),
    ],
)
def test_table_partitions_are_named_as_clickhouse_names_them(day: str, name: str) -> None:
    """toMonday of the first days of 1970 saturates at 1970-01-01."""
    start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9 + 1
    source = record(0, [(0, 0)])
    value = source.value.replace(struct.pack("<Q", START_NS), struct.pack("<Q", start))
    block = build(Plan(0, 1), [decode([replace(source, value=value)], Defaults(), 0.0)])
    assert [p.table_partition for p in block.parts] == [name]


def test_rows_past_their_retention_may_be_gone() -> None:
    monday = datetime(2024, 11, 18, tzinfo=UTC).timestamp()
    assert not expired("0-20241118", monday + 1e9)
    assert not expired("30-20241118", monday + 36 * DAY)
    assert expired("30-20241118", monday + 38 * DAY)


def test_rows_that_are_there_are_left_out_under_another_token() -> None:
    part = build(Plan(0, 1), [piece(0, (0, 0), (1, 0), (2, 0))]).parts[0]
    assert without(part, frozenset()) == (part, "")
    left, suffix = without(part, frozenset({(0, 1)}))
    assert left.spans.column("name").to_pylist() == ["0", "2"]
    assert suffix.startswith("/rest-")
    assert without(part, frozenset({(0, 1)}))[1] == suffix
    assert without(part, frozenset({(0, 0)}))[1] != suffix
    assert without(part, part.places())[0].spans.num_rows == 0


def test_copies_of_a_span_are_counted() -> None:
    part = build(Plan(0, 3), [piece(0, (0, 0), (1, 0)), piece(1, (0, 0)), piece(2, (0, 0))]).parts[0]
    assert copies(part) == 2
    assert copies(replace(part, spans=part.spans.slice(0, 2))) == 0
