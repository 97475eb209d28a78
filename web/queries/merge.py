"""Traces as SQL: the rows of trace_parts put together (otel-mapping.md section 16.3), and what filters leave of them.

A trace lies in as many rows as it has hours, and more until ClickHouse has merged its parts. `merged` puts all rows of the
traces it is asked for together, over all hours, so what it says does not depend on when anything came.

A trace without a root, and without a name that a span gives it, is called after its earliest span whose parent is not
among its spans (WB-29). Parts cannot know that; `orphans` asks the spans, for such traces only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from web.queries import conditions
from web.queries.conditions import Column, Condition
from web.queries.statement import OBSERVATIONS, PROJECT, QueryError, Values

#: Nanoseconds of the rows of trace_parts' key.
HOUR_NS = 3_600_000_000_000
#: What the start of a trace or a span can be: spans are of 1970 or later, and hours are 32 bit.
END_NS = 4_294_800_000 * 1_000_000_000

#: Columns that a list of traces can be filtered by.
COLUMNS: Mapping[str, Column] = {
    "id": Column("text", "trace_id", "trace_id"),
    "timestamp": Column("time", "start_time"),
    "name": Column("text", "name", "tupleElement(name, 'value')"),
    "userId": Column("text", "user_id", "tupleElement(user_id, 'value')"),
    "sessionId": Column("text", "session_id", "tupleElement(session_id, 'value')"),
    "environment": Column("text", "environment", "tupleElement(first, 'environment')"),
    "release": Column("text", "release", "tupleElement(release, 'value')"),
    "version": Column("text", "version", "tupleElement(version, 'value')"),
    "tags": Column("list", "tags", "tags"),
    "metadata": Column("map", "metadata", "metadata"),
    "public": Column("bool", "public", "public = 1"),
    "input": Column("text", "input_preview", "tupleElement(input, 'value')"),
    "output": Column("text", "output_preview", "tupleElement(output, 'value')"),
    "bookmarked": Column("bool", "false"),
    # from its scores
    "scores_avg": Column("numeric score", "trace_id", "trace_id"),
    "score_categories": Column("category score", "trace_id", "trace_id"),
    "score_booleans": Column("boolean score", "trace_id", "trace_id"),
    # from the trace's spans
    "level": Column("text", "level", number=True),
    "latency": Column("number", "latency_ns / 1e9", number=True),
    "observations": Column("number", "observations", number=True),
    "inputTokens": Column("number", "input_tokens", number=True),
    "outputTokens": Column("number", "output_tokens", number=True),
    "totalTokens": Column("number", "total_tokens", number=True),
    "inputCost": Column("number", "toFloat64(input_cost)", number=True),
    "outputCost": Column("number", "toFloat64(output_cost)", number=True),
    "totalCost": Column("number", "toFloat64(total_cost)", number=True),
    "errorCount": Column("number", "errors", number=True),
    "warningCount": Column("number", "warnings", number=True),
    "defaultCount": Column("number", "defaults", number=True),
    "debugCount": Column("number", "debugs", number=True),
}


#: Columns that an index of trace_parts finds rows by.
INDEXED = ("id", "userId", "sessionId")
#: Conditions that rows are chosen by before traces are put together, of which all conditions are asked. Each is a subquery,
#: which a statement repeats: ClickHouse needs seconds to take in a few dozen, however little there is to read.
_MOST_SAID = 4


@dataclass(frozen=True, slots=True)
class Filter:
    """Which traces: those that start in [since_ns, until_ns), None for open, and fulfil all conditions."""

    since_ns: int | None = None
    until_ns: int | None = None
    conditions: Sequence[Condition] = ()

    @property
    def of_parts(self) -> list[Condition]:
        """Those that the merged parts decide."""
        return [c for c in self.conditions if not _column(c).number]

    @property
    def of_numbers(self) -> list[Condition]:
        """Those that need the spans."""
        return [c for c in self.conditions if _column(c).number]


def _column(condition: Condition) -> Column:
    column = COLUMNS.get(condition.column)
    if column is None:
        raise QueryError(f"no column {condition.column!r} to filter traces by")
    return column


def hour(ns: int, values: Values) -> str:
    """The hour of an instant, as `trace_parts.hour` holds it."""
    return f"toDateTime({values.add('UInt32', min(max(0, ns // 1_000_000_000), 2**32 - 1) // 3600 * 3600)}, 'UTC')"


def merged(restriction: str, window: str = "true") -> str:
    """A subquery: one row a trace. `restriction` is SQL on trace_parts that keeps or drops traces as a whole (trace_id IN …),
    never some of their rows; `part_start` is the earliest start among the rows of the window. ClickHouse reads what the
    outer query uses of it."""
    return f"""(
        SELECT
            p.trace_id AS trace_id,
            min(p.start_time) AS start_time,
            minIf(p.start_time, {window}) AS part_start,
            max(p.end_time) AS end_time,
            max(p.last_start) AS last_start,
            toUInt8(bitShiftRight(max(p.name).said, 253)) AS name_rank,
            max(p.name).value AS said_name,
            min(p.first).name AS first_name,
            max(p.user_id).value AS user_id,
            max(p.session_id).value AS session_id,
            min(p.first).environment AS environment,
            max(p.release).value AS release,
            max(p.version).value AS version,
            arraySort(groupUniqArrayArray(p.tags)) AS tags,
            mapApply((key, said) -> (key, tupleElement(said, 'value')), maxMap(p.metadata)) AS metadata,
            toBool(max(p.public)) AS public,
            max(p.input).value AS input_preview,
            max(p.output).value AS output_preview
        FROM trace_parts AS p
        WHERE p.{PROJECT} AND {restriction}
        GROUP BY p.trace_id
    )"""


def named(restriction: str, window: str = "true") -> str:
    """`merged` with the column `name`, exact for traces without a root too; needs the spans of those."""
    rootless = (
        f"SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {restriction} "
        "GROUP BY trace_id HAVING max(tupleElement(name, 'said')) = 0"
    )
    return f"""(
        SELECT m.*, if(m.name_rank > 0, m.said_name, if(o.trace_id != '', o.name, m.first_name)) AS name
        FROM {merged(restriction, window)} AS m
        LEFT JOIN {orphans(f"trace_id IN ({rootless})")} AS o ON o.trace_id = m.trace_id
    )"""


def said_named(restriction: str, window: str = "true") -> str:
    """`merged` with the column `name`, where no trace is without a root and without a name."""
    return f"(SELECT m.*, m.said_name AS name FROM {merged(restriction, window)} AS m)"


def orphans(restriction: str) -> str:
    """A subquery: trace_id and name of its earliest span whose parent is not among its spans. `restriction` is SQL on spans
    that keeps or drops traces as a whole."""
    return f"""(
        SELECT trace_id, argMin(substringUTF8(observation_name, 1, 1000), (start_time, span_id)) AS name
        FROM spans FINAL
        WHERE {PROJECT} AND {OBSERVATIONS} AND {restriction}
          AND (trace_id, parent_span_id) NOT IN (
              SELECT trace_id, span_id FROM spans WHERE {PROJECT} AND {restriction}
          )
        GROUP BY trace_id
    )"""


def where(conditions_: Iterable[Condition], values: Values) -> str:
    """The conditions on merged rows, ANDed."""
    return " AND ".join(conditions.sql(c, COLUMNS, values) for c in conditions_) or "true"


def saying(conditions_: Iterable[Condition], low_ns: int | None, values: Values, *, nameless: bool = True) -> str:
    """SQL on trace_parts, true for every row of a trace that starts at or after `low_ns` and can match: for some conditions,
    the first that single rows tell, some row of it says so. Such a row may lie in any hour from the first on, so there is no
    upper end. `nameless`: there may be traces without a root."""
    since = f" AND hour >= {hour(low_ns, values)}" if low_ns is not None else ""
    found: list[str] = []
    names: list[str] = []
    for condition in sorted(conditions_, key=lambda c: c.column not in INDEXED):
        if len(found) + len(names) == _MOST_SAID:
            break
        if condition.column == "id" or COLUMNS[condition.column].kind in conditions.SCORES:
            found.append(conditions.sql(condition, COLUMNS, values))
            continue
        said = conditions.said(condition, COLUMNS, values)
        if said is None:
            continue
        one = f"trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT}{since} AND {said})"
        (names if condition.column == "name" else found).append(one)
    if names and nameless:  # whose name only their spans tell
        found.append(
            f"({' AND '.join(names)} OR trace_id IN (SELECT trace_id FROM trace_parts WHERE {PROJECT}{since} "
            "GROUP BY trace_id HAVING max(tupleElement(name, 'said')) = 0))"
        )
    else:
        found += names
    return " AND ".join(found) or "true"


def matching(conditions_: Sequence[Condition], values: Values) -> str:
    """SQL for the ids of all traces, over all time, that fulfil the conditions, none of which is on their numbers."""
    rows = (named if by_name(conditions_) else merged)(saying(conditions_, None, values))
    return f"SELECT trace_id FROM {rows} WHERE {where(conditions_, values)}"


def by_name(conditions_: Iterable[Condition]) -> bool:
    """Whether a condition needs the exact name."""
    return any(condition.column == "name" for condition in conditions_)
