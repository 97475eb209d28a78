"""deploy/nginx.conf: each route of the roles reaches the role that has it, within the bounds that the roles have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from ingest.app import PUBLIC_PREFIX, Ingest
from litefuse.http.connection import MAX_FIELD, MAX_LINE
from litefuse.http.routes import common
from litefuse.settings import Settings
from tests.deploy.nginx import Directive, parse, upstream
from tests.deploy.test_deploy import COMPOSE, DEPLOY
from web.api.route import PREFIX, Route
from web.api.routes import ROUTES
from web.app import Web

(HTTP,) = parse(DEPLOY / "nginx.conf").all("http")
(SERVER,) = HTTP.all("server")
PROXY = COMPOSE["services"]["proxy"]
#: What ids may be: any text.
IDS = ("0af7651916cd43dd8448eb211c80319c", "otel/v1/traces", "a%2Fb")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SETTINGS = Settings()


def paths(path: str) -> set[str]:
    """A route's path with ids in it."""
    return {re.sub(r"\{\w+(:[^}]*)?\}", text, path) for text in IDS}


def methods(method: str) -> tuple[str, ...]:
    return (method, "HEAD") if method == "GET" else METHODS if method == "*" else (method,)


def roles(method: str, path: str) -> set[str | None]:
    return {upstream(HTTP, each, text) for each in methods(method) for text in paths(path)}


def number(text: str) -> float:
    """Bytes or seconds, as nginx writes them."""
    value, unit = re.fullmatch(r"(\d+)([kms]?)", text).groups()  # type: ignore[union-attr]
    return int(value) * {"": 1, "k": 1 << 10, "m": 1 << 20, "s": 1}[unit]


def every(directive: Directive) -> Iterator[Directive]:
    yield directive
    for each in directive.block:
        yield from every(each)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_routes_of_the_api_reach_web(route: Route) -> None:
    assert roles(route.method, PREFIX + route.path) == {"web"}


def test_pages_reach_web() -> None:
    pages = [route for route in Web(SETTINGS, None, None).routes() if not route.path.startswith(PREFIX)]  # type: ignore[arg-type]
    assert len(pages) > 3
    for route in pages:
        assert roles(route.method, route.path) == {"web"}, route.path


async def test_routes_of_ingest_reach_ingest() -> None:
    ingest = Ingest(SETTINGS, None, None)  # type: ignore[arg-type]
    routes = ingest.routes(PUBLIC_PREFIX)
    await ingest._traces.close()
    assert {route.path.removeprefix(PUBLIC_PREFIX) for route in routes} == {"/v1/traces", "/v1/logs", "/v1/metrics"}
    for route in routes:
        assert roles(route.method, route.path) == {"ingest"}, route.path
        assert roles(route.method, "/" + route.path) == {"ingest"}, "a base URL that ends in a slash"


def test_health_is_that_of_web_and_metrics_are_nobody_s() -> None:
    told = {route.path: roles(route.method, route.path) for route in common([])}
    assert told == {"/api/public/health": {"web"}, "/api/public/ready": {"web"}, "/metrics": {None}}


def test_upstreams_are_services_at_the_port_of_their_role() -> None:
    for each in HTTP.all("upstream"):
        (name,) = each.words
        assert COMPOSE["services"][name]["command"] == [name]
        assert each.one("server") == (f"{name}:{SETTINGS.port}", "resolve")
        assert name in PROXY["depends_on"]
        # Else the role closes connections that a request is on its way in.
        assert number(each.one("keepalive_timeout")[0]) < SETTINGS.idle_timeout_s
    assert HTTP.one("proxy_http_version") == ("1.1",)
    assert ("Connection", "") in [each.words for each in HTTP.all("proxy_set_header")]


def test_the_proxy_alone_has_the_port_that_sdks_know() -> None:
    published = {
        name: [port.partition(":")[0] for port in spec.get("ports", [])] for name, spec in COMPOSE["services"].items()
    }
    assert {name: ports for name, ports in published.items() if ports} == {
        "proxy": [str(SETTINGS.port)],
        "ingest": [str(SETTINGS.otlp_port)],
    }
    assert PROXY["ports"] == [f"{SETTINGS.port}:{SERVER.one('listen')[0]}"]
    assert f"http://127.0.0.1:{SERVER.one('listen')[0]}/" in PROXY["healthcheck"]["test"][-1]


def test_the_proxy_lets_through_what_the_roles_take() -> None:
    assert number(HTTP.one("client_max_body_size")[0]) == SETTINGS.max_body_bytes
    count, size = HTTP.one("large_client_header_buffers")
    # More than the roles take, so that they say what is too long.
    assert number(size) > max(MAX_LINE, MAX_FIELD)
    assert int(count) >= 2
    headers = {each.words[0] for each in HTTP.all("proxy_set_header")}
    assert headers == {"Connection", "Host", "X-Forwarded-Proto"}
    # A location with headers of its own would have none of these.
    assert not any(each.name == "proxy_set_header" for each in every(SERVER))


def test_its_own_errors_are_those_of_the_api() -> None:
    """Those of the roles pass as they are: nothing intercepts them."""
    assert not any(each.name == "proxy_intercept_errors" for each in every(HTTP))
    bodies = [each.words[1] for each in every(SERVER) if each.name == "return" and len(each.words) > 1]
    assert len(bodies) == 3
    for body in bodies:
        assert orjson.loads(body).keys() == {"message", "error"}
    pages = {
        location.words[-1]: {page.words for page in location.all("error_page")}
        for location in SERVER.all("location")
        if location.words[-1].startswith("/api/")
    }
    too_large = ("413", "@too_large")
    assert pages == {
        "/api/": {("500", "502", "504", "@unavailable"), too_large},
        f"{PUBLIC_PREFIX}/": {("500", "502", "504", "=503", "@unavailable"), too_large},
    }


def test_a_container_that_can_write_nowhere_else_can_write_there() -> None:
    assert PROXY["volumes"] == ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
    assert PROXY["read_only"]
    (pid,) = parse(DEPLOY / "nginx.conf").one("pid")
    assert {str(Path(pid).parent), "/var/cache/nginx"} <= set(PROXY["tmpfs"])
