"""Run SQL as the reader.

QUERY is one statement; without it, standard input is one, and on a terminal a prompt takes one after the other. The
result is a table, unless the query ends in FORMAT, or --format says otherwise: any of ClickHouse's formats (JSONEachRow,
CSVWithNames, Parquet, …). On a ClickHouse server the login of LITEFUSE_CLICKHOUSE_URL is used, for reading only.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from litefuse.errors import LitefuseError
from litefuse.settings import Settings

_TABLE = "PrettyCompact"
_PROMPT = "litefuse> "
_MORE = "      ... "


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", default="", metavar="QUERY", help="default: standard input")
    parser.add_argument("--format", default=_TABLE, metavar="NAME", help=f"format of the result\ndefault {_TABLE}")


def run(options: Namespace, settings: Settings) -> int:
    return asyncio.run(_run(options, settings))


async def _run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli.places import opened_reader

    query = options.query
    if not query and not sys.stdin.isatty():
        query = await asyncio.to_thread(sys.stdin.read)
    async with opened_reader(settings) as reader:

        def execute(text: str) -> None:
            reader.run(text, options.format, sys.stdout.buffer, safe=sys.stdout.isatty())

        if query.strip():
            # In a thread: the engine may be served by this very process.
            await asyncio.to_thread(execute, query)
            return 0
        if sys.stdin.isatty() and not options.query:
            await asyncio.to_thread(_prompt, execute)
            return 0
    raise LitefuseError("no query: give one as an argument or through a pipe")


def _prompt(execute: Callable[[str], None]) -> None:
    """Statements one by one, each ended by a semicolon or an empty line. Ctrl-D ends."""
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - line editing and history for input()

    lines: list[str] = []
    while True:
        try:
            line = input(_MORE if lines else _PROMPT)
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()
            lines = []
            continue
        if not lines and line.strip().lower() in ("exit", "quit", "exit;", "quit;"):
            return
        if line.strip():
            lines.append(line)
        if lines and (not line.strip() or line.rstrip().endswith(";")):
            try:
                execute("\n".join(lines))
            except LitefuseError as error:
                from litefuse.telemetry.logs import escape

                print("\n".join(escape(part) for part in str(error).split("\n")), file=sys.stderr)
            lines = []
