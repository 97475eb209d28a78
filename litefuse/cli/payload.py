"""A payload of the log as a person can read it: OTLP as JSON with ids in hex, else a hex dump."""

from __future__ import annotations

import base64
import json
from typing import Any

from litefuse.errors import LitefuseError
from litefuse.telemetry.logs import escape

_LIMIT = 64 << 20
_DUMPED = 4096
_IDS = ("traceId", "spanId", "parentSpanId")


def readable(value: bytes, content_type: str, encoding: str) -> str:
    """Never raises for what is in the payload: dead letters are what nothing could read."""
    from litefuse.otlp.inflate import inflate

    note = ""
    try:
        body = inflate(value, encoding, _LIMIT)
    except LitefuseError as error:
        body, note = value, f"(not decompressed: {error})\n"
    if content_type.startswith("application/json"):
        return note + _json(body)
    return note + (_protobuf(body) or _dump(body))


def _json(body: bytes) -> str:
    try:
        return escape_lines(json.dumps(json.loads(body), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return escape_lines(body.decode("utf-8", "replace"))


def _protobuf(body: bytes) -> str:
    """Empty when it is no export request."""
    from google.protobuf.json_format import Error, MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
        if not request.resource_spans:
            return ""
        return escape_lines(json.dumps(_with_hex_ids(MessageToDict(request)), indent=2, ensure_ascii=False))
    except (DecodeError, Error, RecursionError, ValueError):
        return ""


def _with_hex_ids(value: Any) -> Any:
    """Protobuf's JSON has ids in base64; OTLP's, and every person, has them in hex."""
    if isinstance(value, dict):
        return {
            key: base64.b64decode(inner).hex() if key in _IDS and isinstance(inner, str) else _with_hex_ids(inner)
            for key, inner in value.items()
        }
    return [_with_hex_ids(inner) for inner in value] if isinstance(value, list) else value


def _dump(body: bytes) -> str:
    lines = []
    for start in range(0, min(len(body), _DUMPED), 16):
        piece = body[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        lines.append(f"{start:08x}  {piece.hex(' '):<47}  {text}")
    if len(body) > _DUMPED:
        lines.append(f"… {len(body) - _DUMPED} bytes more; --raw writes them all")
    return "\n".join(lines) or "(empty)"


def escape_lines(text: str) -> str:
    return "\n".join(escape(line) for line in text.split("\n"))
