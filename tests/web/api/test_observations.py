"""GET /observations and /observations/{id}: shape, pages, filters (public-api.md section 4.1)."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from tests.embedded.server import Server
from tests.web.api.observation_rows import AT, BARE, CALL, FULL, ROOT, TRACE, insert_trace
from tests.web.api.support import PROJECTS, Client
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert, newest, random_trace
from web.api.values import time_text

OTHER = PROJECTS["other"]
LONG = f"{0xA0:032x}"
#: More than a page leaves out without counting.
MANY = 6_000


@pytest.fixture(scope="module")
def trace(server: Server) -> None:
    insert_trace(server)


@pytest.fixture(scope="module")
def many(server: Server) -> list[str]:
    """Ids of observations over two months, newest first; two hundred of them share a start."""
    chance = random.Random(1)
    starts = [MONDAY - 60 * 24 * HOUR + chance.randint(0, 60 * 24 * HOUR) for _ in range(MANY - 200)]
    starts += [MONDAY - HOUR] * 200
    spans = [
        Span(LONG, f"{n:016x}", start, user_id="u", environment="many", level=chance.choice(["DEBUG", "ERROR"]))
        for n, start in enumerate(starts)
    ]
    insert(server, spans)
    return [s.span_id for s in sorted(spans, key=lambda s: (s.start, s.span_id), reverse=True)]


# -- one observation -----------------------------------------------------------------------------------------------------

CALL_SHOWN: dict[str, Any] = {
    "id": CALL,
    "traceId": TRACE,
    "projectId": "p",
    "type": "GENERATION",
    "name": "call",
    "startTime": "2026-07-11T00:00:01.000Z",
    "endTime": "2026-07-11T00:00:03.500Z",
    "completionStartTime": "2026-07-11T00:00:01.250Z",
    "createdAt": "2027-03-28T00:00:00.000Z",
    "updatedAt": "2027-03-28T00:00:00.000Z",
    "parentObservationId": ROOT,
    "environment": "prod",
    "level": "WARNING",
    "statusMessage": "slow",
    "version": "v2",
    "input": {"a": [1, 12345678901234567890123]},
    "output": "no JSON",
    "metadata": {
        "tier": "gold",
        "n": 5,
        "list": [1, 2],
        "text": "5",
        "empty": "",
        "attributes": {"custom": "1.0"},
        "resourceAttributes": {"service.name": "shop"},
        "scope": {"name": "my-scope", "version": "2", "attributes": {}},
    },
    "model": "gpt-5",
    "modelId": None,
    "modelParameters": {"temperature": 0.7, "stop": ["a", "b"], "top": "all", "deep": '{"x": 1}', "mixed": "[1]"},
    "promptId": None,
    "promptName": "greeting",
    "promptVersion": 3,
    "usage": {
        "unit": "TOKENS",
        "input": 1500,
        "output": 200,
        "total": 1700,
        "inputCost": 0.0055,
        "outputCost": 0.004,
        "totalCost": 0.0095,
    },
    "usageDetails": {"input": 1000, "output": 200, "input_cached_tokens": 500, "total": 1700},
    "costDetails": {"input": 0.005, "output": 0.004, "input_cached_tokens": 0.0005, "total": 0.0095},
    "usagePricingTierId": None,
    "usagePricingTierName": "gpt-5 of test",
    "unit": "TOKENS",
    "promptTokens": 1500,
    "completionTokens": 200,
    "totalTokens": 1700,
    "inputPrice": 0.000005,
    "outputPrice": 0.00002,
    "totalPrice": None,
    "calculatedInputCost": 0.0055,
    "calculatedOutputCost": 0.004,
    "calculatedTotalCost": 0.0095,
    "latency": 2.5,
    "timeToFirstToken": 0.25,
    "toolCalls": [{"id": "call 0", "name": "look", "arguments": '{"at": "it"}', "type": "function", "index": 0}],
    "toolDefinitions": {"look": {"description": "looks", "parameters": {"type": "object"}}},
}


async def test_an_observation_that_says_everything(client: Client, trace: None) -> None:
    reply = await client.get(f"/observations/{CALL}")
    assert reply.status == 200, reply.body
    assert reply.json == CALL_SHOWN


async def test_an_observation_that_says_nothing_has_all_keys(client: Client, trace: None) -> None:
    shown = (await client.get(f"/observations/{BARE}")).json
    assert set(shown) == set(CALL_SHOWN)
    said = {name: value for name, value in shown.items() if value is not None}
    assert said == {
        "id": BARE,
        "traceId": TRACE,
        "projectId": "p",
        "type": "SPAN",
        "startTime": "2026-07-11T00:00:02.000Z",
        "createdAt": "2027-03-28T00:00:00.000Z",
        "updatedAt": "2027-03-28T00:00:00.000Z",
        "parentObservationId": ROOT,
        "environment": "default",
        "level": "DEFAULT",
        "metadata": {
            "attributes": {},
            "resourceAttributes": {},
            "scope": {"name": "", "version": "", "attributes": {}},
        },
        "usage": {"unit": "TOKENS", "input": 0, "output": 0, "total": 0},
        "usageDetails": {},
        "costDetails": {},
        "unit": "TOKENS",
        "promptTokens": 0,
        "completionTokens": 0,
        "totalTokens": 0,
        "calculatedTotalCost": 0.0,
        "toolCalls": [],
        "toolDefinitions": {},
    }


async def test_the_same_in_a_list(client: Client, trace: None) -> None:
    found = (await client.get("/observations", {"traceId": TRACE})).data
    assert [o["id"] for o in found] == [BARE, CALL, ROOT]
    assert found[1] == CALL_SHOWN


@pytest.mark.parametrize("id_", ["nope", "a/b", "a'b", "%00", "%F0%9F%98%80"])
async def test_an_unknown_id_is_404(client: Client, trace: None, id_: str) -> None:
    reply = await client.get(f"/observations/{id_}")
    assert (reply.status, reply.json) == (
        404,
        {"message": "Observation not found within authorized project", "error": "LangfuseNotFoundError"},
    )


async def test_another_projects_observation_is_unknown(client: Client, trace: None) -> None:
    assert (await client.get(f"/observations/{CALL}", keys=OTHER)).status == 404
    assert (await client.get("/observations", {"traceId": TRACE}, keys=OTHER)).data == []


async def test_an_id_of_several_traces_is_the_newest(client: Client, server: Server) -> None:
    same = "00000000000000cc"
    at = MONDAY + 90 * 24 * HOUR
    insert(server, [Span(f"{0xCC0 + n:032x}", same, at + n * HOUR, name=f"n{n}") for n in (1, 2, 0)])
    assert (await client.get(f"/observations/{same}")).json["name"] == "n2"


async def test_the_newest_copy_counts(client: Client, server: Server) -> None:
    span = Span(f"{0xC0:032x}", "00000000000000c0", MONDAY + 91 * 24 * HOUR, name="old", own_metadata={"k": "old"})
    insert(server, [span])
    insert(server, [replace(span, copy=1, name="new", start=span.start + 1, own_metadata={})])
    shown = (await client.get(f"/observations/{span.span_id}")).json
    assert (shown["name"], "k" in shown["metadata"]) == ("new", False)
    found = (await client.get("/observations", {"traceId": span.trace_id})).json
    assert [o["name"] for o in found["data"]] == ["new"]
    assert found["meta"]["totalItems"] == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("123", 123),
        ('"text"', "text"),
        ("plain", "plain"),
        ("null", None),
        ("[1, {}]", [1, {}]),
        ("{broken", "{broken"),
        ("1e400", "1e400"),
        ("NaN", "NaN"),
        ("[" * 2000, "[" * 2000),
    ],
)
async def test_input_and_output_are_decoded(client: Client, server: Server, text: str, value: Any) -> None:
    id_ = f"{abs(hash(text)) % 2**60:016x}"
    insert(server, [Span(f"{0xDD:032x}", id_, MONDAY + 92 * 24 * HOUR, input=text, output=text)])
    shown = (await client.get(f"/observations/{id_}")).json
    assert (shown["input"], shown["output"]) == (value, value)


# -- prices --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "cost", "source", "wanted"),
    [
        (
            {"input": 3, "output": 7},
            {"input": "0.00000375", "output": "0.00007", "total": "1"},
            "prices",
            (1.25e-6, 1e-5, None),
        ),
        ({"input": 3, "output": 0}, {"input": "0.00000375", "output": "0"}, "project", (1.25e-6, None, None)),
        ({"input": 3}, {"input": "0.00000375"}, "stated", (None, None, None)),
        ({"total": 8}, {"total": "0.00001"}, "prices", (None, None, 1.25e-6)),
        ({"total": 8}, {"total": "0.01001", "requests": "0.01"}, "prices", (None, None, 1.25e-6)),
        ({}, {}, "", (None, None, None)),
    ],
)
async def test_prices_are_what_a_token_cost(
    client: Client, server: Server, usage: Any, cost: Any, source: str, wanted: Any
) -> None:
    id_ = f"{abs(hash(json.dumps([usage, cost, source]))) % 2**60:016x}"
    more = {"usage": usage, "cost": cost, "cost_source": source}
    insert(server, [Span(f"{0xDE:032x}", id_, MONDAY + 93 * 24 * HOUR, more=more)])
    shown = (await client.get(f"/observations/{id_}")).json
    assert (shown["inputPrice"], shown["outputPrice"], shown["totalPrice"]) == wanted


# -- pages ---------------------------------------------------------------------------------------------------------------


async def test_pages_visit_every_observation_once(client: Client, many: list[str]) -> None:
    since = {"environment": "many", "fromStartTime": time_text(MONDAY - 10 * 24 * HOUR)}
    count = (await client.get("/observations", {**since, "limit": 1})).json["meta"]["totalItems"]
    assert 500 < count < 2_000
    found: list[str] = []
    pages = -(-count // 100)
    for page in range(1, pages + 2):
        reply = (await client.get("/observations", {**since, "limit": 100, "page": page})).json
        assert reply["meta"] == {"page": page, "limit": 100, "totalItems": count, "totalPages": pages}
        found += [o["id"] for o in reply["data"]]
    assert found == many[:count]


@pytest.mark.parametrize(
    ("page", "limit"), [(1, 1), (2, 3), (7, 37), (61, 99), (400, 13), (6000, 1), (6001, 1), (900, 100)]
)
@pytest.mark.parametrize("columns", [{"environment": "many"}, {"traceId": LONG}])
async def test_a_page_is_a_part_of_the_whole_list(
    client: Client, many: list[str], page: int, limit: int, columns: dict[str, str]
) -> None:
    reply = (await client.get("/observations", {**columns, "limit": limit, "page": page})).json
    assert [o["id"] for o in reply["data"]] == many[(page - 1) * limit : page * limit]
    assert reply["meta"]["totalItems"] == MANY


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "x"},
        {"limit": "0"},
        {"limit": "101"},
        {"type": "span"},
        {"level": "INFO"},
        {"fromStartTime": "yesterday"},
        {"filter": "{"},
        {"filter": '[{"type": "string", "column": "nope", "operator": "=", "value": "x"}]'},
        {"page": ["1", "2"]},
    ],
)
async def test_what_cannot_be_is_400(client: Client, query: dict[str, Any]) -> None:
    reply = await client.get("/observations", query)
    assert reply.status == 400
    assert set(reply.json) == {"message", "error"}


async def test_empty_page_and_limit_are_the_defaults(client: Client, many: list[str]) -> None:
    reply = (await client.get("/observations", {"page": "", "limit": "", "filter": "", "environment": "many"})).json
    assert (reply["meta"]["page"], reply["meta"]["limit"], len(reply["data"])) == (1, 50, 50)


# -- filters -------------------------------------------------------------------------------------------------------------


def shown_ids(spans: list[Span]) -> list[str]:
    return [s.span_id for s in sorted(spans, key=lambda s: (s.start, s.trace_id, s.span_id), reverse=True)]


async def test_parameters_filter(client: Client, server: Server) -> None:
    """Each of them, by itself, against the same in plain Python."""
    chance = random.Random(8)
    at = MONDAY + 100 * 24 * HOUR
    spans: list[Span] = []
    for n in range(40):
        made = random_trace(chance, f"{0xE00 + n:032x}", at + n * 600 * SECOND, 6)
        here = [replace(s, environment="filtered", type=chance.choice(["SPAN", "TOOL"])) for s in newest(made)]
        spans += [replace(s, start=min(s.start, at + 40 * HOUR), copy=0, end=0) for s in here]
    insert(server, spans)
    ann = {s.trace_id for s in spans if s.user_id}
    users = {t: (await client.get(f"/traces/{t}")).json["userId"] for t in ann}
    middle = at + 5 * HOUR
    every = {"environment": "filtered"}
    some_parent = next(s.parent for s in spans if s.parent)
    wanted = {
        ("name", "n1"): [s for s in spans if s.name == "n1"],
        ("name", ""): [s for s in spans if not s.name],
        ("type", "TOOL"): [s for s in spans if s.type == "TOOL"],
        ("level", "ERROR"): [s for s in spans if s.level == "ERROR"],
        ("version", "v1"): [s for s in spans if s.version == "v1"],
        ("parentObservationId", some_parent): [s for s in spans if s.parent == some_parent],
        ("parentObservationId", ""): [s for s in spans if not s.parent],
        ("traceId", spans[0].trace_id): [s for s in spans if s.trace_id == spans[0].trace_id],
        ("userId", "ann"): [s for s in spans if users.get(s.trace_id) == "ann"],
        ("fromStartTime", time_text(middle)): [s for s in spans if s.start >= middle],
        ("toStartTime", time_text(middle)): [s for s in spans if s.start < middle],
    }
    for (name, value), found in wanted.items():
        reply = (await client.get("/observations", {**every, "limit": 100, name: value})).json
        assert 0 < len(found) < len(spans), name
        assert [o["id"] for o in reply["data"]] == shown_ids(found)[:100], name
        assert reply["meta"]["totalItems"] == len(found), name


async def test_no_time_before_1970_finds_anything(client: Client, trace: None) -> None:
    for end in ("1970-01-01T00:00:00Z", "1900-01-01"):
        assert (await client.get("/observations", {"toStartTime": end})).data == []


async def test_a_filter_takes_the_place_of_the_parameter_on_its_column(client: Client, trace: None) -> None:
    named = [{"type": "string", "column": "name", "operator": "=", "value": "root"}]
    query = {"traceId": TRACE, "name": "call", "filter": json.dumps(named)}
    assert [o["id"] for o in (await client.get("/observations", query)).data] == [ROOT]
    later = [{"type": "datetime", "column": "startTime", "operator": ">=", "value": time_text(AT + 2 * SECOND)}]
    query = {"traceId": TRACE, "toStartTime": time_text(AT + SECOND), "filter": json.dumps(later)}
    assert [o["id"] for o in (await client.get("/observations", query)).data] == [BARE]


# -- rows that are no observations ---------------------------------------------------------------------------------------


async def test_a_row_about_the_trace_alone_is_no_observation(client: Client, server: Server) -> None:
    trace_id, at = f"{0x77:032x}", MONDAY + 110 * 24 * HOUR
    said = Span(
        trace_id, trace_id, at, type="TRACE", user_id="row", trace_name="said", cost="5", tokens=(7, 7), unended=True
    )
    insert(server, [said, replace(FULL, trace_id=trace_id, span_id="0000000000000077", start=at + SECOND, parent="")])
    found = (await client.get("/observations", {"userId": "row"})).json
    assert [o["id"] for o in found["data"]] == ["0000000000000077"]
    assert found["meta"]["totalItems"] == 1
    assert (await client.get(f"/observations/{trace_id}")).status == 404
    shown = (await client.get(f"/traces/{trace_id}")).json
    assert (shown["name"], shown["userId"], shown["totalCost"]) == ("said", "row", 0.0095)
    assert [o["id"] for o in shown["observations"]] == ["0000000000000077"]
