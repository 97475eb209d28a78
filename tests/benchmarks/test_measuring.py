"""The measuring itself: clocks, senders, sink, and each part once with small inputs. No figure is asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from benchmarks import profiling, stages
from benchmarks.figures import AIMS
from benchmarks.inputs import Body
from benchmarks.load import Failed, request, send
from benchmarks.machine import allow_sampling, cpu_seconds, describe, resident_bytes, spending
from benchmarks.profiling import Stacks
from benchmarks.rounds import Rounds
from benchmarks.servers import sink
from tests.processes import REPO

_BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"


def test_cpu_of_another_process_is_what_it_says_itself() -> None:
    with subprocess.Popen([sys.executable, "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        spent = cpu_seconds(process.pid)
        assert 0.3 <= spent < 3.0
        assert resident_bytes(process.pid) > 1 << 20
        process.kill()


def test_spending_counts_what_is_spent_inside() -> None:
    with spending({"me": os.getpid()}) as spent:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
    assert spent.cpu["me"] >= 0.05
    assert spent.wall >= 0.05


def test_the_machine_is_described() -> None:
    assert {"date", "processor", "cores", "memory", "python", "load"} <= describe().keys()


class Server:
    """An HTTP server that answers every request so."""

    def __init__(self, status: int = 200, body: bytes = b"") -> None:
        self.status = status
        self.body = body
        self.seen: list[tuple[str, bytes]] = []

    async def __aenter__(self) -> int:
        async def answer(request: web.Request) -> web.Response:
            self.seen.append((request.headers["Content-Type"], await request.read()))
            return web.Response(status=self.status, body=self.body)

        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def test_every_request_is_sent_once_and_answered() -> None:
    server = Server()
    requests = [request(Body(b"%d" % i, 1), "pk", "sk") for i in range(50)]
    async with server as port:
        sent = await send(port, requests, 4)
    assert sent.answered == len(sent.seconds) == 50
    assert sorted(body for _, body in server.seen) == sorted(b"%d" % i for i in range(50))


async def test_a_rate_is_kept() -> None:
    began = time.perf_counter()
    async with Server() as port:
        await send(port, [request(Body(b"x", 1), "pk", "sk")] * 20, 2, rate=100.0)
    assert time.perf_counter() - began >= 0.19


@pytest.mark.parametrize("server", [Server(503), Server(200, b"\x0a\x02\x08\x01")])
async def test_anything_but_a_full_success_fails(server: Server) -> None:
    async with server as port:
        with pytest.raises(Failed):
            await send(port, [request(Body(b"x", 1), "pk", "sk")] * 5, 2)


async def test_a_connection_that_is_closed_fails() -> None:
    async with Server() as port:
        pass
    with pytest.raises(ConnectionError):
        await send(port, [request(Body(b"x", 1), "pk", "sk")], 1)


def test_the_sink_swallows_inserts_and_passes_on_the_rest() -> None:
    upstream = subprocess.Popen([sys.executable, "-c", _ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert upstream.stdout is not None
        with sink(f"http://user:password@127.0.0.1:{int(upstream.stdout.readline())}/litefuse") as port:
            insert = "INSERT%20INTO%20%60spans%60%20FORMAT%20ArrowStream"
            assert _post(port, f"/?query={insert}", b"data") == b""
            assert _post(port, "/", b"insert into spans FORMAT ArrowStream\ndata") == b""
            assert _post(port, "/?database=x", b"SELECT 1") == b"/?database=x SELECT 1"
    finally:
        upstream.kill()
        upstream.communicate()


_ECHO = """
import http.server
class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.path.encode() + b" " + self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 0), Echo)
print(server.server_port, flush=True)
server.serve_forever()
"""


def _post(port: int, path: str, body: bytes) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data=body, timeout=20) as answer:
        text: bytes = answer.read()
        return text


def test_rounds_end_when_the_time_is_up_but_one_is_given() -> None:
    assert list(Rounds(3, time.monotonic() + 60.0, print)) == [0, 1, 2]
    assert list(Rounds(3, time.monotonic() - 1.0, print)) == [0]


def test_stages_sum_up() -> None:
    section = stages.run(Rounds(1, 0.0, print), quick=True)
    names = [row[0] for row in section.tables[0].rows]
    assert names[1:] == ["decode", *stages.INSIDE, stages.REST, "map", "block", "Arrow IPC", "sum"]
    assert all(series.median > 0 for series in section.figures.values())


def test_stacks_are_counted_by_function() -> None:
    stacks = Stacks()
    stacks.add(["main (a.py:1)", "decode (worker/decode.py:80)", "flatten (worker/flatten.py:5)"], 3)
    stacks.add(["main (a.py:1)", "decode (worker/decode.py:81)"], 1)
    assert stacks.total == 4
    assert stacks.own == {"flatten (worker/flatten.py)": 3, "decode (worker/decode.py)": 1}
    assert stacks.with_callees["decode (worker/decode.py)"] == 4


def test_a_profile_sees_what_runs() -> None:
    allow_sampling()
    with profiling.sampled(os.getpid()) as stacks:
        _busy_for_a_profile()
    assert any("_busy_for_a_profile" in name for name in stacks.with_callees)


def _busy_for_a_profile() -> None:
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass


_PIPELINE = ("worker/", "ingest/", "visible/", "up/")
#: Parts as they are typed → the tables they print.
_RUNS = {
    (): ("aims", "stages", "worker", "clickhouse", "edges", "ingest-512", "ingest-1", "visible", "up", "ratios"),
    ("map", "queries"): ("aims", "map", "queries"),
    ("api",): ("aims", "api", "api-pages", "api-scores"),
}
#: Parts → what the figures are called that aims ask them for.
_PREFIXES = {(): _PIPELINE, ("map", "queries"): ("map/", "queries/"), ("api",): ("api/",)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("parts", _RUNS, ids=["pipeline", "llm", "api"])
def test_every_part_runs(parts: tuple[str, ...], tmp_path: Path) -> None:
    """The command as it is typed, with small inputs, over both logs and all processes."""
    errors = tmp_path / "errors"
    with errors.open("w") as stderr:
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks", *parts, "--quick", "--rounds", "1", "--json"],
            cwd=REPO,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=500,
            check=False,
        )
    assert answer.returncode == 0, errors.read_text()[-4000:]
    found: dict[str, Any] = json.loads(answer.stdout)
    wanted = {key for aim in AIMS for key in aim.keys if key.startswith(_PREFIXES[parts])}
    assert wanted
    assert wanted <= found["figures"].keys()
    assert tuple(table["key"] for table in found["tables"]) == _RUNS[parts]
    assert all(table["rows"] for table in found["tables"])
    assert not list((REPO / ".cache").glob("benchmarks-*"))
