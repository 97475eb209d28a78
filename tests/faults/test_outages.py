"""What is down, silent or misconfigured for a while (reliability section 2, rows 10 to 13 and 16 to 18): nothing is lost,
nothing is doubled, nothing becomes a dead letter, readiness says so meanwhile, and it mends without a restart."""

from __future__ import annotations

import base64
import random
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.faults.cluster import PUBLIC_KEY, SECRET_KEY, Cluster, keys, start_together, stop_merges
from tests.faults.judge import Judge
from tests.faults.proxy import Mode, Proxy
from tests.faults.sender import Senders, body
from tests.processes import Litefuse
from tests.sql import Sql
from tests.waiting import eventually

#: For workers that must not lose their membership, or a block in hand, to a busy machine: the default.
PATIENT = {"LITEFUSE_KAFKA_SESSION_TIMEOUT_S": "30"}


def judge(c: Cluster) -> Judge:
    return Judge(c.log_url, c.directory)


def flowing(c: Cluster, *processes: Litefuse) -> None:
    """Start the processes and wait until they are ready."""
    start_together(*processes)
    stop_merges(c.clickhouse)


def stored_some(worker: Litefuse) -> None:
    """Wait until the worker writes."""
    before = worker.metric("litefuse_rows_inserted_total")
    eventually(lambda: worker.metric("litefuse_rows_inserted_total") > before, 60)


def senders(c: Cluster, *ingests: Litefuse, run: str, rate: float = 60.0) -> Senders:
    """Two table partitions a block: enough here, and half of the inserts."""
    return c.senders(*ingests, run=run, rate=rate, weeks=1)


def drained(c: Cluster, sending: Senders) -> None:
    """Stop the senders, wait until everything is stored, and judge."""
    sending.stop()
    judge(c).wait_drained(90)
    judge(c).verdict(c.sql(), sending)


def proxied(c: Cluster, proxy: Proxy) -> dict[str, str]:
    """Environment of a worker that speaks to ClickHouse through the proxy."""
    return {"LITEFUSE_CLICKHOUSE_URL": c.sql().url(proxy.port)}


def test_clickhouse_is_down_for_twenty_seconds(c: Cluster) -> None:
    ingest, worker = c.ingest(), c.worker(**PATIENT, LITEFUSE_WORKER_BUFFER_BYTES="1048576")
    flowing(c, ingest, worker)
    with senders(c, ingest, run="clickhouse down") as sending:
        stored_some(worker)
        rebalances = worker.metric("litefuse_rebalances_total")
        assert c.clickhouse.stop() == 0
        up_again = time.monotonic() + 20
        acknowledged = len(sending.acknowledged)
        eventually(lambda: not worker.is_ready(), 15)
        eventually(lambda: worker.metric("litefuse_paused") == 1, 20)
        lag = judge(c).lag()
        eventually(lambda: judge(c).lag() > lag, 20)
        assert len(sending.acknowledged) > acknowledged, "ingest does not need ClickHouse"
        eventually(lambda: time.monotonic() > up_again, 25)
        assert worker.alive()
        assert not worker.is_ready()
        c.clickhouse.start()
        eventually(worker.is_ready, 60)
        drained(c, sending)
        eventually(lambda: worker.metric("litefuse_paused") == 0, 10)
        assert worker.metric("litefuse_rebalances_total") == rebalances, "it has lost its membership"


def test_clickhouse_takes_connections_and_never_answers(c: Cluster) -> None:
    with Proxy(c.clickhouse.clickhouse_port) as proxy:
        ingest, worker = c.ingest(), c.worker(LITEFUSE_INSERT_TIMEOUT_S="1.5", **proxied(c, proxy))
        flowing(c, ingest, worker)
        with senders(c, ingest, run="silent") as sending:
            stored_some(worker)
            proxy.mode = Mode.SILENT
            before = proxy.inserts.copy()
            repeated = lambda: any(n > 1 for n in (proxy.inserts - before).values())  # noqa: E731
            eventually(repeated, 60)
            assert not worker.is_ready()
            proxy.mode = Mode.PASS
            drained(c, sending)
            eventually(worker.is_ready, 30)
        assert worker.metric("litefuse_retries_total", what="insert") > 0


def test_acknowledgements_of_inserts_are_lost(c: Cluster) -> None:
    with Proxy(c.clickhouse.clickhouse_port) as proxy:
        ingest, worker = c.ingest(), c.worker(**proxied(c, proxy))
        flowing(c, ingest, worker)
        with senders(c, ingest, run="lost acks") as sending:
            stored_some(worker)
            proxy.mode = Mode.LOSE_ACKS
            eventually(lambda: proxy.lost >= 6, 60)
            proxy.mode = Mode.PASS
            drained(c, sending)
        assert max(proxy.inserts.values()) > 1
        assert worker.metric("litefuse_replayed_inserts_total") > 0
        assert worker.metric("litefuse_looks_total", result="found") > 0
        assert worker.metric("litefuse_looks_total", result="missing") == 0


def test_wrong_clickhouse_password(c: Cluster) -> None:
    with Proxy(c.clickhouse.clickhouse_port) as proxy:
        ingest, worker = c.ingest(), c.worker(**proxied(c, proxy))
        flowing(c, ingest)
        proxy.mode = Mode.WRONG_PASSWORD
        with senders(c, ingest, run="wrong password") as sending:
            worker.spawn()
            eventually(lambda: "assword" in (worker.not_ready() or ""), 30)
            eventually(lambda: len(sending.acknowledged) > 200, 30)
            assert judge(c).lag() > 0
            assert judge(c).dead_letters() == []
            assert worker.alive()
            proxy.mode = Mode.PASS
            eventually(worker.is_ready, 60)
            # The same to a worker that runs already.
            proxy.mode = Mode.WRONG_PASSWORD
            eventually(lambda: worker.metric("litefuse_paused") == 1, 30)
            assert not worker.is_ready()
            proxy.mode = Mode.PASS
            drained(c, sending)
            eventually(worker.is_ready, 30)


def post_one(process: Litefuse) -> tuple[int, str | None]:
    """Status and Retry-After of a request with one span that is never counted; status 0 while nobody listens."""
    request_body = body("uncounted", range(1), 0, random.Random(), time.time_ns())
    credentials = base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{process.otlp_port}/v1/traces",
        data=request_body.data,
        headers={**request_body.headers, "Authorization": f"Basic {credentials}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Retry-After"]
    except urllib.error.URLError:
        return 0, None


def test_broker_is_down_while_running_and_at_start(c: Cluster) -> None:
    soon = {"LITEFUSE_PUBLISH_TIMEOUT_S": "2"}
    ingest, worker = c.ingest(**soon), c.worker(**soon)
    flowing(c, ingest, worker)
    with senders(c, ingest, run="broker down") as sending:
        stored_some(worker)
        c.broker.stop()
        late_ingest, late_worker = c.ingest(**soon).spawn(), c.worker(**soon).spawn()
        eventually(lambda: sending.answers["503"] > 0, 30)
        eventually(lambda: not ingest.is_ready() and not worker.is_ready(), 30)
        eventually(lambda: post_one(late_ingest)[0] == 503, 30)
        assert int(post_one(late_ingest)[1] or 0) > 0
        assert not late_ingest.is_ready()
        assert not late_worker.is_ready()
        c.broker.start()
        for process in (ingest, worker, late_ingest, late_worker):
            eventually(process.is_ready, 60, why=process.not_ready)
        assert post_one(late_ingest) == (200, None)
        acknowledged = len(sending.acknowledged)
        eventually(lambda: len(sending.acknowledged) > acknowledged, 30)
        drained(c, sending)
    assert sending.answers.keys() <= {"200", "503"}, "a deadline of ours is longer than the senders' 30 s"


def test_sigterm_under_load_drains_a_worker_and_an_ingest(c: Cluster) -> None:
    ingests, leaver, heir = [c.ingest(), c.ingest()], c.worker(**PATIENT), c.worker(**PATIENT)
    flowing(c, *ingests, leaver, heir)
    with senders(c, *ingests, run="sigterm", rate=100) as sending:
        stored_some(leaver)
        stored_some(heir)
        assert leaver.stop(25) == 0
        assert ingests[0].stop(25) == 0
        stored_some(heir)
        drained(c, sending)
    assert heir.metric("litefuse_replayed_inserts_total") == 0
    assert "v1 end=" not in heir.errors.read_text(errors="replace"), "a plan was left open"


def test_sigterm_under_load_drains_up(tmp_path: Path) -> None:
    up = Litefuse(("up",), tmp_path / "data", keys())
    try:
        up.start()
        stop_merges(up)
        urls = [f"http://127.0.0.1:{up.otlp_port}"]
        with Senders(urls, PUBLIC_KEY, SECRET_KEY, "sigterm up", rate=100) as sending:
            stored_some(up)
            assert up.stop(25) == 0
        up.start()
        outside = Judge(f"sqlite:///{up.data_dir}/log.db", up.data_dir)
        outside.wait_drained(30)
        outside.verdict(Sql(up, "litefuse"), sending)
        assert up.metric("litefuse_replayed_inserts_total") == 0
        assert "v1 end=" not in up.errors.read_text(errors="replace"), "a plan was left open"
    except BaseException:
        print(up.tail())
        raise
    finally:
        up.kill()
