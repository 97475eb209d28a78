"""Spans as they are stored, to be given back as OTLP: of each its newest copy. Rows of type TRACE came as spans and go so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litefuse.clickhouse.asking import Store
from litefuse.clickhouse.sql import identifier
from litefuse.otlp.rebuild import COLUMNS
from web.queries import numbers, traces
from web.queries.statement import PROJECT, Statement, Values, bind, run

_COLUMNS = ", ".join(map(identifier, COLUMNS))


def of_trace_statement(project_id: str, trace_id: str, low_ns: int, high_ns: int) -> Statement:
    """COLUMNS of the spans of a trace, which start in [low_ns, high_ns), in the order of their start."""
    values = Values()
    sql = f"""
        SELECT {_COLUMNS}
        FROM spans FINAL
        WHERE {PROJECT} AND {numbers.spans_of(values, low_ns, high_ns)} AND trace_id = {values.text(trace_id)}
        ORDER BY start_time, span_id"""
    return bind(project_id, sql, values)


async def of_trace(store: Store, project_id: str, trace_id: str) -> Sequence[Sequence[Any]]:
    """Its rows; none when there is no such trace."""
    found = await traces.without_numbers(store, project_id, [trace_id])
    if not found:
        return []
    trace = found[0]
    return await run(store, of_trace_statement(project_id, trace_id, trace.start_ns, trace.spans_until_ns))
