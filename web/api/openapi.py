"""The OpenAPI document, and a page of it for people. Neither asks for a key: they say nothing of anybody's data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from aiohttp import web

from litefuse import __version__
from web import page
from web.api import document_page
from web.api.document import document
from web.api.parameters import NoQuery
from web.api.route import Call, Route


@dataclass(frozen=True, slots=True)
class Made:
    """A body that is the same until another version runs."""

    body: bytes
    etag: str


def _made(body: bytes) -> Made:
    return Made(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


@cache
def written() -> dict[str, Any]:
    """The document of this version."""
    from web.api.routes import ROUTES  # which has the routes below

    return document(ROUTES, __version__)


@cache
def as_json() -> Made:
    return _made(orjson.dumps(written()))


@cache
def as_page() -> Made:
    return _made(document_page.render(written()).encode())


async def get_document(call: Call, _: NoQuery) -> web.Response:
    return _answer(call.request, as_json(), "application/json", {})


async def get_page(call: Call, _: NoQuery) -> web.Response:
    return _answer(call.request, as_page(), "text/html", page.HEADERS)


def _answer(request: web.Request, made: Made, media: str, headers: Any) -> web.Response:
    """304 when the client has it. `no-cache`: it asks each time, since an upgrade changes it."""
    sent = {**headers, "ETag": made.etag, "Cache-Control": "no-cache"}
    if made.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=sent)
    return web.Response(body=made.body, content_type=media, charset="utf-8", headers=sent)


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/openapi.json",
        get_document,
        summary="This document",
        tag="OpenAPI",
        answer=dict[str, Any],
        statuses={304: None},
        public=True,
    ),
    Route(
        "GET",
        "/docs",
        get_page,
        summary="This document, for people",
        tag="OpenAPI",
        answer=str,
        media=("text/html",),
        statuses={304: None},
        public=True,
    ),
)
