"""ClickHouse's HTTP protocol, as pure functions: who asks, for what, and how the answer is labelled.

https://clickhouse.com/docs/interfaces/http; what is left out: sessions (each request has one of its own), external data,
`client_protocol_version` (Native is that of version 0), `decompress=1`, compression of answers by Accept-Encoding (none is a
right answer to it). `query_id` comes back in its header, and is not what queryID() and system.processes show: chDB gives
statements ids of its own, and takes none. KILL QUERY finds one by `log_comment`, which the operator can send.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from litefuse.embedded.engine import Stats
from litefuse.embedded.sqlerror import AUTHENTICATION, SqlError
from litefuse.settings import Secret

DEFAULT_FORMAT = "TabSeparated"
_CONTENT_TYPES = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedraw": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnames": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnamesandtypes": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsonstrings": "application/json; charset=UTF-8",
    "jsoncolumns": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "jsoncompacteachrow": "application/x-ndjson; charset=UTF-8",
    "ndjson": "application/x-ndjson; charset=UTF-8",
    "jsonlines": "application/x-ndjson; charset=UTF-8",
    "arrowstream": "application/vnd.apache.arrow.stream",
    "arrow": "application/vnd.apache.arrow.file",
    "xml": "application/xml; charset=UTF-8",
    "markdown": "text/markdown; charset=UTF-8",
    "prometheus": "text/plain; version=0.0.4; charset=UTF-8",
}
_BINARY = (
    "native",
    "rowbinary",
    "parquet",
    "orc",
    "avro",
    "protobuf",
    "msgpack",
    "bson",
    "capnproto",
    "npy",
    "buffers",
)


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    reader: bool


@dataclass(frozen=True, slots=True)
class Passwords:
    """User name → password."""

    operator: Secret
    reader: Secret

    def login(self, user: str, password: str) -> Login:
        """Raises SqlError (516) for a wrong password and for an unknown user alike, in the same time."""
        known = {"litefuse": (self.operator, False), "reader": (self.reader, True)}
        expected, reader = known.get(user, (self.operator, True))
        right = hmac.compare_digest(password.encode("utf-8", "replace"), expected.reveal().encode())
        if not right or user not in known:
            raise _not_authenticated(user, 403)
        return Login(user, reader)


def _not_authenticated(user: str, status: int) -> SqlError:
    return SqlError(
        AUTHENTICATION,
        f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
        status,
    )


def credentials(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str, str]:
    """User and password: HTTP Basic, X-ClickHouse-User and -Key, or `user` and `password` in the URL; one way at a time.
    Raises SqlError."""
    basic = headers.get("Authorization", "")
    named = "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers
    in_url = "user" in parameters or "password" in parameters
    if sum((bool(basic), named, in_url)) > 1:
        raise SqlError(
            AUTHENTICATION,
            "Invalid authentication: user and password come in one of these forms, and this request mixes them: "
            "HTTP Basic (curl --user USER:PASSWORD), the headers X-ClickHouse-User and X-ClickHouse-Key, "
            "or the URL parameters user and password",
        )
    if basic:
        scheme, _, encoded = basic.partition(" ")
        try:
            if scheme.lower() != "basic":
                raise ValueError
            user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
            if not colon:
                raise ValueError
        except (ValueError, binascii.Error):
            raise SqlError(AUTHENTICATION, "Invalid authentication: not HTTP Basic") from None
        return user, password
    if named:
        return headers.get("X-ClickHouse-User", "default"), headers.get("X-ClickHouse-Key", "")
    if in_url:
        return parameters.get("user", "default"), parameters.get("password", "")
    raise _not_authenticated("default", 401)


def content_type(fmt: str) -> str:
    name = fmt.lower()
    known = _CONTENT_TYPES.get(name)
    if known is not None:
        return known
    return "application/octet-stream" if name.startswith(_BINARY) else "text/plain; charset=UTF-8"


def summary(stats: Stats, result_bytes: int) -> str:
    """X-ClickHouse-Summary. chDB does not tell how many rows a result has; the JDBC driver reads none when it is told 0, so
    a result that is not empty has as many as were read, or one."""
    result_rows = max(stats.read_rows, 1) if result_bytes else stats.written_rows
    return json.dumps(
        {
            "read_rows": str(stats.read_rows),
            "read_bytes": str(stats.read_bytes),
            "written_rows": str(stats.written_rows),
            "written_bytes": str(stats.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(result_rows),
            "result_bytes": str(result_bytes or stats.written_bytes),
            "elapsed_ns": str(int(stats.seconds * 1e9)),
        }
    )


def exception_block(error: SqlError, tag: str) -> bytes:
    """An error behind the beginning of a result, as ClickHouse marks it since 25.11; `tag` is also in a header."""
    text = error.text.encode()
    return b"\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n" % (
        tag.encode(),
        text,
        len(text) + 1,
        tag.encode(),
    )


def text_and_data(query: str, body: list[bytes], head_bytes: int) -> tuple[bytes, list[bytes]]:
    """The statement, and what follows it: the `query` parameter and the body, one behind the other as ClickHouse puts
    them. Of a long body only the first `head_bytes` are looked at as text, the rest stays in its pieces; a caller that finds
    no INSERT there joins them."""
    text = query.encode("utf-8", "surrogateescape")
    if text and not body:
        return text, []
    if text:
        return text + b"\n", body
    first = b""
    rest = list(body)
    while rest and len(first) < head_bytes:
        first += rest.pop(0)
    return first, rest
