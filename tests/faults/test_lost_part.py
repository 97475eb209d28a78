"""ClickHouse loses a part after it wrote the insert's token down: the token hides the loss, the look finds it.

On a table that is not replicated, ClickHouse appends the token to its deduplication log before it renames the part into
place (reliability section 1). strace makes exactly that rename fail and kills the process there.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import PUBLIC_KEY, SECRET_KEY, cluster, start_together, stop_merges
from tests.faults.judge import Judge
from tests.faults.sender import body
from tests.processes import Litefuse
from tests.waiting import eventually

#: The system calls a part can be renamed into place with.
_RENAMES = "rename,renameat,renameat2"
RUN = "lost part"
SPANS = 20


@contextlib.contextmanager
def killed_at_its_next_rename(process: Litefuse, directory: Path) -> Iterator[Path]:
    """The process is traced; its next rename fails and kills it. Yields the file with the traced calls."""
    assert process.process is not None
    calls, messages = directory / "strace.calls", directory / "strace.messages"
    inject = f"inject={_RENAMES}:error=EIO:signal=SIGKILL:when=1"
    command = [
        "strace",
        "-f",
        "-p",
        str(process.process.pid),
        "-e",
        f"trace={_RENAMES}",
        "-e",
        inject,
        "-o",
        str(calls),
    ]
    with messages.open("w") as stderr:
        strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr)
    try:
        eventually(lambda: "attached" in messages.read_text() or strace.poll() is not None, 20)
        assert strace.poll() is None, messages.read_text()
        yield calls
    finally:
        strace.terminate()
        strace.wait(20)


def send(ingest: Litefuse) -> None:
    """One request; all of its spans start now, so they lie in one table partition."""
    request_body = body(RUN, range(SPANS), 0, random.Random(7), time.time_ns())
    credentials = b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
    headers = {**request_body.headers, "Authorization": f"Basic {credentials}"}
    request = urllib.request.Request(f"http://127.0.0.1:{ingest.otlp_port}/v1/traces", request_body.data, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_part_lost_after_its_token_was_written_down_is_found_and_inserted_again(tmp_path: Path) -> None:
    with cluster(tmp_path) as c:
        ingest, worker = c.ingest(), c.worker(LITEFUSE_KAFKA_SESSION_TIMEOUT_S="30")
        start_together(ingest, worker)
        stop_merges(c.clickhouse)
        eventually(worker.is_ready, 30)

        with killed_at_its_next_rename(c.clickhouse, tmp_path) as calls:
            send(ingest)
            eventually(lambda: not c.clickhouse.alive(), 60)
        assert c.clickhouse.exit_code() == -signal.SIGKILL
        renames = [line for line in calls.read_text().splitlines() if "rename" in line and "resumed" not in line]
        assert len(renames) == 1, renames
        assert "/tmp_insert_" in renames[0], renames

        # The worker must not mend it before we have seen what a token alone would do.
        worker.send(signal.SIGSTOP)
        c.clickhouse.start()
        sql = c.sql()
        mine = f"FROM spans WHERE attributes_string['run'] = '{RUN}'"
        assert sql.count(f"SELECT count() {mine}") == 0, "nothing was lost"
        judge = Judge(c.log_url, tmp_path)
        token = judge.open_token(f"0-{sql.command('SELECT toYYYYMMDD(toMonday(now()))').strip()}")
        insert = (
            "INSERT INTO spans (project_id, trace_id, span_id, name, start_time, end_time, attributes_string) SELECT "
            f"'p', 't', 's', 'by hand', now64(9), now64(9), map('run', '{RUN}')"
        )
        sql.command(insert, insert_deduplication_token=token, async_insert="0")
        assert sql.count(f"SELECT count() {mine}") == 0, f"{token} was not written down: this test misses its aim"
        worker.send(signal.SIGCONT)

        judge.wait_drained(60)
        rows = sql(f"SELECT attributes_int['seq'] AS seq, count() AS copies {mine} GROUP BY seq ORDER BY seq")
        assert [(int(row["seq"]), int(row["copies"])) for row in rows] == [(seq, 1) for seq in range(SPANS)]
        assert worker.metric("litefuse_looks_total", result="missing") >= 1
        assert judge.dead_letters() == []
