"""Answers of ClickHouse's HTTP protocol: headers, formats, errors, long answers."""

from __future__ import annotations

import http.client
import json

import pytest

from litefuse.embedded.sqlerror import SqlError
from tests.embedded.server import Server


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
