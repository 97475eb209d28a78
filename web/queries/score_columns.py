"""What lists of scores can be filtered by, as SQL on the table scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from web.queries import conditions, merge
from web.queries.conditions import Column, Condition
from web.queries.statement import Values

#: As the metadata of spans is stored: text that begins with a quote is given as JSON, since conditions decode such text.
_METADATA = (
    "mapApply((name, text) -> (name, if(startsWith(text, '\"'), toJSONString(text), text)), "
    "JSONExtract(metadata, 'Map(String, String)'))"
)

COLUMNS: Mapping[str, Column] = {
    "id": Column("text", "id"),
    "traceId": Column("text", "trace_id"),
    "observationId": Column("text", "observation_id"),
    "sessionId": Column("text", "session_id"),
    "datasetRunId": Column("text", "dataset_run_id"),
    "timestamp": Column("time", "timestamp"),
    "source": Column("text", "source"),
    "dataType": Column("text", "data_type"),
    "name": Column("text", "name"),
    "value": Column("number", "if(data_type = 'TEXT', NULL, value)"),
    "stringValue": Column("text", "string_value"),
    "booleanValue": Column("bool", "if(data_type = 'BOOLEAN', value = 1, NULL)"),
    "metadata": Column("map", _METADATA),
    "environment": Column("text", "environment"),
    "comment": Column("text", "comment"),
    "configId": Column("text", "config_id"),
    "queueId": Column("text", "queue_id"),
    "authorUserId": Column("text", "author_user_id"),
}
#: Columns of the trace that is scored → what lists of traces call them.
OF_TRACE: Mapping[str, str] = {"userId": "userId", "traceName": "name", "tags": "tags"}


def where(conditions_: Sequence[Condition], values: Values) -> str:
    """The conditions on rows of scores, ANDed. What is said of no trace, or of one that there is not, has none of its trace's
    values: they are null."""
    found = [conditions.sql(c, COLUMNS, values) for c in conditions_ if c.column not in OF_TRACE]
    for condition in conditions_:
        if condition.column not in OF_TRACE:
            continue
        absent = condition.operator == "is null"
        operator = "is not null" if absent else condition.operator
        of_trace = [Condition(OF_TRACE[condition.column], operator, condition.value, condition.key)]
        found.append(f"trace_id {'NOT IN' if absent else 'IN'} ({merge.matching(of_trace, values)})")
    return " AND ".join(found) or "true"
