"""Where the time goes: `python -m benchmarks profile`.

Samples the running worker and ingest with py-spy while they do what `whole` and `front` measure, and prints what share
of their CPU time each function has for itself (the top of the stack), and with all that it calls.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import front, inputs, whole
from benchmarks.figures import Table, short
from benchmarks.machine import allow_sampling
from benchmarks.servers import LOGS, Servers, ended, pid_of

_RATE = 250
_TOP = 15
#: Functions of these trees are listed with all that they call.
_OURS = ("worker/", "ingest/", "litefuse/")


@dataclass
class Stacks:
    """Samples by function: at the top of the stack, and anywhere on it."""

    total: int = 0
    own: Counter[str] = field(default_factory=Counter)
    with_callees: Counter[str] = field(default_factory=Counter)

    def add(self, stack: Sequence[str], count: int) -> None:
        """One line of py-spy's raw output, outermost frame first: `function (file:line)`."""
        names = [_without_line(frame) for frame in stack]
        self.total += count
        self.own[names[-1]] += count
        for name in set(names):
            self.with_callees[name] += count


@contextlib.contextmanager
def sampled(pid: int) -> Iterator[Stacks]:
    """Stacks of a process while the block runs; filled when it ends. Raises RuntimeError when py-spy cannot look."""
    program = _py_spy()
    stacks = Stacks()
    with tempfile.TemporaryDirectory() as directory:
        raw = Path(directory) / "raw"
        command = [program, "record", "--pid", str(pid), "--rate", str(_RATE), "--format", "raw", "--output", str(raw)]
        sampler = subprocess.Popen(
            [*command, "--nonblocking", "--duration", "600"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert sampler.stdout is not None
            sampler.stdout.readline()  # it says so when it begins
            yield stacks
        finally:
            sampler.send_signal(signal.SIGINT)
            _, errors = sampler.communicate(timeout=60)
        if not raw.exists():
            raise RuntimeError(f"py-spy: {errors.strip()}")
        for line in raw.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            stacks.add(stack.split(";"), int(count))


@dataclass
class _Look:
    """`sampled`, for code that opens it somewhere inside."""

    pid: int
    stacks: Stacks = field(default_factory=Stacks)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        with sampled(self.pid) as self.stacks:
            yield


def run(servers: Servers, say: Callable[[str], None] = lambda _: None) -> list[Table]:
    """Worker and ingest over both logs, on 512-span and on 1-span requests."""
    allow_sampling()
    tables: list[Table] = []
    feeds = {
        "http-512": inputs.repeated(inputs.http_spans(512, 16), 400_000),
        "http-1": inputs.repeated(inputs.http_spans(1, 1000), 80_000),
        "LLM": inputs.repeated(inputs.llm_spans(), 100_000),
    }
    for name, bodies in feeds.items():
        for log in LOGS:
            say(f"profile: worker, {name}, {log}")
            look = _Look(os.getpid())
            one = whole.once(servers, log, bodies, servers.sink, f"profile-{log}", look.open)
            tables += _tables(f"worker, {name}, {log}", look.stacks, one.per_span("worker"), "span")
    requests = [feed for feed in front.feeds(quick=False) if feed.kind == "protobuf"]
    for log in LOGS:
        with ended(servers.role("ingest", log, f"profile-ingest-{log}")) as ingest:
            ingest.start()
            for feed in requests:
                say(f"profile: ingest, {feed.name}, {log}")
                longer = replace(feed, requests=feed.requests * 8)
                with sampled(pid_of(ingest)) as stacks:
                    sent = front.once(ingest, longer, {"ingest": pid_of(ingest)})
                unit, units = ("span", sent.spans) if feed.spans > 1 else ("request", sent.requests)
                cost = sent.cpu["ingest"] / units * 1e6
                tables += _tables(f"ingest, {feed.name}, {log}", stacks, cost, unit)
    return tables


def _tables(title: str, stacks: Stacks, cost: float, unit: str) -> list[Table]:
    """`cost`: µs of CPU a unit, which the shares are shares of."""
    own = Table(
        f"profile/{title}/own",
        f"{title}: {short(cost)} µs CPU a {unit}, by function at the top of the stack",
        ("share", f"µs a {unit}", "function"),
        note="Extensions in C (Arrow, ptars, the event loop) count for the Python function that calls them.",
    )
    ours = Table(
        f"profile/{title}/ours",
        f"{title}: our functions with all that they call",
        ("share", f"µs a {unit}", "function"),
    )
    mine = Counter({name: count for name, count in stacks.with_callees.items() if _is_ours(name)})
    for table, counts in ((own, stacks.own), (ours, mine)):
        for name, count in counts.most_common(_TOP):
            share = count / max(1, stacks.total)
            table.rows.append((f"{share:.1%}", short(share * cost), name))
    return [own, ours]


def _is_ours(name: str) -> bool:
    return name.partition(" (")[2].startswith(_OURS)


def _without_line(frame: str) -> str:
    """`decode (worker/decode.py:80)` → `decode (worker/decode.py)`: the line is where it was, not what it is."""
    head, colon, line = frame.rstrip(")").rpartition(":")
    return f"{head})" if colon and line.isdecimal() else frame


def _py_spy() -> str:
    beside = Path(sys.executable).parent / "py-spy"
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise RuntimeError("py-spy is not installed: pip install py-spy")
    return found
