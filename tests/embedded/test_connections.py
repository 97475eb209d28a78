"""Connections of ClickHouse's HTTP protocol: clients that go away, that read slowly, that ask again."""

from __future__ import annotations

import http.client
import logging
import socket
import time

import pytest

from tests.embedded.server import Server
from tests.waiting import eventually


def test_a_client_that_goes_away_ends_its_query(server: Server) -> None:
    """Before the first byte of the answer, and while it is streamed."""

    def active() -> int:
        return int(server.one("SELECT count() FROM system.processes WHERE query LIKE '%numbers(1000000000%'")) - 1

    for sql in (
        "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
        "SELECT number FROM numbers(1000000000000)",
    ):
        body = sql.encode()
        request = (
            f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {server.basic('reader')}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(request + body)
            eventually(lambda: active() == 1, 10)
        eventually(lambda: active() == 0, 10)


def test_half_a_body_runs_nothing(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.one("CREATE TABLE half (a UInt64) ENGINE = MergeTree ORDER BY a")
    for framing in ("Content-Length: 1000", "Transfer-Encoding: chunked"):
        body = b"INSERT INTO half FORMAT TSV\n1\n2\n"
        if "chunked" in framing:
            body = b"%x\r\n%s\r\n" % (len(body), body)
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(
                f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {server.basic('litefuse')}\r\n{framing}\r\n\r\n".encode()
                + body
            )
    eventually(lambda: server.one("SELECT count() FROM system.processes") == "1", 10)
    assert server.one("SELECT count() FROM half") == "0"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_client_that_goes_away_leaves_a_change_to_end(server: Server) -> None:
    server.one("CREATE TABLE slow (a UInt64) ENGINE = MergeTree ORDER BY a")
    body = b"INSERT INTO slow SELECT sleepEachRow(0.1) + number FROM numbers(20) SETTINGS max_block_size = 1"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {server.basic('litefuse')}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        eventually(
            lambda: server.one("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO slow%'") == "1", 10
        )
    eventually(lambda: server.one("SELECT count() FROM slow") == "20", 20)


def test_a_client_that_reads_slowly_costs_no_memory(server: Server) -> None:
    """The engine waits for the client: 100 GB are not held by anybody."""

    def resident() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    body = b"SELECT repeat('x', 1000) FROM numbers(100000000)"
    before = resident()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {server.basic('reader')}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert client.recv(1000)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            assert resident() - before < 300 << 20
            time.sleep(0.05)


def test_requests_side_by_side_on_one_connection_and_many(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for number in range(20):
        connection.request("POST", "/", f"SELECT {number}", {"Authorization": server.basic("reader")})
        assert connection.getresponse().read() == f"{number}\n".encode()
    connection.close()
