"""Everything is killed with -9 in turn while spans are on the way: over a real broker, with ClickHouse as its own process."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from tests.faults.cluster import (
    SESSION_TIMEOUT_S,
    Cluster,
    cluster,
    dying,
    seed_of,
    seeded,
    start_together,
    stop_merges,
)
from tests.faults.judge import Judge
from tests.faults.sender import Senders
from tests.processes import Litefuse
from tests.waiting import eventually

#: Steps at which workers kill themselves; each is one kill, and comes after one from outside at any moment.
Steps = tuple[str, ...]


@dataclass
class Killer:
    cluster: Cluster
    ingests: Sequence[Litefuse]
    workers: Sequence[Litefuse]
    senders: Senders
    random: random.Random
    kills: Counter[str] = field(default_factory=Counter)

    def worker(self, steps: Steps) -> None:
        victim = self.random.choice(self.workers)
        eventually(lambda: self._buffered(victim) > 0, 60, every=0.05)
        time.sleep(self.random.uniform(0, 0.5))
        self._kill("worker", victim)
        for step in steps:
            dying(victim, step, self.random.randint(1, 4))
            eventually(lambda: not victim.alive(), 90)
            assert victim.exit_code() == -signal.SIGKILL, victim.tail()
            assert f"dying at step {step}" in victim.tail(500)
            self.kills[f"worker at {step}"] += 1
        victim.spawn()

    def clickhouse_and_worker(self) -> None:
        """The group rebalances while no worker can finish what it has begun."""
        eventually(self._any_buffered, 60, every=0.02)
        self._kill("clickhouse", self.cluster.clickhouse)
        victim = self.random.choice(self.workers)
        time.sleep(self.random.uniform(0, 1))
        self._kill("worker", victim)
        victim.spawn()
        time.sleep(float(SESSION_TIMEOUT_S) + self.random.uniform(0, 4))
        self.cluster.clickhouse.spawn()

    def zombie(self) -> None:
        """A worker stands still for longer than the group waits for it, and then goes on where it was."""
        victim = self.random.choice([worker for worker in self.workers if worker.alive()])
        eventually(lambda: self._buffered(victim) > 0, 60, every=0.05)
        time.sleep(self.random.uniform(0, 0.5))
        victim.send(signal.SIGSTOP)
        time.sleep(float(SESSION_TIMEOUT_S) + self.random.uniform(1, 4))
        victim.send(signal.SIGCONT)
        self.kills["worker stopped for a while"] += 1

    def ingest(self) -> None:
        victim = self.random.choice(self.ingests)
        eventually(lambda: self.senders.in_flight > 0, 60, every=0.01)
        self._kill("ingest", victim)
        time.sleep(self.random.uniform(0, 1))
        victim.spawn()

    def broker(self) -> None:
        eventually(lambda: self.senders.in_flight > 0 and self._any_buffered(), 60, every=0.02)
        self.cluster.broker.kill()
        self.kills["broker"] += 1
        time.sleep(self.random.uniform(0, 1))
        self.cluster.broker.start()

    def clickhouse(self) -> None:
        eventually(self._any_buffered, 60, every=0.02)
        time.sleep(self.random.uniform(0, 0.5))
        self._kill("clickhouse", self.cluster.clickhouse)
        time.sleep(self.random.uniform(0, 2))
        self.cluster.clickhouse.spawn()

    def _kill(self, what: str, victim: Litefuse) -> None:
        assert victim.alive(), f"died by itself:\n{victim.tail()}"
        victim.kill()
        self.kills[what] += 1

    def _any_buffered(self) -> bool:
        return any(self._buffered(worker) > 0 for worker in self.workers)

    @staticmethod
    def _buffered(worker: Litefuse) -> float:
        """Bytes that this worker has read and not committed; 0 while it starts."""
        try:
            return worker.metric("litefuse_buffered_bytes")
        except OSError:
            return 0.0


@dataclass(frozen=True)
class Form:
    """How many of each, in an order that is drawn: `workers` has the steps of each (one kill before them), `together` is one
    of ClickHouse and one of a worker. `pause` is the longest time between two, in seconds."""

    seed: int
    workers: tuple[Steps, ...]
    ingests: int
    brokers: int
    clickhouses: int
    zombies: int
    together: int
    pause: float


SHORT = Form(
    seed=1, workers=(("plan", "insert"),), ingests=1, brokers=1, clickhouses=1, zombies=0, together=0, pause=1.0
)
LONG = Form(
    seed=2,
    workers=(("plan",), ("insert",), ("commit",), ("plan",)),
    ingests=5,
    brokers=2,
    clickhouses=3,
    zombies=2,
    together=2,
    pause=4.0,
)


def kill_everything(directory: Path, form: Form) -> str:
    r = seeded(form.seed)
    began = time.monotonic()
    with cluster(directory) as c:
        ingests = [c.ingest(), c.ingest()]
        # One worker that the group has to miss for a session time-out, and two that it knows again by their id.
        workers = [c.worker(), *(c.worker(LITEFUSE_KAFKA_INSTANCE_ID=f"worker-{n}") for n in (1, 2))]
        start_together(*ingests, *workers)
        stop_merges(c.clickhouse)
        with c.senders(*ingests, run=f"kafka-{form.seed}", seed=form.seed) as senders:
            killer = Killer(c, ingests, workers, senders, r)
            todo: list[Callable[[], None]] = [partial(killer.worker, steps) for steps in form.workers]
            todo += [killer.ingest] * form.ingests + [killer.broker] * form.brokers
            todo += [killer.clickhouse] * form.clickhouses + [killer.zombie] * form.zombies
            todo += [killer.clickhouse_and_worker] * form.together
            r.shuffle(todo)
            for kill in todo:
                kill()
                time.sleep(r.uniform(0.2, form.pause))
        for process in (*ingests, *workers, c.clickhouse):
            eventually(process.is_ready, 60)
        judge = Judge(c.log_url, directory)
        judge.wait_drained(120)
        stored = judge.verdict(c.sql(), senders)
        inherited = sum(worker.errors.read_text(errors="replace").count("v1 end=") for worker in workers)
        assert inherited > 0, "no worker took over an open plan: the kills missed what they aim at"
        return (
            f"{senders.summary()}, {stored} stored once each; killed {dict(killer.kills)}; {inherited} open plans "
            f"taken over; {time.monotonic() - began:.0f} s"
        )


def test_each_is_killed_while_spans_are_on_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = kill_everything(tmp_path, SHORT)
    with capsys.disabled():
        print(f"\nkafka kills: {summary}")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_workers_ten_times_ingests_five_broker_twice_clickhouse_five(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = kill_everything(tmp_path, replace(LONG, seed=seed_of(LONG.seed)))
    with capsys.disabled():
        print(f"\nkafka kills, long: {summary}")
