"""What the reader may run, and what not, whatever it looks like (reliability row 44)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.embedded.server import Server

SECRET = "do-not-read-this"


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside") / "secret.txt"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture(scope="module", autouse=True)
def table(server: Server) -> None:
    server.one("CREATE TABLE t (a UInt64, s String) ENGINE = ReplacingMergeTree ORDER BY a")
    server.one("INSERT INTO t VALUES (1, 'one')")
    server.one("INSERT INTO t VALUES (1, 'uno'), (2, 'two')")


ALLOWED = [
    "SELECT count() FROM t",
    "select * from litefuse.t order by a",
    "  /* note; */ SELECT 1 -- done; really",
    "SELECT 1;",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "WITH x AS (SELECT a FROM t) SELECT * FROM x",
    "WITH (SELECT max(a) FROM t) AS m SELECT a FROM t WHERE a = m",
    "FROM t SELECT a",
    "SELECT 'DROP TABLE t; INTO OUTFILE file(1)'",
    "SELECT 1 AS `into`, 2 AS format, 3 AS url",
    "SELECT $$file('x'); DROP TABLE t$$",
    "SELECT arrayMap(x -> upper(x), ['a'])",
    "SELECT * APPLY(toString) FROM t",
    "SELECT * FROM numbers(3)",
    "SELECT * FROM generateRandom('a UInt8') LIMIT 1",
    "SELECT * FROM merge('litefuse', '^t$')",
    "SELECT * FROM values('a UInt8', 1, 2)",
    "SELECT * FROM view(SELECT 1)",
    "SELECT a FROM t WHERE a IN (SELECT number FROM numbers(5))",
    "SELECT 1 INTERSECT SELECT 1",
    "SELECT 1 FORMAT JSON",
    "SELECT 1 SETTINGS max_threads = 1",
    "SELECT 1 SETTINGS max_threads = 1 FORMAT JSON",
    "SELECT 1 FORMAT JSON SETTINGS max_threads = 1",
    "SELECT count() FROM t SETTINGS final = 0",
    "SHOW TABLES",
    "SHOW DATABASES",
    "SHOW CREATE TABLE t",
    "SHOW COLUMNS FROM t",
    "SHOW SETTINGS LIKE 'max_threads'",
    "DESCRIBE TABLE t",
    "DESC (SELECT 1)",
    "EXISTS TABLE t",
    "EXISTS DATABASE litefuse",
    "EXPLAIN SELECT * FROM t",
    "EXPLAIN PIPELINE SELECT * FROM t",
    "EXPLAIN indexes = 1 SELECT * FROM t WHERE a = 1",
    "SELECT name FROM system.tables WHERE database = 'litefuse'",
    "SELECT table_name FROM information_schema.tables LIMIT 1",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_allowed(server: Server, sql: str) -> None:
    answer = server.ask(sql, "reader")
    assert answer.status == 200, answer.text


# What reads or writes outside of the tables. {file} is a real file with a secret in it.
REFUSED = [
    # other statements
    "INSERT INTO t VALUES (3, 'x')",
    "INSERT INTO t SELECT 3, 'x'",
    "INSERT INTO t FORMAT CSV 3,x",
    "INSERT INTO FUNCTION file('{file}', 'CSV', 'a String') VALUES ('x')",
    "WITH x AS (SELECT 3, 'x') INSERT INTO t SELECT * FROM x",
    "/* SELECT */ DROP TABLE t",
    "-- SELECT\nDROP TABLE t",
    "dRoP tAbLe t",
    "TRUNCATE TABLE t",
    "ALTER TABLE t DELETE WHERE 1",
    "DELETE FROM t WHERE 1",
    "UPDATE t SET s = 'x' WHERE 1",
    "OPTIMIZE TABLE t FINAL",
    "RENAME TABLE t TO u",
    "EXCHANGE TABLES t AND u",
    "CREATE TABLE u (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE u (a UInt8)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE FUNCTION f AS x -> x",
    "CREATE USER u",
    "CREATE NAMED COLLECTION c AS url = 'x'",
    "ATTACH TABLE u",
    "DETACH TABLE t",
    "DROP DATABASE litefuse",
    "GRANT ALL ON *.* TO default",
    "SET max_threads = 1",
    "SET readonly = 0",
    "SET param_x = 'y'",
    "SET ROLE NONE",
    "USE system",
    "KILL QUERY WHERE 1",
    "kill query where query_id != '' sync",
    "KILL MUTATION WHERE 1",
    "SYSTEM STOP MERGES",
    "SYSTEM SHUTDOWN",
    "SYSTEM RELOAD CONFIG",
    "CHECK TABLE t",
    "BACKUP TABLE t TO File('{file}.zip')",
    "RESTORE TABLE t FROM File('{file}.zip')",
    "EXECUTE AS default SELECT 1",
    "SELECT 1 PARALLEL WITH SELECT 2",
    "BEGIN TRANSACTION",
    "EXPLAIN INSERT INTO t SELECT 3, 'x'",
    "EXPLAIN AST DROP TABLE t",
    "EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'a', 'b', 'c', 'd') PARTITION BY a",
    # several statements
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE t",
    "SELECT 1;;DROP TABLE t",
    "SELECT 1 /* ; */; DROP TABLE t",
    "SELECT ';'; DROP TABLE t",
    # files, as results
    "SELECT 1 INTO OUTFILE '{file}.out'",
    "SELECT 1 into/**/outfile '{file}.out' APPEND FORMAT CSV",
    "SELECT 1 INTO OUTFILE '{file}' TRUNCATE",
    "SELECT 1 UNION ALL SELECT 2 INTO OUTFILE '/dev/fd/1' APPEND",
    "SHOW TABLES INTO OUTFILE '{file}.out'",
    "EXPLAIN SELECT 1 INTO OUTFILE '{file}.out'",
    "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '{file}'",
    "SELECT 1 AS a FORMAT Protobuf SETTINGS output_format_schema = '{file}.proto'",
    # files, as scalars
    "SELECT file('{file}')",
    "SELECT FILE('{file}')",
    "SELECT `file`('{file}')",
    "SELECT \"file\"('{file}')",
    "SELECT file/**/('{file}')",
    "SELECT file\n('{file}')",
    "SELECT length(upper(file('{file}')))",
    "SELECT (SELECT file('{file}'))",
    "SELECT * FROM (SELECT * FROM (SELECT file('{file}')))",
    "WITH x AS (SELECT file('{file}')) SELECT * FROM x",
    "WITH file('{file}') AS x SELECT x",
    "WITH (p) -> file(p) AS f SELECT f('{file}')",
    "SELECT arrayMap(file, ['{file}'])",
    "SELECT arrayMap(`file`, ['{file}'])",
    "SELECT arrayMap(p -> file(p), ['{file}'])",
    "SELECT * APPLY(file) FROM (SELECT '{file}' AS x)",
    "SELECT * APPLY file FROM (SELECT '{file}' AS x)",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{file}' AS x)",
    "SELECT COLUMNS('x') APPLY(file) FROM (SELECT '{file}' AS x)",
    "SELECT * REPLACE(file(x) AS x) FROM (SELECT '{file}' AS x)",
    "SELECT 1 UNION ALL SELECT length(file('{file}'))",
    "SELECT a FROM t WHERE s = file('{file}')",
    "SELECT a FROM t ORDER BY file('{file}')",
    "SELECT a FROM t GROUP BY a HAVING file('{file}') = ''",
    "SELECT a FROM t LIMIT length(file('{file}'))",
    "SELECT if(1, file('{file}'), '')",
    "SELECT * FROM t AS x JOIN (SELECT file('{file}') AS s) AS y ON x.s = y.s",
    "SELECT * FROM numbers(length(file('{file}')))",
    "SELECT * FROM view(SELECT file('{file}'))",
    "EXPLAIN SELECT file('{file}')",
    "EXPLAIN AST SELECT file('{file}')",
    "DESCRIBE (SELECT file('{file}'))",
    # files and addresses, as tables
    "SELECT * FROM file('{file}', 'LineAsString')",
    "SELECT * FROM FILE('{file}', LineAsString)",
    "SELECT * FROM `file`('{file}', 'LineAsString')",
    "SELECT 'x' IN file('{file}', 'LineAsString')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM `{file}`",
    "SELECT * FROM default.`{file}`",
    "DESCRIBE TABLE default.`{file}`",
    "DESCRIBE TABLE file('{file}')",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM t JOIN file('{file}', 'LineAsString') AS f ON f.line = t.s",
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM fileCluster('c', '{file}')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM urlCluster('c', 'http://127.0.0.1:1/')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/x', 'CSV')",
    "SELECT * FROM gcs('http://127.0.0.1:1/bucket/x', 'CSV')",
    "SELECT * FROM azureBlobStorage('a', 'b', 'c')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1:1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'e String')",
    "SELECT * FROM redis('127.0.0.1:1', 'a', 'a String')",
    "SELECT * FROM sqlite('{file}', 't')",
    "SELECT * FROM odbc('a', 'b', 'c')",
    "SELECT * FROM jdbc('a', 'b', 'c')",
    "SELECT * FROM iceberg('http://127.0.0.1:1/x')",
    "SELECT * FROM icebergLocal('{file}')",
    "SELECT * FROM deltaLakeLocal('{file}')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM python('secret')",
    "SELECT * FROM Python(secret)",
    "SELECT * FROM arrowstream('x')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM loop(t)",
    "SELECT * FROM input('a String')",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1))",
    "SELECT * FROM viewIfPermitted(SELECT 1 ELSE null('a UInt8'))",
    "SELECT * FROM fuzzJSON('x')",
    "SELECT dictGet('nope', 'a', 1)",
    # services
    "SELECT aiGenerate('x')",
    "SELECT AIEmbed('x')",
    "SELECT arrayMap(aiEmbed, ['x'])",
    "SELECT showCertificate()",
    # introspection
    "SELECT addressToSymbol(toUInt64(1))",
    "SELECT demangle('x')",
    # limits
    "SELECT 1 SETTINGS max_memory_usage = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS max_execution_time = 1e9",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS allow_introspection_functions = 1",
    "SELECT 1 SETTINGS profile = 'readonly'",
    "SELECT 1 SETTINGS additional_table_filters = {{'t': '1'}}",
    "SELECT 1 SETTINGS log_comment = 'x'",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_refused(server: Server, secret: Path, sql: str) -> None:
    answer = server.ask(sql.format(file=secret), "reader")
    assert answer.status >= 400, answer.text
    assert answer.code, answer.text
    assert SECRET not in answer.text
    assert sorted(secret.parent.iterdir()) == [secret]
    assert secret.read_text() == SECRET + "\n"
    assert server.one("SELECT count(), max(a) FROM t FINAL") == "2\t2"


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT arrayMap({x:Identifier}, ['FILE'])", "file"),
        ("SELECT * FROM {x:Identifier}", "FILE"),
        ("SELECT * FROM default.{x:Identifier}", "FILE"),
        ("DESCRIBE TABLE default.{x:Identifier}", "FILE"),
        ("SELECT file({x:String})", "FILE"),
        ("SELECT * FROM file({x:String}, 'LineAsString')", "FILE"),
    ],
)
def test_parameters_get_nobody_further(server: Server, secret: Path, sql: str, value: str) -> None:
    answer = server.ask(sql.replace("FILE", str(secret)), "reader", param_x=value.replace("FILE", str(secret)))
    assert answer.status >= 400, answer.text
    assert SECRET not in answer.text


def test_refused_for_the_operator_too(server: Server, secret: Path) -> None:
    """The engine's grants hold for every login: a password gets at the tables, not at the machine."""
    for sql in (
        f"SELECT * FROM file('{secret}', 'LineAsString')",
        f"SELECT * FROM default.`{secret}`",
        f"CREATE TABLE u (a String) ENGINE = File(CSV, '{secret}')",
        f"INSERT INTO FUNCTION file('{secret}', 'CSV', 'a String') VALUES ('x')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        f"SELECT 1 INTO OUTFILE '{secret}'",
        f"INSERT INTO t FROM INFILE '{secret}' FORMAT CSV",
        "SELECT 1; DROP TABLE t",
        "INSERT INTO t VALUES (5, 'x'); DROP TABLE t",
        "CREATE USER u",
        f"CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '{secret}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
        "CREATE TABLE u (a UInt8) ENGINE = URL('http://127.0.0.1:1/x', 'CSV')",
        "CREATE TABLE u (a UInt8) ENGINE = Python(x)",
        "CREATE DATABASE u ENGINE = Filesystem('/')",
    ):
        answer = server.ask(sql)
        assert answer.status >= 400, (sql, answer.text)
        assert SECRET not in answer.text
    assert secret.read_text() == SECRET + "\n"
    assert server.one("SELECT count() FROM t FINAL") == "2"


@pytest.mark.parametrize(
    "settings",
    [
        "max_memory_usage = 0",
        "readonly = 0, max_execution_time = 0, final = 0",
        "allow_introspection_functions = 1",
        "profile = 'default'",
    ],
)
@pytest.mark.parametrize(
    "sql", ["SELECT * FROM ({0} SETTINGS {1})", "SELECT * FROM (SELECT * FROM ({0}) SETTINGS {1})"]
)
def test_settings_of_a_subquery_change_nothing(server: Server, sql: str, settings: str) -> None:
    names = ("readonly", "final", "max_memory_usage", "max_execution_time", "allow_introspection_functions")
    inner = "SELECT " + ", ".join(f"getSetting('{name}')" for name in names)
    assert server.one(sql.format(inner, settings), "reader") == "1\ttrue\t2147483648\t60\tfalse"
    assert server.one(f"{inner} SETTINGS profile = 'default'", "reader") == "1\ttrue\t2147483648\t60\tfalse"


def test_reader_sees_each_row_once(server: Server) -> None:
    assert server.one("SELECT count() FROM t", "reader") == "2"
    assert server.one("SELECT count() FROM t SETTINGS final = 0", "reader") == "3"
    assert server.one("SELECT count() FROM t", "reader", final="0") == "3"
    assert server.one("SELECT count() FROM t") == "3"


def test_settings_of_the_url_are_cut_down(server: Server) -> None:
    """Unknown to the list: left out. Within limits: taken. Beyond them: the limit."""

    def setting(name: str, **parameters: str) -> str:
        return server.one(f"SELECT getSetting('{name}')", "reader", **parameters)

    assert setting("max_threads", max_threads="1") == "1"
    assert setting("readonly", readonly="0") == "1"
    assert setting("allow_introspection_functions", allow_introspection_functions="1") == "false"
    assert setting("max_execution_time", max_execution_time="5") == "5"
    assert setting("max_memory_usage", max_memory_usage="100000000") == "100000000"
    for beyond in ("0", "100000000000", "-1", "nan", "inf", "x"):
        assert setting("max_execution_time", max_execution_time=beyond) == "60"
        assert setting("max_memory_usage", max_memory_usage=beyond) == str(2 << 30)
