"""`python -m benchmarks [PART…]`: measure, and print tables.

    stages    the worker's stages one by one
    worker    the running worker over both logs, into a sink and into ClickHouse
    ingest    requests of 512 spans and of one span, over both logs
    visible   from acknowledged to visible
    up        start and idle memory of `litefuse up`

    map       the map stage: a span of an LLM client, a plain one
    queries   what the API and the UI ask, over a million spans of LLM traffic (a quarter of an hour)

    api       the routes of the public API through HTTP, over the same spans (a quarter of an hour)

    profile   where worker and ingest spend their time

The first five without a PART. `--write` puts the tables of the first five, or of the next two, or of `api`, or of several of
these groups, into benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import api, front, mapping, profiling, queries, stages, start, visible, whole
from benchmarks.figures import Section, aims
from benchmarks.machine import describe
from benchmarks.ratios import ratios
from benchmarks.report import API_MARKS, LLM_MARKS, MARKS, README, markdown, write
from benchmarks.rounds import Rounds
from benchmarks.servers import Servers, running, workspace
from litefuse.cli.process import collect_rarely
from litefuse.telemetry import logs

#: Parts, and the share of the time by which each has to be done: no round of it begins later.
PARTS = {"stages": 0.1, "worker": 0.5, "ingest": 0.7, "visible": 0.85, "up": 0.95}
#: Likewise; on their own.
LLM_PARTS = {"map": 0.1, "queries": 1.0}
API_PARTS = {"api": 1.0}
#: Parts whose tables are written together, and between what.
_GROUPS = ((PARTS, MARKS), (LLM_PARTS, LLM_MARKS), (API_PARTS, API_MARKS))
_ALL = (*PARTS, *LLM_PARTS, *API_PARTS, "profile")
_ROUNDS = 3
_SECONDS = 330.0


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    parts = options.parts or list(PARTS)
    groups = [(group, marks) for group, marks in _GROUPS if set(group) <= set(parts)]
    if options.write and set(parts) - {part for group, _ in groups for part in group}:
        needed = ", or of ".join(", ".join(group) for group, _ in _GROUPS)
        print(f"--write needs all of {needed}: the tables belong together", file=sys.stderr)
        return 2
    logs.setup("warning")
    collect_rarely()  # the worker is measured in this process
    machine = describe()
    began = time.monotonic()
    sections: dict[str, Section] = {}
    with workspace() as directory, contextlib.ExitStack() as ending:
        servers = _Once(lambda: ending.enter_context(running(directory)))
        failed: list[str] = []
        for part in parts:
            try:
                deadline = began + options.seconds * (PARTS | LLM_PARTS | API_PARTS).get(part, 1.0)
                rounds = Rounds(options.rounds, deadline, _say)
                sections[part] = _measure(part, rounds, servers, directory, options.quick)
            except Exception:  # noqa: BLE001 - what the other parts find is worth having; the exit code tells
                traceback.print_exc()
                failed.append(part)
    machine["took"] = f"{time.monotonic() - began:.0f} s"
    section = _joined(sections, parts)
    if options.write and not failed:
        for group, marks in groups:
            write(README, machine, _joined(sections, list(group)).tables, marks)
    if options.json:
        print(json.dumps(_data(machine, section), indent=1, ensure_ascii=False))
    else:
        print(markdown(machine, section.tables))
    if failed:
        print(f"failed: {', '.join(failed)}{'; nothing was written' if options.write else ''}", file=sys.stderr)
    return 1 if failed else 0


def _joined(sections: Mapping[str, Section], parts: Sequence[str]) -> Section:
    """What these parts found, with the aims before and the ratios behind."""
    section = Section()
    for part in parts:
        if part in sections:
            section.tables += sections[part].tables
            section.figures |= sections[part].figures
    tables = [aims(section.figures), *section.tables, ratios(section.figures)]
    section.tables = [table for table in tables if table.rows]
    return section


class _Once:
    """Servers are started when the first part asks for them: some parts need none."""

    def __init__(self, start: Callable[[], Servers]) -> None:
        self._start = start
        self._servers: Servers | None = None

    def __call__(self) -> Servers:
        if self._servers is None:
            _say("starting Kafka and ClickHouse")
            self._servers = self._start()
        return self._servers


def _measure(part: str, rounds: Rounds, servers: _Once, directory: Path, quick: bool) -> Section:
    if part == "stages":
        return stages.run(rounds, quick)
    if part == "worker":
        return whole.run(servers(), rounds, quick)
    if part == "ingest":
        return front.run(servers(), rounds, quick)
    if part == "visible":
        return visible.run(servers(), rounds, quick)
    if part == "up":
        return start.run(directory, rounds)
    if part == "map":
        return mapping.run(rounds, quick)
    if part == "queries":
        return queries.run(directory, rounds, quick)
    if part == "api":
        return api.run(directory, rounds, quick)
    return Section(profiling.run(servers(), _say))


def _data(machine: dict[str, str], section: Section) -> dict[str, Any]:
    return {
        "machine": machine,
        "figures": {key: series.data() for key, series in section.figures.items()},
        "tables": [table.data() for table in section.tables],
    }


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="; ".join(_ALL))
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each measurement; the median is told")
    parser.add_argument(
        "--seconds", type=float, default=_SECONDS, help="bound of the whole run: fewer rounds where it is not enough"
    )
    parser.add_argument("--quick", action="store_true", help="small inputs: whether it runs, not what it costs")
    parser.add_argument("--json", action="store_true", help="figures with all samples, as JSON")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in _ALL]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(_ALL)}")
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
