"""`litefuse up`, all in one process, is killed with -9 again and again while spans come in."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.faults.cluster import PUBLIC_KEY, SECRET_KEY, dying, keys, seed_of, seeded, stop_merges
from tests.faults.judge import Judge
from tests.faults.sender import Senders
from tests.processes import Litefuse
from tests.sql import Sql
from tests.waiting import eventually

ANY_MOMENT = "any moment"


def kill_up(directory: Path, moments: tuple[str, ...], seed: int) -> str:
    """`moments` says when each life ends: at a step, by its own hand, or at any moment, by ours (so does the first)."""
    assert moments[0] == ANY_MOMENT
    r = seeded(seed)
    began = time.monotonic()
    up = Litefuse(("up",), directory / "data", keys())
    try:
        up.start()
        stop_merges(up)
        urls = [f"http://127.0.0.1:{up.otlp_port}"]
        with Senders(urls, PUBLIC_KEY, SECRET_KEY, f"up-{seed}", seed=seed) as senders:
            for moment in moments:
                if moment == ANY_MOMENT:
                    if not up.alive():
                        up.start()
                    eventually(lambda: up.metric("litefuse_buffered_bytes") > 0, 60, every=0.05)
                    time.sleep(r.uniform(0, 1.5))
                    assert up.alive(), up.tail()
                    up.kill()
                else:
                    dying(up, moment, r.randint(1, 6))
                    eventually(lambda: not up.alive(), 90)
                    assert up.exit_code() == -signal.SIGKILL, up.tail()
                    assert f"dying at step {moment}" in up.tail(500)
            up.start()
            eventually(lambda: up.metric("litefuse_rows_inserted_total") > 0, 60)
        judge = Judge(f"sqlite:///{up.data_dir}/log.db", up.data_dir)
        judge.wait_drained(60)
        stored = judge.verdict(Sql(up, "litefuse"), senders)
        inherited = up.errors.read_text(errors="replace").count("v1 end=")
        assert inherited > 0, "no life took over an open plan: the kills missed what they aim at"
        assert up.stop() == 0
    except BaseException:
        print(up.tail())
        raise
    finally:
        up.kill()
    return (
        f"{senders.summary()}, {stored} stored once each; killed at {', '.join(moments)}; {inherited} open plans taken "
        f"over; {time.monotonic() - began:.0f} s"
    )


def test_up_is_killed_while_spans_come_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = kill_up(tmp_path, (ANY_MOMENT, "plan", "insert"), seed=3)
    with capsys.disabled():
        print(f"\nup kills: {summary}")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_up_is_killed_ten_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moments = (*(ANY_MOMENT,) * 3, "plan", ANY_MOMENT, "insert", ANY_MOMENT, "commit", *(ANY_MOMENT,) * 2)
    summary = kill_up(tmp_path, moments, seed_of(4))
    with capsys.disabled():
        print(f"\nup kills, long: {summary}")
