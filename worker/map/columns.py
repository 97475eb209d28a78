"""Mapped spans as columns of the table `spans` (schemas/migrations/0002), beside the columns that are there already.

A batch in which nothing is mapped gets no column at all: ClickHouse fills the defaults, which are the same values.
Where one batch of a block has them and another has not, `aligned` adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from litefuse.prices import cost_columns
from worker.map.gate import Flags
from worker.map.mapped import Mapped

_TEXTS = pa.map_(pa.utf8(), pa.utf8())
_COSTS = pa.map_(pa.utf8(), pa.decimal128(18, 12))


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is made: `of` from the mapped spans, `plain` from the batch for spans that are not mapped."""

    type: pa.DataType
    of: Callable[[Sequence[Mapped]], pa.Array]
    plain: Callable[[pa.RecordBatch], pa.Array] | None = None


def _each(kind: pa.DataType, field: str) -> Column:
    return Column(kind, lambda spans: pa.array([getattr(s, field) for s in spans], kind), _DEFAULTS.get(field))


def _texts(field: str) -> Column:
    return Column(_TEXTS, lambda spans: _maps([getattr(s, field) for s in spans], pa.utf8(), pa.array))


def _calls(kind: pa.DataType, field: str) -> Column:
    list_type = pa.list_(kind)
    return Column(
        list_type, lambda spans: pa.array([[getattr(c, field) for c in s.tool_calls] for s in spans], list_type)
    )


def _tokens(field: str) -> Column:
    return Column(
        pa.uint64(),
        lambda spans: pa.array([getattr(s.tokens, field) if s.tokens else 0 for s in spans], pa.uint64()),
    )


def _costs(place: int) -> Column:
    def of(spans: Sequence[Mapped]) -> pa.Array:
        return decimals([cost_columns(s.cost)[place] if s.cost else None for s in spans])

    return Column(pa.decimal128(18, 12), of)


def _times(spans: Sequence[Mapped]) -> pa.Array:
    return pa.array([s.completion_start_ns for s in spans], pa.int64()).cast(pa.timestamp("ns"))


def _resource_text(key: str) -> Callable[[pa.RecordBatch], pa.Array]:
    return lambda batch: pc.fill_null(pc.map_lookup(batch.column("resource_string"), key, "first"), "")


#: Values of spans that are not mapped, where the DDL's default is not the type's own (empty, 0, false, null).
_DEFAULTS: dict[str, Callable[[pa.RecordBatch], pa.Array]] = {
    "type": lambda batch: _constant("SPAN", batch),
    "observation_name": lambda batch: batch.column("name"),
    "level": lambda batch: pc.if_else(pc.equal(batch.column("status_code"), "ERROR"), "ERROR", "DEFAULT"),
    "level_message": lambda batch: batch.column("status_message"),
    "environment": lambda batch: _constant("default", batch),
    "app_version": _resource_text("service.version"),
    "release": _resource_text("langfuse.release"),
    "is_root": lambda batch: pc.equal(batch.column("parent_span_id"), ""),
}

COLUMNS: dict[str, Column] = {
    "type": _each(pa.utf8(), "type"),
    "observation_name": _each(pa.utf8(), "observation_name"),
    "level": _each(pa.utf8(), "level"),
    "level_message": _each(pa.utf8(), "level_message"),
    "environment": _each(pa.utf8(), "environment"),
    "app_version": _each(pa.utf8(), "app_version"),
    "app_version_is_own": _each(pa.bool_(), "app_version_is_own"),
    "release": _each(pa.utf8(), "release"),
    "release_is_own": _each(pa.bool_(), "release_is_own"),
    "model": _each(pa.utf8(), "model"),
    "provider": _each(pa.utf8(), "provider"),
    "model_parameters": _texts("model_parameters"),
    "input": _each(pa.utf8(), "input"),
    "output": _each(pa.utf8(), "output"),
    "input_preview": _each(pa.utf8(), "input_preview"),
    "output_preview": _each(pa.utf8(), "output_preview"),
    "usage": Column(
        pa.map_(pa.utf8(), pa.uint64()), lambda spans: _maps([s.usage for s in spans], pa.uint64(), pa.array)
    ),
    "input_tokens": _tokens("input"),
    "output_tokens": _tokens("output"),
    "total_tokens": _tokens("total"),
    "cached_tokens": _tokens("cached"),
    "reasoning_tokens": _tokens("reasoning"),
    "cost": Column(
        _COSTS, lambda spans: _maps([s.cost for s in spans], pa.decimal128(18, 12), lambda v, _: decimals(v))
    ),
    "input_cost": _costs(0),
    "output_cost": _costs(1),
    "total_cost": _costs(2),
    "cost_source": _each(pa.utf8(), "cost_source"),
    "price": _each(pa.utf8(), "price"),
    "completion_start_time": Column(pa.timestamp("ns"), _times),
    "prompt_name": _each(pa.utf8(), "prompt_name"),
    "prompt_version": _each(pa.uint16(), "prompt_version"),
    "tool_definitions": _texts("tool_definitions"),
    "tool_calls.id": _calls(pa.utf8(), "id"),
    "tool_calls.name": _calls(pa.utf8(), "name"),
    "tool_calls.arguments": _calls(pa.utf8(), "arguments"),
    "tool_calls.type": _calls(pa.utf8(), "type"),
    "tool_calls.index": _calls(pa.uint32(), "index"),
    "user_id": _each(pa.utf8(), "user_id"),
    "session_id": _each(pa.utf8(), "session_id"),
    "session_is_conversation": _each(pa.bool_(), "session_is_conversation"),
    "tags": _each(pa.list_(pa.utf8()), "tags"),
    "metadata": _texts("metadata"),
    "is_root": _each(pa.bool_(), "is_root"),
    "is_app_root": _each(pa.bool_(), "is_app_root"),
    "trace_name": _each(pa.utf8(), "trace_name"),
    "trace_input": _each(pa.utf8(), "trace_input"),
    "trace_output": _each(pa.utf8(), "trace_output"),
    "trace_public": _each(pa.bool_(), "trace_public"),
    "trace_metadata": _texts("trace_metadata"),
    "experiment": _texts("experiment"),
    "mapping_error": _each(pa.utf8(), "mapping_error"),
}


def with_columns(
    batch: pa.RecordBatch, flags: Flags, mapped: Sequence[Mapped], plain: Mapping[str, pa.Array]
) -> pa.RecordBatch:
    """The batch with all columns of `COLUMNS`: of `mapped` for the flagged rows; for the others those of `plain`, and
    defaults."""
    where = None
    if len(mapped) < batch.num_rows:
        # Mapped spans come first and plain ones after them, one a row; each row takes its own.
        where = np.arange(batch.num_rows, dtype=np.int64) + len(mapped)
        where[flags] = np.arange(len(mapped))
    columns = {name: _column(batch, column, mapped, where, plain.get(name)) for name, column in COLUMNS.items()}
    return pa.RecordBatch.from_arrays([*batch.columns, *columns.values()], names=[*batch.schema.names, *columns])


def aligned(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """One table of batches of which some may lack mapped columns."""
    if len({tuple(b.schema.names) for b in batches}) > 1:
        batches = [_completed(b) for b in batches]
    return pa.Table.from_batches(batches)


def decimals(values: Sequence[int | None]) -> pa.Array:
    """Picodollars as decimals of 12 places. They fit in 64 bits (the column has 18 digits)."""
    known = np.array([v is not None for v in values], bool)
    low = np.array([v or 0 for v in values], np.int64)
    words = np.stack([low, low >> 63], axis=1)
    valid = None if known.all() else pa.array(known).buffers()[1]
    return pa.Array.from_buffers(pa.decimal128(18, 12), len(low), [valid, pa.py_buffer(words.tobytes())])


def _column(
    batch: pa.RecordBatch,
    column: Column,
    mapped: Sequence[Mapped],
    where: np.typing.NDArray[np.int64] | None,
    plain: pa.Array | None,
) -> pa.Array:
    values = column.of(mapped)
    if where is None:
        return values
    plain = _plain(batch, column) if plain is None else plain
    return pa.concat_arrays([values, plain]).take(pa.array(where))


def _completed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the columns that it lacks, in the order in which all have them."""
    own = [name for name in batch.schema.names if name not in COLUMNS]
    present = set(batch.schema.names)
    arrays = [batch.column(n) for n in own]
    arrays += [batch.column(n) if n in present else _plain(batch, c) for n, c in COLUMNS.items()]
    return pa.RecordBatch.from_arrays(arrays, names=[*own, *COLUMNS])


def _plain(batch: pa.RecordBatch, column: Column) -> pa.Array:
    if column.plain is not None:
        return column.plain(batch)
    return _empty(column.type, batch.num_rows)


def _empty(kind: pa.DataType, size: int) -> pa.Array:
    """That many empty values: null where the column is nullable (numbers with an unknown), else the type's zero."""
    if pa.types.is_map(kind):
        offsets = pa.array(np.zeros(size + 1, np.int32))
        return pa.MapArray.from_arrays(offsets, pa.array([], kind.key_type), pa.array([], kind.item_type))
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(pa.array(np.zeros(size + 1, np.int32)), pa.array([], kind.value_type))
    if kind == pa.utf8():
        return pa.StringArray.from_buffers(size, pa.py_buffer(bytes(4 * (size + 1))), pa.py_buffer(b""))
    if kind in (pa.uint64(), pa.bool_()):
        return pa.array(np.zeros(size, bool if kind == pa.bool_() else np.uint64))
    return pa.nulls(size, kind)


def _constant(text: str, batch: pa.RecordBatch) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.utf8()), batch.num_rows)


def _maps(
    dicts: Sequence[dict[str, Any]], item: pa.DataType, make: Callable[[list[Any], pa.DataType], pa.Array]
) -> pa.Array:
    offsets = np.zeros(len(dicts) + 1, np.int32)
    np.cumsum([len(d) for d in dicts], out=offsets[1:])
    keys = [k for d in dicts for k in d]
    values = [v for d in dicts for v in d.values()]
    return pa.MapArray.from_arrays(pa.array(offsets), pa.array(keys, pa.utf8()), make(values, item))
