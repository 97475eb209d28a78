"""Look at, replay or discard dead letters.

A record, or a single span, that cannot be stored for its content is kept here with the reason. `replay` puts it back
into the log, for instance after a fix; `discard` drops it. Without ids, `replay` takes all that are open, and asks
before it does so on a terminal.
"""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from litefuse.settings import Settings
from litefuse.telemetry.logs import escape

if TYPE_CHECKING:
    from litefuse.dead import Letter
    from litefuse.log.base import Log


_STATES = {"replay": "put back into the log", "discard": "discarded"}


def arguments(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    commands.add_parser(
        "list", help="one line each: id, time, project, reason, place", description="List open letters."
    )
    show = commands.add_parser("show", help="all of one letter", description="Show headers and content of a letter.")
    show.add_argument("id", metavar="ID")
    show.add_argument("--raw", action="store_true", default=False, help="write the payload's bytes to stdout instead")
    replay = commands.add_parser("replay", help="put letters back into the log", description="Put letters back.")
    replay.add_argument("ids", nargs="*", default=[], metavar="ID", help="default: all that are open")
    replay.add_argument("-y", "--yes", action="store_true", default=False, help="do not ask")
    discard = commands.add_parser("discard", help="drop letters", description="Drop letters for good.")
    discard.add_argument("ids", nargs="+", metavar="ID")


def run(options: Namespace, settings: Settings) -> int:
    return asyncio.run(_run(options, settings))


async def _run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli.places import opened_log

    async with opened_log(settings) as log:
        if options.action == "list":
            return await _list(log)
        if options.action == "show":
            return await _show(log, options.id, options.raw)
        ask = options.action == "replay" and not options.ids and not options.yes and sys.stdin.isatty()
        return await _resolve(log, options.action, options.ids, ask)


async def _list(log: Log) -> int:
    from litefuse.dead import read_open

    letters = await read_open(log)
    rows = [(str(x.id), when(x.failed_at_ns), x.project_id or "-", x.reason or "-", x.place) for x in letters]
    if rows and sys.stdout.isatty():  # for people; programs are promised one line a letter
        rows.insert(0, ("id", "failed at", "project", "reason", "place"))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    for row in rows:
        line = "  ".join([*(escape(text).ljust(width) for text, width in zip(row, widths, strict=False)), row[4]])
        print(escape(line))
    if not rows:
        print("no dead letters", file=sys.stderr)
    return 0


async def _show(log: Log, text: str, raw: bool) -> int:
    from litefuse.cli.payload import readable
    from litefuse.dead import LetterId, describe, fetch, read_all

    record = await fetch(log, LetterId.parse(text))
    if raw:
        sys.stdout.buffer.write(record.value)
        return 0
    letter = describe(record)
    shown = {
        "id": str(letter.id),
        "state": _STATES.get(state := (await read_all(log)).state(letter.id), state),
        "failed at": when(letter.failed_at_ns),
        "received at": when(letter.received_at_ns) if letter.received_at_ns else "not known",
        "place": letter.place,
        "size": f"{letter.size} bytes",
    }
    hidden = ("failed_at", "received_at", "topic", "partition", "offset", "row")
    rows = [*shown.items(), *((k, v.decode("utf-8", "replace")) for k, v in record.headers if k not in hidden)]
    for name, value in rows:
        print(f"{escape(name):<17} {escape(value)}")
    print()
    print(readable(record.value, record.header("content_type") or "", record.header("content_encoding") or ""))
    return 0


async def _resolve(log: Log, action: str, texts: list[str], ask: bool = False) -> int:
    from litefuse.dead import LetterId, chosen, read_open, resolve

    ids = [LetterId.parse(text) for text in texts]
    letters = await read_open(log)
    selected: list[Letter] = chosen(letters, ids) if ids else letters
    if ask and selected:
        answer = await asyncio.to_thread(input, f"put {len(selected)} dead letters back into the log? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing done", file=sys.stderr)
            return 1
    count = 0
    async for letter in resolve(log, selected, action):
        count += 1
        print(letter.id)
    done = "put back into the log" if action == "replay" else "discarded"
    print(f"{count} dead letter{'' if count == 1 else 's'} {done}", file=sys.stderr)
    return 0


def when(ns: int) -> str:
    """Unix ns as UTC with seconds; what no calendar has, as the number."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns // 1_000_000_000))
    except (ValueError, OverflowError, OSError):
        return str(ns)
