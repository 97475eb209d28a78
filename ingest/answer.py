"""OTLP's answers, in the request's encoding (architecture section 4). Pure functions."""

from __future__ import annotations

import orjson
from aiohttp import web

from litefuse.http.status import PROTOBUF
from litefuse.otlp.wire import varint


def success(encoding: str, rejected: int = 0, message: str = "") -> web.Response:
    """200 with an ExportTraceServiceResponse; its `partial_success` is set only when there is something to say."""
    return web.Response(body=response_body(encoding, rejected, message), headers={"Content-Type": encoding})


def response_body(encoding: str, rejected: int = 0, message: str = "") -> bytes:
    """The bytes of an ExportTraceServiceResponse."""
    if encoding == PROTOBUF:
        if not rejected and not message:
            return b""
        text = message.encode("utf-8", "replace")
        partial = (b"\x08" + varint(rejected) if rejected else b"") + (
            b"\x12" + varint(len(text)) + text if text else b""
        )
        return b"\x0a" + varint(len(partial)) + partial
    if not rejected and not message:
        return b"{}"
    # 64-bit integers are strings in protobuf's JSON.
    return orjson.dumps({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}})
