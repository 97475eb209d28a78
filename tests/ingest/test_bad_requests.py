"""Bad requests, one a row, with the exact status and body of the answer (architecture section 4, reliability rows 27 to 40).

Nothing of a row that is refused as a whole may be in the log. Bodies are compared as JSON or as parsed protobuf, whole.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest
from backports import zstd
from google.rpc import status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.ingest.support import JSON, PROTOBUF, basic, request, running

LIMIT = 1 << 20


def logs() -> bytes:
    made = ExportLogsServiceRequest()
    record = made.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1, severity_number=9)
    record.body.string_value = "hello"
    return made.SerializeToString()


def metrics() -> bytes:
    made = ExportMetricsServiceRequest()
    metric = made.resource_metrics.add().scope_metrics.add().metrics.add(name="requests", unit="1")
    metric.gauge.data_points.add(as_int=1)
    return made.SerializeToString()


GOOD = request(count=1).SerializeToString()
BIG = request(*[{"name": "x" * 1000}] * 2000).SerializeToString()  # 2 MB
BOMB = gzip.compress(bytes(64 << 20), 9)  # 65 KiB, a thousandfold
JSON_LOGS = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1"}]}]}]}'
BAD_KEY = "invalid public or secret key"
READ_ONLY = "the key pk-lf-read is for reading only: send with one of scope ingest or all"
NO_BASIC = "the Authorization header is not base64 of public key:secret key"
MEDIA = "Content-Type is neither application/x-protobuf nor application/json"
ENCODING = "Content-Encoding is none of gzip, deflate, zstd, identity"
NOT_PROTOBUF = "body is not an OTLP trace export in protobuf"
DEEP = "body is not JSON: Expecting ',' delimiter at line 1 column 258"
INFLATED = f"body is larger than {LIMIT} bytes after decompression"
WIRE = f"body is larger than {LIMIT} bytes"
NOT_YET = "{0} are not supported yet, only traces are: send {0} elsewhere, or turn their exporter off (OTEL_{1}_EXPORTER=none)"


class Row(NamedTuple):
    """`headers` over good ones; None leaves one out. `code` and `text` are the Status in the answer."""

    name: str
    body: bytes
    headers: dict[str, str | None]
    status: int
    code: int
    text: str
    path: str = "/v1/traces"
    method: str = "POST"


def auth(value: str | None) -> dict[str, str | None]:
    return {"Authorization": value}


def media(value: str | None, encoding: str | None = None) -> dict[str, str | None]:
    return {"Content-Type": value, "Content-Encoding": encoding}


# fmt: off
ROWS = [
    # -- the key
    Row("no key", GOOD, auth(None), 401, 16, "no Authorization header: send Basic <base64 of public key:secret key>"),
    Row("bad scheme", GOOD, auth("Bearer pk-lf-1"), 401, 16, "the Authorization header's scheme is not Basic"),
    Row("not base64", GOOD, auth("Basic !!!"), 401, 16, NO_BASIC),
    Row("not text", GOOD, auth("Basic /////w=="), 401, 16, NO_BASIC),
    Row("no colon", GOOD, auth("Basic cGstbGYtMQ=="), 401, 16, NO_BASIC),
    Row("unknown key", GOOD, auth(basic("pk-lf-9", "sk-lf-1")), 401, 16, BAD_KEY),
    Row("wrong secret", GOOD, auth(basic("pk-lf-1", "sk-lf-2")), 401, 16, BAD_KEY),
    Row("empty key and secret", GOOD, auth(basic("", "")), 401, 16, BAD_KEY),
    Row("secret of another key", GOOD, auth(basic("pk-lf-1", "sk-lf-other")), 401, 16, BAD_KEY),
    Row("wrong key, JSON", b"{}", {**auth(basic("x", "y")), "Content-Type": JSON}, 401, 16, BAD_KEY),
    Row("wrong key before wrong media type", GOOD, {**auth(basic("x", "y")), **media("a/b")}, 401, 16, BAD_KEY),
    Row("a key for reading", GOOD, auth(basic("pk-lf-read", "sk-lf-read")), 403, 7, READ_ONLY),
    Row("a key for reading, JSON", b"{}", {**auth(basic("pk-lf-read", "sk-lf-read")), "Content-Type": JSON}, 403, 7,
        READ_ONLY),
    Row("a key for reading, wrong secret", GOOD, auth(basic("pk-lf-read", "sk-lf-1")), 401, 16, BAD_KEY),
    # -- media type and encoding
    Row("wrong content type", GOOD, media("text/plain"), 415, 3, MEDIA),
    Row("missing content type", GOOD, media(None), 415, 3, MEDIA),
    Row("a content type that begins well", GOOD, media("application/x-protobuffer"), 415, 3, MEDIA),
    Row("br", GOOD, media(PROTOBUF, "br"), 415, 3, ENCODING),
    Row("br, JSON", b"{}", media(JSON, "br"), 415, 3, ENCODING),
    Row("two encodings", GOOD, media(PROTOBUF, "gzip, gzip"), 415, 3, ENCODING),
    # -- compression
    Row("corrupt gzip", b"\x1f\x8b" + b"x" * 50, media(PROTOBUF, "gzip"), 400, 3,
        "gzip: Error -3 while decompressing data: unknown compression method"),
    Row("truncated gzip", gzip.compress(GOOD)[:-5], media(PROTOBUF, "gzip"), 400, 3, "gzip: truncated"),
    Row("empty gzip", b"", media(PROTOBUF, "gzip"), 400, 3, "gzip: truncated"),
    Row("garbage behind gzip", gzip.compress(GOOD) + b"x" * 30, media(PROTOBUF, "gzip"), 400, 3,
        "gzip: Error -3 while decompressing data: incorrect header check"),
    Row("truncated deflate", zlib.compress(GOOD)[:-5], media(PROTOBUF, "deflate"), 400, 3, "deflate: truncated"),
    Row("truncated zstd", zstd.compress(GOOD)[:-5], media(PROTOBUF, "zstd"), 400, 3, "zstd: truncated"),
    Row("plain body called gzip, JSON", b"{}", media(JSON, "gzip"), 400, 3,
        "gzip: Error -3 while decompressing data: incorrect header check"),
    Row("gzip within gzip", gzip.compress(gzip.compress(GOOD)), media(PROTOBUF, "gzip"), 400, 3,
        f"{NOT_PROTOBUF}: wire type 7 at byte 1; it looks like gzip, which is Content-Encoding gzip"),
    Row("gzip without saying so", gzip.compress(GOOD), {}, 400, 3,
        f"{NOT_PROTOBUF}: wire type 7 at byte 1; it looks like gzip, which is Content-Encoding gzip"),
    # -- size
    Row("too large", BIG, {}, 413, 3, WIRE),
    Row("too large, JSON", b" " * (LIMIT + 1), media(JSON), 413, 3, WIRE),
    Row("too large after gzip", gzip.compress(BIG), media(PROTOBUF, "gzip"), 413, 3, INFLATED),
    Row("bomb", BOMB, media(PROTOBUF, "gzip"), 413, 3, INFLATED),
    Row("bomb, JSON, zstd", zstd.compress(bytes(64 << 20)), media(JSON, "zstd"), 413, 3, INFLATED),
    Row("bomb, deflate", zlib.compress(bytes(64 << 20), 9), media(PROTOBUF, "deflate"), 413, 3, INFLATED),
    # -- content
    Row("not protobuf", b"hello world", {}, 400, 3, f"{NOT_PROTOBUF}: wire type 4 at byte 3"),
    Row("truncated protobuf", GOOD[:-3], {}, 400, 3,
        f"{NOT_PROTOBUF}: a field of {len(GOOD) - 2} bytes at byte 0 exceeds what is left"),
    Row("JSON called protobuf", b'{"resourceSpans": []}', {}, 400, 3,
        f"{NOT_PROTOBUF}: truncated at byte 21; it looks like JSON, which is Content-Type application/json"),
    Row("not JSON", b"hello", media(JSON), 400, 3, "body is not JSON: Expecting value at line 1 column 1"),
    Row("empty body, JSON", b"", media(JSON), 400, 3, "body is not JSON: Expecting value at line 1 column 1"),
    Row("truncated JSON", b'{"resourceSpans": [', media(JSON), 400, 3,
        "body is not JSON: Expecting value at line 1 column 20"),
    Row("JSON, but a list", b"[]", media(JSON), 400, 3, "body is JSON, but not an object with resourceSpans"),
    Row("JSON of another shape", b'{"resourceSpans": 5}', media(JSON), 400, 3, "resourceSpans is not a list of objects"),
    Row("JSON, deep", b"[" * 100_000, media(JSON), 400, 3, DEEP),
    Row("bad UTF-8 in JSON", b'{"resourceSpans": "\xff"}', media(JSON), 400, 3, "resourceSpans is not a list of objects"),
    Row("logs on the traces route", logs(), {}, 400, 3,
        "1 of 1 spans rejected; 1: trace id is not 16 bytes, or all zeros [bad_trace_id]: span 0; "
        "this looks like an OTLP logs export, and this is the route of traces"),
    Row("metrics on the traces route", metrics(), {}, 400, 3,
        "1 of 1 spans rejected; 1: trace id is not 16 bytes, or all zeros [bad_trace_id]: span 0; "
        "this looks like an OTLP metrics export, and this is the route of traces"),
    Row("JSON logs on the traces route", JSON_LOGS, media(JSON), 400, 3,
        "this is an export of logs (resourceLogs); this route takes traces (resourceSpans)"),
    Row("no span has a trace id", request({"trace_id": b""}, {"trace_id": bytes(16)}).SerializeToString(), {}, 400, 3,
        "2 of 2 spans rejected; 2: trace id is not 16 bytes, or all zeros [bad_trace_id]: "
        "span 0 (span id 0000000000000001), span 1 (span id 0000000000000002)"),
    Row("no span has a span id", request({"span_id": b"short"}).SerializeToString(), {}, 400, 3,
        f"1 of 1 spans rejected; 1: span id is not 8 bytes, or all zeros [bad_span_id]: span 0 (trace id {'01' * 16})"),
    # -- routes
    Row("logs", logs(), {}, 501, 12, NOT_YET.format("logs", "LOGS"), path="/v1/logs"),
    Row("logs, JSON", b"{}", media(JSON), 501, 12, NOT_YET.format("logs", "LOGS"), path="/v1/logs"),
    Row("metrics", metrics(), {}, 501, 12, NOT_YET.format("metrics", "METRICS"), path="/v1/metrics"),
    Row("metrics without a key", b"", auth(None), 501, 12, NOT_YET.format("metrics", "METRICS"), path="/v1/metrics"),
    Row("GET", b"", media(None), 405, 12, "GET is not allowed here", method="GET"),
    Row("PUT, protobuf", GOOD, {}, 405, 12, "PUT is not allowed here", method="PUT"),
    Row("DELETE", b"", media(None), 405, 12, "DELETE is not allowed here", method="DELETE"),
    Row("unknown path", GOOD, {}, 404, 5, "no such route: /v1/profiles", path="/v1/profiles"),
    Row("unknown path, JSON", b"{}", media(JSON), 404, 5, "no such route: /", path="/"),
    Row("the main port's path", GOOD, {}, 404, 5, "no such route: /api/public/otel/v1/traces",
        path="/api/public/otel/v1/traces"),
]
# fmt: on


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_row(row: Row, tmp_path: Path) -> None:
    async with running(tmp_path, max_body_bytes=LIMIT) as to:
        to.store.keys["pk-lf-other"] = ("project-other", 0, "sk-lf-other")
        to.store.keys["pk-lf-read"], to.store.scopes["pk-lf-read"] = ("project-1", 0, "sk-lf-read"), "read"
        answer = await to.post(row.body, row.headers, path=row.path, method=row.method)
        assert await to.records() == []
        again = await to.post(GOOD)
        assert again.status == 200
    expected = PROTOBUF if row.headers.get("Content-Type", PROTOBUF) == PROTOBUF else JSON
    assert (answer.status, answer.headers["Content-Type"]) == (row.status, expected)
    if expected == PROTOBUF:
        got = status_pb2.Status.FromString(answer.body)
        assert got == status_pb2.Status(code=row.code, message=row.text)
    else:
        assert json.loads(answer.body) == {"code": row.code, "message": row.text}
    assert ("Allow" in answer.headers) == (row.status == 405)
    assert answer.headers.get("Allow", "POST") == "POST"
    assert ("WWW-Authenticate" in answer.headers) == (row.status == 401)
