"""A query of metrics as one statement (public-api.md section 7.1). Pure.

The rows `r` are those of the view's table, without copies, of the range of time and as the filters want them; of each only what
dimensions and measures need. What they need of the trace, of its numbers, of scores or of observations is joined to them, and
then they are grouped:

    SELECT dimensions, bucket, aggregations
    FROM (SELECT … FROM spans FINAL WHERE …) AS r
    LEFT JOIN (traces) AS t …
    WHERE what filters say of the trace
    GROUP BY dimensions, bucket ORDER BY … LIMIT …
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from web.queries import conditions, merge, metric_time, numbers
from web.queries.conditions import Column, Condition
from web.queries.metric_query import AGGREGATIONS, COUNT, TIME, Metric, Query, ordered
from web.queries.metric_views import OBSERVATIONS, TOOLS, TRACES, Dimension
from web.queries.statement import OBSERVATIONS as NO_TRACE_ROWS
from web.queries.statement import PROJECT, Statement, Values, bind


@dataclass(slots=True)
class _Parts:
    """While a statement is written. `columns`: of the rows, SQL → name. `joins`: aliases of what is joined."""

    values: Values = field(default_factory=Values)
    columns: dict[str, str] = field(default_factory=dict)
    joins: dict[str, None] = field(default_factory=dict)

    def own(self, sql: str) -> str:
        """A value of the view's table, as a column of the rows."""
        return "r." + self.columns.setdefault(sql, f"x{len(self.columns)}")

    def join(self, alias: str) -> None:
        if alias:
            self.joins[alias] = None


def statement(project_id: str, query: Query, *, nameless: bool = True) -> Statement:
    """The rows of the answer, in their order: dimensions, bucket, metrics, as `query.names` has them. `query` is checked.
    `nameless`: there may be traces that only their spans name, which costs reading those."""
    view, parts = query.view, _Parts()
    selected = [f"{_dimension(view.dimensions[name], parts)} AS d{n}" for n, name in enumerate(query.dimensions)]
    if query.granularity:
        selected.append(f"{parts.own(metric_time.sql(view.at, query.granularity))} AS bucket")
    groups = [f"d{n}" for n in range(len(query.dimensions))] + (["bucket"] if query.granularity else [])
    selected += [f"{_metric(metric, query, parts)} AS m{n}" for n, metric in enumerate(query.metrics)]
    if not query.metrics:
        selected.append("count() AS m0")
    outside = _outside(query, parts)
    rows = _rows(query, parts, nameless)
    joins = "\n        ".join(_join(alias, query, parts, nameless) for alias in sorted(parts.joins))
    limit = f"LIMIT {parts.values.add('UInt64', query.limit)}" if query.limit is not None else ""
    sql = f"""
        SELECT {", ".join(selected)}
        FROM {rows} AS r
        {joins}
        {f"WHERE {outside}" if outside else ""}
        {f"GROUP BY {', '.join(groups)}" if groups else ""}
        {_order(query)}
        {limit}"""
    return bind(project_id, sql, parts.values)


def by_name(query: Query) -> bool:
    """Whether the names of traces are asked for."""
    used = {*query.dimensions, *(condition.column for condition in query.conditions)}
    return ("name" if query.view is TRACES else "traceName") in used


# -- what is selected ----------------------------------------------------------------------------------------------------


def _dimension(dimension: Dimension, parts: _Parts) -> str:
    if dimension.each:
        return "r.each_name"
    parts.join(dimension.join)
    return dimension.whole.replace("{own}", parts.own(dimension.sql)) if dimension.sql else dimension.whole


def _metric(metric: Metric, query: Query, parts: _Parts) -> str:
    measure = query.view.measures[metric.measure]
    parts.join(measure.join)
    by = query.exploded
    each = query.view.dimensions[by].each if by else None
    if measure.each:
        value = f"r.{measure.joined}"
    elif measure.named and each and each.kind == TOOLS:
        own, made = measure.named
        value = made.replace("{own}", parts.own(own)).replace("each_name", "r.each_name")
    else:
        value = parts.own(measure.sql) if measure.sql else measure.joined
    if measure.kind != "cost":
        return _aggregated(metric.aggregation, value, query.bins)
    if metric.aggregation in ("sum", "max", "min"):  # exact: of decimals
        return f"toFloat64({_aggregated(metric.aggregation, value, query.bins)})"
    return _aggregated(metric.aggregation, f"toFloat64({value})", query.bins)


def _aggregated(aggregation: str, value: str, bins: int) -> str:
    return AGGREGATIONS[aggregation].format(x=value, bins=int(bins))


def _order(query: Query) -> str:
    aliases = {name: f"d{n}" for n, name in enumerate(query.dimensions)}
    aliases |= {metric.name: f"m{n}" for n, metric in enumerate(query.metrics)}
    aliases |= {TIME: "bucket", **({} if query.metrics else {COUNT: "m0"})}
    found = []
    for order in ordered(query):
        alias, way = aliases[order.field], "DESC" if order.descending else "ASC"
        dimension = query.view.dimensions.get(order.field)
        if dimension and dimension.kind == "text":  # the empty text is null, and comes last like every null
            found.append(f"{alias} = ''")
        found.append(f"{alias} {way} NULLS LAST")
    return f"ORDER BY {', '.join(found)}" if found else ""


# -- which rows ----------------------------------------------------------------------------------------------------------


def _split(query: Query) -> tuple[list[Condition], list[Condition]]:
    """Conditions on the view's table, and those on what is joined."""
    inside: list[Condition] = []
    outside: list[Condition] = []
    for condition in query.conditions:
        dimension = query.view.dimensions.get(condition.column)
        joined = dimension is not None and (bool(dimension.join) or bool(dimension.each and dimension.each.amounts))
        (outside if joined else inside).append(condition)
    return inside, outside


def _outside(query: Query, parts: _Parts) -> str:
    """What filters say of joined rows."""
    found = []
    for condition in _split(query)[1]:
        dimension = query.view.dimensions[condition.column]
        column = Column(dimension.kind, _dimension(dimension, parts))
        found.append(conditions.sql(condition, {condition.column: column}, parts.values))
    return " AND ".join(found)


def _inside(query: Query, parts: _Parts) -> str:
    """What filters say of rows of the view's table."""
    view = query.view
    columns = {view.time: Column("time", view.at), "metadata": Column("map", view.metadata)}
    for name, dimension in view.dimensions.items():
        columns[name] = Column("text" if dimension.text else dimension.kind, dimension.text or dimension.sql)
    found = [view.fixed, _range(query, view.at, parts.values)]
    found += [conditions.sql(condition, columns, parts.values) for condition in _split(query)[0]]
    return " AND ".join(found)


def _range(query: Query, at: str, values: Values) -> str:
    return f"{at} >= {values.time(query.from_ns)} AND {at} <= {values.time(query.to_ns)}"


def _hours(query: Query, values: Values) -> str:
    """SQL on trace_parts: parts that have a span which starts in the range, and others of the same hours."""
    low, high = (merge.hour(ns, values) for ns in (query.from_ns, query.to_ns))
    return f"hour >= {low} AND hour <= {high}"


def _said(query: Query, parts: _Parts, nameless: bool) -> str:
    """SQL on trace_parts, or on any table with a trace_id: true for all rows of traces that can match what filters say of the
    trace."""
    known = []
    for condition in query.conditions:
        dimension = query.view.dimensions.get(condition.column)
        if query.view is TRACES:
            if condition.column in ("id", "name", "tags", "userId", "sessionId", "release", "version", "metadata"):
                known.append(condition)
        elif dimension and dimension.of_trace and not dimension.sql:
            known.append(replace(condition, column=dimension.of_trace))
    # Of a trace that starts in the range nothing is said before it; others may have said it long before.
    low = query.from_ns if query.view is TRACES else None
    return merge.saying(known, low, parts.values, nameless=nameless)


def _rows(query: Query, parts: _Parts, nameless: bool) -> str:
    """A subquery. The columns are complete by now."""
    view = query.view
    by = query.exploded
    each = view.dimensions[by].each if by else None
    columns = {name: sql for sql, name in parts.columns.items()}
    if parts.joins:
        columns |= view.ids
    names = list(columns)
    if each:
        columns |= {"each_names": each.names, **({"each_amounts": each.amounts} if each.amounts else {})}
    selected = ", ".join(f"{sql} AS {name}" for name, sql in columns.items()) or "1 AS x"
    inside, said = _inside(query, parts), _said(query, parts, nameless)
    if view is TRACES:
        source = _traces(query, parts, f"trace_id IN ({_started(query, parts)}) AND {said}", nameless)
    else:
        source, inside = f"{view.table} FINAL", f"{PROJECT} AND {inside} AND {said}"
    rows = f"(SELECT {selected} FROM {source} WHERE {inside})"
    if not each:
        return rows
    names += ["each_name", *(["each_amount"] if each.amounts else [])]
    amounts = ", each_amounts AS each_amount" if each.amounts else ""
    return f"(SELECT {', '.join(names)} FROM {rows} ARRAY JOIN each_names AS each_name{amounts})"


def _started(query: Query, parts: _Parts) -> str:
    """Ids of the traces that have spans in the range's hours."""
    return f"SELECT trace_id FROM trace_parts WHERE {PROJECT} AND {_hours(query, parts.values)}"


def _traces(query: Query, parts: _Parts, restriction: str, nameless: bool) -> str:
    if not by_name(query):
        return merge.merged(restriction)
    return (merge.named if nameless else merge.said_named)(restriction)


# -- what is joined ------------------------------------------------------------------------------------------------------


def _join(alias: str, query: Query, parts: _Parts, nameless: bool) -> str:
    return _JOINS[alias](query, parts, nameless)


def _join_trace(query: Query, parts: _Parts, nameless: bool) -> str:
    if query.view is OBSERVATIONS:
        ids = _started(query, parts)
    else:
        ids = f"SELECT trace_id FROM scores WHERE {PROJECT} AND {_range(query, 'timestamp', parts.values)}"
    restriction = f"trace_id IN ({ids}) AND {_said(query, parts, nameless)}"
    return f"LEFT JOIN {_traces(query, parts, restriction, nameless)} AS t ON t.trace_id = r.trace"


def _join_numbers(query: Query, parts: _Parts, nameless: bool) -> str:
    """All spans of traces that start in the range start in it too, or later. Other traces are in the way where only few of
    them can match: to leave them out costs more than it saves where all of them do."""
    within, said = _started(query, parts), _said(query, parts, nameless)
    last = f"SELECT max(hour) + INTERVAL 1 HOUR FROM trace_parts WHERE {PROJECT} AND trace_id IN ({within})"
    spans = f"start_time >= {parts.values.time(query.from_ns)} AND start_time < ({last})"
    if said != "true":
        spans += f" AND {said}"
    return f"LEFT JOIN {numbers.by_trace(spans)} AS n ON n.trace_id = r.trace"


def _join_scores(query: Query, parts: _Parts, nameless: bool) -> str:
    """How many scores a trace, or an observation, has, of whatever time."""
    ids = f"trace_id IN ({_started(query, parts)})"
    if query.view is TRACES:
        return (
            f"LEFT JOIN (SELECT trace_id, count() AS scores FROM scores FINAL WHERE {PROJECT} AND {ids} "
            "GROUP BY trace_id) AS c ON c.trace_id = r.trace"
        )
    return (
        f"LEFT JOIN (SELECT trace_id, observation_id, count() AS scores FROM scores FINAL WHERE {PROJECT} AND {ids} "
        "AND observation_id != '' GROUP BY trace_id, observation_id) AS c "
        "ON c.trace_id = r.trace AND c.observation_id = r.span"
    )


def _join_observation(query: Query, parts: _Parts, nameless: bool) -> str:
    """The observation that is scored. Of several with the same id, which only broken clients make, the last."""
    scored = f"FROM scores WHERE {PROJECT} AND {_range(query, 'timestamp', parts.values)} AND observation_id != ''"
    return f"""LEFT JOIN (
            SELECT trace_id, span_id, observation_name, model, prompt_name, prompt_version
            FROM spans FINAL
            WHERE {PROJECT} AND {NO_TRACE_ROWS} AND trace_id IN (SELECT trace_id {scored})
              AND (trace_id, span_id) IN (SELECT trace_id, observation_id {scored})
            ORDER BY start_time DESC
            LIMIT 1 BY trace_id, span_id
        ) AS o ON o.trace_id = r.trace AND o.span_id = r.span"""


_JOINS = {"t": _join_trace, "n": _join_numbers, "c": _join_scores, "o": _join_observation}
