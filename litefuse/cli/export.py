"""Write traces, scores and projects to files that `litefuse send` takes back.

DIR gets OTLP requests (protobuf, gzip) with their headers beside them, scores as JSON lines, the projects without their keys,
and a manifest. --from and --to choose spans by their start and scores by their timestamp; without them everything is written.
--filter chooses traces, in the filter language of the public API: spans and scores of others are left out. It reads like
`litefuse sql`, while `up` runs too. An export that was interrupted goes on where it was when it is repeated as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litefuse import __version__
from litefuse.errors import ConfigError, LitefuseError
from litefuse.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress

    from litefuse.cli.export_files import Directory, Writer
    from litefuse.clickhouse.client import Store
    from litefuse.otlp.rebuild import Request
    from web.queries.conditions import Condition
    from web.queries.statement import Statement

_FILE_BYTES = 16 << 20
_MOST_BYTES = 48 << 20
#: Senders whose spans are collected side by side; beyond it the fullest file is written.
_OPEN = 4
#: Rows of a day above which it is exported hour by hour: what an interruption costs.
_ROWS_OF_A_DAY = 500_000
_HOUR_NS = 3_600_000_000_000
_SCORES = 5_000


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("dir", metavar="DIR", help="new directory, or that of an export to go on with")
    parser.add_argument(
        "--from", dest="since", default="", metavar="TIME", help="first start, ISO 8601, UTC unless it says"
    )
    parser.add_argument("--to", dest="until", default="", metavar="TIME", help="end of the range, itself not in it")
    parser.add_argument(
        "--filter",
        default="",
        metavar="JSON",
        help="conditions on traces, as the API's `filter`; -: from standard input",
    )
    parser.add_argument("--project", default="", metavar="P", help="id or name of one project\ndefault all")
    parser.add_argument(
        "--file-bytes",
        type=_size,
        default=_FILE_BYTES,
        metavar="BYTES",
        help=f"size of a file of spans before compression, about\ndefault {_FILE_BYTES}",
    )


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1000 <= int(text[:12]) <= _MOST_BYTES:
        raise ArgumentTypeError(f"{text[:50]!r} must be a number of bytes between 1000 and {_MOST_BYTES}")
    return int(text[:12])


@dataclass(frozen=True, slots=True)
class Plan:
    """What is exported. Times in Unix ns, None for open."""

    since: int | None
    until: int | None
    conditions: Sequence[Condition]
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    name: str
    retention_days: int
    created_at: str


def run(options: Namespace, settings: Settings) -> int:
    try:
        return asyncio.run(_run(options, settings))
    except OSError as error:  # the disk is full, or not to be written to
        where = error.filename or options.dir
        raise LitefuseError(f"{where}: {error.strerror or error}; repeat the command to go on from there") from error


async def _run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli.export_files import Directory
    from litefuse.cli.places import opened_store
    from schemas.runner import migrate

    filter_ = sys.stdin.read() if options.filter == "-" else options.filter
    plan = Plan(_time(options.since, "--from"), _time(options.until, "--to"), _conditions(filter_), options.file_bytes)
    async with opened_store(settings) as opened:
        if opened.own:
            await migrate(opened.store)
        projects = await _projects(opened.store, options.project)
        asked = {
            "from": options.since or None,
            "to": options.until or None,
            "filter": filter_.strip() or None,
            "project": options.project or None,
            "file_bytes": plan.file_bytes,
        }
        directory = await asyncio.to_thread(Directory.open, Path(options.dir), asked)
        with _bar() as bar:
            for project in projects:
                await _project(opened.store, directory, project, plan, bar)
        rows = [
            {"id": p.id, "name": p.name, "retention_days": p.retention_days, "created_at": p.created_at}
            for p in projects
        ]
        await asyncio.to_thread(directory.close, rows, _iso(datetime.now(UTC)), f"litefuse {__version__}")
    print(_told(directory))
    return 0


def _told(directory: Directory) -> str:
    files = [file for piece in directory.done for file in piece.files]
    spans = sum(piece.count for piece in directory.done if piece.name != "scores")
    scores = sum(piece.count for piece in directory.done if piece.name == "scores")
    size = sum(file.bytes for file in files) / 1024
    return f"{spans} spans and {scores} scores in {len(files)} files ({size:.0f} KiB); in {directory.path}"


# -- what is asked -------------------------------------------------------------------------------------------------------


def _time(text: str, flag: str) -> int | None:
    from web.api.parameters import Bad, time_ns

    try:
        return time_ns(text) if text else None
    except Bad as bad:
        raise ConfigError(f"{flag}: {bad}") from None


def _conditions(text: str) -> Sequence[Condition]:
    from web.api.errors import ApiError
    from web.api.filter_columns import TRACES
    from web.api.filters import parse

    try:
        return parse(text.strip() or None, TRACES)
    except ApiError as error:
        issues = [{"path": [], "message": str(error)}] if isinstance(error.error, str) else error.error
        raise ConfigError("\n".join(f"--filter: {_place(i['path'])}{i['message']}" for i in issues)) from None


def _place(path: Sequence[str | int]) -> str:
    """`[0].column: ` of an issue's path, which begins with the parameter's name."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[1:])
    return f"{place}: " if place else ""


async def _projects(store: Store, wanted: str) -> list[Project]:
    """All of them, or the one that is wanted. Raises ConfigError when it is not there."""
    from litefuse.keys import KeyStore

    chosen = await KeyStore(store).find_project(wanted) if wanted else None
    rows = await store.rows(
        "SELECT project_id, name, retention_days, created_at FROM projects FINAL WHERE NOT deleted ORDER BY project_id"
    )
    found = [Project(id_, name, int(days), _iso(at)) for id_, name, days, at in rows]
    # A worker may be told the project of records that name none, and nobody has ever made that.
    rows = await store.rows(
        "SELECT DISTINCT project_id FROM spans WHERE project_id NOT IN (SELECT project_id FROM projects) ORDER BY project_id",
        settings={"final": "0"},
        timeout=600.0,
    )
    found += [Project(id_, id_, 0, "") for (id_,) in rows]
    if not wanted:
        return found
    found = [project for project in found if project.id == (chosen[0] if chosen else wanted)]
    if not found:
        raise ConfigError(f"--project: no project {wanted}")
    return found


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


# -- one project ---------------------------------------------------------------------------------------------------------


async def _project(store: Store, directory: Directory, project: Project, plan: Plan, bar: Progress | None) -> None:
    from web.queries import export
    from web.queries.statement import run as ask

    counted = await ask(store, export.hours(project.id, plan.since, plan.until), timeout=600.0)
    windows = stretches([(int(at), int(count)) for at, count in counted])
    task = bar.add_task(project.name, total=sum(window.rows for window in windows)) if bar else None
    for window in windows:
        if not directory.has(project.id, window.name):
            low, high = max(window.low, plan.since or 0), min(window.high, plan.until or window.high)
            writer = await asyncio.to_thread(directory.begin, project.id, window.name)
            await _spans(store, writer, export.spans(project.id, low, high, plan.conditions), plan.file_bytes)
            await asyncio.to_thread(directory.finish, writer)
        if bar and task is not None:
            bar.advance(task, window.rows)
    if not directory.has(project.id, "scores"):
        writer = await asyncio.to_thread(directory.begin, project.id, "scores")
        await _scores(store, writer, export.scores(project.id, plan.since, plan.until, plan.conditions))
        await asyncio.to_thread(directory.finish, writer)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A day, or an hour, [low, high) in Unix ns, and how many rows it has about."""

    name: str
    low: int
    high: int
    rows: int


def stretches(hours: Sequence[tuple[int, int]]) -> list[Stretch]:
    """Days with spans, those with very many hour by hour; from (start of the hour in Unix seconds, rows) in order."""
    days: dict[int, list[tuple[int, int]]] = {}
    for at, count in hours:
        days.setdefault(at // 86_400, []).append((at, count))
    found = []
    for day, within in days.items():
        rows = sum(count for _, count in within)
        name = f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"
        if rows <= _ROWS_OF_A_DAY:
            found.append(Stretch(name, day * 24 * _HOUR_NS, (day + 1) * 24 * _HOUR_NS, rows))
            continue
        for at, count in within:
            low = at * 1_000_000_000
            found.append(Stretch(f"{name}T{at % 86_400 // 3600:02d}", low, low + _HOUR_NS, count))
    return found


@dataclass(slots=True)
class _Open:
    """Spans that came in the same way, for one file."""

    request: Request
    received: list[int] = field(default_factory=list)


async def _spans(store: Store, writer: Writer, statement: Statement, most: int) -> None:
    """All rows of the statement into files. In memory are a block of rows, and a file for each of a few senders."""
    from litefuse.otlp.rebuild import Request
    from web.queries.export import ORIGIN

    files: dict[tuple[Any, ...], _Open] = {}

    def add(rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            *sender, received, start = row[: len(ORIGIN)]
            key = tuple(sender)
            # Before it is added: a file with a span of megabytes behind many others could be more than ingest takes.
            if key in files and files[key].request.size + texts_size(row[len(ORIGIN) :]) > most:
                _write(writer, key, files.pop(key))
            if key not in files:
                if len(files) >= _OPEN:
                    fullest = max(files, key=lambda each: files[each].request.size)
                    _write(writer, fullest, files.pop(fullest))
                files[key] = _Open(Request(), [received, received])
            open_ = files[key]
            open_.request.add(row[len(ORIGIN) :], start)
            open_.received = [min(open_.received[0], received), max(open_.received[1], received)]
            if open_.request.size >= most:
                _write(writer, key, files.pop(key))

    async for rows in _blocks(store, statement):
        await asyncio.to_thread(add, rows)
    for key, open_ in files.items():
        await asyncio.to_thread(_write, writer, key, open_)


def texts_size(row: Sequence[Any]) -> int:
    """About how many bytes the texts of a span take, which may be megabytes; a row of litefuse.otlp.rebuild.COLUMNS."""
    from litefuse.otlp.rebuild import COLUMNS

    maps = [row[COLUMNS.index("attributes_string")], row[COLUMNS.index("attributes_json")]]
    maps += row[COLUMNS.index("events.attributes")]
    return sum(len(text) if text.isascii() else 3 * len(text) for texts in maps for text in texts.values())


def _write(writer: Writer, key: tuple[Any, ...], open_: _Open) -> None:
    public_key, sdk_name, sdk_version, retention_days = key
    headers = {"x-langfuse-sdk-name": sdk_name, "x-langfuse-sdk-version": sdk_version}
    origin = {
        "public_key": public_key,
        "sdk_name": sdk_name,
        "sdk_version": sdk_version,
        "retention_days": retention_days,
        "received_at": [_ns_text(at) for at in open_.received],
    }
    # What is no text of a header cannot have come in one.
    sent = {name: text for name, text in headers.items() if text and text.isascii() and text.isprintable()}
    writer.request(open_.request.body(), open_.request.spans, sent, origin)


def _ns_text(ns: int) -> str:
    """Unix ns as ISO 8601 with all digits, UTC."""
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{ns % 1_000_000_000:09d}Z"


async def _scores(store: Store, writer: Writer, statement: Statement) -> None:
    from web.queries.export import SCORE

    lines: list[bytes] = []
    async for rows in _blocks(store, statement):
        lines += [score_line(dict(zip(SCORE, row, strict=True))) for row in rows]
        if len(lines) >= _SCORES:
            await asyncio.to_thread(writer.lines, lines)
            lines = []
    if lines:
        await asyncio.to_thread(writer.lines, lines)


def score_line(row: dict[str, Any]) -> bytes:
    """A score as POST /api/public/scores takes it (public-api.md section 6.1); what is not said is left out."""
    import orjson

    number = row["data_type"] in ("NUMERIC", "BOOLEAN")
    texts = {
        "traceId": row["trace_id"],
        "observationId": row["observation_id"],
        "sessionId": row["session_id"],
        "datasetRunId": row["dataset_run_id"],
        "comment": row["comment"],
        "configId": row["config_id"],
        "queueId": row["queue_id"],
        "authorUserId": row["author_user_id"],
    }
    score = {
        "id": row["id"],
        "name": row["name"],
        "value": row["value"] if number else row["string_value"],
        "dataType": row["data_type"],
        "source": row["source"],
        "environment": row["environment"],
        "timestamp": _ns_text(row["toUnixTimestamp64Nano(timestamp)"]),
        **{name: text for name, text in texts.items() if text},
    }
    if row["metadata"]:
        score["metadata"] = orjson.Fragment(row["metadata"])
    return orjson.dumps(score)


async def _blocks(store: Store, statement: Statement) -> AsyncIterator[Sequence[Sequence[Any]]]:
    from web.queries import export

    async with contextlib.aclosing(export.blocks(store, statement)) as blocks:
        async for rows in blocks:
            yield rows


@contextlib.contextmanager
def _bar() -> Iterator[Progress | None]:
    """A bar on stderr while a person looks on, in rows of spans."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("exporting {task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar
