"""Traces as OTLP, as they came in (architecture section 4; docs/export.md has what can differ)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from litefuse.otlp.rebuild import Request
from litefuse.otlp.to_json import to_json
from web.api.errors import not_found
from web.api.parameters import NoQuery
from web.api.route import Call, Route
from web.queries import otlp

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_PROTOBUF = (PROTOBUF, "application/protobuf")


async def trace(call: Call, query: NoQuery) -> web.Response:
    """GET /otel/v1/traces/{traceId}."""
    rows = await otlp.of_trace(call.store, call.project_id, call.path("traceId"))
    if not rows:
        raise not_found("Trace not found")
    protobuf = wants_protobuf(call.request.headers.getall("Accept", []))
    body = await asyncio.to_thread(_body, rows, protobuf)
    return web.Response(body=body, content_type=PROTOBUF if protobuf else JSON, headers={"Vary": "Accept"})


def _body(rows: Sequence[Sequence[Any]], protobuf: bool) -> bytes:
    request = Request()
    for row in rows:
        request.add(row)
    return request.body() if protobuf else orjson.dumps(to_json(request.message))


def wants_protobuf(accept: Sequence[str]) -> bool:
    """Whether the headers `Accept` name protobuf, and JSON not more."""
    weights = {PROTOBUF: 0.0, JSON: 0.0}
    for part in ",".join(accept).lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        name = PROTOBUF if media in _PROTOBUF else media
        if name in weights:
            weights[name] = max(weights[name], _weight(parameters))
    return weights[PROTOBUF] > 0 and weights[PROTOBUF] >= weights[JSON]


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/otel/v1/traces/{traceId}",
        trace,
        "A trace as OTLP, as it came in: ExportTraceServiceRequest (TracesData), OTLP/JSON or protobuf by `Accept`",
        "OpenTelemetry",
        dict[str, Any],
        media=(JSON, PROTOBUF),
        errors=(404,),
    ),
)
