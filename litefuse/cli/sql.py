"""Run SQL as the reader.

QUERY is one statement; `-`, or nothing, takes it from standard input, and on a terminal a prompt takes one after the
other. The result is a table, unless the query ends in FORMAT, or --format says otherwise: any of ClickHouse's formats
(JSONEachRow, CSVWithNames, Parquet, …). A table on a terminal shows 1000 rows and says so; into a file or a pipe it is
complete. On a ClickHouse server the login of LITEFUSE_CLICKHOUSE_URL is used, for reading only. Ctrl-C ends the query.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from litefuse.errors import LitefuseError
from litefuse.settings import Settings

_TABLE = "PrettyCompact"
_PROMPT = "litefuse> "
_MORE = "      ... "
_GREETING = "A statement ends with `;`. Ctrl-C cancels it; Ctrl-D or `exit` leaves."
_LEAVE = ("exit", "quit", "\\q")
#: A terminal has an end, a file has not: of rows and of wide values. The query's own SETTINGS win.
_ROWS_ON_A_TERMINAL = "1000"
_WHOLE = {
    "output_format_pretty_max_rows": "1000000000000",
    "output_format_pretty_max_value_width": "1000000000000",
}


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", default="", metavar="QUERY", help="default, and -: standard input")
    parser.add_argument(
        "--format",
        default=_TABLE,
        metavar="NAME",
        help=f"format of the result; a table on a terminal shows {_ROWS_ON_A_TERMINAL} rows\ndefault {_TABLE}",
    )


def run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli.places import reader_beside

    query = "" if options.query == "-" else options.query
    prompt = not options.query and sys.stdin.isatty()
    if not query and not prompt:
        query = sys.stdin.read()
    if not query.strip() and not prompt:
        raise LitefuseError("no query: give one as an argument or through a pipe")
    with reader_beside(settings) as reader:

        def execute(text: str) -> None:
            terminal = sys.stdout.isatty()
            limits = {"output_format_pretty_max_rows": _ROWS_ON_A_TERMINAL} if terminal else _WHOLE
            came = reader.run(text, options.format, sys.stdout.buffer, safe=terminal, settings=limits)
            if came.cut:
                print(f"showing {came.cut[0]} of {came.cut[1]} rows: --format NAME, or LIMIT", file=sys.stderr)
            elif not came.bytes:
                print("0 rows", file=sys.stderr)

        if prompt:
            _prompt(execute)
        else:
            try:
                execute(query)
            except LitefuseError as error:
                raise type(error)(_short(error)) from error
    return 0


def _short(error: LitefuseError) -> str:
    from litefuse.cli.query import brief

    return brief(str(error)) if sys.stderr.isatty() else str(error)


def _prompt(execute: Callable[[str], None]) -> None:
    """Statements one by one, each ended by a semicolon or an empty line. Ctrl-C drops what was typed, or ends the query
    that runs; Ctrl-D leaves."""
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - line editing and history for input()

    print(_GREETING)
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
        if not lines and line.strip().lower().removesuffix(";") in _LEAVE:
            return
        if line.strip():
            lines.append(line)
        if lines and (not line.strip() or line.rstrip().endswith(";")):
            _one("\n".join(lines), execute)
            lines = []


def _one(text: str, execute: Callable[[str], None]) -> None:
    from litefuse.telemetry.logs import escape

    try:
        execute(text)
    except KeyboardInterrupt:
        print("\ncancelled", file=sys.stderr)
    except LitefuseError as error:
        print("\n".join(escape(part) for part in _short(error).split("\n")), file=sys.stderr)
