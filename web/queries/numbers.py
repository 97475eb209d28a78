"""What is counted and summed of traces: from spans without their copies, never kept anywhere.

Restricted by trace ids and by the range of time in which their spans start: the key of spans begins with the time. Rows that
say something of their trace alone are no observations, and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from litefuse.clickhouse.asking import Store
from web.queries import conditions
from web.queries.conditions import Condition
from web.queries.merge import COLUMNS
from web.queries.statement import OBSERVATIONS, PROJECT, Statement, Values, bind, run

_SUMS = """
            count() AS observations,
            toUnixTimestamp64Nano(max(s.end_time)) - toUnixTimestamp64Nano(min(s.start_time)) AS latency_ns,
            sum(s.input_tokens) AS input_tokens,
            sum(s.output_tokens) AS output_tokens,
            sum(s.total_tokens) AS total_tokens,
            sum(s.cached_tokens) AS cached_tokens,
            sum(s.reasoning_tokens) AS reasoning_tokens,
            sum(s.input_cost) AS input_cost,
            sum(s.output_cost) AS output_cost,
            sum(s.total_cost) AS total_cost,
            countIf(s.level = 'ERROR') AS errors,
            countIf(s.level = 'WARNING') AS warnings,
            countIf(s.level = 'DEFAULT') AS defaults,
            countIf(s.level = 'DEBUG') AS debugs,
            multiIf(errors > 0, 'ERROR', warnings > 0, 'WARNING', defaults > 0, 'DEFAULT', 'DEBUG') AS level,
            arraySort(groupUniqArrayIf(CAST(s.model, 'String'), s.model != '')) AS models"""
#: The same of several traces, from their rows `n`; some have none.
OF_GROUP = """
            sum(n.observations),
            toUnixTimestamp64Nano(max(n.last_end)) - toUnixTimestamp64Nano(minIf(n.first_start, n.observations > 0)),
            sum(n.input_tokens), sum(n.output_tokens), sum(n.total_tokens), sum(n.cached_tokens), sum(n.reasoning_tokens),
            sum(n.input_cost), sum(n.output_cost), sum(n.total_cost),
            sum(n.errors) AS all_errors, sum(n.warnings) AS all_warnings, sum(n.defaults) AS all_defaults, sum(n.debugs),
            multiIf(all_errors > 0, 'ERROR', all_warnings > 0, 'WARNING', all_defaults > 0, 'DEFAULT', 'DEBUG'),
            arraySort(groupUniqArrayArray(n.models))"""
_NAMES = (
    "observations, latency_ns, input_tokens, output_tokens, total_tokens, cached_tokens, reasoning_tokens, "
    "input_cost, output_cost, total_cost, errors, warnings, defaults, debugs, level, models"
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of a trace, or of all traces of a session or a user. Costs are USD, None when no span has one; `level` is the
    highest; `latency_ns` from the earliest start to the latest end."""

    observations: int
    latency_ns: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    input_cost: Decimal | None
    output_cost: Decimal | None
    total_cost: Decimal | None
    errors: int
    warnings: int
    defaults: int
    debugs: int
    level: str
    models: Sequence[str]


NONE = Numbers(0, 0, 0, 0, 0, 0, 0, None, None, None, 0, 0, 0, 0, "DEFAULT", ())


def spans_of(values: Values, low_ns: int | None, high_ns: int | None) -> str:
    """SQL on spans: those that start in [low_ns, high_ns)."""
    found = []
    if low_ns is not None:
        found.append(f"start_time >= {values.time(low_ns)}")
    if high_ns is not None:
        found.append(f"start_time < {values.time(high_ns)}")
    return " AND ".join(found) or "true"


def by_trace(restriction: str) -> str:
    """A subquery: one row a trace with its numbers. `restriction` is SQL on spans that keeps or drops traces as a whole."""
    return f"""(
        SELECT
            trace_id,{_SUMS}
        FROM spans AS s FINAL
        WHERE {PROJECT} AND {OBSERVATIONS} AND {restriction}
        GROUP BY trace_id
    )"""


def statement(project_id: str, trace_ids: Sequence[str], low_ns: int, high_ns: int) -> Statement:
    """The numbers of these traces, whose spans start in [low_ns, high_ns)."""
    values = Values()
    restriction = f"{spans_of(values, low_ns, high_ns)} AND trace_id IN {values.texts(list(trace_ids))}"
    return bind(project_id, f"SELECT trace_id, {_NAMES} FROM {by_trace(restriction)}", values)


def where(conditions_: Sequence[Condition], values: Values) -> str:
    """The conditions on rows of `by_trace`, ANDed."""
    return " AND ".join(conditions.sql(c, COLUMNS, values) for c in conditions_) or "true"


async def of_traces(
    store: Store, project_id: str, trace_ids: Sequence[str], low_ns: int, high_ns: int
) -> dict[str, Numbers]:
    """Trace id → its numbers. A trace without spans (all expired) has none."""
    if not trace_ids:
        return {}
    rows = await run(store, statement(project_id, trace_ids, low_ns, high_ns))
    return {row[0]: Numbers(*row[1:]) for row in rows}


def of_observations(rows: Sequence[Mapping[str, Any]]) -> Numbers:
    """The numbers of a trace whose observations are all there, with the columns `SMALL` of observations.py."""
    if not rows:
        return NONE
    levels = [row["level"] for row in rows]
    errors, warnings, defaults = (levels.count(level) for level in ("ERROR", "WARNING", "DEFAULT"))
    return Numbers(
        observations=len(rows),
        latency_ns=max(row["end_ns"] for row in rows) - min(row["start_ns"] for row in rows),
        input_tokens=sum(row["input_tokens"] for row in rows),
        output_tokens=sum(row["output_tokens"] for row in rows),
        total_tokens=sum(row["total_tokens"] for row in rows),
        cached_tokens=sum(row["cached_tokens"] for row in rows),
        reasoning_tokens=sum(row["reasoning_tokens"] for row in rows),
        input_cost=_sum(row["input_cost"] for row in rows),
        output_cost=_sum(row["output_cost"] for row in rows),
        total_cost=_sum(row["total_cost"] for row in rows),
        errors=errors,
        warnings=warnings,
        defaults=defaults,
        debugs=levels.count("DEBUG"),
        level="ERROR" if errors else "WARNING" if warnings else "DEFAULT" if defaults else "DEBUG",
        models=sorted({row["model"] for row in rows if row["model"]}),
    )


def _sum(costs: Iterable[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known else None


def joined(restriction: str) -> str:
    """To follow a table `t` of traces: their numbers, to be summed with `OF_GROUP`. Spans are summed by trace first: it is far
    fewer rows that are joined. `restriction` is as in `by_trace`."""
    return f"""LEFT JOIN (
            SELECT
                trace_id AS summed_id, max(s.end_time) AS last_end, min(s.start_time) AS first_start,{_SUMS}
            FROM spans AS s FINAL
            WHERE {PROJECT} AND {OBSERVATIONS} AND {restriction}
            GROUP BY trace_id
        ) AS n ON n.summed_id = t.trace_id"""


def of_group(row: Sequence[Any]) -> Numbers:
    """Columns of `OF_GROUP`. No numbers where all spans have expired."""
    return Numbers(*row) if row[0] else NONE
