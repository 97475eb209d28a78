"""What happens around every handler: CORS, errors in the shape of their route, request counts.

Errors of the public API are `{"message": …, "error": …}`, those of OTLP and of all else `google.rpc.Status`.

A handler that answers its own errors (the OTLP routes do) pays a microsecond for this.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping

import orjson
from aiohttp import web
from yarl import URL

from litefuse.errors import RequestError
from litefuse.http.status import error, refusal
from litefuse.telemetry import metrics as m

logger = logging.getLogger("litefuse.http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Under it traces are read, with an id behind it; to the path itself, without the slash, they are sent.
_OTLP_OUT = "/api/public/otel/v1/traces/"
#: Paths that answer browsers of any origin, without credentials (architecture section 4).
_OPEN = ("/v1/", "/api/public/")
_ALLOWED_HEADERS = (
    "authorization, content-type, content-encoding, x-langfuse-sdk-name, x-langfuse-sdk-version, "
    "x-langfuse-public-key, x-langfuse-ingestion-version, traceparent, tracestate, baggage"
)
_HEADER_LIST = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2000}")
#: Words for statuses that no handler of the API has worded.
_API_ERRORS: Mapping[int, str] = {
    404: "LangfuseNotFoundError",
    405: "MethodNotAllowedError",
    413: "PayloadTooLargeError",
    415: "UnsupportedMediaTypeError",
    503: "ServiceUnavailableError",
}
_ROUTES = frozenset(("traces", "logs", "metrics", "health", "ready", "prometheus", "page", "api"))


class Front:
    """Wraps an application's handler. `active` counts the requests between their headers and their answer."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self.active = 0
        self.draining = False

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.Request)
        if request.path.startswith("//"):
            request = _one_slash(request)
        self.active += 1
        status = "499"
        try:
            response = await self._answer(request)
            if not response.prepared:
                if self.draining:
                    response.force_close()
                if "Origin" in request.headers and request.path.startswith(_OPEN):
                    _allow_origin(response)
            status = str(response.status)
            return response
        finally:
            self.active -= 1
            m.REQUESTS.labels(route=_route(request), status=status).inc()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            if request.method == "OPTIONS" and request.path.startswith(_OPEN):
                return preflight(request)
            return await self._handle(request)
        except web.HTTPException as answer:
            return _as_status(answer, request)
        except RequestError as refused:
            if is_api(request.path):
                return _api_refusal(refused)
            return refusal(refused, request.headers.get("Content-Type"))
        except (ConnectionError, asyncio.CancelledError):
            raise  # the client is gone, or we are shutting down
        except Exception:  # a bug: the client gets 500 in its own encoding, and the trace is logged once
            logger.exception("request failed", extra={"fields": {"method": request.method, "path": request.path}})
            if is_api(request.path):
                response = api_error(500, "Internal Server Error", "InternalServerError")
            else:
                response = error(500, "internal error", request.headers.get("Content-Type"))
            response.force_close()
            return response


def _one_slash(request: web.Request) -> web.Request:
    """Clients whose base URL ends in a slash ask for `//api/public/…`."""
    url = request.rel_url
    path = "/" + url.raw_path.lstrip("/")
    return request.clone(rel_url=URL.build(path=path, query_string=url.raw_query_string, encoded=True))


def preflight(request: web.Request) -> web.Response:
    """The answer to OPTIONS: whatever the browser asks for, without credentials."""
    wanted = request.headers.get("Access-Control-Request-Headers", "")
    response = web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": wanted if _HEADER_LIST.fullmatch(wanted) else _ALLOWED_HEADERS,
            "Access-Control-Max-Age": "7200",
        },
    )
    _allow_origin(response)
    return response


def _allow_origin(response: web.StreamResponse) -> None:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "Retry-After"


def _as_status(answer: web.HTTPException, request: web.Request) -> web.StreamResponse:
    """aiohttp's own answers (no such route, wrong method) in the shape of their route; what a handler worded itself stays."""
    if answer.status < 400 or answer.content_type != "text/plain":
        return answer
    kept = {name: answer.headers[name] for name in ("Allow", "Retry-After") if name in answer.headers}
    if answer.status == 404:
        text = f"no such route: {request.path[:200]}"
    elif answer.status == 405:
        text = f"{request.method} is not allowed here"
    else:
        text = answer.text or answer.reason
    if is_api(request.path):
        if answer.status == 405:
            text = "Method not allowed"
        return api_error(answer.status, text, _API_ERRORS.get(answer.status, "InvalidRequestError"), kept)
    return error(answer.status, text, request.headers.get("Content-Type"), kept)


def is_api(path: str) -> bool:
    """Whether errors have the shape of the public API (public-api.md section 1.4): also where a trace is read as OTLP."""
    return path.startswith("/api/") and (not path.startswith("/api/public/otel/") or path.startswith(_OTLP_OUT))


def api_error(status: int, message: str, word: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps({"message": message.encode("utf-8", "replace").decode("utf-8"), "error": word}),
        content_type="application/json",
        headers=headers,
    )


def _api_refusal(refused: RequestError) -> web.Response:
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    response = api_error(refused.status, str(refused), _API_ERRORS.get(refused.status, "InvalidRequestError"), headers)
    if refused.close:
        response.force_close()
    return response


def _route(request: web.Request) -> str:
    match = getattr(request, "_match_info", None)  # `match_info` asserts that the router has seen the request
    if match is None or match.http_exception is not None:
        return "other"
    name = match.route.name
    if name in _ROUTES:
        return str(name)
    return "api" if request.path.startswith("/api/") else "page"
