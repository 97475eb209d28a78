"""Observations: all of one trace, without its time being known, and what lists of them are made of.

`SMALL` are the columns that lists read; `LARGE` those that only a trace or an observation that is looked at needs: what went
in and out, and everything the span was sent with. Times are Unix ns, `None` where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from litefuse.clickhouse.asking import Store
from web.queries import conditions, merge, numbers, traces
from web.queries.conditions import Column, Condition
from web.queries.statement import OBSERVATIONS, PROJECT, Statement, Values, bind, run
from web.queries.totals import counted
from web.queries.traces import Trace

#: An observation is a row with these names.
Observation = dict[str, Any]


def _ns(column: str) -> str:
    return f"toUnixTimestamp64Nano({column})"


def _as_they_are(names: str) -> dict[str, str]:
    return {name: name for name in names.split()}


#: Name → SQL.
SMALL: Mapping[str, str] = {
    "trace_id": "trace_id",
    "id": "span_id",
    "parent_id": "parent_span_id",
    "start_ns": _ns("start_time"),
    "end_ns": _ns("end_time"),
    "completion_start_ns": "toUnixTimestamp64Nano(completion_start_time)",
    "received_ns": _ns("received_at"),
    "end_time_unix_nano": "end_time_unix_nano",
    **_as_they_are(
        "name observation_name type kind level level_message status_code status_message environment app_version "
        "app_version_is_own release release_is_own model provider model_parameters input_preview output_preview usage "
        "input_tokens output_tokens total_tokens cached_tokens reasoning_tokens cost input_cost output_cost total_cost "
        "cost_source price prompt_name prompt_version user_id session_id tags metadata is_root is_app_root "
        "experiment mapping_error service_name scope_name scope_version sdk_name sdk_version public_key"
    ),
    "tool_call_ids": "`tool_calls.id`",
    "tool_call_names": "`tool_calls.name`",
}
LARGE: Mapping[str, str] = {
    **_as_they_are(
        "input output trace_name trace_input trace_output trace_public trace_metadata tool_definitions "
        "attributes_string attributes_int "
        "attributes_float attributes_bool attributes_json resource_string resource_int resource_float resource_bool "
        "resource_json resource_schema_url scope_attributes scope_attribute_types scope_schema_url trace_state flags "
        "start_time_unix_nano dropped_attributes_count dropped_events_count dropped_links_count "
        "resource_dropped_attributes_count scope_dropped_attributes_count"
    ),
    "tool_call_arguments": "`tool_calls.arguments`",
    "tool_call_types": "`tool_calls.type`",
    "tool_call_indexes": "`tool_calls.index`",
    **{
        f"event_{name}": f"`events.{name}`"
        for name in ("time_unix_nano", "name", "attributes", "attribute_types", "dropped_attributes_count")
    },
    **{
        f"link_{name}": f"`links.{name}`"
        for name in (
            "trace_id",
            "span_id",
            "trace_state",
            "flags",
            "attributes",
            "attribute_types",
            "dropped_attributes_count",
        )
    },
}

#: What a list of observations can be filtered by. `trace…`: of the trace, so that all its observations are found.
COLUMNS: Mapping[str, Column] = {
    "id": Column("text", "span_id"),
    "traceId": Column("text", "trace_id"),
    "parentObservationId": Column("text", "parent_span_id"),
    "type": Column("text", "type"),
    "name": Column("text", "observation_name"),
    "startTime": Column("time", "start_time"),
    "endTime": Column("time", "if(end_time_unix_nano = 0, NULL, end_time)"),
    "environment": Column("text", "environment"),
    "level": Column("text", "level"),
    "statusMessage": Column("text", "level_message"),
    "version": Column("text", "app_version"),
    "model": Column("text", "model"),
    "modelId": Column("text", "''"),
    "release": Column("text", "release"),
    "promptName": Column("text", "prompt_name"),
    "promptVersion": Column("number", "prompt_version"),
    "latency": Column("number", "if(end_time_unix_nano = 0, NULL, duration_ns / 1e9)"),
    "timeToFirstToken": Column("number", "time_to_first_token"),
    "tokensPerSecond": Column("number", "if(duration_ns = 0, NULL, total_tokens * 1e9 / duration_ns)"),
    "inputTokens": Column("number", "input_tokens"),
    "outputTokens": Column("number", "output_tokens"),
    "totalTokens": Column("number", "total_tokens"),
    "inputCost": Column("number", "toFloat64(input_cost)"),
    "outputCost": Column("number", "toFloat64(output_cost)"),
    "totalCost": Column("number", "toFloat64(total_cost)"),
    "metadata": Column("map", "metadata"),
    "isRootObservation": Column("bool", "is_root OR is_app_root"),
    "hasParentObservation": Column("bool", "parent_span_id != ''"),
    "hasInput": Column("bool", "notEmpty(input)"),
    "hasOutput": Column("bool", "notEmpty(output)"),
    "input": Column("text", "input"),
    "output": Column("text", "output"),
    "calledTools": Column("list", "CAST(`tool_calls.name`, 'Array(String)')"),
    "service": Column("text", "service_name"),
}
#: Columns of the trace → what lists of traces call them.
OF_TRACE: Mapping[str, str] = {
    "userId": "userId",
    "sessionId": "sessionId",
    "traceName": "name",
    "traceTags": "tags",
    "tags": "tags",
    "traceEnvironment": "environment",
    "traceRelease": "release",
    "traceVersion": "version",
    "tracePublic": "public",
    "traceMetadata": "metadata",
}


class Position(NamedTuple):
    """Where a page ends: start, Unix ns, trace id and span id of its last observation."""

    start_ns: int
    trace_id: str
    id: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which observations: those that start in [since_ns, until_ns), None for open, and fulfil all conditions."""

    since_ns: int | None = None
    until_ns: int | None = None
    conditions: Sequence[Condition] = ()


# -- statements ----------------------------------------------------------------------------------------------------------


def of_trace(project_id: str, trace_id: str, low_ns: int, high_ns: int, names: Iterable[str]) -> Statement:
    """The observations of a trace, whose spans start in [low_ns, high_ns), in the order of their start."""
    values = Values()
    sql = f"""
        SELECT {_select(names)}
        FROM spans FINAL
        WHERE {PROJECT} AND {OBSERVATIONS} AND {numbers.spans_of(values, low_ns, high_ns)}
          AND trace_id = {values.text(trace_id)}
        ORDER BY start_time, NOT is_root, span_id"""
    return bind(project_id, sql, values)


def one(project_id: str, span_id: str, names: Iterable[str]) -> Statement:
    """Observations with this id, of whatever trace; the newest first. No index knows span ids: reads that column whole, and
    of other columns, before copies are told apart, only what is next to what was found."""
    values = Values()
    sql = f"""
        SELECT {_select(names)}
        FROM spans FINAL
        PREWHERE span_id = {values.text(span_id)}
        WHERE {PROJECT} AND {OBSERVATIONS}
        ORDER BY start_time DESC, trace_id DESC
        LIMIT 1"""
    return bind(project_id, sql, values)


def window(
    project_id: str,
    filter_: Filter,
    low_ns: int,
    before: Position,
    names: Iterable[str],
    limit: int,
    offset: int = 0,
) -> Statement:
    """The newest observations that start in [low_ns, before) and match, but for so many of them."""
    values = Values()
    sql = f"""
        SELECT {_select(names)}
        FROM spans FINAL
        WHERE {_matching(filter_, low_ns, None, values)}
          AND start_time <= {values.time(before.start_ns)}
          AND (start_time, trace_id, span_id)
              < ({values.time(before.start_ns)}, {values.text(before.trace_id)}, {values.text(before.id)})
        ORDER BY start_time DESC, trace_id DESC, span_id DESC
        LIMIT {values.add("UInt64", limit)} OFFSET {values.add("UInt64", offset)}"""
    return bind(project_id, sql, values)


def of_keys(project_id: str, keys: Sequence[Position], names: Iterable[str]) -> Statement:
    """Observations of these keys, and maybe others with a trace id of one and an id of another, in no order."""
    values = Values()
    first, last = min(key.start_ns for key in keys), max(key.start_ns for key in keys)
    # What the table is sorted by is the same in all copies, so that it may be looked at before they are told apart.
    sql = f"""
        SELECT {_select(names)}
        FROM spans FINAL
        PREWHERE span_id IN {values.texts([key.id for key in keys])}
            AND trace_id IN {values.texts(list({key.trace_id for key in keys}))}
        WHERE {PROJECT} AND {OBSERVATIONS} AND {numbers.spans_of(values, first, last + 1)}"""
    return bind(project_id, sql, values)


def total(project_id: str, filter_: Filter) -> Statement:
    """How many observations match."""
    values = Values()
    return bind(project_id, f"SELECT count() FROM spans FINAL WHERE {matching(filter_, values)}", values)


def matching(filter_: Filter, values: Values) -> str:
    """SQL on spans: the project and all that the filter says."""
    return _matching(filter_, filter_.since_ns, filter_.until_ns, values)


def _select(names: Iterable[str]) -> str:
    return ", ".join(SMALL.get(name) or LARGE[name] for name in names)


def _matching(filter_: Filter, low_ns: int | None, high_ns: int | None, values: Values) -> str:
    """SQL on spans."""
    own = [c for c in filter_.conditions if c.column not in OF_TRACE]
    trace = [
        Condition(OF_TRACE[c.column], c.operator, c.value, c.key) for c in filter_.conditions if c.column in OF_TRACE
    ]
    found = [PROJECT, OBSERVATIONS, numbers.spans_of(values, low_ns, high_ns)]
    found += [_own(c, values) for c in own]
    if trace:
        # The trace may have begun, and have said it, long before the window: no lower end.
        found.append(f"trace_id IN ({merge.matching(trace, values)})")
    return " AND ".join(found)


def _own(condition: Condition, values: Values) -> str:
    """A condition on what an observation says itself; its release is its trace's where it says none (section 4.2)."""
    sql = conditions.sql(condition, COLUMNS, values)
    if condition.column != "release":
        return sql
    return f"((release != '' AND {sql}) OR (release = '' AND trace_id IN ({merge.matching([condition], values)})))"


# -- running them --------------------------------------------------------------------------------------------------------


async def trace(
    store: Store, project_id: str, trace_id: str, *, large: bool = False
) -> tuple[Trace, list[Observation]] | None:
    """A trace and its observations in the order of their start; None when there is no such trace. `large`: with the large
    columns too."""
    found = await traces.without_numbers(store, project_id, [trace_id])
    if not found:
        return None
    rows = await of(store, project_id, found[0], [*SMALL, *(LARGE if large else ())])
    return replace(found[0], numbers=numbers.of_observations(rows)), rows


async def of(store: Store, project_id: str, trace: Trace, names: Sequence[str]) -> list[Observation]:
    """The observations of a trace in the order of their start, with these columns."""
    statement = of_trace(project_id, trace.id, trace.start_ns, trace.spans_until_ns, names)
    return named(names, await run(store, statement))


async def by_id(store: Store, project_id: str, span_id: str) -> Observation | None:
    """An observation with all its columns, by its id alone; None when there is none."""
    names = [*SMALL, *LARGE]
    found = named(names, await run(store, one(project_id, span_id, names)))
    return found[0] if found else None


async def count(store: Store, project_id: str, filter_: Filter | None = None, *, timeout: float = 30.0) -> int:
    """How many observations match."""
    return await counted(store, total(project_id, filter_ or Filter()), timeout)


def named(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Observation]:
    return [dict(zip(names, row, strict=True)) for row in rows]
