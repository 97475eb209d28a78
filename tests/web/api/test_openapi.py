"""The OpenAPI document and its page: whatever is served is in it, with every parameter, and it says what is so."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openapi_spec_validator import validate

from ingest.app import PUBLIC_PREFIX, Ingest
from litefuse.http.routes import common
from litefuse.log import open_log
from litefuse.settings import Settings
from tests.ingest.support import Store
from tests.web.api.support import Client
from web.api import parameters
from web.api.document import ERRORS, PATHS, document, operation_id
from web.api.openapi import as_json, as_page, written
from web.api.parameters import NoQuery
from web.api.route import ANYTHING, PREFIX, Call, Route
from web.api.routes import ROUTES
from web.app import Web

#: Served, and no part of the public API: the landing page and what belongs to it, Prometheus.
ELSEWHERE = re.compile(r"/|/favicon\.ico|/static/.*|/metrics")


def operations() -> dict[tuple[str, str], Any]:
    return {(method.upper(), path): o for path, methods in written()["paths"].items() for method, o in methods.items()}


async def served(tmp_path: Path) -> set[tuple[str, str]]:
    """(method, path) of every route of web and ingest, from the router that serves them."""
    settings, store = Settings(data_dir=tmp_path), Store()
    log = open_log(settings)
    app = web.Application()
    app.add_routes(Web(settings, log, store).routes())
    app.add_routes(Ingest(settings, log, store).routes(PUBLIC_PREFIX))
    app.add_routes(common([]))
    found = set()
    for route in app.router.routes():
        assert route.resource is not None
        if route.method != "HEAD":
            found.add((route.method, route.resource.canonical.replace(f":{ANYTHING}", "")))
    return found


async def test_every_route_is_in_the_document_and_nothing_else(tmp_path: Path) -> None:
    every = {(method, path) for method, path in await served(tmp_path) if not ELSEWHERE.fullmatch(path)}
    assert every == set(operations())
    assert len(every) >= 7


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_parameter_of_a_route_is_in_the_document(route: Route) -> None:
    operation = operations()[route.method, PREFIX + route.path]
    told = {(parameter["in"], parameter["name"]): parameter for parameter in operation["parameters"]}
    in_path = re.findall(r"\{(\w+)\}", route.path)
    fields = [field.name for field in dataclasses.fields(route.query)]
    assert list(told) == [*(("path", name) for name in in_path), *(("query", name) for name in fields)]
    assert all(parameter["description"] for parameter in told.values())
    for name, parameter in parameters.of(route.query).items():
        assert told["query", name]["required"] == parameter.required
    assert ("requestBody" in operation) == (route.body is not None)
    assert str(route.status) in operation["responses"]
    assert set(map(str, route.statuses)) <= set(operation["responses"])
    assert operation["summary"]
    assert (operation["security"] == []) == route.public
    assert ({"publicKey": []} in operation["security"]) == route.bearer


def test_the_document_is_valid_openapi() -> None:
    validate(written())
    assert written()["openapi"].startswith("3.1")
    ids = [operation["operationId"] for operation in operations().values()]
    assert len(set(ids)) == len(ids)


def test_all_references_lead_somewhere_and_no_component_is_left_over() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for entry in value.values():
                yield from references(entry)
        elif isinstance(value, list):
            for entry in value:
                yield from references(entry)

    components = written()["components"]
    there = {f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in components[kind]}
    used = set(references(written()))
    assert used <= there
    assert {name for name in there - used if "/schemas/" in name} == set()


async def _nothing(_: Call, __: Any) -> None: ...


def test_a_document_says_what_the_routes_say() -> None:
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Query:
        page: int = parameters.page()
        tags: tuple[str, ...] = parameters.texts("has all of these")
        sure: bool | None = parameters.flag("surely", default=False)
        level: str | None = parameters.choice("level", ("LOW", "HIGH"))
        query: str | None = parameters.text("what", required=True)

    made = document(
        [
            Route("GET", "/things/{traceId}", _nothing, "Things", "things", list[int], query=Query, strict=True),
            Route("POST", "/things", _nothing, "Add", "things", int, body=dict[str, int], status=201, bearer=True),
        ],
        "1.2.3",
    )
    validate(made)
    assert made["info"]["version"] == "1.2.3"
    get = made["paths"]["/api/public/things/{traceId}"]["get"]
    told = {parameter["name"]: parameter for parameter in get["parameters"]}
    assert told["traceId"]["required"]
    assert told["traceId"]["description"] == PATHS["traceId"]
    assert told["page"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1}
    assert told["tags"]["schema"] == {"type": "array", "items": {"type": "string"}}
    assert told["tags"]["explode"]
    assert told["sure"]["schema"] == {"type": "boolean", "default": False}
    assert told["level"]["schema"]["enum"] == ["LOW", "HIGH"]
    assert (told["query"]["required"], told["level"]["required"]) == (True, False)
    assert "refused" in get["description"]
    assert get["responses"]["200"]["content"]["application/json"]["schema"]["items"] == {"type": "integer"}
    assert set(get["responses"]) == {"200", "400", "401", "403", "422", "429", "503"}
    post = made["paths"]["/api/public/things"]["post"]
    assert set(post["responses"]) == {"201", "400", "401", "403", "413", "415", "422", "429", "503"}
    assert post["requestBody"]["content"]["application/json"]["schema"]["type"] == "object"
    assert post["security"] == [{"key": []}, {"publicKey": []}]


def test_ids_of_operations() -> None:
    assert operation_id("GET", "/api/public/v2/observations") == "getV2Observations"
    assert operation_id("get", "/api/public/traces/{traceId}") == "getTracesByTraceId"
    assert operation_id("GET", "/api/public/openapi.json") == "getOpenapiJson"


def test_errors_have_a_component_each() -> None:
    assert len({name for name, _ in ERRORS.values()}) == len(ERRORS)
    error = written()["components"]["schemas"]["Error"]
    assert error["required"] == ["message", "error"]


# -- over HTTP -----------------------------------------------------------------------------------------------------------


async def test_the_document_needs_no_key_and_is_made_once(client: Client) -> None:
    reply = await client.get("/openapi.json", keys=None)
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.json == written()
    assert as_json() is as_json()
    assert as_page() is as_page()
    wrong = await client.get("/openapi.json", keys=("pk-lf-none", "sk-lf-none"))
    assert wrong.status == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_what_a_client_has_is_not_sent_again(client: Client, path: str) -> None:
    first = await client.get(path, keys=None)
    etag = first.headers["ETag"]
    again = await client.get(path, keys=None, headers={"If-None-Match": f'W/"other", {etag}'})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert (await client.get(path, keys=None, headers={"If-None-Match": '"other"'})).status == 200


class Outline(HTMLParser):
    """What a page says and refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.add(tag)
        self.ids += [told["id"] or ""] if "id" in told else []
        if tag == "a":
            self.links.append(told.get("href") or "")
        elif "href" in told or "src" in told:
            self.loaded.append(told.get("href") or told.get("src") or "")
        assert not any(name.startswith("on") or name == "style" for name in told)

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_the_page_says_all_of_it_without_script_and_from_nowhere_else(client: Client) -> None:
    reply = await client.get("/docs", keys=None)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    page = Outline()
    page.feed(reply.body.decode())
    assert not page.tags & {"script", "style", "iframe", "img"}
    assert len(set(page.ids)) == len(page.ids)
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(link.startswith(("#", "/")) and not link.startswith("//") for link in page.links)
    for loaded in page.loaded:
        async with client.session.get(f"{client.url}{loaded}") as answer:
            assert answer.status == 200, loaded
    for (method, path), operation in operations().items():
        assert operation["operationId"] in page.ids, (method, path)
        assert path in page.text
        for parameter in operation["parameters"]:
            assert parameter["name"] in page.text
    for name, _ in ERRORS.values():
        assert f"error-{name}" in page.ids
    for name in written()["components"]["schemas"]:
        assert f"schema-{name}" in page.ids


def test_texts_of_the_document_are_escaped_on_the_page() -> None:
    from web.api.document_page import render

    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Query:
        what: str | None = parameters.choice("<b>bold</b> & `x<y`", ('"<i>"',))

    html = render(document([Route("GET", "/x", _nothing, "<script>1</script>", "<tag>", int, query=Query)], "<v>"))
    for text in ("<b>bold", '"<i>"', "<script>", "<tag>", "<v>"):
        assert text not in html
    assert "<code>x&lt;y</code>" in html


def test_a_route_without_parameters_has_none() -> None:
    assert parameters.of(NoQuery) == {}
