"""What an export reads: spans with how they came in, and scores, of one project and a range of time, as streams.

Spans by their start, scores by their timestamp. Conditions choose traces, each as a whole: what all its spans say, also those
outside of the range, decides whether those within are read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from litefuse.clickhouse.client import Store
from litefuse.clickhouse.sql import identifier
from litefuse.otlp.rebuild import COLUMNS
from web.queries import numbers
from web.queries.conditions import Condition
from web.queries.merge import Filter, by_name, hour, merged, named, saying, where
from web.queries.statement import PROJECT, SETTINGS, Statement, Values, bind

#: Columns in front of COLUMNS: how the span came in, and its start, mended; times in Unix ns.
ORIGIN = (
    "public_key",
    "sdk_name",
    "sdk_version",
    "retention_days",
    "toUnixTimestamp64Nano(received_at)",
    "toUnixTimestamp64Nano(start_time)",
)
#: Columns of a score; its timestamp in Unix ns.
SCORE = (
    "id",
    "toUnixTimestamp64Nano(timestamp)",
    "name",
    "data_type",
    "value",
    "string_value",
    "source",
    "trace_id",
    "observation_id",
    "session_id",
    "dataset_run_id",
    "environment",
    "comment",
    "metadata",
    "config_id",
    "queue_id",
    "author_user_id",
)
#: Rows of a block: a span may be megabytes.
_BLOCK = {"max_block_size": "512", "preferred_block_size_bytes": "1000000"}


def hours(project_id: str, low_ns: int | None, high_ns: int | None) -> Statement:
    """Start of each hour that has spans, Unix seconds, and how many rows it has, copies included."""
    values = Values()
    sql = f"""
        SELECT toUnixTimestamp(toStartOfHour(start_time)) AS h, count()
        FROM spans
        WHERE {PROJECT} AND {numbers.spans_of(values, low_ns, high_ns)}
        GROUP BY h
        ORDER BY h"""
    return bind(project_id, sql, values)


def spans(project_id: str, low_ns: int, high_ns: int, conditions: Sequence[Condition] = ()) -> Statement:
    """ORIGIN and COLUMNS of the spans that start in [low_ns, high_ns), in the order of the table."""
    values = Values()
    chosen = numbers.spans_of(values, low_ns, high_ns)
    if conditions:
        of_window = (
            f"SELECT trace_id FROM trace_parts WHERE {PROJECT} "
            f"AND hour >= {hour(low_ns, values)} AND hour <= {hour(high_ns - 1, values)}"
        )
        chosen += f" AND trace_id IN ({_matching(conditions, of_window, values)})"
    sql = f"""
        SELECT {", ".join(ORIGIN)}, {", ".join(map(identifier, COLUMNS))}
        FROM spans FINAL
        WHERE {PROJECT} AND {chosen}
        ORDER BY project_id, toStartOfFiveMinutes(start_time), trace_id, span_id"""
    return bind(project_id, sql, values)


def scores(project_id: str, low_ns: int | None, high_ns: int | None, conditions: Sequence[Condition] = ()) -> Statement:
    """SCORE of the scores of [low_ns, high_ns); with conditions those of traces that match."""
    values = Values()
    found = ["true"]
    if low_ns is not None:
        found.append(f"timestamp >= {values.time(low_ns)}")
    if high_ns is not None:
        found.append(f"timestamp < {values.time(high_ns)}")
    chosen = " AND ".join(found)
    if conditions:
        scored = f"SELECT trace_id FROM scores WHERE {PROJECT} AND {chosen}"
        chosen += f" AND trace_id IN ({_matching(conditions, scored, values)})"
    sql = f"""
        SELECT {", ".join(SCORE)}
        FROM scores FINAL
        WHERE {PROJECT} AND {chosen}
        ORDER BY project_id, id"""
    return bind(project_id, sql, values)


def _matching(conditions: Sequence[Condition], candidates: str, values: Values) -> str:
    """A subquery: ids of the traces among the candidates, a subquery too, that fulfil all conditions."""
    filter_ = Filter(conditions=conditions)
    restriction = f"{saying(filter_.of_parts, None, values)} AND trace_id IN ({candidates})"
    as_rows = named if by_name(filter_.of_parts) else merged
    found = f"SELECT trace_id FROM {as_rows(restriction)} WHERE {where(filter_.of_parts, values)}"
    if filter_.of_numbers:
        summed = numbers.by_trace(f"trace_id IN ({candidates})")
        found += f" AND trace_id IN (SELECT trace_id FROM {summed} WHERE {numbers.where(filter_.of_numbers, values)})"
    return found


def blocks(store: Store, statement: Statement) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
    """Its rows as they come, some at a time."""
    return store.blocks(statement.sql, statement.parameters, settings={**SETTINGS, **_BLOCK})
