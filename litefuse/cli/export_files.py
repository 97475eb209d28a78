"""The directory of an export: files that are there whole or not at all, and what it knows of itself.

    DIR/manifest.json                      what was exported, and every file with its SHA-256; written last
    DIR/projects.json                      the projects, without keys
    DIR/<project>/traces/<time>-NNNN.bin   an OTLP request of spans that start in one day or hour, gzip
    DIR/<project>/traces/<time>-NNNN.json  its headers, and how its spans came in
    DIR/<project>/scores-NNNN.jsonl        a score a line, as POST /api/public/scores takes it

While it is written there is `progress.jsonl` in place of the manifest: a line for each piece that is on disk. The same export
into the same directory goes on behind them.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from litefuse.errors import ConfigError

MANIFEST, PROGRESS, PROJECTS = "manifest.json", "progress.jsonl", "projects.json"
FORMAT, VERSION = "litefuse-export", 1
#: Where the spans of an export are posted back to.
PATH = "/api/public/otel/v1/traces"
_INDENT = orjson.OPT_INDENT_2


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the export; `count` are its spans or scores."""

    name: str
    count: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What is on disk whole: the traces of a stretch of time, or the scores, of a project. `name` tells them apart."""

    project: str
    name: str
    files: tuple[Written, ...]

    @property
    def count(self) -> int:
        return sum(file.count for file in self.files)


@dataclass(slots=True)
class Directory:
    """`asked` is what is exported: a directory that holds another export is refused. `done` are the pieces there are."""

    path: Path
    asked: Mapping[str, Any]
    done: list[Piece] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, asked: Mapping[str, Any]) -> Directory:
        """A new one, or one in which the same export was begun. Raises ConfigError for any other."""
        made = cls(path, asked)
        if (path / MANIFEST).exists():
            raise ConfigError(f"{path}: holds an export already, which is complete; name a new directory")
        progress = path / PROGRESS
        if progress.exists():
            made._resume(progress.read_bytes())
            return made
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ConfigError(f"{path}: is there and not empty; name a new directory")
        path.mkdir(parents=True, exist_ok=True)
        made._note({"format": FORMAT, "version": VERSION, "asked": dict(asked)})
        return made

    def has(self, project: str, name: str) -> bool:
        """Whether the piece is there, or, for the hour of a day, all of its day."""
        return any(piece.project == project and piece.name in (name, name.partition("T")[0]) for piece in self.done)

    def begin(self, project: str, name: str) -> Writer:
        """For the files of one piece; what an earlier try has left of it goes away."""
        folder = self.path / quote(project, safe="")
        for left in (*folder.glob(f"traces/{name}-*"), *folder.glob(f"{name}-*"), *folder.rglob(".*.part")):
            left.unlink()
        return Writer(self.path, project, name)

    def finish(self, writer: Writer) -> None:
        """The piece is on disk: note it."""
        for folder in {(self.path / file.name).parent for file in writer.files}:
            _sync(folder)
        piece = Piece(writer.project, writer.name, tuple(writer.files))
        self._note({"project": piece.project, "piece": piece.name, "files": [asdict(file) for file in piece.files]})
        self.done.append(piece)

    def close(self, projects: Iterable[Mapping[str, Any]], made_at: str, by: str) -> None:
        """All pieces are there: projects and manifest, and the end of the progress."""
        known = list(projects)
        write(self.path / PROJECTS, orjson.dumps(known, option=_INDENT) + b"\n")
        files = [file for piece in sorted(self.done, key=lambda p: (p.project, p.name)) for file in piece.files]
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "made_at": made_at,
            "made_by": by,
            **self.asked,
            "projects": [
                {
                    "id": project["id"],
                    "name": project["name"],
                    "directory": quote(project["id"], safe=""),
                    "spans": sum(p.count for p in self.done if p.project == project["id"] and p.name != "scores"),
                    "scores": sum(p.count for p in self.done if p.project == project["id"] and p.name == "scores"),
                }
                for project in known
            ],
            "files": [asdict(file) for file in files],
        }
        write(self.path / MANIFEST, orjson.dumps(manifest, option=_INDENT) + b"\n")
        (self.path / PROGRESS).unlink()
        _sync(self.path)

    def _note(self, line: Mapping[str, Any]) -> None:
        with (self.path / PROGRESS).open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _resume(self, text: bytes) -> None:
        # A crash while a line was written leaves half of it: its piece is written again.
        head, *lines = text[: text.rfind(b"\n") + 1].splitlines() or [b"{}"]
        try:
            begun = orjson.loads(head)
        except orjson.JSONDecodeError:
            begun = {}
        if begun.get("asked") != orjson.loads(orjson.dumps(dict(self.asked))) or begun.get("version") != VERSION:
            raise ConfigError(
                f"{self.path}: another export was begun there and not finished; repeat that one, or name a new directory"
            )
        with (self.path / PROGRESS).open("r+b") as file:
            file.truncate(text.rfind(b"\n") + 1)
        for line in map(orjson.loads, lines):
            files = tuple(Written(**file) for file in line["files"])
            self.done.append(Piece(line["project"], line["piece"], files))


@dataclass(slots=True)
class Writer:
    """Writes the files of one piece, numbered."""

    root: Path
    project: str
    name: str
    files: list[Written] = field(default_factory=list)

    def request(self, body: bytes, spans: int, headers: Mapping[str, str], origin: Mapping[str, Any]) -> None:
        """An OTLP request, and what describes it beside it."""
        # Without a time in it, and at one level: the same spans give the same file.
        packed = gzip.compress(body, 6, mtime=0)
        about = {
            "method": "POST",
            "path": PATH,
            "query": "",
            "headers": {"content-type": "application/x-protobuf", "content-encoding": "gzip", **headers},
            "body_bytes": len(packed),
            "litefuse": {"project_id": self.project, "spans": spans, **origin},
        }
        path = self._next("traces", ".bin")
        # The description first: a body is never there without it.
        write(path.with_suffix(".json"), orjson.dumps(about, option=_INDENT) + b"\n")
        self._add(path, packed, spans)

    def lines(self, lines: list[bytes]) -> None:
        """A file of scores."""
        self._add(self._next("", ".jsonl"), b"".join(line + b"\n" for line in lines), len(lines))

    def _next(self, folder: str, suffix: str) -> Path:
        return self.root / quote(self.project, safe="") / folder / f"{self.name}-{len(self.files) + 1:04d}{suffix}"

    def _add(self, path: Path, content: bytes, count: int) -> None:
        write(path, content)
        name = path.relative_to(self.root).as_posix()
        self.files.append(Written(name, count, len(content), hashlib.sha256(content).hexdigest()))


def write(path: Path, content: bytes) -> None:
    """The file as a whole, in one step, and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.part")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
