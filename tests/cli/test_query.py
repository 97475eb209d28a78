"""One query over HTTP: streamed, safe for a terminal, and errors told wherever they come."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from litefuse.cli.query import QueryFailed, Reader
from litefuse.errors import ConfigError, StoreUnavailable
from litefuse.settings import Secret


@dataclass
class Server:
    """Speaks ClickHouse's HTTP as far as errors go: `pieces` are chunks, `cut` ends them without an end."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=lambda: [b"1\n"])
    cut: bool = False
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    port: int = 0

    def reader(self, settings: dict[str, str] | None = None) -> Reader:
        return Reader(Secret(f"http://u:p%40ss@127.0.0.1:{self.port}/litefuse"), settings)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            made.asked.append(parse_qs(urlsplit(self.path).query))
            self.rfile.read(int(self.headers["content-length"]))
            refused = "readonly" in made.asked[-1] and made.headers.get("x-clickhouse-exception-code") == "164"
            self.send_response(made.status if refused or "164" not in made.headers.values() else 200)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in made.pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if made.cut:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    made.port = http.server_port
    yield made
    http.shutdown()
    http.server_close()
    thread.join()


def run(server: Server, *, safe: bool = False) -> bytes:
    out = io.BytesIO()
    server.reader().run("SELECT 1", "TSV", out, safe=safe)
    return out.getvalue()


def test_database_and_format_go_along(server: Server) -> None:
    assert run(server) == b"1\n"
    assert server.asked == [{"database": ["litefuse"], "default_format": ["TSV"]}]


def test_bytes_pass_as_they_are_but_not_to_a_terminal(server: Server) -> None:
    server.pieces = [b"a\x1b[2J\xe2", b"\x80\xae\xff\tb\n"]
    assert run(server) == b"a\x1b[2J\xe2\x80\xae\xff\tb\n"
    assert run(server, safe=True).decode() == "a\\x1b[2J\\u202e\ufffd\tb\n"


def test_a_refusal_is_clickhouse_s_sentence(server: Server) -> None:
    server.status = 404
    server.pieces = [b"Code: 60. DB::Exception: Unknown table 'x'. (UNKNOWN_TABLE) (version 26.9.1 (official build))\n"]
    with pytest.raises(QueryFailed) as raised:
        run(server)
    assert str(raised.value) == "Code: 60. DB::Exception: Unknown table 'x'. (UNKNOWN_TABLE)"


@pytest.mark.parametrize("cut", [False, True])
def test_an_error_behind_the_first_rows_is_told_too(cut: bool, server: Server) -> None:
    server.cut = cut
    server.pieces = [b"1\n2\n", b"__exception__\r\nCode: 241. DB::Exception: Memory limit. (MEMORY_LIMIT_EXCEEDED)\n"]
    with pytest.raises(QueryFailed, match="Code: 241"):
        run(server)


def test_a_result_that_only_looks_like_an_error_is_a_result(server: Server) -> None:
    server.pieces = [b"text\nCode: 1. DB::Exception: told of in a span\n"]
    assert run(server) == server.pieces[0]


def test_a_broken_connection_is_told(server: Server) -> None:
    server.cut = True
    with pytest.raises(StoreUnavailable, match="the connection broke"):
        run(server)


def test_settings_are_left_out_for_a_login_that_only_reads(server: Server) -> None:
    server.status = 500
    server.headers = {"x-clickhouse-exception-code": "164"}
    out = io.BytesIO()
    reader = server.reader({"readonly": "2", "final": "1"})
    reader.run("SELECT 1", "TSV", out)
    assert out.getvalue() == b"1\n"
    assert [sorted(asked) for asked in server.asked] == [
        ["database", "default_format", "final", "readonly"],
        ["database", "default_format"],
    ]


def test_nobody_there(server: Server) -> None:
    with pytest.raises(StoreUnavailable) as raised:
        Reader(Secret("http://u:hunter2@127.0.0.1:1/x")).run("SELECT 1", "TSV", io.BytesIO())
    assert "http://127.0.0.1:1/x" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigError):
        Reader(Secret("nope"))
