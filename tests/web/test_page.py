"""The landing page: what it shows, that it acts on nothing hostile, and that it works while dependencies are down."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web as aiohttp_web

from litefuse.errors import StoreUnavailable
from litefuse.http import serve
from litefuse.log import open_log
from litefuse.log.base import DEAD, TRACES, Log
from litefuse.settings import Settings
from web import page
from web.app import Web, start_web
from web.page import Place, base_url, render
from web.state import Cached, State, take

PLACE = Place("http://127.0.0.1:3000", "Keys are in project.env.")
EVIL = "<script>alert(1)</script>\"'&"


class Rows:
    """A ClickHouse that answers with a number, or is down."""

    def __init__(self, number: int | None) -> None:
        self.number = number

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = 1.0,
    ) -> list[tuple[Any, ...]]:
        if self.number is None:
            raise StoreUnavailable("connection refused")
        return [] if "api_keys" in sql else [(self.number,)]

    async def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout: float | None = 1.0,
    ) -> Any:
        raise AssertionError("pages write nothing")

    async def insert_arrow(
        self, table: str, columns: Sequence[str], body: bytes, *, settings: Mapping[str, str], timeout: float
    ) -> None:
        raise AssertionError("pages write nothing")


@asynccontextmanager
async def started_log(data_dir: Path) -> AsyncIterator[Log]:
    log = open_log(Settings(data_dir=data_dir))
    await log.start()
    try:
        yield log
    finally:
        await log.close()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_numbers_are_shown() -> None:
    html = render(State(1234567, 4500, 12, 75.0, 2), [], PLACE, "0.1.0")
    assert re.findall(r"<dd[^>]*>(.*?)</dd>", html) == ["1,234,567", "4,500", "12", "1 min", "2"]
    assert '<p class="verdict good">ready</p>' in html
    assert '<dd class="warn">2</dd>' in html


def test_what_is_not_known_is_a_dash_and_the_reason_is_said() -> None:
    html = render(State(problems=("ClickHouse: connection refused",)), ["ClickHouse: connection refused"], PLACE, "x")
    assert html.count("<dd") == html.count(">–</dd>") == 5
    assert html.count("connection refused") == 1
    assert '<p class="verdict bad">not ready</p>' in html


def test_everything_that_varies_is_escaped() -> None:
    html = render(State(problems=(EVIL,)), [EVIL + "2"], Place(EVIL, EVIL), EVIL)
    assert "<script>" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


def test_nothing_is_inline_or_from_elsewhere() -> None:
    tags = Tags()
    tags.feed(render(State(), [], PLACE, "x"))
    for tag, attributes in tags.found:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "style"
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "/").startswith("/")
    assert ("script", {"type": "module", "src": "/static/landing.js"}) in tags.found
    for directive in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert directive in page.HEADERS["Content-Security-Policy"]
    assert "unsafe" not in page.HEADERS["Content-Security-Policy"]
    assert "http" not in page.static("landing.css").decode()
    assert "http" not in page.static("landing.js").decode()


def test_light_and_dark() -> None:
    assert "prefers-color-scheme: dark" in page.static("landing.css").decode()


@pytest.mark.parametrize(
    ("host", "proto", "shown"),
    [
        ("litefuse.example:3000", None, "http://litefuse.example:3000"),
        ("litefuse.example", "https", "https://litefuse.example"),
        ("[::1]:3000", None, "http://[::1]:3000"),
        ("a'$(x)", None, "http://fallback"),
        ("a b", None, "http://fallback"),
        (None, None, "http://fallback"),
        ("h", "javascript", "http://h"),
    ],
)
def test_the_snippet_has_the_address_the_viewer_uses(host: str | None, proto: str | None, shown: str) -> None:
    assert base_url(host, proto, "http://fallback") == shown


async def test_state_of_a_real_log(tmp_path: Path) -> None:
    known: dict[int, int] = {}
    async with started_log(tmp_path) as log:
        state = await take(log, Rows(7), "litefuse-worker", known)
        assert (state.spans, state.last_minute, state.lag_records, state.lag_seconds, state.dead) == (7, 7, 0, 0.0, 0)
        for _ in range(3):
            await log.publish(TRACES, b"x", [])
        await log.publish(DEAD, b"x", [("reason", b"undecodable")])
        state = await take(log, Rows(7), "litefuse-worker", known)
        assert (state.lag_records, state.dead, state.problems) == (3, 1, ())
        assert state.lag_seconds is not None
        assert 0 <= state.lag_seconds < 60


async def test_state_while_everything_is_down(tmp_path: Path) -> None:
    log = open_log(Settings(data_dir=tmp_path))  # not started
    state = await take(log, Rows(None), "g", {})
    assert (state.spans, state.last_minute, state.lag_records, state.dead) == (None, None, None, None)
    assert state.problems == ("ClickHouse: connection refused", "log: the log is not open")
    await log.close()


async def test_many_viewers_cost_one_look() -> None:
    taken = 0

    async def count() -> State:
        nonlocal taken
        taken += 1
        await asyncio.sleep(0.01)
        return State()

    cached = Cached(count, age_s=60.0)
    await asyncio.gather(*(cached.get() for _ in range(50)))
    assert taken == 1


@asynccontextmanager
async def served(web: Web) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    app = aiohttp_web.Application()
    app.add_routes(web.routes())
    server = await serve(app, "127.0.0.1", 0, roles=[web])
    async with aiohttp.ClientSession() as session:
        try:
            yield f"http://127.0.0.1:{server.port}", session
        finally:
            await server.close(0)
            await web.close()


async def test_served_page_and_files(tmp_path: Path) -> None:
    async with started_log(tmp_path) as log:
        made = await start_web(Settings(data_dir=tmp_path), log, Rows(5))
        async with served(made) as (url, session):
            async with session.get(f"{url}/") as answer:
                text = await answer.text()
                assert answer.status == 200
                assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
                assert page.HEADERS.items() <= dict(answer.headers).items()
                assert f"OTEL_EXPORTER_OTLP_ENDPOINT={url}/api/public/otel" in text
                assert "PUBLIC_KEY:SECRET_KEY" in text
            for name, kind in page.STATIC_TYPES.items():
                async with session.get(f"{url}/static/{name}") as answer:
                    assert (answer.status, answer.content_type) == (200, kind)
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
            async with session.get(f"{url}/favicon.ico") as answer:
                assert (answer.status, answer.content_type) == (200, "image/svg+xml")
            async with session.get(f"{url}/static/../app.py") as answer:
                assert answer.status == 404
            async with session.post(f"{url}/") as answer:
                assert answer.status == 405


async def test_behind_a_proxy_the_address_is_that_of_the_proxy(tmp_path: Path) -> None:
    place = Place("http://INGEST:3000", "`litefuse keys create` makes a key.")
    shown = {}
    async with started_log(tmp_path) as log:
        made = await start_web(Settings(data_dir=tmp_path), log, Rows(5), place)
        async with served(made) as (url, session):
            for proto in (None, "https"):
                headers = {"Host": "traces.example"} | ({} if proto is None else {"X-Forwarded-Proto": proto})
                async with session.get(f"{url}/", headers=headers) as answer:
                    text = await answer.text()
                assert "<code>litefuse keys create</code> makes a key." in text
                shown[proto] = re.findall(r"OTEL_EXPORTER_OTLP_ENDPOINT=(\S+)", text)
    assert shown == {
        None: ["http://INGEST:3000/api/public/otel"],
        "https": ["https://traces.example/api/public/otel"],
    }


async def test_readiness_follows_clickhouse(tmp_path: Path) -> None:
    async def ready(session: aiohttp.ClientSession, url: str, status: int) -> list[str]:
        deadline = time.monotonic() + 20
        while True:
            async with session.get(f"{url}/api/public/ready") as answer:
                if answer.status == status:
                    reasons: list[str] = (await answer.json())["reasons"]
                    return reasons
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    async with started_log(tmp_path) as log:
        store = Rows(None)
        made = await start_web(Settings(data_dir=tmp_path), log, store)
        async with served(made) as (url, session):
            assert await ready(session, url, 503)
            async with session.get(f"{url}/") as answer:
                assert answer.status == 200
                assert "connection refused" in await answer.text()
            store.number = 1
            assert await ready(session, url, 200) == []
            store.number = None
            assert await ready(session, url, 503) == ["ClickHouse: connection refused"]


def test_the_page_names_the_command_as_it_is_called_here_and_says_that_nothing_waits() -> None:
    text = render(State(1, 1, 0, 0.0, 0), [], PLACE, "1", "/opt/x/bin/litefuse")
    assert "<code>/opt/x/bin/litefuse sql &quot;SELECT" in text or '<code>/opt/x/bin/litefuse sql "SELECT' in text
    assert "nothing waits" in text
    assert "Rows stored" in text
