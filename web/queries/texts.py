"""Input and output of traces in full: read only for traces that are looked at, lists have the previews."""

from __future__ import annotations

from collections.abc import Sequence

from litefuse.clickhouse.asking import Store
from web.queries import numbers
from web.queries.statement import PROJECT, Statement, Values, bind, run


def statement(project_id: str, trace_ids: Sequence[str], low_ns: int, high_ns: int) -> Statement:
    """Trace id, input and output of these traces, whose spans start in [low_ns, high_ns): of each the latest that a span
    says of its trace, or that is a root's own (otel-mapping.md section 16.3)."""
    values = Values()

    def latest(side: str) -> str:
        said = f"if(trace_{side} != '', trace_{side}, {side})"
        return f"argMaxIf({said}, (start_time, NOT is_root, span_id), trace_{side} != '' OR (is_root AND {side} != ''))"

    sql = f"""
        SELECT trace_id, {latest("input")}, {latest("output")}
        FROM spans FINAL
        WHERE {PROJECT} AND {numbers.spans_of(values, low_ns, high_ns)} AND trace_id IN {values.texts(list(trace_ids))}
        GROUP BY trace_id"""
    return bind(project_id, sql, values)


async def of_traces(
    store: Store, project_id: str, trace_ids: Sequence[str], low_ns: int, high_ns: int
) -> dict[str, tuple[str, str]]:
    """Trace id → (input, output), empty for none."""
    if not trace_ids:
        return {}
    rows = await run(store, statement(project_id, trace_ids, low_ns, high_ns))
    return {row[0]: (row[1], row[2]) for row in rows}
