"""A real Apache Kafka broker (KRaft, one node) for tests: Maven's jars and a JDK 17, nothing else.

`python -m tests.servers.kafka` fetches the jars into the clone's `.cache/kafka`; `fetch_jars` does so on first use.
A broker is its own process group, and dies with the process that started it, however that ends.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.ports import free_ports

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache"
POM = HERE / "pom.xml"
#: A broker is ready after about 4 s; on a machine whose cores others hold, 14 s were seen.
READY_TIMEOUT_S = 90.0
_PR_SET_PDEATHSIG = 1


def fetch_jars() -> Path:
    """The directory of the broker's jars, fetched by Maven when it is not there yet (23 s, 45 MB)."""
    libs = CACHE / "kafka"
    wanted = POM.read_text()
    stamp = libs / "pom.xml"
    libs.mkdir(parents=True, exist_ok=True)
    with open(libs / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs side by side must not fill it at once
        if not stamp.exists() or stamp.read_text() != wanted:
            for jar in libs.glob("*.jar"):
                jar.unlink()
            command = ["mvn", "-q", "-B", f"-Dmaven.repo.local={CACHE / 'maven'}", "-f", str(POM)]
            command += ["dependency:copy-dependencies", f"-DoutputDirectory={libs}", "-DincludeScope=runtime"]
            subprocess.run(command, check=True, stdout=sys.stderr)
            stamp.write_text(wanted)
    return libs


def answers(port: int) -> bool:
    """Whether a broker answers ApiVersions there. An open port alone says nothing."""
    body = struct.pack(">hhih", 18, 0, 1, 1) + b"x"
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(2)
            connection.sendall(struct.pack(">i", len(body)) + body)
            reply = connection.recv(4096)
    except OSError:
        return False
    return len(reply) > 10 and reply[8:10] == b"\0\0"


#: Starts all brokers: "dies with its parent" means the *thread* that started it, and this one lives as long as we do.
_SPAWNER = ThreadPoolExecutor(1, "spawn-kafka")


def _die_with_parent() -> None:
    """Runs in the child before exec: a pytest that is killed must not leave a JVM behind."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class KafkaServer:
    """One broker with its own data directory. `start`, `stop`, `kill`, `suspend` and `resume` may follow each other in
    any sensible order; the data and the port stay the same until `close`. All calls block.

    `listener` replaces PLAINTEXT on the port that `bootstrap` names (SASL, SSL: give what it needs in `properties`);
    readiness is then asked on a second, plain one, which `plain` names in any case. `flags` are the JVM's: the default
    ones start it fast, but the code they compile is slow.
    """

    def __init__(
        self,
        *,
        listener: str = "PLAINTEXT",
        properties: Mapping[str, str] | None = None,
        flags: Sequence[str] = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="litefuse-kafka-"))
        self.port, self._controller, self._plain = free_ports(3)
        self.listener = listener
        self.properties = dict(properties or {})
        self.flags = tuple(flags)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def plain(self) -> str:
        return f"127.0.0.1:{self._plain if self.listener != 'PLAINTEXT' else self.port}"

    @property
    def pid(self) -> int:
        """Of the broker that runs. Raises ValueError when none was started."""
        if self._process is None:
            raise ValueError("the broker was not started")
        return self._process.pid

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers; formats the data directory when it is new."""
        if self.alive():
            return
        libs = fetch_jars()
        config = self.directory / "server.properties"
        if not config.exists():
            self._write(config)
            cluster = base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode().replace("-", "A")
            self._java(
                libs, self.flags, "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(config)
            )
            self._wait(self._process)
        self._java(libs, self.flags, "kafka.Kafka", str(config))
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not answers(int(self.plain.rpartition(":")[2])):
            if not self.alive() or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError("the broker did not come up:\n" + self.output())
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, then wait: a clean shutdown, half a second."""
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """kill -9, as a crash would."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def restart(self) -> None:
        """The same broker again, on the same data."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its data. Idempotent."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> KafkaServer:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def output(self) -> str:
        """The end of what the broker wrote."""
        path = self.directory / "output"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def _write(self, config: Path) -> None:
        listeners = {
            self.listener: self.port,
            "CONTROLLER": self._controller,
            "PLAINTEXT": int(self.plain.split(":")[1]),
        }
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,{self.listener}:{self.listener}",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self._controller}",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.directory / "data"),
            # Without these two, consumer groups hang: the internal topics cannot get three replicas.
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "offsets.topic.num.partitions": "4",  # the default, fifty, only costs start-up time
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",  # saves 3 s for every new group
            "auto.create.topics.enable": "false",
            "log.retention.check.interval.ms": "1000",
            # A killed broker comes back only after its old session has run out (9 s by default).
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "200",
            **self.properties,
        }
        config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def _java(self, libs: Path, flags: Sequence[str], *arguments: str) -> None:
        with open(self.directory / "output", "ab") as output:
            self._process = _SPAWNER.submit(
                subprocess.Popen,
                ["java", *flags, "-cp", f"{libs}/*", *arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            ).result()

    def _wait(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None and process.wait(READY_TIMEOUT_S) != 0:
            raise RuntimeError("formatting the broker's data directory failed:\n" + self.output())

    def _signal(self, number: signal.Signals) -> None:
        if self.alive() and self._process is not None:
            os.killpg(self._process.pid, number)


if __name__ == "__main__":
    print(fetch_jars())
