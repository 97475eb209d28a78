"""clickhouse-connect as people use it: its defaults, both logins, sync and async."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.embedded.server import Server


def options(server: Server, login: str) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "username": login,
        "password": server.password(login),
        "database": "litefuse",
    }


def test_the_blocking_client(server: Server) -> None:
    with clickhouse_connect.get_client(**options(server, "litefuse")) as client:
        assert client.ping()
        client.command(
            "CREATE TABLE IF NOT EXISTS c (a UInt64, s String, t DateTime64(9, 'UTC')) ENGINE = MergeTree ORDER BY a"
        )
        when = datetime(2026, 1, 2, 3, 4, 5, 678900)
        client.insert("c", [[1, "it's", when], [2, "x\ty", when]], column_names=["a", "s", "t"])
        assert client.query("SELECT a, s, t FROM c ORDER BY a").result_rows == [(1, "it's", when), (2, "x\ty", when)]
        table = pa.table({"a": pa.array([3], pa.uint64()), "s": pa.array(["arrow"])})
        client.insert_arrow("c", table)
        assert client.query_arrow("SELECT s FROM c WHERE a = 3").to_pylist() == [{"s": "arrow"}]
        assert client.command("SELECT count() FROM c") == 3
        assert client.query("SELECT a FROM c WHERE 0").result_rows == []
        assert client.query("SELECT a FROM c LIMIT 0").column_names == ("a",)
        with client.query_row_block_stream("SELECT number FROM numbers(200000)") as stream:
            assert sum(len(block) for block in stream) == 200_000
        with pytest.raises(DatabaseError) as raised:
            client.query("SELECT nope")
        assert raised.value.code == 47


@pytest.mark.parametrize("compress", [True, False, "lz4", "zstd", "gzip"])
def test_the_reader_and_compression(server: Server, compress: bool | str) -> None:
    with clickhouse_connect.get_client(**options(server, "reader"), compress=compress) as client:
        assert client.query("SELECT {x:String}, number FROM numbers(2)", {"x": "a'\\\t\n{y}"}).result_rows == [
            ("a'\\\t\n{y}", 0),
            ("a'\\\t\n{y}", 1),
        ]
        with pytest.raises(DatabaseError) as raised:
            client.command("DROP TABLE c")
        assert raised.value.code == 497
    with clickhouse_connect.get_client(**options(server, "litefuse"), compress=compress) as client:
        client.command("CREATE OR REPLACE TABLE packed (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
        client.insert("packed", [[i, "x" * 100] for i in range(1000)], column_names=["a", "s"])
        assert client.command("SELECT count() FROM packed") == 1000


def test_an_error_in_a_stream_is_raised(server: Server) -> None:
    with (
        clickhouse_connect.get_client(**options(server, "reader")) as client,
        pytest.raises(DatabaseError, match="395"),
        client.query_row_block_stream("SELECT throwIf(number > 3000000) FROM numbers(10000000)") as stream,
    ):
        for _ in stream:
            pass


async def test_the_async_client(server: Server) -> None:
    client = await clickhouse_connect.get_async_client(**options(server, "reader"))
    try:
        assert await client.ping()
        assert (await client.query("SELECT 1 AS a")).first_row == (1,)
        assert await client.raw_query("SELECT 1 AS a", fmt="JSONEachRow") == b'{"a":1}\n'
    finally:
        await client.close()
    with pytest.raises(DatabaseError) as raised:
        await clickhouse_connect.get_async_client(**{**options(server, "reader"), "password": "wrong"})
    assert raised.value.code == 516
