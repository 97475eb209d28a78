"""What others than this role serve under the prefix of the public API, for the OpenAPI document: OTLP, which is ingest's, and
the health of every role (litefuse/http/routes.py). A test holds it against their routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict


class Health(TypedDict):
    status: str
    version: str
    reasons: NotRequired[list[str]]


_STATUS = {
    "type": "object",
    "description": "google.rpc.Status, in the encoding of the request",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
_HEALTH = {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}}
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"


def _refused(description: str) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": _STATUS}, _PROTOBUF: {}}}


def _health(summary: str, description: str, unwell: str, *flags: tuple[str, str]) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": description,
        "tags": ["Health"],
        "security": [],
        "parameters": [
            {"name": name, "in": "query", "description": help, "required": False, "schema": {"type": "boolean"}}
            for name, help in flags
        ],
        "responses": {
            "200": {"description": "OK", "content": _HEALTH},
            "503": {"description": unwell, "content": _HEALTH},
        },
    }


def _not_yet(signal: str) -> dict[str, Any]:
    return {
        "summary": f"OTLP {signal}: not yet",
        "tags": ["OpenTelemetry"],
        "security": [{"key": []}],
        "parameters": [],
        "responses": {"501": _refused(f"{signal} are not supported yet, only traces are")},
    }


#: (method, path) → operation.
OTHERS: Mapping[tuple[str, str], dict[str, Any]] = {
    ("get", "/api/public/health"): _health(
        "The process answers",
        "",
        "What was asked for is not so; `status` says what.",
        ("failIfDatabaseUnavailable", "503 when ClickHouse does not answer"),
        ("failIfNoRecentEvents", "503 when no spans have come within 3 minutes"),
    ),
    ("get", "/api/public/ready"): _health(
        "The process can do its work",
        "`reasons` says why it cannot.",
        "It cannot do its work now, or is being stopped.",
    ),
    ("post", "/api/public/otel/v1/traces"): {
        "summary": "Send spans, as OpenTelemetry exporters do",
        "description": (
            "OTLP over HTTP. 200 means that the spans are durably in the log. The key has to be of scope `all` or `ingest`."
        ),
        "tags": ["OpenTelemetry"],
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "Content-Encoding",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "enum": ["gzip", "deflate", "zstd", "identity"]},
            }
        ],
        "requestBody": {
            "required": True,
            "description": "an ExportTraceServiceRequest",
            "content": {_PROTOBUF: {}, _JSON: {"schema": {"type": "object"}}},
        },
        "responses": {
            "200": {
                "description": "An ExportTraceServiceResponse: all spans are kept, or `partialSuccess` says how many are not.",
                "content": {_PROTOBUF: {}, _JSON: {"schema": {"type": "object"}}},
            },
            "400": _refused("Not decodable, or not one span can be kept."),
            "401": _refused("No key, or a wrong or revoked one."),
            "403": _refused("The key is for reading only."),
            "408": _refused("The body did not arrive in time."),
            "413": _refused("The body is too large."),
            "415": _refused("Another content type or encoding."),
            "503": _refused("Too much in flight, or the log or the keys cannot be reached now; see `Retry-After`."),
        },
    },
    ("post", "/api/public/otel/v1/logs"): _not_yet("logs"),
    ("post", "/api/public/otel/v1/metrics"): _not_yet("metrics"),
}
