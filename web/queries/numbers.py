"""What is counted and summed of traces: from spans without their copies, never kept anywhere.

Restricted by trace ids and by the range of time in which their spans start: the key of spans begins with the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from litefuse.clickhouse.asking import Store
from web.queries import conditions
from web.queries.conditions import Condition
from web.queries.merge import COLUMNS
from web.queries.statement import PROJECT, Statement, Values, bind, run

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
        WHERE {PROJECT} AND {restriction}
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


def by_group(group: str, traces: str, restriction: str) -> str:
    """A query: the numbers of all traces of each group. `traces` is a subquery with trace_id and the column `group`, which
    spans may have too, with another meaning."""
    return f"""
        SELECT group_id, {_NAMES}
        FROM (
            SELECT t.group_id AS group_id,{_SUMS}
            FROM (SELECT * FROM spans FINAL WHERE {PROJECT} AND {restriction}) AS s
            INNER JOIN (SELECT trace_id, {group} AS group_id FROM {traces}) AS t ON t.trace_id = s.trace_id
            GROUP BY group_id
        )"""
