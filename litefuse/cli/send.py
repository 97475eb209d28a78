"""Post captured OTLP payloads, or take back an export.

A FILE is a request body as a client sent it (NNN.bin, with method, path and headers in NNN.json beside it), a body
alone (.bin or .pb, protobuf), OTLP/JSON (.json, or .jsonl with one request a line), scores as `litefuse export` writes them
(.jsonl), or a directory of such files: that of an export, or of one project in it.
Calls that their description says are others are skipped and counted, and so is what is no OTLP trace request in a
directory; a file that was named and cannot be sent fails.
Endpoint and keys are those of <data-dir>/project.env unless they are given.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from litefuse.cli import project_file
from litefuse.cli.calling import command
from litefuse.errors import ConfigError, LitefuseError
from litefuse.settings import Secret, Settings
from litefuse.telemetry.logs import escape

#: Statuses after which no other request has a chance either.
_HOPELESS = (0, 401, 403, 404)


class SendError(LitefuseError):
    """Sending makes no sense any more."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="file or directory")


def run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli.captured import Other, plan, read
    from litefuse.cli.post import Poster, Total, traces_url

    files = plan(options.files)
    project = _project(settings)
    poster = Poster(project.endpoint, project.public_key, project.secret_key)
    total = Total(traces_url(project.endpoint))
    try:
        for path, named in _progress(files):
            for call in read(path):
                if isinstance(call, Other):
                    if named and not call.recorded:
                        total.unusable += 1
                        _say(call.name, f"not sent: {call.why}")
                    else:
                        total.skipped += 1
                    continue
                answer = poster.post(call)
                total.add(call, answer)
                if answer.problem:
                    _say(call.name, answer.problem)
                if answer.status in _HOPELESS:
                    raise SendError(f"{project.endpoint}: stopped, the rest would fare no better")
    finally:
        poster.close()
        print(total)
    return 0 if total.clean else 1


def _say(name: str, text: str) -> None:
    print(f"{escape(name)}: {escape(text)}", file=sys.stderr)


def _progress(files: list[tuple[Path, bool]]) -> Iterator[tuple[Path, bool]]:
    """The files, with a bar on stderr while a person looks on."""
    if not sys.stderr.isatty():
        yield from files
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(files))
        for path, named in files:
            bar.update(task, description=path.name)
            yield path, named
            bar.advance(task)


def _project(settings: Settings) -> project_file.Project:
    known = project_file.read(settings.data_dir)
    endpoint = settings.endpoint or known.get("LITEFUSE_ENDPOINT", "")
    public = settings.public_key or known.get("LITEFUSE_PUBLIC_KEY", "")
    secret = settings.secret_key.reveal() or known.get("LITEFUSE_SECRET_KEY", "")
    for name, value in (("--endpoint", endpoint), ("--public-key", public), ("--secret-key", secret)):
        if not value:
            raise ConfigError(
                f"{name}: not given, and {(settings.data_dir / project_file.NAME).absolute()} does not have it. "
                f"`{command()} up` writes that file at its first start"
            )
    return project_file.Project(endpoint, public, Secret(secret))
