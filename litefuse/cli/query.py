"""One query over ClickHouse's HTTP interface, its answer streamed to a file: bounded memory for any result."""

from __future__ import annotations

import base64
import codecs
import http.client
import re
import ssl
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlencode

from litefuse.clickhouse.url import parse
from litefuse.errors import LitefuseError, StoreUnavailable
from litefuse.settings import Secret

_CHUNK = 64 << 10
_CONNECT_S = 10.0
#: Longer than any limit of the server's own: it is the server that ends a query.
_READ_S = 3600.0
#: An error after the first bytes of a result cannot change the status any more; ClickHouse writes it behind them.
_LATE = re.compile(rb"(?:__exception__\r?\n.*?|\n)(Code: \d+\. DB::Exception: .*)", re.S)
_TAIL = 16 << 10
#: What a terminal would act on; a span's name must not.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
#: "Cannot modify … in readonly mode": the login is a reader's already.
READONLY = "164"
#: What ClickHouse writes behind a table of which it left rows out.
_SHOWED = re.compile(rb"Showed (?:first )?(\d+) out of (\d+) rows?\.\s*$")
#: The parser's list of everything that could stand there, often two screens of it.
_EXPECTED = re.compile(
    r"\s*Expected one of: .*?(?=\s*(?:Maybe you meant|\. \(SYNTAX_ERROR\)|\(SYNTAX_ERROR\)|$))", re.S
)


class QueryFailed(LitefuseError):
    """ClickHouse refuses the query or has failed in it; the text is its own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a query that ran: `bytes` written, and (rows shown, rows found) where ClickHouse left some out."""

    bytes: int
    cut: tuple[int, int] | None = None


def brief(text: str) -> str:
    """A refusal for a terminal: without the list of all words that could stand where the parser stopped."""
    return _EXPECTED.sub("", text)


class Reader:
    """`url` has user and password. `settings` go with each query if the login may set them."""

    def __init__(self, url: Secret, settings: dict[str, str] | None = None) -> None:
        self._address = parse(url)
        token = base64.b64encode(f"{self._address.user}:{self._address.password.reveal()}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "text/plain; charset=utf-8"}
        self._settings = settings or {}
        self._may_set = True

    def run(
        self, query: str, format: str, out: BinaryIO, *, safe: bool = False, settings: dict[str, str] | None = None
    ) -> Outcome:
        """Write the result to `out`; with `safe`, without anything that a terminal acts on. `settings` go with this query
        under the same condition as the reader's own. Raises QueryFailed, StoreUnavailable, BrokenPipeError when nobody
        reads `out` any more. An exception from a signal (Ctrl-C) closes the connection, which ends the query."""
        sent = {**self._settings, **(settings or {})} if self._may_set else {}
        connection, response = self._ask(query, format, sent)
        try:
            if response.status != 200 and sent and response.headers.get(_CODE) == READONLY:
                connection.close()
                self._may_set = False
                connection, response = self._ask(query, format, {})
            if response.status != 200:
                raise QueryFailed(_message(response.read(1 << 20)))
            return self._copy(response, out, safe)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise StoreUnavailable(f"the connection broke while the result was read: {error}") from error
        finally:
            connection.close()

    def _ask(
        self, query: str, format: str, settings: dict[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._connection()
        parameters = {"database": self._address.database, "default_format": format, **settings}
        try:
            connection.connect()
            if connection.sock is not None:
                connection.sock.settimeout(_READ_S)
            connection.request("POST", f"/?{urlencode(parameters)}", query.encode("utf-8", "replace"), self._headers)
            return connection, connection.getresponse()
        except KeyboardInterrupt:
            connection.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise StoreUnavailable(f"ClickHouse does not answer at {self._address}: {error}") from error

    def _connection(self) -> http.client.HTTPConnection:
        address = self._address
        if address.scheme != "https":
            return http.client.HTTPConnection(address.host, address.port, timeout=_CONNECT_S)
        context = ssl.create_default_context(cafile=address.ca_cert or None)
        if not address.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(address.host, address.port, timeout=_CONNECT_S, context=context)

    @staticmethod
    def _copy(response: http.client.HTTPResponse, out: BinaryIO, safe: bool) -> Outcome:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        tail = b""
        size = 0
        broken: Exception | None = None
        try:
            while chunk := response.read1(_CHUNK):
                tail = (tail + chunk)[-_TAIL:]
                size += len(chunk)
                if safe:
                    chunk = _UNSAFE.sub(_escaped, decoder.decode(chunk)).encode("utf-8")
                out.write(chunk)
        except http.client.HTTPException as error:
            broken = error
        out.flush()
        late = _LATE.search(tail)
        if late and (broken or response.headers.get(_CODE) or b"__exception__" in tail):
            raise QueryFailed(_message(late[1]))
        if broken:
            raise broken
        cut = _SHOWED.search(tail)
        return Outcome(size, (int(cut[1]), int(cut[2])) if cut else None)


_CODE = "X-ClickHouse-Exception-Code"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _message(body: bytes) -> str:
    """ClickHouse's text without its version and stack."""
    text = body.decode("utf-8", "replace").strip()
    text = re.sub(r"\s*\(version [^)]*(\([^)]*\))?\)\s*$", "", text.partition("\nStack trace")[0])
    return text.removesuffix("__exception__").strip() or "ClickHouse refused the query and said nothing"
