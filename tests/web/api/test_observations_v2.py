"""GET /v2/observations: groups of fields, cursors, filters, what the trace says (public-api.md section 4.2)."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from tests.embedded.server import Server
from tests.web.api.observation_rows import AT, BARE, CALL, ROOT, TRACE, insert_trace
from tests.web.api.support import PROJECTS, Client
from tests.web.queries.support import HOUR, MONDAY, SECOND, Merged, Span, insert, merge, newest, random_trace
from web.api.cursors import encode
from web.api.observation_v2 import GROUPS, columns
from web.api.values import time_text
from web.queries.observations import LARGE

OTHER = PROJECTS["other"]
PATH = "/v2/observations"

#: Group → what it shows of the call.
SHOWN: dict[str, dict[str, Any]] = {
    "core": {
        "id": CALL,
        "traceId": TRACE,
        "projectId": "p",
        "type": "GENERATION",
        "startTime": "2026-07-11T00:00:01.000Z",
        "endTime": "2026-07-11T00:00:03.500Z",
        "parentObservationId": ROOT,
        "latency": 2.5,
        "timeToFirstToken": 0.25,
        "modelId": None,
        "inputPrice": None,
        "outputPrice": None,
        "totalPrice": None,
    },
    "basic": {
        "name": "call",
        "level": "WARNING",
        "statusMessage": "slow",
        "version": "v2",
        "environment": "prod",
        "bookmarked": False,
        "public": True,
        "userId": "ann",
        "sessionId": "talk",
        "isRootObservation": False,
    },
    "time": {
        "completionStartTime": "2026-07-11T00:00:01.250Z",
        "createdAt": "2027-03-28T00:00:00.000Z",
        "updatedAt": "2027-03-28T00:00:00.000Z",
    },
    "io": {
        "input": '{"a": [1, 12345678901234567890123]}',
        "output": "no JSON",
        "toolCalls": [{"id": "call 0", "name": "look", "arguments": '{"at": "it"}', "type": "function", "index": 0}],
        "toolDefinitions": {"look": {"description": "looks", "parameters": {"type": "object"}}},
    },
    "metadata": {
        "metadata": {
            "tier": "gold",
            "n": 5,
            "list": [1, 2],
            "text": "5",
            "empty": "",
            "attributes": {"custom": "1.0"},
            "resourceAttributes": {"service.name": "shop"},
            "scope": {"name": "my-scope", "version": "2", "attributes": {}},
        }
    },
    "model": {
        "model": "gpt-5",
        "providedModelName": "gpt-5",
        "internalModelId": None,
        "modelParameters": {"temperature": 0.7, "stop": ["a", "b"], "top": "all", "deep": '{"x": 1}', "mixed": "[1]"},
        "inputPrice": "0.000005",
        "outputPrice": "0.00002",
        "totalPrice": None,
    },
    "usage": {
        "usageDetails": {"input": 1000, "output": 200, "input_cached_tokens": 500, "total": 1700},
        "costDetails": {"input": 0.005, "output": 0.004, "input_cached_tokens": 0.0005, "total": 0.0095},
        "totalCost": 0.0095,
        "usagePricingTierName": "gpt-5 of test",
    },
    "prompt": {"promptId": None, "promptName": "greeting", "promptVersion": 3},
    "metrics": {},
    "trace_context": {"traceName": "the trace", "tags": ["a", "b"], "release": "r1"},
}


@pytest.fixture(scope="module")
def trace(server: Server) -> None:
    insert_trace(server)


@pytest.fixture(scope="module")
def many(server: Server) -> list[tuple[str, str]]:
    """Keys of 2 500 observations of which 1 000 share one start, in the order of the list; one beside in another project."""
    at = MONDAY + 200 * 24 * HOUR
    chance = random.Random(2)
    starts = [at + chance.randint(0, 50 * HOUR) for _ in range(1_500)] + [at + HOUR] * 1_000
    ids = list(range(2_500))
    chance.shuffle(ids)
    spans = [
        Span(f"{chance.randint(0, 40):032x}", f"{n:016x}", start, environment="many")
        for n, start in zip(ids, starts, strict=True)
    ]
    insert(server, spans)
    insert(server, [replace(spans[-1], project="other", name="theirs")])
    found = sorted(spans, key=lambda s: (s.start, s.trace_id, s.span_id), reverse=True)
    return [(s.trace_id, s.span_id) for s in found]


async def walked(client: Client, query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    """The rows of all pages, each of which but the last is full."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        reply = await client.get(PATH, {**query, **cursor, "limit": limit})
        found += reply.data
        assert set(reply.json) == {"data", "meta"}
        if "cursor" not in reply.json["meta"]:
            assert reply.json["meta"] == {}
            return found
        assert len(reply.data) == limit
        cursor = {"cursor": reply.json["meta"]["cursor"]}


def ids(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["traceId"], row["id"]) for row in rows]


# -- groups of fields ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        (None, ["core", "basic"]),
        ("", ["core", "basic"]),
        ("unknown", ["core"]),
        ("unknown, usage", ["core", "usage"]),
        *((group, ["core", group]) for group in GROUPS),
        ("basic,time", ["core", "basic", "time"]),
        (",".join(GROUPS), list(GROUPS)),
    ],
)
async def test_a_group_has_its_keys_and_no_other(
    client: Client, trace: None, fields: str | None, groups: list[str]
) -> None:
    query = {"traceId": TRACE, **({} if fields is None else {"fields": fields})}
    bare, call, root = (await client.get(PATH, query)).data
    wanted: dict[str, Any] = {}
    for group in groups:
        wanted |= SHOWN[group]
    assert call == wanted
    assert set(bare) == set(root) == set(wanted)


async def test_what_is_not_known_is_null(client: Client, trace: None) -> None:
    bare = (await client.get(PATH, {"traceId": TRACE, "fields": ",".join(GROUPS)})).data[0]
    assert {name: value for name, value in bare.items() if value is not None} == {
        "id": BARE,
        "traceId": TRACE,
        "projectId": "p",
        "type": "SPAN",
        "startTime": "2026-07-11T00:00:02.000Z",
        "parentObservationId": ROOT,
        "level": "DEFAULT",
        "environment": "default",
        "bookmarked": False,
        "public": True,
        "userId": "ann",
        "sessionId": "talk",
        "isRootObservation": False,
        "createdAt": "2027-03-28T00:00:00.000Z",
        "updatedAt": "2027-03-28T00:00:00.000Z",
        "toolCalls": [],
        "toolDefinitions": {},
        "metadata": {
            "attributes": {},
            "resourceAttributes": {},
            "scope": {"name": "", "version": "", "attributes": {}},
        },
        "usageDetails": {},
        "costDetails": {},
        "traceName": "the trace",
        "tags": ["a", "b"],
        "release": "r1",
    }


def test_large_columns_are_read_only_for_the_groups_that_show_them() -> None:
    small = frozenset(GROUPS) - {"io", "metadata"}
    assert not set(columns(small)) & {*LARGE, "metadata", "input_preview", "output_preview"}
    assert {"input", "output"} <= set(columns(small | {"io"}))
    assert "input" not in columns(frozenset({"core", "metadata"}))
    assert "attributes_string" not in columns(frozenset({"core", "io"}))


# -- pages ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", ["core", "core,basic,io,metadata,trace_context"])
@pytest.mark.parametrize("limit", [250, 999, 1000])
async def test_pages_visit_each_once_where_many_share_a_start(
    client: Client, many: list[tuple[str, str]], limit: int, fields: str
) -> None:
    assert ids(await walked(client, {"environment": "many", "fields": fields}, limit)) == many


async def test_exactly_a_page_is_the_last(client: Client, many: list[tuple[str, str]]) -> None:
    end = time_text(MONDAY + 201 * 24 * HOUR)
    count = len((await client.get(PATH, {"environment": "many", "fromStartTime": end, "limit": 1000})).data)
    assert 0 < count < 1000
    for limit, more in ((count, False), (count - 1, True), (count + 1, False)):
        reply = await client.get(PATH, {"environment": "many", "fromStartTime": end, "limit": limit})
        assert len(reply.data) == min(count, limit)
        assert ("cursor" in reply.json["meta"]) == more


async def test_a_cursor_is_taken_encoded_again(client: Client, many: list[tuple[str, str]]) -> None:
    cursor = (await client.get(PATH, {"environment": "many", "limit": 7})).json["meta"]["cursor"]
    for sent in (cursor, quote(quote(cursor)), cursor + "=="):
        rows = (await client.get(PATH, {"environment": "many", "limit": 7, "cursor": sent})).data
        assert ids(rows) == many[7:14]


async def test_a_cursor_of_any_ids_is_a_position(client: Client, trace: None) -> None:
    for id_ in ("", "x' OR 1=1 --", "\0", "{p0:String}", "\U0001f600", "x" * 800):
        rows = (await client.get(PATH, {"traceId": TRACE, "cursor": encode(AT + 2 * SECOND, id_, id_, 0)})).data
        assert [row["id"] for row in rows] == ([CALL, ROOT] if id_ < TRACE else [BARE, CALL, ROOT])


@pytest.mark.parametrize("reach", [-1, 0, 1, 2**63 - 1])
async def test_how_far_back_a_cursor_looks_changes_nothing(
    client: Client, many: list[tuple[str, str]], reach: int
) -> None:
    at = MONDAY + 200 * 24 * HOUR + HOUR
    cursor = encode(at, "f" * 32, "f" * 16, reach)
    rows = (await client.get(PATH, {"environment": "many", "limit": 1000, "cursor": cursor})).data
    assert {row["startTime"] for row in rows} == {time_text(at)}


async def test_anothers_cursor_shows_only_own_rows(client: Client, many: list[tuple[str, str]]) -> None:
    cursor = (await client.get(PATH, {"environment": "many", "limit": 1})).json["meta"]["cursor"]
    rows = (await client.get(PATH, {"environment": "many", "cursor": cursor}, keys=OTHER)).data
    assert [(row["name"], row["projectId"]) for row in rows] == [("theirs", "other")]


async def test_limit_0_is_an_empty_last_page(client: Client, many: list[tuple[str, str]]) -> None:
    assert (await client.get(PATH, {"limit": 0})).json == {"data": [], "meta": {}}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"cursor": "nope"}, "Invalid cursor format"),
        ({"cursor": encode(1, "a")}, "Invalid cursor format"),
        ({"cursor": encode(1, "\ud800", "id", 1)}, "Invalid cursor format"),
        ({"cursor": "nope", "limit": "0"}, "Invalid cursor format"),
        ({"limit": "1001"}, "Invalid request data"),
        ({"limit": "-1"}, "Invalid request data"),
        ({"parseIoAsJson": "true"}, "parseIoAsJson=true is not supported: input and output are text"),
        ({"parseIoAsJson": "yes"}, "Invalid request data"),
        ({"isRootObservation": "1"}, "Invalid request data"),
        ({"type": "generation"}, "Invalid request data"),
        ({"level": "INFO"}, "Invalid request data"),
        ({"filter": "["}, "filter is not valid JSON"),
    ],
)
async def test_what_cannot_be_is_400(client: Client, query: dict[str, str], message: str) -> None:
    reply = await client.get(PATH, query)
    assert (reply.status, reply.json["message"]) == (400, message)


async def test_what_is_empty_is_absent(client: Client, trace: None) -> None:
    empty = {"cursor": "", "limit": "", "filter": "", "fields": "", "expandMetadata": "", "parseIoAsJson": "false"}
    assert [row["id"] for row in (await client.get(PATH, {"traceId": TRACE, **empty})).data] == [BARE, CALL, ROOT]


# -- what the trace says, and filters ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def random_traces(server: Server) -> list[tuple[Merged, list[Span]]]:
    """Traces over weeks, each of which says what it says on any of its spans."""
    chance = random.Random(11)
    found = []
    for n in range(60):
        start = MONDAY + 300 * 24 * HOUR + chance.randint(0, 20 * 24 * HOUR)
        spans = [replace(s, end=s.end or s.start) for s in random_trace(chance, f"{0xF000 + n:032x}", start, 10)]
        found.append([replace(s, environment="random") for s in spans])
    insert(server, [span for spans in found for span in spans])
    return [(merge(spans), newest(spans)) for spans in found]


def wanted(made: list[tuple[Merged, list[Span]]]) -> list[tuple[Merged, Span]]:
    every = [(trace_, span) for trace_, spans in made for span in spans]
    return sorted(every, key=lambda e: (e[1].start, e[1].trace_id, e[1].span_id), reverse=True)


async def test_the_trace_says_user_session_name_tags_and_release(
    client: Client, random_traces: list[tuple[Merged, list[Span]]]
) -> None:
    rows = await walked(client, {"environment": "random", "fields": "core,basic,trace_context"}, 70)
    expected = wanted(random_traces)
    assert len(rows) == len(expected) > 200
    for row, (trace_, span) in zip(rows, expected, strict=True):
        assert row["id"] == span.span_id
        assert (row["userId"], row["sessionId"]) == (trace_.user_id or None, trace_.session_id or None)
        assert (row["traceName"], row["tags"], row["public"]) == (trace_.name or None, trace_.tags, trace_.public)
        assert row["release"] == (span.release or trace_.release or None)
        assert row["version"] == (span.version or None)


FILTERS: dict[str, tuple[dict[str, str], Any]] = {
    "user": ({"userId": "ann"}, lambda t, s: t.user_id == "ann"),
    "no user": ({"userId": ""}, lambda t, s: not t.user_id),
    "session": ({"sessionId": "s1"}, lambda t, s: t.session_id == "s1"),
    "no parent": ({"parentObservationId": ""}, lambda t, s: not s.parent),
    "parent": ({"parentObservationId": "f" * 16}, lambda t, s: s.parent == "f" * 16),
    "root": ({"isRootObservation": "true"}, lambda t, s: s.is_root or s.app_root),
    "not root": ({"isRootObservation": "false"}, lambda t, s: not (s.is_root or s.app_root)),
    "name": ({"name": "n2"}, lambda t, s: s.name == "n2"),
    "level": ({"level": "ERROR"}, lambda t, s: s.level == "ERROR"),
    "version": ({"version": "v1"}, lambda t, s: s.version == "v1"),
    "trace": ({"traceId": f"{0xF000:032x}"}, lambda t, s: t.id == f"{0xF000:032x}"),
    "since": (
        {"fromStartTime": time_text(MONDAY + 310 * 24 * HOUR)},
        lambda t, s: s.start >= MONDAY + 310 * 24 * HOUR,
    ),
    "until": ({"toStartTime": time_text(MONDAY + 310 * 24 * HOUR)}, lambda t, s: s.start < MONDAY + 310 * 24 * HOUR),
    "trace name": (
        {"filter": json.dumps([{"type": "string", "column": "traceName", "operator": "=", "value": "n1"}])},
        lambda t, s: t.name == "n1",
    ),
    "tags": (
        {"filter": json.dumps([{"type": "arrayOptions", "column": "tags", "operator": "all of", "value": ["a", "b"]}])},
        lambda t, s: {"a", "b"} <= set(t.tags),
    ),
    "filter over parameter": (
        {
            "userId": "bob",
            "level": "ERROR",
            "filter": json.dumps([{"type": "string", "column": "userId", "operator": "=", "value": "ann"}]),
        },
        lambda t, s: t.user_id == "ann" and s.level == "ERROR",
    ),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_filters_find_all_of_what_matches(
    client: Client, random_traces: list[tuple[Merged, list[Span]]], name: str
) -> None:
    query, match = FILTERS[name]
    expected = [(s.trace_id, s.span_id) for t, s in wanted(random_traces) if match(t, s)]
    assert 0 < len(expected) < len(wanted(random_traces))
    assert ids(await walked(client, {"environment": "random", **query}, 20)) == expected


async def test_environments_are_any_of_them(client: Client, trace: None) -> None:
    for sent in ({"environment": "prod,none"}, {"environment": ["none", "prod"]}):
        assert [row["id"] for row in (await client.get(PATH, {"traceId": TRACE, **sent})).data] == [CALL]


async def test_a_row_about_the_trace_alone_is_no_observation(client: Client, server: Server) -> None:
    at = AT + HOUR
    said = Span("text id", "text id", at, type="TRACE", trace_name="said", session_id="of row", tags=("row",))
    insert(server, [said, Span("text id", "first", at, at + SECOND, app_root=True)])
    rows = (await client.get(PATH, {"sessionId": "of row", "fields": "basic,trace_context"})).data
    assert [(r["id"], r["traceId"], r["traceName"], r["tags"]) for r in rows] == [("first", "text id", "said", ["row"])]


async def test_nothing_is_an_empty_page(client: Client, trace: None) -> None:
    for query in (
        {"traceId": "nope"},
        {"userId": "nope"},
        {"fromStartTime": "2100-01-01"},
        {"toStartTime": "1970-01-01"},
    ):
        assert (await client.get(PATH, query)).json == {"data": [], "meta": {}}
