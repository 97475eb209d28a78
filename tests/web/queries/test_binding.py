"""Every statement is bound to one project, and no value is ever part of a statement's text (reliability rows 43 and 44)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from litefuse.clickhouse.client import Store
from tests.embedded.server import Server
from tests.web.queries.support import HOUR, MONDAY, insert, random_trace
from web.queries import (
    contexts,
    daily,
    export,
    ingestion,
    merge,
    metric_sql,
    metrics,
    numbers,
    observation_pages,
    observations,
    otlp,
    score_columns,
    scores,
    sessions,
    texts,
    trace_pages,
    traces,
)
from web.queries.conditions import Column, Condition
from web.queries.metric_query import AGGREGATIONS, Metric, Order, Query, check
from web.queries.metric_views import VIEWS, View
from web.queries.sessions import Range
from web.queries.statement import Statement, Values, bind, run

NASTY = "x' OR 1=1 -- {project:String} `\\ \0"
LOW, HIGH = MONDAY - HOUR, MONDAY + 30 * 24 * HOUR


def conditions(columns: dict[str, Column]) -> Iterator[Condition]:
    """One with every operator of every column, all of which some rows may fulfil."""
    negative = {"text": "does not contain", "list": "none of", "map": "is not set", "number": ">=", "time": ">="}
    for name, column in columns.items():
        if column.kind in ("bool", "boolean score"):
            yield Condition(name, "<>", True, NASTY)
        elif column.kind == "numeric score":
            yield Condition(name, "is null", None, NASTY)
        elif column.kind == "category score":
            yield Condition(name, "none of", [NASTY], NASTY)
        elif column.kind in ("number", "time"):
            yield Condition(name, ">=", 0)
        else:
            yield Condition(name, negative[column.kind], [NASTY] if column.kind == "list" else NASTY, NASTY)


def statements(project: str, ids: list[str]) -> dict[str, Statement]:
    """One of each that the read side makes; each finds something in the project."""
    of_traces = merge.Filter(LOW, HIGH, [c for c in conditions(dict(merge.COLUMNS)) if c.column in WIDE])
    by_name = merge.Filter(LOW, HIGH, [Condition("name", "none of", [NASTY])])
    of_spans = observations.Filter(
        LOW, HIGH, [Condition("tags", "none of", [NASTY]), Condition("isRootObservation", "<>", True)]
    )
    at, span_at = traces.Position(HIGH, NASTY), observations.Position(HIGH, NASTY, NASTY)
    names = [*observations.SMALL, *observations.LARGE]
    keys = [
        observations.Position(at, id_, f"{id_[-4:]}{n:012x}") for id_ in ids for n in range(24) for at in (LOW, HIGH)
    ]
    found = {
        "extent": traces.extent(project),
        "step": traces.step(project, of_traces, LOW, at, 1000),
        "step by name": traces.step(project, by_name, LOW, at, 1000),
        "step by said name": traces.step(project, by_name, LOW, at, 1000, nameless=False),
        "any nameless": traces.any_nameless(project, LOW),
        "rows": traces.rows(project, ids),
        "sorted": traces.sorted_page(project, of_traces, "name", True, 0, 1000),
        "total": traces.total(project, of_traces),
        "observation ids": trace_pages.observation_ids(project, ids, LOW, HIGH),
        "of session": trace_pages.of_session(project, "s1", 1000),
        "environments": sessions.environments(project, ["s1", "s2"], LOW, HIGH),
        "names": traces.names(project, ids, LOW, HIGH),
        "numbers": numbers.statement(project, ids, LOW, HIGH),
        "texts": texts.statement(project, ids, LOW, HIGH),
        "export hours": export.hours(project, LOW, HIGH),
        "export spans": export.spans(project, LOW, HIGH, of_traces.conditions),
        "otlp of trace": otlp.of_trace_statement(project, ids[0], LOW, HIGH),
        "of trace": observations.of_trace(project, ids[0], LOW, HIGH, names),
        "one": observations.one(project, f"{ids[0][-4:]}{0:012x}", names),
        "window": observations.window(project, of_spans, LOW, span_at, names, 1000),
        "window without its first": observations.window(project, of_spans, LOW, span_at, names, 1000, 1),
        "of keys": observations.of_keys(project, keys, names),
        "reach": observation_pages.reach(project, [Condition("id", "any of", ids)]),
        "reach of users": observation_pages.reach(project, [Condition("userId", "any of", ["ann", "bob", NASTY])]),
        "contexts": contexts.statement(project, ids, named=True),
        "contexts without names": contexts.statement(project, ids, named=False),
        "observations": observations.total(project, of_spans),
        "models": metrics.by_model(project, LOW, HIGH, "day", of_spans.conditions),
    }
    of_scores = scores.Filter(
        LOW, HIGH, [c for c in conditions(dict(score_columns.COLUMNS)) if c.column in SCORED], (1.0,)
    )
    score_ids = [f"score {id_}" for id_ in ids]
    found |= {
        "score": scores.one(project, score_ids[0], of_scores),
        "scores of traces": scores.traces(project, ids),
        "score step": scores.step(project, of_scores, scores.Position(HIGH, NASTY), 1000),
        "score versions": scores.versions(project, score_ids),
        "score rows": scores.rows(project, score_ids),
        "score page": scores.at_offset(project, of_scores, 0, 1000),
        "scores": scores.total(project, of_scores),
        "events": ingestion.statement(project, "trace", ids),
    }
    for group, chosen in (("session_id", ["s1", "s2"]), ("user_id", ["ann", "bob"])):
        range_ = Range(LOW, HIGH, ["default", "prod", "dev"])
        found[f"{group} ids"] = sessions.ids(project, group, range_, 0, 100)
        found[f"{group} total"] = sessions.total(project, group, range_)
        found[f"{group} details"] = sessions.details(project, group, chosen, LOW, HIGH)
    for view in VIEWS.values():
        for query in metric_queries(view):
            if query.view.table != "scores":  # of which there are none here
                found[f"metrics {view.name} {query.dimensions[0]}"] = metric_sql.statement(project, query)
    by_day = daily.Filter(LOW, HIGH, [*by_name.conditions, *(c for c in of_traces.conditions if c.column == "tags")])
    found |= {"days": daily.days(project, by_day), "starts of days": daily.starts(project, by_day)}
    return found | {"usage of days": daily.usage(project, by_day)}


def metric_queries(view: View) -> Iterator[Query]:
    """Each dimension with every measure, and with a condition on it and on metadata."""
    version = view.until_version
    metrics = [
        Metric(name, aggregation)
        for name, measure in view.measures.items()
        for aggregation in (("uniq",) if measure.kind == "text" else AGGREGATIONS)
        if not measure.each
    ]
    for name, dimension in view.dimensions.items():
        if dimension.kind == "list" and dimension.each:  # names of tools, of which there are none here
            continue
        wanted = [Condition("metadata", "is not set", None, NASTY)]
        if dimension.kind in ("text", "list") and not dimension.each and name != "promptName":  # which none has here
            wanted.append(Condition(name, "none of", [NASTY]))
        order, bucket = [Order("count_count", True)], None if dimension.many else "day"
        yield check(Query(view, metrics, LOW, HIGH, [name], wanted, bucket, order, 10, 1000, version))


#: Conditions that every trace fulfils.
WIDE = (
    *("timestamp", "tags", "metadata", "observations", "latency", "errorCount", "bookmarked"),
    *("scores_avg", "score_categories", "score_booleans"),
)
#: Columns of scores with conditions that every score here fulfils.
SCORED = ("id", "traceId", "timestamp", "name", "value", "dataType", "source", "metadata", "environment")
NAMES = list(statements("p", ["0" * 32]))


@pytest.fixture(scope="module")
def ids(server: Server) -> list[str]:
    """The same ids in two projects, with other values in the second."""
    chance = random.Random(3)
    made = [span for n in range(30) for span in random_trace(chance, f"{n:032x}", MONDAY + n, 8)]
    insert(server, [replace(span, project="mine", name=f"mine {span.name}", model="mine") for span in made])
    theirs = [
        replace(
            span,
            project="theirs",
            name="theirs",
            user_id="theirs",
            session_id="theirs",
            copy=9,
            tokens=(7_000_000, 7_000_000),
            model="theirs",
            start=span.start - HOUR,
        )
        for span in made
    ]
    insert(server, [*theirs, *(replace(span, span_id=f"{n:016x}") for n, span in enumerate(theirs))])
    found = sorted({span.trace_id for span in made})
    # Theirs are named as the conditions of `mine` name scores.
    for project, name, value in (("mine", "mine", 1), ("theirs", NASTY, 7)):
        answer = server.ask(
            "INSERT INTO scores FORMAT JSONEachRow\n" + "\n".join(_score(project, id_, name, value) for id_ in found),
            database="litefuse",
        )
        assert answer.status == 200, answer.text
        answer = server.ask(
            "INSERT INTO ingestion_events FORMAT JSONEachRow\n" + "\n".join(_event(project, id_) for id_ in found),
            database="litefuse",
        )
        assert answer.status == 200, answer.text
    return found


def _event(project: str, trace_id: str) -> str:
    said = {"project_id": project, "kind": "trace", "object_id": trace_id, "event_id": trace_id, "trace_id": trace_id}
    return json.dumps({**said, "type": "trace-create", "body": json.dumps({"name": project})})


def _score(project: str, trace_id: str, name: str, value: float) -> str:
    said = {"project_id": project, "id": f"score {trace_id}", "trace_id": trace_id, "name": name, "value": value}
    more = {"data_type": "NUMERIC", "source": "API", "string_value": project, "timestamp": LOW / 1e9, "version": value}
    return json.dumps({**said, **more})


@pytest.mark.parametrize("name", NAMES)
async def test_another_projects_rows_change_nothing(name: str, store: Store, server: Server, ids: list[str]) -> None:
    """With the other project beside it, and without it, a statement answers the same."""
    both = await run(store, statements("mine", ids)[name])
    assert name in ("one", "of trace") or both
    assert "theirs" not in repr(both)
    assert await run(store, statements("nobody", ids)[name]) in ([], [(0, 0)], [(0,)], [(0, 0, 0)])


@pytest.mark.parametrize("name", NAMES)
def test_values_are_parameters(name: str) -> None:
    statement = statements("the project's name", [NASTY])[name]
    assert NASTY not in statement.sql
    assert "the project's name" not in statement.sql
    assert statement.parameters["project"] == "the project's name"


async def test_every_condition_runs(store: Store, ids: list[str]) -> None:
    for condition in conditions(dict(merge.COLUMNS)):
        await traces.newest(store, "mine", merge.Filter(conditions=[condition]))
    for condition in conditions(dict(observations.COLUMNS)):
        await observation_pages.newest(store, "mine", observations.Filter(conditions=[condition]))
    for condition in conditions(dict(score_columns.COLUMNS)):
        await scores.newest(store, "mine", scores.Filter(conditions=[condition]))
    for name, column in score_columns.OF_TRACE.items():
        for condition in conditions({column: merge.COLUMNS[column]}):
            await scores.newest(store, "mine", scores.Filter(conditions=[replace(condition, column=name)]))
    for name, column in observations.OF_TRACE.items():
        for condition in conditions({column: merge.COLUMNS[column]}):
            of_trace = replace(condition, column=name)
            await observation_pages.newest(store, "mine", observations.Filter(conditions=[of_trace]))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT * FROM spans",
        "SELECT * FROM spans WHERE project_id = {project:String} AND trace_id IN (SELECT trace_id FROM trace_parts)",
        "SELECT * FROM litefuse.spans AS s JOIN traces AS t USING trace_id WHERE s.project_id = {project:String}",
    ],
)
def test_a_statement_without_its_project_is_refused(sql: str) -> None:
    with pytest.raises(ValueError, match="not bound to a project"):
        bind("p", sql, Values())
