"""Litefuse's own processes for tests: started on free ports in a directory of the test's, ended whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port as free_port

REPO = Path(__file__).resolve().parent.parent


def _die_with_parent() -> None:
    """In the child, before exec: be killed when the test process dies, so that nothing is left behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@dataclass
class Litefuse:
    """One `litefuse` process, which can be ended and started again on the same ports and data. `lines` is what it
    printed on stdout since its last start, as far as it was read. Started from the main thread alone: the kernel's
    signal at its parent's death follows the thread."""

    arguments: tuple[str, ...]
    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    otlp_port: int = field(default_factory=free_port)
    clickhouse_port: int = field(default_factory=free_port)
    program: tuple[str, ...] = ("-m", "litefuse")
    """What Python runs; fault tests put a program of theirs here."""
    lines: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def errors(self) -> Path:
        """The file with its stderr, of all its lives."""
        return self.data_dir.parent / f"{self.data_dir.name}-{self.arguments[0]}-{self.port}.err"

    def tail(self, size: int = 3000) -> str:
        """The end of its stderr, for reports."""
        text = self.errors.read_bytes()[-size:].decode(errors="replace") if self.errors.exists() else ""
        return f"--- {' '.join(self.arguments)} on port {self.port}, exit {self.exit_code()} ---\n{text}"

    def start(self, timeout: float = 60.0, until: str = "ready ") -> Litefuse:
        """Start it and wait for its ready line."""
        self.spawn()
        self.wait_ready(timeout, until)
        return self

    def spawn(self) -> Litefuse:
        """Start it and wait for nothing: what it depends on may be down."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LITEFUSE_")}
        environment |= {
            "LITEFUSE_PORT": str(self.port),
            "LITEFUSE_OTLP_PORT": str(self.otlp_port),
            "LITEFUSE_CLICKHOUSE_PORT": str(self.clickhouse_port),
            "LITEFUSE_DATA_DIR": str(self.data_dir),
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.lines.clear()
        self._close_stdout()
        with self.errors.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, *self.arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        return self

    def wait_ready(self, timeout: float = 60.0, until: str = "ready ") -> None:
        """After `spawn`: return at its ready line."""
        assert self.process is not None
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout
        os.set_blocking(self.process.stdout.fileno(), False)
        text = ""
        while time.monotonic() < deadline:
            with contextlib.suppress(TypeError, BlockingIOError):
                text += self.process.stdout.read() or ""
            self.lines[:] = text.splitlines()
            if any(line.startswith(until) for line in self.lines):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        code = self.process.poll()
        self.kill()
        raise AssertionError(
            f"litefuse {' '.join(self.arguments)}: not {until!r} within {timeout} s (exit {code}):\n{text}\n"
            + self.tail()
        )

    # -- looking at it -------------------------------------------------------------------------------------------------

    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when one ended it."""
        return None if self.process is None else self.process.poll()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def not_ready(self) -> str | None:
        """None when its ready route answers 200, else what it says, or that nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/public/ready", timeout=10):
                return None
        except urllib.error.HTTPError as error:
            return error.read().decode(errors="replace")
        except OSError as error:
            return f"no answer: {error}"

    def is_ready(self) -> bool:
        return self.not_ready() is None

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series with these labels; 0 when there is none yet. Raises OSError when it is down."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.partition(" ")[0].partition("{")[0] == name and all(label in line for label in wanted)
        )

    # -- ending it -----------------------------------------------------------------------------------------------------

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, timeout: float = 40.0) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        finally:
            self.kill()

    def kill(self) -> None:
        """kill -9. Idempotent."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._close_stdout()

    def _close_stdout(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def litefuse(*arguments: str, data_dir: Path, **environment: str) -> Iterator[Litefuse]:
    """A running process, killed at the end when it has not been stopped."""
    process = Litefuse(arguments, data_dir, environment)
    try:
        yield process.start()
    finally:
        process.kill()


def run(
    *arguments: str, data_dir: Path, stdin: str | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """A `litefuse` command to its end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LITEFUSE_")}
    environment["LITEFUSE_DATA_DIR"] = str(data_dir)
    return subprocess.run(
        [sys.executable, "-m", "litefuse", *arguments],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def project_env(data_dir: Path) -> dict[str, str]:
    """The keys that the first start wrote."""
    pairs = (line.split("=", 1) for line in (data_dir / "project.env").read_text().splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("'\"") for key, value in pairs}
