"""What metrics can be asked for, as tables: views, their dimensions and their measures (public-api.md section 7.1).

Every piece of SQL that a query of metrics is made of stands here, and every name that a request may give is a key of these
tables: metric_sql.py looks names up and puts the pieces together, so that no text of a request becomes SQL.

Rows that measures are taken from have the alias `r`, and what is joined to them: `t` the trace (merge.py), `n` the trace's
numbers (numbers.py), `c` how many scores, `o` the observation that is scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from web.queries import merge, score_columns
from web.queries.observations import COLUMNS as SPANS

#: What one observation has many of; a dimension that gives a row for each of them names its kind.
TOOLS, COSTS, USAGE = "tools", "costs", "usage"


@dataclass(frozen=True, slots=True)
class Each:
    """A dimension that makes a row of each name in a list, with an amount where the list has amounts beside it."""

    kind: str
    names: str
    amounts: str = ""


@dataclass(frozen=True, slots=True)
class Dimension:
    """What measures are grouped by, and filtered by.

    `kind`: text, list, number, bool, month (YYYYMM) or day (YYYYMMDD), both as numbers. `sql` is the value in a row of the
    view's table; `joined` in a row that is joined to it, whose alias is `join`. Where both are given, the row's own goes first.
    `of_trace`: the same, as merge.COLUMNS has it. `text` is what filters compare when that is not the value itself. `many`:
    about as many values as rows, which version 2 of the API limits. `version`: the first of the API that has it.
    """

    kind: str
    sql: str = ""
    joined: str = ""
    join: str = ""
    of_trace: str = ""
    text: str = ""
    each: Each | None = None
    many: bool = False
    version: int = 1

    @property
    def whole(self) -> str:
        """Of a row with its joins, which has the own value as `{own}`."""
        if not self.joined:
            return "{own}"
        return f"if({{own}} != '', {{own}}, {self.joined})" if self.sql else self.joined


@dataclass(frozen=True, slots=True)
class Measure:
    """What is summed, counted and so on.

    `kind`: number, cost (a decimal, USD) or text. `sql` is the value in a row of the view's table, `joined` the value in a row
    that is joined, whose alias is `join`; null is left out of every aggregation. `named`: what replaces `sql` where rows are
    made of tools' names, and what is made of it (`{own}`) and the name. `each`: it is the amount of such a row, and brings this
    dimension with it.
    """

    kind: str
    unit: str
    sql: str = ""
    joined: str = ""
    join: str = ""
    named: tuple[str, str] | None = None
    each: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class View:
    """`time`: name of the column of the time; `at`: the same in SQL. `fixed`: which rows of the table there are. `ids`: of a
    row, by the names that joins use. `metadata`: a map."""

    name: str
    table: str
    time: str
    at: str
    fixed: str
    ids: Mapping[str, str]
    metadata: str
    dimensions: Mapping[str, Dimension]
    measures: Mapping[str, Measure]
    version: int = 1
    until_version: int = 2


def _text(sql: str, *, many: bool = False, version: int = 1) -> Dimension:
    return Dimension("text", sql, many=many, version=version)


def _of_trace(column: str, own: str = "", *, many: bool = False, version: int = 1) -> Dimension:
    """A dimension that is a column of the trace."""
    known = merge.COLUMNS[column]
    return Dimension(known.kind, own, f"t.{known.sql}", "t", column, many=many, version=version)


def _month(at: str) -> Dimension:
    return Dimension("month", f"toYYYYMM({at})", text=f"formatDateTime({at}, '%Y-%m')")


_COUNT = Measure("number", "rows", "toUInt8(1)")
_MS = "milliseconds"

_OF_TRACE: Mapping[str, Dimension] = {
    "traceName": _of_trace("name"),
    "tags": _of_trace("tags"),
    "userId": _of_trace("userId", many=True),
    "sessionId": _of_trace("sessionId", many=True),
    "traceRelease": _of_trace("release"),
    "traceVersion": _of_trace("version"),
}

# -- traces --------------------------------------------------------------------------------------------------------------

TRACES = View(
    name="traces",
    table="traces",
    time="timestamp",
    at="start_time",
    fixed="true",
    ids={"trace": "trace_id"},
    metadata=merge.COLUMNS["metadata"].sql,
    dimensions={
        "id": _text("trace_id", many=True),
        "name": _text("name"),
        "tags": Dimension("list", "tags"),
        "userId": _text("user_id", many=True),
        "sessionId": _text("session_id", many=True),
        "release": _text("release"),
        "version": _text("version"),
        "environment": _text("environment"),
        "timestampMonth": _month("start_time"),
    },
    measures={
        "count": _COUNT,
        "observationsCount": Measure("number", "observations", joined="n.observations", join="n"),
        "scoresCount": Measure("number", "scores", joined="c.scores", join="c"),
        "uniqueUserIds": Measure("text", "users", "nullIf(user_id, '')"),
        "uniqueSessionIds": Measure("text", "sessions", "nullIf(session_id, '')"),
        "latency": Measure("number", _MS, joined="if(n.observations = 0, NULL, n.latency_ns / 1e6)", join="n"),
        "totalTokens": Measure("number", "tokens", joined="n.total_tokens", join="n"),
        "totalCost": Measure("cost", "USD", joined="n.total_cost", join="n"),
    },
    until_version=1,
)

# -- observations --------------------------------------------------------------------------------------------------------

_TOOL_NAMES = "CAST(mapKeys(tool_definitions), 'Array(String)')"
_CALLED = "CAST(`tool_calls.name`, 'Array(String)')"
#: An observation that never ended has its start as its end.
_ENDED = "end_time_unix_nano != 0"


def _between(start: str, end: str) -> str:
    """Nanoseconds."""
    return f"(toUnixTimestamp64Nano({end}) - toUnixTimestamp64Nano({start}))"


def _rate(tokens: str, ns: str) -> str:
    """A second; null where there was no time, or less than none: a first token that came after the end."""
    return f"if({ns} > 0, {tokens} * 1e9 / {ns}, NULL)"


_STREAMED = f"if({_ENDED}, {_between('completion_start_time', 'end_time')}, NULL)"
_RAN = f"if({_ENDED}, {_between('start_time', 'end_time')}, NULL)"

OBSERVATIONS = View(
    name="observations",
    table="spans",
    time="startTime",
    at="start_time",
    fixed="type != 'TRACE'",
    ids={"trace": "trace_id", "span": "span_id"},
    metadata=SPANS["metadata"].sql,
    dimensions={
        "id": _text("span_id", many=True),
        "traceId": _text("trace_id", many=True),
        "traceName": _OF_TRACE["traceName"],
        "environment": _text("environment"),
        "parentObservationId": _text("parent_span_id", many=True),
        "type": _text("type"),
        "name": _text("observation_name"),
        "level": _text("level"),
        "version": _text("app_version"),
        "release": _of_trace("release", "release", version=2),
        "tags": _OF_TRACE["tags"],
        "providedModelName": _text("model"),
        "promptName": _text("prompt_name"),
        "promptVersion": Dimension("number", "prompt_version"),
        "userId": _OF_TRACE["userId"],
        "sessionId": _OF_TRACE["sessionId"],
        "traceRelease": _OF_TRACE["traceRelease"],
        "traceVersion": _OF_TRACE["traceVersion"],
        "startTimeMonth": _month("start_time"),
        "isRootObservation": Dimension("bool", f"toBool({SPANS['isRootObservation'].sql})", version=2),
        "toolNames": Dimension("list", _TOOL_NAMES, each=Each(TOOLS, f"arrayDistinct({_TOOL_NAMES})")),
        "calledToolNames": Dimension("list", _CALLED, each=Each(TOOLS, f"arrayDistinct({_CALLED})")),
        "costType": Dimension("text", each=Each(COSTS, "mapKeys(cost)", "mapValues(cost)"), version=2),
        "usageType": Dimension("text", each=Each(USAGE, "mapKeys(usage)", "mapValues(usage)"), version=2),
    },
    measures={
        "count": _COUNT,
        "latency": Measure("number", _MS, f"{_RAN} / 1e6"),
        "streamingLatency": Measure("number", _MS, f"{_STREAMED} / 1e6"),
        "timeToFirstToken": Measure("number", _MS, f"{_between('start_time', 'completion_start_time')} / 1e6"),
        "inputTokens": Measure("number", "tokens", "input_tokens"),
        "outputTokens": Measure("number", "tokens", "output_tokens"),
        "totalTokens": Measure("number", "tokens", "total_tokens"),
        "outputTokensPerSecond": Measure("number", "tokens/s", _rate("output_tokens", _STREAMED)),
        "tokensPerSecond": Measure("number", "tokens/s", _rate("total_tokens", _RAN)),
        "inputCost": Measure("cost", "USD", "input_cost"),
        "outputCost": Measure("cost", "USD", "output_cost"),
        "totalCost": Measure("cost", "USD", "total_cost"),
        "countScores": Measure("number", "scores", joined="c.scores", join="c"),
        "toolDefinitions": Measure(
            "number",
            "tools",
            "nullIf(length(tool_definitions), 0)",
            named=(_TOOL_NAMES, "nullIf(countEqual({own}, each_name), 0)"),
        ),
        "toolCalls": Measure(
            "number",
            "calls",
            "nullIf(length(`tool_calls.name`), 0)",
            named=(_CALLED, "nullIf(countEqual({own}, each_name), 0)"),
        ),
        "traceId": Measure("text", "traces", "trace_id", version=2),
        "uniqueUserIds": Measure("text", "users", joined="nullIf(t.user_id, '')", join="t", version=2),
        "uniqueSessionIds": Measure("text", "sessions", joined="nullIf(t.session_id, '')", join="t", version=2),
        "costByType": Measure("cost", "USD", joined="each_amount", each="costType", version=2),
        "usageByType": Measure("number", "tokens", joined="each_amount", each="usageType", version=2),
    },
)

# -- scores --------------------------------------------------------------------------------------------------------------


def _of_observation(column: str, kind: str = "text") -> Dimension:
    return Dimension(kind, joined=f"o.{column}", join="o")


_OF_SCORE: Mapping[str, Dimension] = {
    "id": _text("id", many=True),
    "environment": _text("environment"),
    "name": _text("name"),
    "source": _text("source"),
    "dataType": _text("data_type"),
    "traceId": _text("trace_id", many=True),
    "observationId": _text("observation_id", many=True),
    "configId": _text("config_id"),
    "timestampMonth": _month("timestamp"),
    "timestampDay": Dimension("day", "toYYYYMMDD(timestamp)", text="formatDateTime(timestamp, '%Y-%m-%d')"),
    **_OF_TRACE,
    # of the trace, unless it is a session that is scored
    "sessionId": _of_trace("sessionId", "session_id", many=True),
    "observationName": _of_observation("observation_name"),
    "observationModelName": _of_observation("model"),
    "observationPromptName": _of_observation("prompt_name"),
    "observationPromptVersion": _of_observation("prompt_version", "number"),
}
_VALUE = Measure("number", "as the score", "value")

SCORES_NUMERIC = View(
    name="scores-numeric",
    table="scores",
    time="timestamp",
    at="timestamp",
    fixed="data_type IN ('NUMERIC', 'BOOLEAN')",
    ids={"trace": "trace_id", "span": "observation_id"},
    metadata=score_columns.COLUMNS["metadata"].sql,
    dimensions={**_OF_SCORE, "value": Dimension("number", "value")},
    measures={"count": _COUNT, "value": _VALUE},
)
SCORES_BOOLEAN = replace(
    SCORES_NUMERIC,
    name="scores-boolean",
    fixed="data_type = 'BOOLEAN'",
    dimensions={**SCORES_NUMERIC.dimensions, "booleanValue": Dimension("bool", "toBool(value != 0)")},
)
SCORES_CATEGORICAL = replace(
    SCORES_NUMERIC,
    name="scores-categorical",
    fixed="data_type = 'CATEGORICAL'",
    dimensions={**_OF_SCORE, "stringValue": _text("string_value")},
    measures={"count": _COUNT},
)

VIEWS: Mapping[str, View] = {
    view.name: view for view in (TRACES, OBSERVATIONS, SCORES_NUMERIC, SCORES_BOOLEAN, SCORES_CATEGORICAL)
}
