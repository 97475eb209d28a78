"""Filters through HTTP: each column with each operator, on each list, against plain Python over the same rows (section 1.8)."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api import filter_rows as rows
from tests.web.api.filter_language import Filter, conditions, holds
from tests.web.api.filter_rows import Values
from tests.web.api.support import Client
from web.api import filter_columns
from web.api.filter_columns import FilterColumn
from web.api.filters import OPERATORS

Rows = Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class List:
    """A list that takes filters. `most`: rows of a page; `until`: the parameter that keeps it from looking where nothing is."""

    path: str
    columns: Mapping[str, FilterColumn]
    until: str = "toTimestamp"
    most: int = 100


LISTS = {
    "traces": List("/traces", filter_columns.TRACES),
    "observations": List("/observations", filter_columns.OBSERVATIONS_V1, "toStartTime"),
    "v2/observations": List("/v2/observations", filter_columns.OBSERVATIONS_V2, "toStartTime", 1000),
    "v2/scores": List("/v2/scores", filter_columns.SCORES),
    "scores": List("/scores", filter_columns.SCORES),
}
#: Lists whose conditions become the same SQL as those of the list beside it: each operator of each column once.
BRIEFLY = ("observations", "scores")
COLUMNS = [
    (name, c) for name, listing in LISTS.items() for c in dict.fromkeys(x.name for x in listing.columns.values())
]


@pytest.fixture(scope="module")
def made(server: Server) -> Mapping[str, Rows]:
    """Rows of each list; the other project has rows with the same ids and other values."""
    chance = random.Random(7)
    spans = rows.spans_made(chance)
    scores = rows.scores_made(chance, spans)
    rows.put(server, spans, scores)
    observations, of_scores = rows.observation_rows(spans), rows.score_rows(spans, scores)
    assert 50 < len(observations) < 100  # all fit on a page
    assert len(of_scores) < 100
    return {
        "traces": rows.trace_rows(spans, scores),
        "observations": observations,
        "v2/observations": observations,
        "v2/scores": of_scores,
        "scores": {id_: row for id_, row in of_scores.items() if row["traceId"]},
    }


async def found(client: Client, name: str, filters: Sequence[Filter], /, **query: Any) -> set[str]:
    """Ids of all that a list has for a filter, each of them once."""
    listing = LISTS[name]
    query = {
        "limit": listing.most,
        "fields": "core",
        listing.until: "2026-06-20",
        "filter": json.dumps(filters),
        **query,
    }
    reply = await client.get(listing.path, query)
    assert reply.status == 200, (filters, reply.body)
    ids = [row["id"] for row in reply.data]
    assert len(ids) == len(set(ids))
    assert reply.json["meta"].get("totalItems", len(ids)) == len(ids)
    return set(ids)


def wanted(of: Rows, listing: List, filters: Sequence[Filter]) -> set[str]:
    return {id_ for id_, row in of.items() if all(holds(f, row[listing.columns[f["column"]].column]) for f in filters)}


@pytest.mark.parametrize(("name", "column"), COLUMNS)
async def test_each_operator_of_each_column(client: Client, made: Mapping[str, Rows], name: str, column: str) -> None:
    listing, of = LISTS[name], made[name]
    known = listing.columns[column]
    filters: list[Filter] = [
        {"column": column, **condition}
        for condition in conditions(known.kind, known.searched, list(of.values()), known.column)
    ]
    if name in BRIEFLY:
        filters = list({(f["type"], f["operator"]): f for f in reversed(filters)}.values())
    outcomes = set()
    for at in range(0, len(filters), 4):
        some = filters[at : at + 4]
        for filter_, ids in zip(some, await asyncio.gather(*(found(client, name, [f]) for f in some)), strict=True):
            expected = wanted(of, listing, [filter_])
            assert ids == expected, filter_
            outcomes.add(len(expected))
    assert len(outcomes) > 1 or column in ("bookmarked", "modelId")


@pytest.mark.parametrize("name", LISTS)
async def test_each_name_of_each_column(client: Client, made: Mapping[str, Rows], name: str) -> None:
    """Labels and aliases."""
    listing, of = LISTS[name], made[name]
    for column in listing.columns:
        filter_ = {"column": column, "type": "null", "operator": "is not null", "value": "", "key": "quality"}
        assert await found(client, name, [filter_]) == wanted(of, listing, [filter_])


ANN: Filter = {"type": "stringOptions", "column": "userId", "operator": "any of", "value": ["ann", "Ann", "annabel"]}


@pytest.mark.parametrize("name", LISTS)
async def test_conditions_are_anded(client: Client, made: Mapping[str, Rows], name: str) -> None:
    time = {"traces": "timestamp", "observations": "startTime", "v2/observations": "startTime"}.get(name, "timestamp")
    filters: list[Filter] = [
        ANN,
        {"type": "datetime", "column": time, "operator": ">=", "value": "2026-06-02T12:00:00.000000000Z"},
        {"type": "datetime", "column": time, "operator": "<", "value": "2026-06-12T00:00:00.000000000Z"},
        {"type": "string", "column": "environment", "operator": "does not contain", "value": "dev"},
    ]
    expected = wanted(made[name], LISTS[name], filters)
    assert expected
    assert await found(client, name, filters) == expected
    assert await found(client, name, [*filters, {**ANN, "operator": "none of"}]) == set()


@pytest.mark.parametrize("name", LISTS)
async def test_a_condition_replaces_the_parameter_on_its_column_only(
    client: Client, made: Mapping[str, Rows], name: str
) -> None:
    listing, of = LISTS[name], made[name]
    ann = wanted(of, listing, [ANN])
    assert await found(client, name, [ANN], userId="nobody") == ann
    assert await found(client, name, [ANN], name="nothing is called that") == set()
    in_default: Filter = {"type": "string", "column": "environment", "operator": "=", "value": "default"}
    assert await found(client, name, [ANN], environment="default") == wanted(of, listing, [ANN, in_default])
    if "scores" not in name:
        assert await found(client, name, [in_default], environment="absent") == wanted(of, listing, [in_default])


@pytest.mark.parametrize("name", LISTS)
async def test_a_condition_on_the_time_replaces_both_ends(client: Client, made: Mapping[str, Rows], name: str) -> None:
    word = "StartTime" if "observations" in name else "Timestamp"
    column = word[0].lower() + word[1:]
    until: Filter = {"type": "datetime", "column": column, "operator": "<=", "value": "2026-06-05T00:00:00.000000000Z"}
    expected = wanted(made[name], LISTS[name], [until])
    assert expected
    ends = {f"from{word}": "2026-06-04T00:00:00Z", f"to{word}": "2026-06-04T12:00:00Z"}
    assert await found(client, name, [until], **ends) == expected
    assert len(await found(client, name, [], **ends)) < len(expected)


@pytest.mark.parametrize("name", LISTS)
async def test_times_beyond_all_spans(client: Client, made: Mapping[str, Rows], name: str) -> None:
    column = "startTime" if "observations" in name else "timestamp"
    for time, later in (
        ("0001-01-01", True),
        ("1969-12-31T23:59:59Z", True),
        ("1970-01-01T00:00:00Z", True),
        ("2200-01-01", False),
        ("9999-12-31", False),
    ):
        for operator in (">", ">=", "<", "<="):
            filter_ = {"type": "datetime", "column": column, "operator": operator, "value": time}
            assert len(await found(client, name, [filter_])) == (
                len(made[name]) if (operator[0] == ">") == later else 0
            )


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "value",
    [
        *rows.NASTY,
        "'",
        "\\",
        "\\'",
        "`",
        "{p0:String}",
        "{project:String}",
        "\x00",
        "\u2028",
        "\U0010ffff",
        "a" * 2000,
        "\\N",
    ],
)
async def test_values_are_no_more_than_values(client: Client, made: Mapping[str, Rows], name: str, value: str) -> None:
    """Never an error, never another row."""
    for filter_ in (
        {"type": "string", "column": "name", "operator": "=", "value": value},
        {"type": "stringOptions", "column": "userId", "operator": "any of", "value": [value, value]},
        {"type": "stringObject", "column": "metadata", "operator": "contains", "key": value, "value": value},
        {"type": "arrayOptions", "column": "tags", "operator": "all of", "value": [value, "x"]},
        {"type": "numberObject", "column": "scores_avg", "operator": ">", "key": value, "value": 0},
    ):
        if filter_["column"] in LISTS[name].columns:
            assert await found(client, name, [filter_]) == wanted(made[name], LISTS[name], [filter_])


@pytest.mark.parametrize(
    ("filter_", "path"),
    [
        ("{", None),
        ("not json", None),
        ("[NaN]", None),
        ('["\\ud800"]', None),
        ("[" * 5000, None),
        ({}, ["filter"]),
        ("null", ["filter"]),
        ([1], ["filter", 0]),
        ([ANN] * 51, ["filter"]),
        ([ANN, []], ["filter", 1]),
        ([{}], ["filter", 0, "type"]),
        ([{**ANN, "type": "text"}], ["filter", 0, "type"]),
        ([{**ANN, "type": "stringoptions"}], ["filter", 0, "type"]),
        ([{**ANN, "type": "number"}], ["filter", 0, "type"]),
        ([{**ANN, "type": "arrayOptions"}], ["filter", 0, "type"]),
        ([{**ANN, "type": None}], ["filter", 0, "type"]),
        ([{**ANN, "column": "user_id"}], None),
        ([{**ANN, "column": "userid"}], None),
        ([{**ANN, "column": "name) OR (1=1"}], None),
        ([{**ANN, "column": 3}], ["filter", 0, "column"]),
        ([{**ANN, "operator": "="}], ["filter", 0, "operator"]),
        ([{**ANN, "operator": "ANY OF"}], ["filter", 0, "operator"]),
        ([{**ANN, "operator": "all of"}], ["filter", 0, "operator"]),
        ([{**ANN, "value": "ann"}], ["filter", 0, "value"]),
        ([{**ANN, "value": []}], ["filter", 0, "value"]),
        ([{**ANN, "value": [1]}], ["filter", 0, "value"]),
        ([{**ANN, "type": "string", "operator": "="}], ["filter", 0, "value"]),
        ([{**ANN, "type": "string", "operator": "matches", "value": "a"}], ["filter", 0, "operator"]),
        ([{**ANN, "type": "string", "operator": "<>", "value": "a"}], ["filter", 0, "operator"]),
        ([{"type": "string", "column": "metadata", "operator": "=", "value": "a"}], ["filter", 0, "type"]),
        ([{"type": "stringObject", "column": "metadata", "operator": "=", "value": "a"}], ["filter", 0, "key"]),
        (
            [{"type": "stringObject", "column": "userId", "operator": "=", "value": "a", "key": "k"}],
            ["filter", 0, "type"],
        ),
        (
            [{"type": "stringObject", "column": "metadata", "operator": "=", "value": 1, "key": "k"}],
            ["filter", 0, "value"],
        ),
        ([{"type": "null", "column": "metadata", "operator": "is null"}], ["filter", 0, "key"]),
        ([{"type": "null", "column": "userId", "operator": "="}], ["filter", 0, "operator"]),
        ([{"type": "string", "column": "tags", "operator": "=", "value": "a"}], ["filter", 0, "type"]),
        ([{"type": "arrayOptions", "column": "tags", "operator": "any of", "value": []}], ["filter", 0, "value"]),
        ([{"type": "arrayOptions", "column": "tags", "operator": "any of", "value": "a"}], ["filter", 0, "value"]),
    ],
)
@pytest.mark.parametrize("name", ["traces", "v2/scores"])
async def test_what_cannot_be_is_refused(client: Client, name: str, filter_: Any, path: list[str | int] | None) -> None:
    text = filter_ if isinstance(filter_, str) else json.dumps(filter_)
    reply = await client.get(LISTS[name].path, {"filter": text})
    assert reply.status == 400, reply.body
    if path is None:
        assert reply.json["error"] == "InvalidRequestError"
    else:
        assert [issue["path"] for issue in reply.json["error"]] == [path]


@pytest.mark.parametrize(
    ("name", "column", "type_", "operator", "value"),
    [
        ("traces", "latency", "number", "=", "1"),
        ("traces", "latency", "number", "=", True),
        ("traces", "latency", "number", "<>", 1),
        ("traces", "timestamp", "datetime", "=", "2026-06-01T00:00:00Z"),
        ("traces", "timestamp", "datetime", ">", "yesterday"),
        ("traces", "timestamp", "datetime", ">", "2026-02-30"),
        ("traces", "timestamp", "datetime", ">", 1780272000),
        ("traces", "timestamp", "string", "=", "2026-06-01T00:00:00Z"),
        ("traces", "bookmarked", "boolean", "=", "true"),
        ("traces", "bookmarked", "boolean", "=", 1),
        ("traces", "scores_avg", "number", ">", 1),
        ("traces", "scores_avg", "numberObject", ">", "1"),
        ("traces", "score_categories", "categoryOptions", "any of", []),
        ("traces", "score_categories", "stringOptions", "any of", ["a"]),
        ("traces", "score_booleans", "booleanObject", "=", "true"),
        ("traces", "input", "string", "=", "a"),
        ("observations", "input", "string", "=", "a"),
        ("observations", "release", "string", "=", "a"),
        ("observations", "metadata", "stringObject", "matches", "a"),
        ("observations", "scores_avg", "numberObject", ">", 1),
        ("v2/observations", "name", "string", "matches", "a"),
        ("v2/observations", "promptVersion", "string", "=", "1"),
        ("v2/scores", "booleanValue", "boolean", "=", 1),
        ("scores", "comment", "string", "=", "a"),
    ],
)
async def test_types_values_and_columns_that_do_not_fit_are_refused(
    client: Client, name: str, column: str, type_: str, operator: str, value: Any
) -> None:
    filter_ = {"column": column, "type": type_, "operator": operator, "value": value, "key": "k"}
    reply = await client.get(LISTS[name].path, {"filter": json.dumps([filter_])})
    assert reply.status == 400
    assert reply.json["error"]


@pytest.mark.parametrize("name", LISTS)
async def test_no_filter(client: Client, made: Mapping[str, Rows], name: str) -> None:
    """The empty list and the empty text are no filter."""
    assert await found(client, name, []) == set(made[name])
    assert len((await client.get(LISTS[name].path, {"limit": 100, "filter": ""})).data) == len(made[name])


async def test_every_issue_is_told(client: Client) -> None:
    reply = await client.get("/traces", {"filter": json.dumps([ANN, {**ANN, "value": []}, {**ANN, "operator": "="}])})
    assert [issue["path"] for issue in reply.json["error"]] == [["filter", 1, "value"], ["filter", 2, "operator"]]


PAGE = (Path(__file__).resolve().parents[3] / "docs" / "filters.md").read_text()


@pytest.mark.parametrize(
    ("heading", "table"), [("Traces", "TRACES"), ("Observations", "OBSERVATIONS_V2"), ("Scores", "SCORES")]
)
def test_every_column_and_operator_is_documented(heading: str, table: str) -> None:
    """Labels aside."""
    page = PAGE.split(f"### {heading}\n")[1].split("\n### ")[0]
    columns: Mapping[str, FilterColumn] = getattr(filter_columns, table)
    documented = set(
        re.findall(r"`(\w+)`", "\n".join(line.split(" | ")[0] for line in page.splitlines() if line[:1] == "|"))
    )
    assert documented >= {c.name for c in columns.values()}
    assert documented <= set(columns)
    language = PAGE.split("## Conditions")[1].split("## Columns")[0]
    for type_, operators in OPERATORS.items():
        assert all(f"`{word}`" in language for word in (type_, *operators))


async def test_many_values(client: Client, made: Mapping[str, Rows]) -> None:
    """Some hundred ids in one URL."""
    ids = sorted(made["traces"])[:5]
    filter_ = {"type": "stringOptions", "column": "id", "operator": "any of", "value": [*ids, *("f" * 32,) * 600]}
    assert await found(client, "traces", [filter_]) == set(ids)


@pytest.mark.parametrize("name", ["traces", "observations"])
async def test_many_conditions(client: Client, made: Mapping[str, Rows], name: str) -> None:
    """As many as there can be: each of them counts, and they do not take the time of as many subqueries."""
    column = {"type": "string", "column": "name" if name == "traces" else "traceName"}
    some = [{**column, "operator": "contains", "value": "a"}, {**column, "operator": "does not contain", "value": "x"}]
    filter_: list[Filter] = [*some[:1] * 25, *some[1:] * 24]
    expected = wanted(made[name], LISTS[name], some)
    assert expected
    assert await found(client, name, filter_) == expected
    assert await found(client, name, [*filter_, {**column, "operator": "=", "value": "nothing"}]) == set()
