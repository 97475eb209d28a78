"""Finds the OTLP requests in files and directories, and the scores of exports, for `litefuse send`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from litefuse.cli.scores import Scores, batches, is_score
from litefuse.errors import ConfigError

#: What an export says of itself.
_MANIFEST, _PROGRESS, _PROJECTS = "manifest.json", "progress.jsonl", "projects.json"
_BODIES = (".bin", ".pb")
_LINES = (".jsonl", ".ndjson")
_TEXTS = (".json", *_LINES)
#: Headers that belong to the connection or to the sender that was captured, not to the payload.
_NOT_OURS = frozenset(
    (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "authorization",
        "accept-encoding",
        "expect",
        "te",
        "trailer",
        "upgrade",
        "x-langfuse-public-key",
        "proxy-authorization",
        "cookie",
    )
)


@dataclass(frozen=True, slots=True)
class Call:
    """One OTLP trace request. `headers` have lower-case names."""

    name: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Other:
    """Something that is no OTLP trace request; `why` says what it is instead. `recorded`: a call that its description says
    is another one, which is as it should be."""

    name: str
    why: str
    recorded: bool = False


def plan(names: Sequence[str]) -> list[tuple[Path, bool]]:
    """The files to send, each once, in order; the flag tells that a person named this very file. Raises ConfigError
    for one that is not there."""
    found: dict[Path, bool] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in (*_BODIES, *_TEXTS) and p.is_file())
            inside = [file for file in inside if not _of_export(file)]
            if not inside and (path / _MANIFEST).is_file():
                continue  # an export of nothing
            if not inside:
                raise ConfigError(f"{name}: no {', '.join((*_BODIES, *_TEXTS))} file in it")
            for file in inside:
                found.setdefault(_body_of(file), False)
        elif path.is_file():
            if path.suffix not in (*_BODIES, *_TEXTS):
                raise ConfigError(f"{name}: not one of {', '.join((*_BODIES, *_TEXTS))}")
            found[_body_of(path)] = True
        else:
            raise ConfigError(f"{name}: no such file or directory")
    return list(found.items())


def _of_export(file: Path) -> bool:
    """Whether it only describes an export. Raises ConfigError for an export that cannot be sent as one."""
    if file.name == _PROGRESS and file.read_bytes()[:100].startswith(b'{"format":"litefuse-export"'):
        raise ConfigError(f"{file.parent}: an export that is not finished; repeat it first")
    if file.name == _PROJECTS:
        return (file.parent / _MANIFEST).is_file()
    if file.name != _MANIFEST:
        return False
    try:
        projects = orjson.loads(file.read_bytes())["projects"]
        folders = [str(project["directory"]) for project in projects if project["spans"] or project["scores"]]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if len(folders) > 1:
        raise ConfigError(
            f"{file.parent}: has several projects, and a key belongs to one; send each by itself, with its key: "
            + ", ".join(str(file.parent / folder) for folder in folders)
        )
    return True


def _body_of(path: Path) -> Path:
    """NNN.json beside NNN.bin only describes it."""
    beside = path.with_suffix(".bin")
    return beside if path.suffix == ".json" and beside.is_file() else path


def read(path: Path) -> Iterator[Call | Scores | Other]:
    """What is in one file. Raises ConfigError when it cannot be read."""
    try:
        body = path.read_bytes()
        beside = path.with_suffix(".json")
        about = beside.read_bytes() if path.suffix in _BODIES and beside.is_file() else None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    if not body.strip() and about is None:
        yield Other(str(path), "empty")
    elif path.suffix in _TEXTS:
        yield from _json(path, body)
    elif about is None:
        headers = {"content-type": "application/x-protobuf"}
        if body[:2] == b"\x1f\x8b":
            headers["content-encoding"] = "gzip"
        yield Call(str(path), body, headers)
    else:
        yield _captured(path, body, about)


def _captured(path: Path, body: bytes, about: bytes) -> Call | Other:
    try:
        meta = orjson.loads(about)
        method, target = str(meta.get("method", "POST")), str(meta["path"])
        headers = {str(key).lower(): str(value) for key, value in dict(meta.get("headers", {})).items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path.with_suffix('.json')}: not the description of a request: {error}") from error
    if method != "POST" or not target.rstrip("/").endswith("/v1/traces"):
        return Other(str(path), f"{method} {target}", recorded=True)
    return Call(str(path), body, {key: value for key, value in headers.items() if key not in _NOT_OURS})


def _json(path: Path, body: bytes) -> Iterator[Call | Scores | Other]:
    if path.suffix not in _LINES:
        kind = _kind(body)
        if kind is not None:
            yield _typed(str(path), body, kind)
            return
    # The Collector's file exporter writes a request a line, under any suffix.
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    scores = []
    for number, line in lines:
        if (score := _score(line)) is not None:
            scores.append((line, score))
            continue
        kind = _kind(line)
        if kind is None and path.suffix not in _LINES:
            yield Other(str(path), "not JSON")
            return
        yield _typed(f"{path}:{number}", line, "not JSON" if kind is None else kind)
    yield from batches(str(path), scores)


def _score(line: bytes) -> Mapping[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if is_score(value) else None


def _typed(name: str, body: bytes, kind: str) -> Call | Other:
    return Other(name, kind) if kind else Call(name, body, {"content-type": "application/json"})


def _kind(body: bytes) -> str | None:
    """Empty for a trace request, words for other JSON, None for what is not JSON."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, dict):
        if "resourceSpans" in value or value == {}:
            return ""
        for key, what in (("resourceLogs", "OTLP logs"), ("resourceMetrics", "OTLP metrics")):
            if key in value:
                return what
    return "JSON, but no OTLP trace request"
