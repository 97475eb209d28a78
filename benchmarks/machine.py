"""What is measured on, and how: CPU time and memory of processes, from the kernel (Linux)."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PTRACER = 0x59616D61
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads, those that have ended too. The kernel's clock of the process is
    exact; /proc/<pid>/stat, where that clock cannot be had, counts in hundredths of a second. Raises OSError when the
    process is gone."""
    if pid == os.getpid():
        return time.process_time()
    try:
        return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) gives
    except OSError:
        # The name, in parentheses, may hold anything; user and system time are fields 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Resident memory of a process. Raises OSError when it is gone."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


@dataclass
class Spent:
    """Seconds that passed and CPU seconds of each process; filled when the `with` block ends."""

    wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


@contextmanager
def spending(processes: Mapping[str, int]) -> Iterator[Spent]:
    """What these processes (name → pid) spend while the block runs."""
    spent = Spent()
    before = {name: cpu_seconds(pid) for name, pid in processes.items()}
    began = time.perf_counter()
    yield spent
    spent.wall = time.perf_counter() - began
    spent.cpu = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}


def allow_sampling() -> None:
    """Let py-spy look into this process although it is no child of py-spy's (Linux, where Yama forbids it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1))


def describe() -> dict[str, str]:
    """The machine, and how busy it was when this was called."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal:")), 0)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory": f"{memory / (1 << 20):.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "load": f"{os.getloadavg()[0]:.2f} runnable processes in the minute before",
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _commit() -> str:
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()
