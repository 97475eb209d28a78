"""`litefuse up`: seconds until it is ready, and its memory when nothing happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Section, Series, Table
from benchmarks.machine import resident_bytes, spending
from benchmarks.rounds import Rounds
from benchmarks.servers import ended, pid_of
from tests.processes import Litefuse

#: Seconds after `ready` at which a process counts as idle, and over which its idle CPU is measured.
_SETTLE_S = 3.0
_IDLE_S = 2.0
MB = 1e6


def run(directory: Path, rounds: Rounds) -> Section:
    """A first start in an empty directory, and a second one in the same, each round."""
    samples: dict[str, list[float]] = {name: [] for name in ("ready", "again", "rss", "idle", "stop")}
    for number in rounds:
        rounds.say("up")
        up = Litefuse(("up",), directory / f"up-{number}", {"LITEFUSE_LOG_LEVEL": "warning"})
        with ended(up):
            samples["ready"].append(_seconds(up.start))
            pid = pid_of(up)
            time.sleep(_SETTLE_S)
            with spending({"up": pid}) as spent:
                time.sleep(_IDLE_S)
            samples["rss"].append(resident_bytes(pid) / MB)
            samples["idle"].append(spent.cpu["up"] / spent.wall * 1000)
            samples["stop"].append(_seconds(up.stop))
            samples["again"].append(_seconds(up.start))
    names = {
        "ready": ("first start until ready", "s"),
        "again": ("second start until ready", "s"),
        "rss": (f"resident {_SETTLE_S + _IDLE_S:.0f} s later, idle", "MB"),
        "idle": ("CPU when idle", "ms a second"),
        "stop": ("SIGTERM until gone", "s"),
    }
    table = Table("up", "`litefuse up`", ("what", "measured", "unit"), note="Everything embedded, in one process.")
    section = Section([table])
    for name, (text, unit) in names.items():
        series = Series.of(samples[name], unit)
        table.rows.append((text, series, unit))
        section.figures[f"up/{name}"] = series
    return section


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
