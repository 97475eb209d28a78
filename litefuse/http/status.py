"""`google.rpc.Status` as an error body, in the request's encoding (architecture section 4). Pure functions.

HTTP    code                     HTTP    code                       HTTP   code
400     3  INVALID_ARGUMENT      408     4  DEADLINE_EXCEEDED       429     8  RESOURCE_EXHAUSTED
401     16 UNAUTHENTICATED       411     3  INVALID_ARGUMENT        500     13 INTERNAL
403     7  PERMISSION_DENIED     413     3  INVALID_ARGUMENT        501     12 UNIMPLEMENTED
404     5  NOT_FOUND             415     3  INVALID_ARGUMENT        503     14 UNAVAILABLE
405     12 UNIMPLEMENTED         431     3  INVALID_ARGUMENT        other   2  UNKNOWN
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from aiohttp import web

from litefuse.errors import RequestError

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_CODES: Mapping[int, int] = {
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    405: 12,
    408: 4,
    411: 3,
    413: 3,
    415: 3,
    429: 8,
    431: 3,
    500: 13,
    501: 12,
    503: 14,
}


def media_type(content_type: str | None) -> str:
    """The media type of a Content-Type header without its parameters, lower-case; empty when there is none."""
    return content_type.partition(";")[0].strip().lower() if content_type else ""


def encoding_of(content_type: str | None) -> str:
    """The media type to answer in: protobuf to protobuf, JSON to everything else."""
    return PROTOBUF if media_type(content_type) == PROTOBUF else JSON


def status_body(http_status: int, message: str, encoding: str) -> bytes:
    """The bytes of a Status with the code that goes with this HTTP status."""
    code = _CODES.get(http_status, 2)
    if encoding != PROTOBUF:
        return orjson.dumps({"code": code, "message": message.encode("utf-8", "replace").decode("utf-8")})
    text = message.encode("utf-8", "replace")
    return b"\x08" + _varint(code) + (b"\x12" + _varint(len(text)) + text if text else b"")


def unrouted_body(http_status: int, message: str, word: str) -> bytes:
    """The JSON of an answer to a request whose path is not known: a Status, and an error of the public API, in one."""
    return orjson.dumps({"code": _CODES.get(http_status, 2), "message": message, "error": word})


def error(
    http_status: int, message: str, content_type: str | None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An error answer to a request with this Content-Type."""
    encoding = encoding_of(content_type)
    return web.Response(
        status=http_status,
        body=status_body(http_status, message, encoding),
        headers={"Content-Type": encoding, **(headers or {})},
    )


def refusal(refused: RequestError, content_type: str | None) -> web.Response:
    """The answer to a request that was refused as a whole."""
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    if refused.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="litefuse"'
    response = error(refused.status, str(refused), content_type, headers)
    if refused.close:
        response.force_close()
    return response


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
