"""ClickHouse's HTTP protocol as clients speak it: logins, parameters, formats, errors, long answers."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import socket
import time
import zlib

import lz4.frame
import pytest

from litefuse.embedded.sqlerror import SqlError
from litefuse.telemetry import metrics as m
from tests.embedded.server import Server
from tests.waiting import eventually

# -- logins ------------------------------------------------------------------------------------------------------------


def test_ways_to_log_in(server: Server) -> None:
    password = server.password("reader")
    assert server.ask("SELECT 1", "reader").text == "1\n"
    headers = {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": password}
    assert server.ask("SELECT 1", None, headers=headers).text == "1\n"
    assert server.ask("SELECT 1", None, user="reader", password=password).text == "1\n"


@pytest.mark.parametrize(
    ("headers", "parameters", "status"),
    [
        ({}, {}, 401),
        ({}, {"user": "reader"}, 403),
        ({}, {"user": "reader", "password": "x"}, 403),
        ({}, {"user": "default"}, 403),
        ({}, {"user": "nobody", "password": ""}, 403),
        ({"X-ClickHouse-User": "litefuse", "X-ClickHouse-Key": ""}, {}, 403),
        ({"Authorization": "Basic cmVhZGVyOng="}, {}, 403),
        ({"Authorization": "Basic !"}, {}, 403),
        ({"Authorization": "Basic cmVhZGVy"}, {}, 403),
        ({"Authorization": "Bearer x"}, {}, 403),
        ({"Authorization": "Basic cmVhZGVyOng=", "X-ClickHouse-User": "reader"}, {}, 403),
        ({"X-ClickHouse-User": "reader"}, {"password": "x"}, 403),
    ],
)
def test_wrong_credentials(server: Server, headers: dict[str, str], parameters: dict[str, str], status: int) -> None:
    answer = server.ask("SELECT 1", None, headers=headers, **parameters)
    assert (answer.status, answer.code) == (status, 516)
    assert answer.text.startswith("Code: 516. DB::Exception: ")
    assert "WWW-Authenticate" not in answer.headers, "browsers must not keep a password and send it with links"


def test_mixed_credentials_are_refused_with_the_forms_there_are(server: Server) -> None:
    """The refusal said "mixed", and not what to write instead."""
    headers = {"X-ClickHouse-Key": server.password("reader")}
    answer = server.ask("SELECT 1", None, headers=headers, user="reader", database="litefuse")
    assert (answer.status, answer.code) == (403, 516)
    for form in ("HTTP Basic", "headers X-ClickHouse-User and X-ClickHouse-Key", "URL parameters user and password"):
        assert form in answer.text


def test_the_password_of_one_login_is_not_that_of_the_other(server: Server) -> None:
    assert server.ask("SELECT 1", None, user="litefuse", password=server.password("reader")).code == 516
    assert server.ask("SELECT 1", None, user="reader", password=server.password("litefuse")).code == 516


# -- requests ----------------------------------------------------------------------------------------------------------


def test_routes(server: Server) -> None:
    for path in ("/", "/ping", "/replicas_status"):
        answer = server.ask(method="GET", path=path, login=None)
        assert (answer.status, answer.text) == (200, "Ok.\n")
    assert server.ask("SELECT 1", path="/nope").status == 404
    assert server.ask("SELECT 1", method="DELETE", query="SELECT 1").status == 405


def test_where_the_query_is(server: Server) -> None:
    assert server.ask(method="GET", query="SELECT 1").text == "1\n"
    assert server.ask("SELECT 1").text == "1\n"
    assert server.ask("+ 1", query="SELECT 1").text == "2\n", "the parameter comes first, then the body"
    form = (
        b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {a:String}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="param_a"\r\n\r\nb c\r\n--x--\r\n'
    )
    assert server.ask(form, headers={"Content-Type": "multipart/form-data; boundary=x"}).text == "b c\n"
    assert server.ask("").code == 62


def test_get_changes_nothing(server: Server) -> None:
    """A link can make a browser send a GET."""
    answer = server.ask(method="GET", query="CREATE TABLE by_get (a UInt8) ENGINE = Memory")
    assert answer.code == 164
    assert server.one("EXISTS TABLE by_get") == "0"


def test_parameters_settings_database_and_format(server: Server) -> None:
    assert server.one("SELECT {a:String}", param_a="it's {b}") == "it\\'s {b}"
    assert server.one("SELECT {a:Array(UInt8)}", param_a="[1,2]") == "[1,2]"
    assert server.one("SELECT getSetting('max_threads')", max_threads="1") == "1"
    assert server.one("SELECT currentDatabase()") == "litefuse"
    assert server.one("SELECT currentDatabase()", database="system") == "system"
    assert server.ask("SELECT 1", database="nope").code == 81
    assert server.one("SELECT 1 AS a", default_format="JSONEachRow") == '{"a":1}'
    assert server.one("SELECT 1 AS a FORMAT CSV", default_format="JSONEachRow") == "1"
    for name in ("nope", "DataFrame", "ArrowTable", "Debug"):
        assert server.ask("SELECT 1", default_format=name).code == 73
    assert server.ask("SELECT 1", no_such_setting="1").code == 115
    assert server.ask("SELECT {a:UInt8}", param_a="x").status == 400
    assert server.ask("SELECT {a:UInt8}").code == 456


def test_a_request_leaves_nothing_to_the_next(server: Server) -> None:
    server.one("SET max_threads = 1, final = 1")
    server.one("USE system")
    server.one("CREATE TEMPORARY TABLE temporary (a UInt8)")
    assert server.one("SELECT currentDatabase(), getSetting('final')") == "litefuse\tfalse"
    assert server.ask("SELECT * FROM temporary").code == 60


@pytest.mark.parametrize("name", ["no_such_setting", "max-threads", "max_threads ", "1", "", "a`b", "é"])
def test_unknown_settings_are_told_to_the_operator_alone(server: Server, name: str) -> None:
    """Names that no setting can have were passed over. The reader's tools may send what they like."""
    answer = server.ask("SELECT 1", "litefuse", headers=None, **{name: "1"})
    assert (answer.status, answer.code) == (404, 115), answer.text
    assert server.one("SELECT 1", "reader", **{name: "1"}) == "1"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4"])
def test_compressed_bodies(server: Server, encoding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "lz4": lz4.frame.compress}[encoding]
    for sql in (b"SELECT 1", b"SELECT 1 " + b"/* long */" * 10_000):
        assert server.ask(pack(sql), headers={"Content-Encoding": encoding}).text == "1\n"
    packed = pack(b"SELECT 1")
    for broken in (packed[:-3], b"nonsense"):
        assert server.ask(broken, headers={"Content-Encoding": encoding}).status == 400


def test_unknown_encodings(server: Server) -> None:
    assert server.ask("SELECT 1", headers={"Content-Encoding": "br"}).status == 501
    assert server.ask("SELECT 1", decompress="1").status == 501


def test_bombs_and_long_statements(server: Server) -> None:
    bomb = lz4.frame.compress(bytes(400 << 20))
    assert server.ask(bomb, headers={"Content-Encoding": "lz4"}).status == 413
    long = b"SELECT " + b"1 + " * 300_000 + b"1"
    assert server.ask(long, "reader").status == 413
    assert server.ask(b"SELECT '" + b"x" * 200_000 + b"'", "reader").status == 200
    assert server.ask(method="GET", query="SELECT length('" + "x" * 100_000 + "')").text == "100000\n"


def test_bytes_that_are_no_text(server: Server) -> None:
    assert server.ask(b"SELECT hex('\xff\xfe')").text == "FFFE\n"
    assert server.ask(b"SELECT unhex('FF00FE')").body == b"\xff\\0\xfe\n"


# -- answers -----------------------------------------------------------------------------------------------------------


def test_headers_of_an_answer(server: Server) -> None:
    answer = server.ask("SELECT number FROM numbers(10) FORMAT JSON", query_id="my-id")
    assert answer.headers["X-ClickHouse-Query-Id"] == "my-id"
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["read_rows"] == "10"
    assert len(json.loads(answer.text)["data"]) == 10
    assert "X-ClickHouse-Format" not in server.ask("SET max_threads = 1").headers
    assert server.ask("SELECT 1", query_id="bad\r\nX: y").headers.get("X") is None


@pytest.mark.parametrize(
    ("fmt", "empty"),
    [
        ("JSON", b'"rows": 0'),
        ("JSONCompact", b'"rows": 0'),
        ("CSVWithNames", b'"a"\n'),
        ("Parquet", b"PAR1"),
        ("ArrowStream", b"\xff\xff\xff\xff"),
        ("Native", b""),
        ("TabSeparatedWithNamesAndTypes", b"a\nUInt8\n"),
    ],
)
def test_empty_results_are_whole_documents(server: Server, fmt: str, empty: bytes) -> None:
    answer = server.ask(f"SELECT toUInt8(1) AS a WHERE 0 FORMAT {fmt}")
    assert answer.status == 200
    assert empty in answer.body


@pytest.mark.parametrize("login", ["litefuse", "reader"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FORMAT Null",
        "SELECT 1 format null",
        "select 1 FORMAT `Null`;",
        'SELECT 1 FORMAT "Null" -- done',
        "SELECT 1 SETTINGS max_threads = 1 FORMAT Null",
        "SELECT 1 FORMAT Null SETTINGS max_threads = 1",
        "SELECT number FROM numbers(3000000) FORMAT Null",
        "SHOW TABLES FORMAT Null",
    ],
)
def test_format_null_is_no_syntax_error(server: Server, sql: str, login: str) -> None:
    """The engine's parser quotes this name, so our clause came behind it, and the error showed that clause."""
    answer = server.ask(sql, login)
    assert (answer.status, answer.body) == (200, b""), answer.text
    if not sql.startswith("SHOW"):
        assert answer.headers["X-ClickHouse-Format"].lower() == "null"
        assert "read_rows" in answer.headers["X-ClickHouse-Summary"]


def test_format_null_by_default_and_of_inserts(server: Server) -> None:
    assert server.one("SELECT 1", default_format="Null") == ""
    assert server.one("SELECT 1 AS a FORMAT JSONEachRow", default_format="Null") == '{"a":1}'
    server.one("CREATE TABLE nulls (a UInt8) ENGINE = MergeTree ORDER BY a")
    server.one("INSERT INTO nulls VALUES (1)", default_format="Null")
    server.one("INSERT INTO nulls SELECT 2 FORMAT Null")
    for name in ("Null", "`Null`"):
        for data in ("", "\n1\n"):
            refused = server.ask(f"INSERT INTO nulls FORMAT {name}{data}")
            assert refused.status >= 400
            assert "FILE" not in refused.text
            assert "/fd/" not in refused.text
    assert server.one("SELECT arraySort(groupArray(a)) FROM nulls") == "[1,2]"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT format FROM (SELECT 1 AS format)",
        "SELECT FORMAT FROM (SELECT 1 AS FORMAT)",
        "SELECT 1 AS FORMAT ORDER BY FORMAT DESC",
        "SELECT format FROM (SELECT 1 AS format) GROUP BY format LIMIT 5",
        "WITH FORMAT AS (SELECT 1) SELECT * FROM FORMAT",
        "SELECT format FROM (SELECT 1 AS format) FORMAT TSV",
    ],
)
def test_names_that_read_like_a_format_clause(server: Server, sql: str) -> None:
    answer = server.ask(sql)
    assert (answer.status, answer.text) == (200, "1\n")
    assert answer.headers["X-ClickHouse-Format"] in ("TSV", "TabSeparated")


def test_errors_show_nothing_that_was_put_into_the_statement() -> None:
    raw = (
        "Code: 62. DB::Exception: Syntax error: failed at position 22 (INTO): INTO OUTFILE '/dev/fd/17' APPEND . Expected "
        "end of query. (SYNTAX_ERROR)"
    )
    assert "FILE" not in SqlError.of(RuntimeError(raw)).text
    raw = "Code: 85. DB::Exception: INSERT INTO t FROM INFILE '/proc/self/fd/9' FORMAT Null. (X)"
    assert SqlError.of(RuntimeError(raw)).text == "Code: 85. DB::Exception: INSERT INTO t FORMAT Null. (X)"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELEC 1", 400, 62),
        ("SELECT nope", 404, 47),
        ("SELECT * FROM nope", 404, 60),
        ("SELECT nope(1)", 404, 46),
        ("INSERT INTO nope VALUES (1)", 404, 60),
        ("SELECT toUInt8('x')", 400, 6),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT 1; SELECT 2", 400, 62),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.1", 408, 159),
        ("SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 10000000", 500, 241),
        ("SELECT 1 INTO OUTFILE 'x'", 500, 168),
    ],
)
def test_errors(server: Server, sql: str, status: int, code: int) -> None:
    answer = server.ask(sql)
    assert (answer.status, answer.code) == (status, code), answer.text
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert answer.text.count("Code: ") == 1
    assert answer.text.endswith(")\n")


def test_a_long_answer_is_streamed(server: Server) -> None:
    rows = 3_000_000
    for fmt, size in (("TabSeparated", 22_888_890), ("RowBinary", 8 * rows)):
        answer = server.ask(f"SELECT number FROM numbers({rows}) FORMAT {fmt}", "reader")
        assert answer.status == 200
        assert len(answer.body) == size
        assert answer.headers["Transfer-Encoding"] == "chunked"
    document = json.loads(server.ask("SELECT number FROM numbers(300000) FORMAT JSON", "reader").body)
    assert document["rows"] == 300_000
    waited = server.ask("SELECT number FROM numbers(300000)", "reader", wait_end_of_query="1")
    assert "X-ClickHouse-Summary" in waited.headers, "kept back as a whole"


def test_an_error_behind_the_beginning_breaks_the_answer_off(server: Server) -> None:
    sql = "SELECT throwIf(number > 3000000) FROM numbers(10000000)"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/", sql, {"Authorization": server.basic("reader")})
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead) as broken:
        response.read()
    tag = response.headers["X-ClickHouse-Exception-Tag"]
    end = broken.value.partial[-1000:].decode()
    assert f"__exception__\r\n{tag}\r\nCode: 395. DB::Exception: " in end
    assert end.endswith(f" {tag}\r\n__exception__\r\n")
    connection.close()
    assert server.ask(sql, "reader", wait_end_of_query="1").code == 395


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


def test_counted_by_login_and_result(server: Server) -> None:
    def count(login: str, result: str) -> float:
        name = "litefuse_sql_queries_total"
        return m.REGISTRY.get_sample_value(name, {"login": login, "result": result}) or 0.0

    before = [count("reader", "ok"), count("reader", "error"), count("reader", "denied"), count("none", "denied")]
    server.ask("SELECT 1", "reader")
    server.ask("SELECT nope", "reader")
    server.ask("DROP TABLE t", "reader")
    server.ask("SELECT 1", None)
    after = [count("reader", "ok"), count("reader", "error"), count("reader", "denied"), count("none", "denied")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 1]


def test_passwords_stay_out_of_logs_and_errors(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    password = server.password("reader")
    answers = [
        server.ask("SELECT nope", None, user="reader", password=password),
        server.ask("SELECT 1", None, user="nobody", password=password),
        server.ask("SELECT 1", None, path="/nope", user="reader", password=password),
        server.ask("SELECT * FROM system.processes", None, user="reader", password=password),
    ]
    for answer in answers:
        assert password not in answer.text
    assert password not in caplog.text
