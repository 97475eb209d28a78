"""Litefuse's own processes for tests: started on free ports in a directory of the test's, ended whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """In the child, before exec: be killed when the test process dies, so that nothing is left behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@dataclass
class Litefuse:
    """One `litefuse` process. `lines` is what it printed on stdout until `ready`."""

    arguments: tuple[str, ...]
    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    otlp_port: int = field(default_factory=free_port)
    clickhouse_port: int = field(default_factory=free_port)
    lines: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout: float = 60.0, until: str = "ready ") -> Litefuse:
        """Start it and wait for its ready line."""
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
        with (self.data_dir.parent / f"{self.data_dir.name}-{self.arguments[0]}-{self.port}.err").open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "litefuse", *self.arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=_die_with_parent,
            )
        self._wait_for(until, timeout)
        return self

    def _wait_for(self, until: str, timeout: float) -> None:
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
            f"litefuse {' '.join(self.arguments)}: not {until!r} within {timeout} s (exit {code}):\n{text}"
        )

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
            if self.process.stdout is not None:
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
