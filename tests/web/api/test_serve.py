"""Who is let in, and the one shape of errors, whatever the route (public-api.md sections 1.1 to 1.4)."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from litefuse.keys import Scope
from tests.embedded.server import Server
from tests.web.api.support import BASE, INGEST, PROJECTS, READ, Client, Reply, api, basic
from web.api.route import Route
from web.api.routes import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
WITH_KEY = [route for route in ROUTES if not route.public]
#: A route that any key may ask, and which looks at nothing else.
PLAIN = "/projects"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """One role for all: none of these tests leaves anything behind that another looks at."""
    async with api(server, tmp_path_factory.mktemp("web")) as client:
        yield client


def some(route: Route) -> str:
    """A path of the route."""
    return re.sub(r"\{\w+\}", "none", route.path)


DENIED = "Access denied - insufficient permissions for this endpoint"


def is_error(reply: Reply, status: int, word: str | None = None, message: str | None = None) -> None:
    """In the one shape: nothing more, nothing less."""
    assert reply.status == status, reply.body
    assert reply.headers["Content-Type"].startswith("application/json")
    assert set(reply.json) == {"message", "error"}
    assert isinstance(reply.json["message"], str)
    assert reply.json["message"]
    assert isinstance(reply.json["error"], str | list)
    assert word is None or reply.json["error"] == word
    assert message is None or reply.json["message"] == message


# -- routes and methods --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing/here"),
        ("GET", "/prompts"),
        ("GET", "/v2/prompts/x"),
        ("GET", "/v2/datasets"),
        ("GET", "/dataset-items"),
        ("POST", "/media"),
        ("GET", "/comments"),
        ("GET", "/models"),
        ("POST", "/spans"),
        ("PATCH", "/generations"),
        ("GET", "/traces/"),
        ("GET", "/%E2%82%AC/%00"),
        ("GET", ""),
        ("GET", "/"),
    ],
)
async def test_unknown_routes_are_404_in_json(client: Client, method: str, path: str) -> None:
    for keys in (PROJECTS["p"], None):
        is_error(await client.call(method, path, keys=keys), 404, "LangfuseNotFoundError")


@pytest.mark.parametrize("path", sorted({some(route) for route in ROUTES}))
async def test_another_method_is_405_before_the_key_is_looked_at(client: Client, path: str) -> None:
    taken = {route.method for route in ROUTES if some(route) == path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - taken:
        reply = await client.call(method, path, keys=None)
        if reply.status == 401:  # a route with a parameter takes it
            assert any(re.fullmatch(re.sub(r"\{\w+\}", ".+", r.path), path) and r.method == method for r in ROUTES)
            continue
        is_error(reply, 405, "MethodNotAllowedError", "Method not allowed")
        assert taken <= set(reply.headers["Allow"].replace(" ", "").split(","))


async def test_head_has_no_body(client: Client) -> None:
    for path in ("/health", PLAIN):
        reply = await client.call("HEAD", path)
        assert (reply.status in (200, 405), reply.body) == (True, b"")


@pytest.mark.parametrize("slashes", ["//", "///"])
async def test_leading_double_slashes_are_one(client: Client, slashes: str) -> None:
    async with client.session.get(
        f"{client.url}{slashes}{BASE[1:]}{PLAIN}?x=1", headers={"Authorization": basic(PROJECTS["p"])}
    ) as answer:
        assert answer.status == 200
        assert (await answer.json())["data"][0]["id"] == "p"


# -- keys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", WITH_KEY, ids=lambda route: f"{route.method} {route.path}")
async def test_no_key_and_wrong_keys_are_401(client: Client, route: Route) -> None:
    wrong = [("pk-lf-p", "sk-lf-other"), ("pk-lf-none", "sk-lf-none"), ("sk-lf-p", "pk-lf-p"), ("", "")]
    reply = await client.call(route.method, some(route), keys=None)
    is_error(reply, 401, "UnauthorizedError", "No authorization header")
    assert reply.headers["WWW-Authenticate"].startswith("Basic")
    for keys in wrong[:1] if route is not WITH_KEY[0] else wrong:
        reply = await client.call(route.method, some(route), keys=keys)
        is_error(
            reply,
            401,
            "UnauthorizedError",
            "Invalid credentials. Confirm that you've configured the correct host.",
        )


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic /////w==",
        "Basic " + base64.b64encode(b"pk-lf-p").decode(),
        "Digest x",
        "pk-lf-p:sk-lf-p",
        "Bearer",
        "Bearer pk-lf-none",
        "Bearer sk-lf-p",
        "x" * 5000,
    ],
)
async def test_headers_that_prove_nothing(client: Client, header: str) -> None:
    reply = await client.get(PLAIN, keys=None, headers={"Authorization": header})
    is_error(reply, 401, "UnauthorizedError")
    assert "sk-lf" not in reply.json["message"]


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_the_scheme_in_any_case(client: Client, scheme: str) -> None:
    token = basic(PROJECTS["p"]).removeprefix("Basic ")
    assert (await client.get(PLAIN, keys=None, headers={"Authorization": f"{scheme} {token}"})).status == 200
    assert (
        await client.get(PLAIN, keys=None, headers={"Authorization": f"{scheme}  {token.rstrip('=')} "})
    ).status == 200


async def test_the_project_is_that_of_the_key(client: Client) -> None:
    for project, keys in PROJECTS.items():
        found = (await client.get(PLAIN, {"projectId": "p"}, keys=keys)).data
        assert [row["id"] for row in found] == [project]


@pytest.mark.parametrize("route", WITH_KEY, ids=lambda route: f"{route.method} {route.path}")
async def test_a_key_may_do_what_its_scope_says(client: Client, route: Route) -> None:
    for keys, scope in ((READ, Scope.READ), (INGEST, Scope.INGEST)):
        allowed = route.need is None or scope.allows(route.need)
        if not allowed:
            reply = await client.call(route.method, some(route), keys=keys)
            is_error(reply, 403, "ForbiddenError", f"{DENIED}: the key's scope is {scope.value}")
        elif route.method == "GET":
            assert (await client.call(route.method, some(route), keys=keys)).status not in (401, 403)


async def test_reading_needs_a_key_for_reading_and_deleting_one_for_everything() -> None:
    """Of the routes as they are: what a leaked key for ingest or for a dashboard can do."""
    for route in WITH_KEY:
        if route.path.startswith(PLAIN):
            assert route.need is None
        elif route.method == "GET":
            assert route.need is Scope.READ
        elif route.method == "DELETE":
            assert route.need is Scope.ALL
        else:
            assert (route.method, route.need) == ("POST", Scope.INGEST)
    assert {route.path for route in ROUTES if route.bearer} <= {"/scores", "/ingestion"}
    assert {route.path for route in ROUTES if route.public} == {"/openapi.json", "/docs"}


@pytest.mark.parametrize("route", WITH_KEY, ids=lambda route: f"{route.method} {route.path}")
async def test_the_public_key_alone_gives_scores_and_nothing_else(client: Client, route: Route) -> None:
    reply = await client.call(route.method, some(route), keys="pk-lf-p", body={} if route.body else None)
    if route.bearer:
        assert reply.status not in (401, 403), reply.body
    else:
        why = "the public key alone only gives scores, send the secret key too"
        is_error(reply, 403, "ForbiddenError", f"{DENIED}: {why}")
    # A key for reading alone gives no scores, proven or not.
    is_error(await client.call(route.method, some(route), keys=READ[0]), 403)


# -- CORS ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PLAIN, "/scores", "/nothing", "/traces/a/b"])
async def test_browsers_of_any_origin_may_ask(client: Client, path: str) -> None:
    wanted = {
        "Origin": "https://app.example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-langfuse-public-key",
    }
    reply = await client.call("OPTIONS", path, keys=None, headers=wanted)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["Access-Control-Allow-Origin"] in ("*", "https://app.example.org")
    assert "DELETE" in reply.headers["Access-Control-Allow-Methods"]
    assert reply.headers["Access-Control-Allow-Headers"] == "authorization,x-langfuse-public-key"
    assert "Access-Control-Allow-Credentials" not in reply.headers


async def test_answers_and_errors_can_be_read_by_browsers(client: Client) -> None:
    origin = {"Origin": "https://app.example.org"}
    for keys, path, status in ((PROJECTS["p"], PLAIN, 200), (None, PLAIN, 401), (None, "/nothing", 404)):
        reply = await client.get(path, keys=keys, headers=origin)
        assert reply.status == status
        assert reply.headers["Access-Control-Allow-Origin"] in ("*", "https://app.example.org")
    assert "Access-Control-Allow-Origin" not in (await client.get(PLAIN)).headers


# -- long lines, odd bytes -----------------------------------------------------------------------------------------------


async def test_a_request_line_of_60_kb(client: Client) -> None:
    assert (await client.get(PLAIN, {"x": "a" * 60_000})).status == 200
    reply = await client.get("/traces", {"filter": "[" + " " * 60_000 + "]"})
    assert reply.status == 200, reply.body
    too_long = await client.get(PLAIN, {"x": "a" * 70_000})
    assert too_long.status == 431
    assert too_long.json["message"]
    assert too_long.json["error"] == "InvalidRequestError"


@pytest.mark.parametrize(
    "path",
    [
        "/traces/%00",
        "/traces/%ED%A0%80",
        "/traces/%FF%FE",
        "/traces/%2e%2e%2f",
        "/traces/..%2F..",
        "/traces/a/b/c",
        "/traces/%0A%C3%BF",
        "/traces/'%22%5C;--%20{x:String}",
        "/traces/" + "a" * 30_000,
        "/observations/%F0%9F%98%80%00",
        "/sessions/%25s%7Bproject:String%7D",
    ],
)
async def test_ids_of_any_bytes_are_not_found(client: Client, path: str) -> None:
    is_error(await client.get(path), 404, "LangfuseNotFoundError")


@pytest.mark.parametrize("value", ["%00", "%ED%A0%80", "%FF", "'%22%5C", "{x:String}", "%F0%9F%98%80", "--%20", "%0A"])
async def test_parameters_of_any_bytes_match_nothing(client: Client, value: str) -> None:
    for parameter in ("userId", "name", "sessionId", "version", "release", "tags", "environment"):
        reply = await client.get(f"/traces?{parameter}={value}")
        assert reply.data == []


async def test_what_is_no_http_is_answered_in_json(client: Client) -> None:
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /api/public/projects HTTP/9.9\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.split()[1] == b"400"
    assert b"application/json" in head
    assert b"message" in body


# -- bodies --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "text/plain;charset=UTF-8",  # what a browser's sendBeacon says
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/octet-stream",
        "",
        "nonsense",
    ],
)
async def test_a_body_is_json_whatever_its_content_type_says(client: Client, content_type: str) -> None:
    body = b'{"traceId": "t1", "name": "quality", "value": 1, "id": "s1"}'
    reply = await client.call("POST", "/scores", body=body, headers={"Content-Type": content_type})
    assert (reply.status, reply.json) == (200, {"id": "s1"})


@pytest.mark.parametrize("body", [b"", b"{", b"nan", b"\xff", b"\x1f\x8b", b"[" * 3000, b"'x'", b'{"a": 1} x'])
async def test_a_body_that_is_no_json_is_400(client: Client, body: bytes) -> None:
    is_error(await client.call("POST", "/scores", body=body), 400, "InvalidRequestError", "The body is not valid JSON")


@pytest.mark.parametrize("body", ["null", "1", '"x"', "true", "{}", '{"traceId": 1}'])
async def test_a_body_of_another_shape_is_400(client: Client, body: str) -> None:
    is_error(await client.call("POST", "/scores", body=body.encode()), 400)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP"])
async def test_a_packed_body_is_taken(client: Client, encoding: str) -> None:
    body = json.dumps([{"name": "packed", "value": 1, "traceId": "t"}] * 100).encode()
    packed = zlib.compress(body) if encoding == "deflate" else gzip.compress(body)
    for path, sent, status in (("/scores", packed, 202), ("/ingestion", packed, 400)):
        reply = await client.call("POST", path, body=sent, headers={"Content-Encoding": encoding})
        assert reply.status == status, reply.body
    # It was read: a list is no batch.
    assert reply.json["error"][0]["path"] == ["batch"]


@pytest.mark.parametrize(
    ("encoding", "body", "status", "word"),
    [
        ("gzip", b"[]", 400, "InvalidRequestError"),
        ("gzip", gzip.compress(b"[]", mtime=0)[:-1], 400, "InvalidRequestError"),
        ("gzip", gzip.compress(b"[" + b" " * 50_000_000 + b"]"), 413, "PayloadTooLargeError"),
        ("br", b"[]", 415, "UnsupportedMediaTypeError"),
    ],
)
async def test_a_body_that_is_not_what_its_encoding_says_is_refused(
    client: Client, encoding: str, body: bytes, status: int, word: str
) -> None:
    reply = await client.call("POST", "/scores", body=body, headers={"Content-Encoding": encoding})
    is_error(reply, status, word)


async def test_a_body_that_is_too_large_is_413(client: Client) -> None:
    body = b'"' + b"x" * 12_000_000 + b'"'
    is_error(await client.call("POST", "/scores", body=body), 413, "PayloadTooLargeError")
    assert (await client.get(PLAIN)).status == 200
