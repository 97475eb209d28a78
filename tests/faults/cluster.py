"""What the fault tests run on: a broker of their own, the embedded ClickHouse as its own process, ingests and workers."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.sender import Senders
from tests.processes import Litefuse
from tests.servers.kafka import KafkaServer
from tests.sql import Sql

PROJECT = "faults"
PUBLIC_KEY = "pk-lf-faults"
SECRET_KEY = "sk-lf-faults-0123456789"
#: The shortest that the broker allows: how long a killed worker's partitions wait for their next owner.
SESSION_TIMEOUT_S = "6"

#: Merges would collapse a span that was inserted twice by mistake, and hide the mistake. So none are made while a fault
#: test runs; the limits on the number of parts, which merges keep away otherwise, are lifted.
_NO_MERGES = (
    "ALTER TABLE spans MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1, "
    "max_bytes_to_merge_at_min_space_in_pool = 1, parts_to_delay_insert = 100000, parts_to_throw_insert = 100000"
)


def stop_merges(process: Litefuse) -> None:
    Sql(process, "litefuse").command(_NO_MERGES)


def keys() -> dict[str, str]:
    """Environment that makes the senders' project and key."""
    return {
        "LITEFUSE_INIT_PROJECT_ID": PROJECT,
        "LITEFUSE_INIT_PROJECT_NAME": PROJECT,
        "LITEFUSE_INIT_PROJECT_PUBLIC_KEY": PUBLIC_KEY,
        "LITEFUSE_INIT_PROJECT_SECRET_KEY": SECRET_KEY,
    }


def dying(process: Litefuse, step: str, number: int) -> None:
    """Start the process so that it kills itself at a step of its n-th insert (tests.faults.dying)."""
    usual = process.program
    process.program = ("-m", "tests.faults.dying", step, str(number))
    try:
        process.spawn()
    finally:
        process.program = usual


@dataclass
class Cluster:
    """Everything it starts is killed by `close`. Restarts keep ports and data."""

    directory: Path
    broker: KafkaServer
    clickhouse: Litefuse
    processes: list[Litefuse] = field(default_factory=list)

    @property
    def log_url(self) -> str:
        return f"kafka://{self.broker.bootstrap}"

    def sql(self) -> Sql:
        """As the operator: no FINAL."""
        return Sql(self.clickhouse, "litefuse")

    def ingest(self, **environment: str) -> Litefuse:
        """One more ingest, not started yet."""
        return self._role("ingest", {**keys(), "LITEFUSE_PUBLISH_TIMEOUT_S": "5", **environment})

    def worker(self, **environment: str) -> Litefuse:
        """One more worker, not started yet."""
        return self._role("worker", {"LITEFUSE_KAFKA_SESSION_TIMEOUT_S": SESSION_TIMEOUT_S, **environment})

    def _role(self, name: str, environment: dict[str, str]) -> Litefuse:
        environment = {
            "LITEFUSE_LOG_URL": self.log_url,
            "LITEFUSE_CLICKHOUSE_URL": self.sql().url(),
            "LITEFUSE_RETENTION_DAYS": "0",
            **environment,
        }
        process = Litefuse((name,), self.directory / f"{name}{len(self.processes)}", environment)
        self.processes.append(process)
        return process

    def senders(self, *ingests: Litefuse, run: str, rate: float = 60.0, weeks: int = 2, seed: int = 1) -> Senders:
        urls = [f"http://127.0.0.1:{process.otlp_port}" for process in ingests]
        return Senders(urls, PUBLIC_KEY, SECRET_KEY, run, rate=rate, weeks=weeks, seed=seed)

    def close_roles(self) -> None:
        """SIGTERM, so that the group need not wait for members that are gone; kill -9 for who does not heed it."""
        for process in self.processes:
            if process.alive():
                process.send(signal.SIGTERM)
        deadline = time.monotonic() + 10
        for process in self.processes:
            while process.alive() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.kill()
        self.processes.clear()

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self.clickhouse.kill()
        self.broker.close()

    def tails(self) -> str:
        everyone = [self.clickhouse, *self.processes]
        return "\n".join(process.tail() for process in everyone) + f"\n--- broker ---\n{self.broker.output()[-1500:]}"


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """A running broker and ClickHouse; roles are added by the test. What they wrote is printed when the test fails."""
    made = Cluster(directory, KafkaServer(), Litefuse(("clickhouse",), directory / "clickhouse"))
    try:
        made.broker.start()
        made.clickhouse.start()
        yield made
    except BaseException:
        print(made.tails())
        raise
    finally:
        made.close()


def start_together(*processes: Litefuse) -> None:
    """Start processes side by side and wait until all are ready."""
    for process in processes:
        process.spawn()
    for process in processes:
        process.wait_ready()


def seed_of(usual: int) -> int:
    """The seed of a long form: FAULTS_SEED draws another run."""
    return int(os.environ.get("FAULTS_SEED", usual))


def seeded(seed: int) -> random.Random:
    print(f"seed {seed}")
    return random.Random(seed)
