"""Requests of ClickHouse's HTTP protocol as clients speak it: logins, statements, parameters; counts and logs of them."""

from __future__ import annotations

import gzip
import logging
import zlib

import lz4.frame
import pytest

from litefuse.telemetry import metrics as m
from tests.embedded.server import Server

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


# -- metrics and logs -------------------------------------------------------------------------------------------------


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
