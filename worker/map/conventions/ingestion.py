"""Spans that web makes of the events of POST /ingestion (litefuse/ingested.py, public-api.md section 8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from litefuse.ingested import KIND, SCOPE, TRACE, VERSION
from litefuse.text_ids import PARENT_SPAN_ID, SPAN_ID, TRACE_ID
from worker.map.gate import Ints
from worker.map.mapped import Mapped
from worker.map.span import Span
from worker.map.values import Value

_IDS = {"trace_id": TRACE_ID, "span_id": SPAN_ID, "parent_span_id": PARENT_SPAN_ID}
_LATEST = (1 << 63) - 1


def adjust(span: Span, mapped: Mapped) -> None:
    """What such a span is. Its version is that of the observation alone: the trace has said its own."""
    if span.attributes.get(KIND) == TRACE:
        mapped.type = TRACE
    else:
        mapped.is_app_root = not span.parent_span_id
        mapped.app_version_is_own = mapped.release_is_own = False


def placed(batch: pa.RecordBatch, rows: Ints, spans: Sequence[Span]) -> pa.RecordBatch:
    """The batch with the ids that its spans of this scope say as text, and their order. `rows` are those of `spans`."""
    said = [(row, span) for row, span in zip(rows.tolist(), spans, strict=True) if span.scope_name == SCOPE]
    if not said:
        return batch
    for column, name in _IDS.items():
        batch = _said(batch, column, name, said, lambda value: isinstance(value, str) and value != "")
    return _said(batch, "received_at", VERSION, said, lambda value: type(value) is int and 0 < value <= _LATEST)


def _said(
    batch: pa.RecordBatch,
    column: str,
    name: str,
    said: Sequence[tuple[int, Span]],
    valid: Callable[[Value], bool],
) -> pa.RecordBatch:
    found = {row: span.attributes[name] for row, span in said if valid(span.attributes.get(name))}
    if not found:
        return batch
    mask = np.zeros(batch.num_rows, bool)
    mask[list(found)] = True
    place = batch.schema.get_field_index(column)
    kind = batch.schema.field(place).type
    # In the order of the rows, as `rows` is.
    values = pc.replace_with_mask(batch.column(place), mask, pa.array(list(found.values())).cast(kind))
    return batch.set_column(place, batch.schema.field(place), values)
