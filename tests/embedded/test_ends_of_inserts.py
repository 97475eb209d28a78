"""An insert is stored when it was reported as stored, and only then: clients that go away, full disks, SIGTERM."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from litefuse.embedded.config import KEEP_FREE_BYTES
from litefuse.telemetry import metrics as m
from tests.embedded.server import Server
from tests.processes import litefuse
from tests.sql import Sql
from tests.waiting import eventually


def batches(count: int) -> list[bytes]:
    """An Arrow stream of that many record batches of 10 000 rows, cut behind each."""
    sink = pa.BufferOutputStream()
    schema = pa.schema([("a", pa.uint64())])
    cuts = [0]
    with pa.ipc.new_stream(sink, schema) as stream:
        for number in range(count):
            rows = range(number * 10_000, (number + 1) * 10_000)
            stream.write_batch(pa.record_batch([pa.array(rows, pa.uint64())], schema))
            cuts.append(sink.tell())
    whole: bytes = sink.getvalue().to_pybytes()
    return [whole[one:two] for one, two in zip(cuts, [*cuts[1:], len(whole)], strict=True)]


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_an_insert_whose_client_disconnects_mid_body_stores_nothing(server: Server, framing: str, how: str) -> None:
    """Whole record batches have come by then, which could be stored."""

    def counted() -> float:
        labels = {"login": "litefuse", "result": "error"}
        return m.REGISTRY.get_sample_value("litefuse_sql_queries_total", labels) or 0.0

    server.one("CREATE OR REPLACE TABLE gone (a UInt64) ENGINE = MergeTree ORDER BY a")
    pieces = batches(20)
    length = f"Content-Length: {sum(map(len, pieces))}" if framing == "length" else "Transfer-Encoding: chunked"
    before = counted()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            "POST /?query=INSERT+INTO+gone+FORMAT+ArrowStream HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {server.basic('litefuse')}\r\n{length}\r\n\r\n".encode()
        )
        for piece in pieces[:-2]:
            client.sendall(piece if framing == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: counted() > before, 10)
    assert server.one("SELECT count() FROM gone") == "0"
    assert server.one("SELECT count() FROM system.parts WHERE table = 'gone'") == "0"
    assert server.ask(b"".join(pieces), query="INSERT INTO gone FORMAT ArrowStream").status == 200
    assert server.one("SELECT count() FROM gone") == "200000"


#: A child that may write no file of more than a megabyte while it inserts 4 MB: what it sends is smaller than that.
_FULL = """
import asyncio, json, resource, sys
from pathlib import Path
import pyarrow as pa
from litefuse.embedded.engine import Call, Engine
from litefuse.embedded.sqlerror import SqlError

sink = pa.BufferOutputStream()
batch = pa.record_batch({"a": pa.array([7] * 500_000, pa.uint64())})
with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
    stream.write_batch(batch)
small = sink.getvalue().to_pybytes()
sink = pa.BufferOutputStream()
with pa.ipc.new_stream(sink, batch.schema) as stream:
    stream.write_batch(batch)
large = sink.getvalue().to_pybytes()

async def main():
    engine = await asyncio.to_thread(Engine.open, Path(sys.argv[1]))
    async def ask(call):
        running = await engine.start(call)
        try:
            result = b"".join([chunk async for chunk in running])
            await running.finished()
            return result.decode().strip()
        except SqlError as error:
            return error.code
        finally:
            await running.stop()
    insert = b"INSERT INTO t FORMAT ArrowStream\\n"
    seen = {"small": len(small)}
    await ask(Call(b"CREATE TABLE t (a UInt64 CODEC(NONE)) ENGINE = MergeTree ORDER BY tuple() "
        b"SETTINGS non_replicated_deduplication_window = 100"))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    seen["disk"] = await ask(Call(insert, data=[small], settings={"insert_deduplication_token": "one"}))
    seen["memory"] = await ask(Call(insert, data=[large]))
    seen["select"] = await ask(Call(b"INSERT INTO t SELECT number FROM numbers(500000)"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    seen["stored"] = await ask(Call(b"SELECT count() FROM t"))
    seen["parts"] = await ask(Call(b"SELECT count() FROM system.parts WHERE table = 't' AND active"))
    seen["again"] = await ask(Call(insert, data=[small], settings={"insert_deduplication_token": "one"}))
    seen["sum"] = await ask(Call(b"SELECT sum(a) FROM t"))
    seen["then"] = await ask(Call(b"SELECT count() FROM t"))
    await engine.close()
    print(json.dumps(seen))

asyncio.run(main())
"""


def test_an_insert_that_fills_the_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    """chDB passes over writes that fail: the insert was reported as done, and its part could not be read. The same token
    inserts afterwards. A limit on the size of files stands for the full disk: the same write fails, with EFBIG instead of
    ENOSPC. Data that does not even fit into its file in memory is refused too."""
    answer = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path / "clickhouse")], capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    seen = json.loads(answer.stdout)
    assert seen.pop("small") < 500_000
    assert seen == {
        "disk": 243,
        "memory": 243,
        "select": 243,
        "stored": "0",
        "parts": "0",
        "again": "",
        "sum": "3500000",
        "then": "500000",
    }
    assert list((tmp_path / "clickhouse").rglob("tmp_*")) == []


def test_sigterm_during_an_insert_waits_for_it_and_the_rows_are_there_after_a_restart(tmp_path: Path) -> None:
    with litefuse("clickhouse", data_dir=tmp_path / "data") as process:
        sql = Sql(process, "litefuse")
        sql.command("CREATE TABLE slow (a UInt64, b UInt8 DEFAULT sleepEachRow(0.1)) ENGINE = MergeTree ORDER BY a")
        answers: list[str] = []
        sender = threading.Thread(
            target=lambda: answers.append(
                sql.command("INSERT INTO slow (a) VALUES " + ", ".join(f"({i})" for i in range(25)), query_id="slow")
            )
        )
        sender.start()
        running = "SELECT count() AS n FROM system.processes WHERE startsWith(query, 'INSERT INTO slow')"
        eventually(lambda: sql.count(running) == 1, 10)
        process.send(signal.SIGTERM)
        sender.join(30)
        assert answers == [""], "answered as stored"
        assert process.process is not None
        assert process.process.wait(30) == 0
        process.start()
        assert sql.count("SELECT count() AS n FROM slow") == 25


def test_so_much_of_the_disk_is_kept_free(server: Server) -> None:
    """Inserts and merges are refused before the disk is full."""
    assert server.one("SELECT keep_free_space FROM system.disks") == str(KEEP_FREE_BYTES)
