"""One route of the API as a value, and what its handler is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from litefuse.clickhouse.asking import Store
from litefuse.errors import RequestError
from litefuse.keys import Key, Scope
from litefuse.otlp import BodyError
from litefuse.otlp.inflate import inflate
from web.api.errors import invalid, issue, refused
from web.api.parameters import NoQuery
from web.api.services import Services
from web.api.values import loads

PREFIX = "/api/public"
#: An id in a path: slashes and new lines too.
ANYTHING = r"[\s\S]+"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in. `store` is for reading: what a request reads is bounded. `bearer`: only the public key was
    given, which proves nothing."""

    services: Services
    store: Store
    key: Key
    bearer: bool
    request: web.Request

    @property
    def project_id(self) -> str:
        return self.key.project_id

    @property
    def retention_days(self) -> int:
        """Days for which the project keeps what it is told; 0 = for ever."""
        return self.key.kept_days(self.services.settings.retention_days)

    def path(self, name: str) -> str:
        """A parameter of the path, decoded."""
        return self.request.match_info[name]

    async def json(self, most: int) -> Any:
        """The body as JSON, at most so many bytes, also when it is inflated. Raises ApiError 400, RequestError 413 and 415."""
        body = bytearray()
        async for chunk in self.request.content.iter_any():
            body += chunk
            if len(body) > most:
                raise RequestError(413, f"the body is larger than {most} bytes", close=True)
        plain, encoding = bytes(body), self.request.headers.get("Content-Encoding")
        try:
            if encoding:
                plain = await asyncio.to_thread(inflate, plain, encoding, most)
            return loads(plain)
        except BodyError as error:
            raise RequestError(error.status, str(error)) from None
        except ValueError:
            raise invalid("The body is not valid JSON") from None

    async def body(self, adapter: TypeAdapter[Any], most: int = 1_000_000) -> Any:
        """The body as a value of the adapter's type. Raises ApiError 400 with every issue, RequestError 413 and 415."""
        return validated(adapter, await self.json(most))


_OBJECTS = frozenset(("dataclass_type", "dict_type", "model_attributes_type", "model_type"))


def validated(adapter: TypeAdapter[Any], value: Any) -> Any:
    """The value as one of the adapter's type. Raises ApiError 400 with every issue."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise refused([issue(e["type"], e["loc"], _said(e)) for e in error.errors(include_url=False)]) from None


def _said(error: ErrorDetails) -> str:
    """pydantic's text, but for those that name a class of ours."""
    return "Input should be an object" if error["type"] in _OBJECTS else error["msg"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A success that is not plain 200."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


#: Gets the call and an instance of the route's `query`; what it returns goes out as JSON: an object, an Answer, or a response.
Handler = Callable[[Call, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is under PREFIX, with parameters as `{name}`; one at its end takes slashes too. `need`: what the key has to be
    allowed, None for any key. `bearer`: the public key alone will do. `public`: no key is asked for, and the call's belongs to
    no project. `strict`: unknown parameters are refused.

    `answer` (a TypedDict, or whatever pydantic makes a schema of), `body` and `query` are what the OpenAPI document is written
    from; `media` are the media types of the answer; `statuses` has the answers of other statuses that are successes, `errors`
    statuses of errors besides those that every route has. A TypedDict is typing_extensions': pydantic refuses that of Python
    3.11's typing.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    answer: Any
    query: type = NoQuery
    body: Any = None
    need: Scope | None = Scope.READ
    bearer: bool = False
    public: bool = False
    strict: bool = False
    media: tuple[str, ...] = ("application/json",)
    status: int = 200
    statuses: Mapping[int, Any] = field(default_factory=dict)
    errors: tuple[int, ...] = ()

    @property
    def pattern(self) -> str:
        """For aiohttp's router."""
        head, brace, name = self.path.rpartition("{")
        path = f"{head}{{{name.removesuffix('}')}:{ANYTHING}}}" if brace and self.path.endswith("}") else self.path
        return PREFIX + path
