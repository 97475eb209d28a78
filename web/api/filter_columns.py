"""What a filter can name: columns by endpoint, under each of the names they go by (public-api.md section 1.8).

Besides its own name a column may be called by its label in user interfaces, which stored filters of older clients have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from web.queries import merge, observations, score_columns
from web.queries.conditions import Column


@dataclass(frozen=True, slots=True)
class FilterColumn:
    """`column` is what web/queries call it; `kind` is of its values, as in conditions.Column; `searched`: `matches` is an
    operator of it. `name` is the first of its names."""

    column: str
    kind: str
    searched: bool = False
    name: str = ""


def _table(
    columns: Mapping[str, Column],
    of_trace: Mapping[str, str],
    names: Mapping[str, tuple[str, ...]],
    searched: tuple[str, ...] = (),
) -> Mapping[str, FilterColumn]:
    """`names`: column → all names of it, the first of which is its own."""
    found: dict[str, FilterColumn] = {}
    for column, known in names.items():
        kind = merge.COLUMNS[of_trace[column]].kind if column in of_trace else columns[column].kind
        for name in known:
            found[name] = FilterColumn(column, kind, column in searched, known[0])
    return found


_TRACES = {
    "id": ("id", "traceId", "ID", "Trace ID"),
    "name": ("name", "traceName", "Name", "Trace Name"),
    "timestamp": ("timestamp", "Timestamp"),
    "userId": ("userId", "User ID"),
    "sessionId": ("sessionId", "Session ID"),
    "environment": ("environment", "Environment"),
    "version": ("version", "Version"),
    "release": ("release", "Release"),
    "tags": ("tags", "traceTags", "Tags", "Trace Tags"),
    "bookmarked": ("bookmarked", "⭐️"),
    "metadata": ("metadata", "Metadata"),
    "level": ("level", "Level"),
    "latency": ("latency", "Latency (s)"),
    "inputTokens": ("inputTokens", "Input Tokens"),
    "outputTokens": ("outputTokens", "Output Tokens"),
    "totalTokens": ("totalTokens", "tokens", "Total Tokens", "Tokens"),
    "inputCost": ("inputCost", "Input Cost ($)"),
    "outputCost": ("outputCost", "Output Cost ($)"),
    "totalCost": ("totalCost", "Total Cost ($)"),
    "warningCount": ("warningCount", "Warning Level Count"),
    "errorCount": ("errorCount", "Error Level Count"),
    "defaultCount": ("defaultCount", "Default Level Count"),
    "debugCount": ("debugCount", "Debug Level Count"),
    "scores_avg": ("scores_avg", "scores", "Scores (numeric)", "Scores"),
    "score_categories": ("score_categories", "Scores (categorical)"),
    "score_booleans": ("score_booleans", "Scores (boolean)"),
}

_OBSERVATIONS_V1 = {
    "id": ("id", "ID"),
    "type": ("type", "Type"),
    "name": ("name", "Name"),
    "traceId": ("traceId", "Trace ID"),
    "parentObservationId": ("parentObservationId", "Parent Observation ID"),
    "startTime": ("startTime", "Start Time"),
    "endTime": ("endTime", "End Time"),
    "environment": ("environment", "Environment"),
    "level": ("level", "Level"),
    "statusMessage": ("statusMessage", "Status Message"),
    "version": ("version", "Version"),
    "model": ("model", "Model"),
    "modelId": ("modelId", "Model ID"),
    "promptName": ("promptName", "Prompt Name"),
    "promptVersion": ("promptVersion", "Prompt Version"),
    "latency": ("latency", "Latency (s)"),
    "timeToFirstToken": ("timeToFirstToken", "Time To First Token (s)"),
    "tokensPerSecond": ("tokensPerSecond", "Tokens per second"),
    "inputTokens": ("inputTokens", "Input Tokens"),
    "outputTokens": ("outputTokens", "Output Tokens"),
    "totalTokens": ("totalTokens", "tokens", "Total Tokens", "Tokens"),
    "inputCost": ("inputCost", "Input Cost ($)"),
    "outputCost": ("outputCost", "Output Cost ($)"),
    "totalCost": ("totalCost", "Total Cost ($)"),
    "metadata": ("metadata", "Metadata"),
    "userId": ("userId", "User ID"),
    "sessionId": ("sessionId", "Session ID"),
    "traceName": ("traceName", "Trace Name"),
    "traceTags": ("traceTags", "Trace Tags"),
    "traceEnvironment": ("traceEnvironment", "Trace Environment"),
}

_OBSERVATIONS_V2 = {
    **_OBSERVATIONS_V1,
    "model": ("model", "providedModelName", "Model", "Provided Model Name"),
    "traceTags": ("traceTags", "tags", "Trace Tags", "Tags"),
    "release": ("release", "Release"),
    "isRootObservation": ("isRootObservation", "Is Root Observation"),
    "hasParentObservation": ("hasParentObservation", "Has Parent Observation"),
    "hasInput": ("hasInput", "Has Input"),
    "hasOutput": ("hasOutput", "Has Output"),
    "input": ("input", "Input"),
    "output": ("output", "Output"),
}

_SCORES = {
    "id": ("id", "ID"),
    "traceId": ("traceId", "Trace ID"),
    "observationId": ("observationId", "Observation ID"),
    "sessionId": ("sessionId", "Session ID"),
    "timestamp": ("timestamp", "Timestamp"),
    "source": ("source", "Source"),
    "dataType": ("dataType", "Data Type"),
    "name": ("name", "Name"),
    "value": ("value", "Value"),
    "stringValue": ("stringValue", "String Value"),
    "booleanValue": ("booleanValue", "Boolean Value"),
    "metadata": ("metadata", "Metadata"),
    "environment": ("environment", "Environment"),
    "userId": ("userId", "User ID"),
    "traceName": ("traceName", "Trace Name"),
    "tags": ("tags", "traceTags", "trace_tags", "Tags", "Trace Tags"),
}

#: Name in a filter → column, for each endpoint. Conditions have the columns of merge.COLUMNS, of observations.COLUMNS and
#: OF_TRACE, or of score_columns.COLUMNS and OF_TRACE.
TRACES: Mapping[str, FilterColumn] = _table(merge.COLUMNS, {}, _TRACES)
OBSERVATIONS_V1: Mapping[str, FilterColumn] = _table(observations.COLUMNS, observations.OF_TRACE, _OBSERVATIONS_V1)
OBSERVATIONS_V2: Mapping[str, FilterColumn] = _table(
    observations.COLUMNS, observations.OF_TRACE, _OBSERVATIONS_V2, ("input", "output", "metadata")
)
SCORES: Mapping[str, FilterColumn] = _table(score_columns.COLUMNS, score_columns.OF_TRACE, _SCORES)
