"""The OpenAPI document of the API, made of the routes: parameters from each route's query, bodies and answers by pydantic.

`document` is pure. Nothing is said of a route that its Route does not say, so the document cannot drift from what is served.
What other roles serve under the same prefix is in others.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from web.api import parameters
from web.api.errors import Error
from web.api.others import OTHERS, Health
from web.api.route import PREFIX, Route

JSON = "application/json"
_REF = "#/components/schemas/{model}"
_INFO = """\
Traces, observations, sessions, scores and metrics of one project, the one that the key belongs to. The official `langfuse`
SDKs use these routes; a script can as well.

Lists come by page (`page`, `limit`; `meta` says how many there are) or by cursor (pass `meta.cursor` on until it is gone).
Times are ISO 8601 with a zone; `from…` is inclusive, `to…` exclusive, except for metrics, where both are inclusive. Durations
are seconds, in metrics milliseconds; costs are USD. A parameter that is a list is repeated, or one value with
commas. Every error is `{"message", "error"}`, but for OTLP's.
"""

#: What the parameters of paths are.
PATHS: Mapping[str, str] = {
    "traceId": "id of the trace; may have slashes",
    "observationId": "id of the observation; may have slashes",
    "sessionId": "id of the session; may have slashes",
    "projectId": "id of the project",
    "scoreId": "id of the score; may have slashes",
}

#: Status → what it says, as a name of a component.
ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "A parameter or the body is not what the schema says, with every issue, or cannot be."),
    401: ("Unauthorized", "No key, or a wrong or revoked one."),
    403: ("Forbidden", "The key's scope does not allow this, or only the public key was given."),
    404: ("NotFound", "No such object in the project of the key."),
    405: ("MethodNotAllowed", "Another method; `Allow` says which."),
    409: ("Conflict", "The same is being done already."),
    413: ("BodyTooLarge", "The body is larger than this route takes."),
    415: ("UnsupportedMediaType", "The body's Content-Type or Content-Encoding is not one that this route takes."),
    422: ("TooMuch", "The answer would be too large, or takes too long: ask for less, or for a shorter range of time."),
    429: ("TooManyRequests", "Too much at once; `Retry-After` says when to try again."),
    503: (
        "Unavailable",
        "ClickHouse, the log or the keys cannot be reached now; `Retry-After` says when to try again.",
    ),
}
#: Errors of every route that asks for a key, and of those with a body.
_READING, _WITH_BODY = (400, 401, 403, 422, 429, 503), (413, 415)
_AGAIN = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}


class _Titleless(GenerateJsonSchema):
    """Without a title for each property, which says its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


Document = dict[str, Any]
_Mode = Literal["validation", "serialization"]
#: Schema of a body ("validation") or an answer, by its type.
Schemas = Mapping[tuple[_Mode, Any], Any]


def document(routes: Sequence[Route], version: str) -> Document:
    """OpenAPI 3.1."""
    schemas, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, schemas)
    for (method, path), other in OTHERS.items():
        paths.setdefault(path, {})[method] = {"operationId": operation_id(method, path), **other}
    operations = [operation for path in paths.values() for operation in path.values()]
    # What anybody may ask tells of no data: last.
    tags = dict.fromkeys(o["tags"][0] for o in sorted(operations, key=lambda o: not o["security"]))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Litefuse",
            "version": version,
            "summary": "What was traced, and what is said of it.",
            "description": _INFO,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {name: _error(status) for status, (name, _) in ERRORS.items()},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "public key as the user, secret key as the password",
                },
                "publicKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "the public key alone, for browsers: it proves nothing, and only gives scores",
                },
            },
        },
    }


def operation_id(method: str, path: str) -> str:
    """`getV2Observations`, `getTracesByTraceId`: unique, as method and path are."""
    words = path.removeprefix(PREFIX).replace("{", "by/").replace("}", "").split("/")
    return method.lower() + "".join(
        part[:1].upper() + part[1:] for word in words for part in re.split(r"[^A-Za-z0-9]", word)
    )


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation_id(route.method, route.path),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_in_path(route.path), *_in_query(route.query)],
        "responses": _responses(route, schemas),
        "security": [] if route.public else [{"key": []}, *([{"publicKey": []}] if route.bearer else [])],
    }
    said = []
    if route.need is not None and not route.public:
        said.append(f"The key has to be of scope `all`{'' if route.need == 'all' else f' or `{route.need}`'}.")
    if route.strict:
        said.append("Parameters that are not listed here are refused.")
    if said:
        found["description"] = " ".join(said)
    if route.body is not None:
        schema = schemas["validation", _key(route.body)]
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return found


def _in_path(path: str) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATHS.get(name, ""),
            "schema": {"type": "string", "minLength": 1},
        }


def _in_query(query: type) -> Iterable[dict[str, Any]]:
    for name, parameter in parameters.of(query).items():
        schema = dict(parameter.schema)
        if parameter.default is not None and not parameter.many:
            schema["default"] = parameter.default
        made: dict[str, Any] = {
            "name": name,
            "in": "query",
            "description": parameter.help,
            "required": parameter.required,
        }
        if parameter.many:
            made |= {"style": "form", "explode": True}
        yield {**made, "schema": schema}


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, answer in {route.status: route.answer, **route.statuses}.items():
        found[str(status)] = {"description": HTTPStatus(status).phrase}
        if answer is not None:
            schema = schemas["serialization", _key(answer)]
            found[str(status)]["content"] = {
                media: {"schema": schema} if media == JSON else {} for media in route.media
            }
    errors = {*route.errors, *(() if route.public else _READING), *(_WITH_BODY if route.body is not None else ())}
    for status in sorted(errors - {route.status, *route.statuses}):
        found[str(status)] = {"$ref": f"#/components/responses/{ERRORS[status][0]}"}
    return found


def _error(status: int) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Error")}
    made = {"description": ERRORS[status][1], "content": {JSON: {"schema": schema}}}
    return {**made, "headers": _AGAIN} if status in (429, 503) else made


# -- schemas -------------------------------------------------------------------------------------------------------------


def _schemas(routes: Sequence[Route]) -> tuple[Schemas, dict[str, Any]]:
    """Schema of every body and answer by (mode, its type), and the components that they refer to."""
    wanted: dict[tuple[_Mode, Any], tuple[Any, _Mode, TypeAdapter[Any]]] = {}

    def want(mode: _Mode, value: Any) -> None:
        if value is not None:
            key = _key(value)
            adapter = value if isinstance(value, TypeAdapter) else TypeAdapter(value)
            wanted[mode, key] = (key, mode, adapter)

    for route in routes:
        want("validation", route.body)
        for answer in (route.answer, *route.statuses.values()):
            want("serialization", answer)
    want("serialization", Error)
    want("serialization", Health)
    found, rest = TypeAdapter.json_schemas(wanted.values(), ref_template=_REF, schema_generator=_Titleless)
    schemas: Schemas = {(mode, key): schema for (key, mode), schema in found.items()}
    return schemas, dict(sorted(rest["$defs"].items()))


def _key(value: Any) -> Any:
    """What stands for a type in a dict: types such as `list[A]` are equal, adapters are themselves."""
    return id(value) if isinstance(value, TypeAdapter) else value
