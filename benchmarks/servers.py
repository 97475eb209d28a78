"""Servers that are measured against, and the processes of ours. Whatever is started here dies with this process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.records import PROJECT
from litefuse.settings import Secret, Settings
from tests.processes import Litefuse
from tests.servers.kafka import KafkaServer
from tests.sql import Sql

PUBLIC_KEY = "pk-lf-benchmark"
SECRET_KEY = "sk-lf-benchmark-0123456789"
LOGS = ("sqlite", "kafka")

#: Not the flags that the tests start a broker with: those keep the JVM from compiling well.
_JVM = ("-Xmx512m", "-Xms512m", "-XX:+UseSerialGC")


@dataclass
class Servers:
    """What several parts of the benchmarks share. `sink` is the address of a ClickHouse that takes every insert and keeps
    nothing of it."""

    directory: Path
    broker: KafkaServer
    clickhouse: Litefuse
    sink: str = ""

    @property
    def store_url(self) -> str:
        """The embedded ClickHouse in its own process, as the operator."""
        return Sql(self.clickhouse, "litefuse").url()

    def pids(self, log: str) -> dict[str, int]:
        """The servers that a process over this log uses."""
        return {"clickhouse": pid_of(self.clickhouse)} | ({"broker": self.broker.pid} if log == "kafka" else {})

    def log_url(self, log: str, file: Path) -> str:
        return f"kafka://{self.broker.bootstrap}" if log == "kafka" else f"sqlite:///{file}"

    def settings(self, log: str, name: str) -> Settings:
        """For a process (or this one) with a log of its own: a new file, or the broker's topic."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        return Settings(data_dir=directory, log_url=Secret(self.log_url(log, directory / "log.db")))

    def role(self, role: str, log: str, name: str) -> Litefuse:
        """A process with one role over a log, not started yet. Its keys are PUBLIC_KEY and SECRET_KEY."""
        directory = self.directory / name
        environment = {
            **keys(),
            "LITEFUSE_LOG_URL": self.log_url(log, directory / "log.db"),
            "LITEFUSE_CLICKHOUSE_URL": self.store_url,
            "LITEFUSE_LOG_LEVEL": "warning",
        }
        return Litefuse((role,), directory, environment, program=("-m", "benchmarks.role"))


def keys() -> dict[str, str]:
    """Environment that makes the project."""
    return {
        "LITEFUSE_INIT_PROJECT_ID": PROJECT,
        "LITEFUSE_INIT_PROJECT_NAME": PROJECT,
        "LITEFUSE_INIT_PROJECT_PUBLIC_KEY": PUBLIC_KEY,
        "LITEFUSE_INIT_PROJECT_SECRET_KEY": SECRET_KEY,
    }


def pid_of(process: Litefuse) -> int:
    if process.process is None:
        raise ValueError(f"{process.arguments} was not started")
    return process.process.pid


def forget_log(directory: Path) -> None:
    """Remove the SQLite log of a directory: the next round gets a fresh file."""
    for path in directory.glob("log.db*"):
        path.unlink()


@contextlib.contextmanager
def ended(process: Litefuse) -> Iterator[Litefuse]:
    """Kill it afterwards; show the end of its log when something went wrong meanwhile."""
    try:
        yield process
    except BaseException:
        print(process.tail(), file=sys.stderr)
        raise
    finally:
        process.kill()


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A directory on disk that is gone afterwards."""
    cache = Path(__file__).resolve().parent.parent / ".cache"
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=cache, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Servers]:
    """A broker, the embedded ClickHouse in its own process, and the sink beside it."""
    with contextlib.ExitStack() as ending:
        broker = ending.enter_context(KafkaServer(flags=_JVM))
        clickhouse = Litefuse(("clickhouse",), directory / "clickhouse", {"LITEFUSE_LOG_LEVEL": "warning"})
        ending.enter_context(ended(clickhouse)).start()
        servers = Servers(directory, broker, clickhouse)
        port = ending.enter_context(sink(servers.store_url))
        servers.sink = Sql(clickhouse, "litefuse").url(port)
        yield servers


@contextlib.contextmanager
def sink(upstream: str) -> Iterator[int]:
    """The port of a sink process in front of this ClickHouse."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sink", upstream],
        stdin=subprocess.PIPE,  # it ends when this pipe does
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
