"""Around each handler: method, key, parameters, errors, JSON, in this order (public-api.md sections 1.1 and 1.4)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from litefuse.errors import LogError, RequestError, StoreError
from litefuse.http.auth import Keys, is_bearer
from litefuse.keys import Key, Scope
from web.api.errors import ApiError, forbidden, invalid, of_store
from web.api.parameters import parse
from web.api.route import Answer, Call, Route
from web.api.services import Services
from web.api.values import dumps
from web.queries.bounded import Bounded
from web.queries.statement import QueryError

logger = logging.getLogger("litefuse.web")

NO_HEADER = "No authorization header"
#: Who calls a route that asks for no key: of no project.
NOBODY = Key("", "", 0, "", "", Scope.INGEST)
BAD_KEY = "Invalid credentials. Confirm that you've configured the correct host."


def handler(route: Route, keys: Keys, services: Services) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What aiohttp calls for a route."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            key, bearer = await let_in(route, keys, request)
            query: Any = parse(route.query, request.query, strict=route.strict)
            found = await route.handler(
                Call(services, Bounded(services.writing, services.settings), key, bearer, request), query
            )
        except ApiError as error:
            return problem(error)
        except QueryError as error:
            return problem(invalid(str(error)))
        except StoreError as error:
            told = of_store(error)
            if told.status >= 500:
                logger.warning(
                    "ClickHouse did not answer a request", extra={"fields": {"path": route.path, "error": error}}
                )
            return problem(told)
        except LogError as error:
            logger.warning("the log did not take a request", extra={"fields": {"path": route.path, "error": error}})
            return problem(ApiError(503, "Service Unavailable", "ServiceUnavailableError", retry_after=1))
        if isinstance(found, web.StreamResponse):
            return found
        if isinstance(found, Answer):
            return _json(found.status, dumps(found.body), dict(found.headers))
        return _json(route.status, dumps(found))

    return answer


async def let_in(route: Route, keys: Keys, request: web.Request) -> tuple[Key, bool]:
    """The key, and whether it was only named (Bearer). Raises ApiError 401, 403 or 503."""
    if route.public:
        return NOBODY, False
    authorization = request.headers.get("Authorization")
    try:
        bearer = is_bearer(authorization)
        key = await (keys.named if bearer else keys.authenticate)(authorization)
    except RequestError as error:
        if error.status != 401:
            raise ApiError(
                error.status, "Service Unavailable", "ServiceUnavailableError", retry_after=error.retry_after
            ) from None
        raise ApiError(401, BAD_KEY if authorization else NO_HEADER, "UnauthorizedError") from None
    if bearer and not route.bearer:
        raise forbidden("the public key alone only gives scores, send the secret key too")
    if route.need is not None and not key.scope.allows(route.need):
        raise forbidden(f"the key's scope is {key.scope.value}")
    return key, bearer


def problem(error: ApiError) -> web.Response:
    """The answer to a request that failed."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="litefuse"'
    return _json(error.status, dumps(error.body), headers)


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
