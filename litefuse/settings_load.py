"""Reads the settings table: flags over environment over TOML file over default (architecture section 3).

    load("up", flags={"port": "3000"}, env=os.environ) -> Settings

Everything is checked before anything starts. All that is wrong is raised at once as one ConfigError, a line for each
with key, value and reason; the value of a secret is shown as stars. `docs/settings.md` comes from `markdown`.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from litefuse.errors import ConfigError
from litefuse.settings import Secret, Settings

PREFIX = "LITEFUSE_"
#: Names the TOML file; is itself no setting.
CONFIG = "LITEFUSE_CONFIG"

#: The first setting of each part of the table, in its order, with the part's title.
_PARTS = {
    "host": "where things are",
    "init_project_id": "the first project",
    "max_body_bytes": "ingest",
    "default_project_id": "worker",
    "kafka_partitions": "Kafka",
    "sql_connections": "embedded ClickHouse",
    "log_level": "its own telemetry",
    "endpoint": "sending",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as help, docs and the loader see it."""

    name: str
    kind: type
    default: Any
    help: str
    unit: str
    roles: tuple[str, ...]
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    part: str

    @property
    def env(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def default_text(self) -> str:
        """The default with its unit; empty when the help says in words what happens without a value."""
        if self.default == "":
            return ""
        text = f"{self.default:g}" if self.kind is float else str(self.default)
        return f"{text} {self.unit}".rstrip() + _readable(self)


def _readable(row: Row) -> str:
    if row.unit != "bytes" or row.default < 1024:
        return ""
    for size, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if row.default % size == 0:
            return f" ({row.default // size} {name})"
    return ""


def _rows() -> Iterator[Row]:
    kinds = get_type_hints(Settings)
    part = ""
    for entry in fields(Settings):
        part = _PARTS.get(entry.name, part)
        meta = entry.metadata
        yield Row(
            name=entry.name,
            kind=kinds[entry.name],
            default=None if entry.default is MISSING else entry.default,
            help=meta["help"],
            unit=meta["unit"],
            roles=meta["roles"],
            low=meta["low"],
            high=meta["high"],
            choices=meta["choices"],
            part=part,
        )


ROWS: tuple[Row, ...] = tuple(_rows())
BY_NAME: Mapping[str, Row] = {row.name: row for row in ROWS}
_BY_ENV: Mapping[str, Row] = {row.env: row for row in ROWS}


def load(
    role: str = "up",
    flags: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings of a process of this `role` ("up", "ingest", …, "cli", "send"). `flags` has setting names and texts
    as typed; `env` all of the environment, of which names that begin with LITEFUSE_ are looked at; `file` is a TOML file
    (the one named by LITEFUSE_CONFIG when None).

    A setting of another role is known and checked, but has no effect, so that roles can share a file or an
    environment. An empty text counts as not set. Raises ConfigError.
    """
    env = {} if env is None else env
    problems: list[str] = []
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    if file is None and env.get(CONFIG):
        file = Path(env[CONFIG])
    if file is not None:
        _take_file(file, values, problems, origin)
    for name, text in env.items():
        if not name.startswith(PREFIX) or name == CONFIG:
            continue
        row = _BY_ENV.get(name)
        if row is None:
            problems.append(f"{name}={_shown(name, text)}: no such setting{_meant(name, _BY_ENV)}")
        elif text:
            _take(row, text, row.env, values, problems, origin)
    for name, text in (flags or {}).items():
        if text:
            _take(BY_NAME[name], text, BY_NAME[name].flag, values, problems, origin)
    if not problems:
        settings = replace(Settings(), **values)
        problems = list(_together(role, settings, origin))
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def redact(url: str) -> str:
    """`url` without user, password, query and fragment, for messages. What stands before the last `@` is hidden even
    where it is no valid URL: a password with a slash in it must not be printed for being wrong."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return "***"
    before, at, host = rest.rpartition("@")
    return f"{scheme}://{'***@' if before or at else ''}{re.split('[?#]', host)[0]}"


def _take_file(file: Path, values: dict[str, Any], problems: list[str], origin: dict[str, str]) -> None:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        problems.append(f"--config {file}: {error.strerror or error}")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"--config {file}: not a TOML file: {error}")
        return
    for key, value in table.items():
        row = BY_NAME.get(key)
        if row is None:
            problems.append(f"{file}: {key} = {_shown(key, value)}: no such setting{_meant(key, BY_NAME)}")
        elif isinstance(value, bool) or not isinstance(value, str | int | float):
            problems.append(f"{file}: {key} = {_shown(key, value)}: must be a {_KINDS[row.kind]}")
        elif value != "":
            _take(row, str(value), f"{file}: {key}", values, problems, origin)


_KINDS: Mapping[type, str] = {int: "whole number", float: "number", str: "text", Secret: "text", Path: "path"}


def _take(row: Row, text: str, where: str, values: dict[str, Any], problems: list[str], origin: dict[str, str]) -> None:
    """`where` is the name by which the value was given, and by which a complaint about it names it."""
    origin[row.name] = where
    try:
        values[row.name] = _value(row, text)
    except ValueError as error:
        shown = "***" if row.kind is Secret else _cut(text)
        problems.append(f"{_given(where, shown)}: {error}")


def _given(where: str, shown: str) -> str:
    """Key and value as a person wrote them: NAME=value, `file: name = value` or --name value."""
    return f"{where}{'=' if where.startswith(PREFIX) else ' = ' if ': ' in where else ' '}{shown}"


def _value(row: Row, text: str) -> Any:
    """`text` as the setting's type. Raises ValueError with a reason that reads after "key value: "."""
    if row.kind is Path:
        return Path(text).expanduser()
    if row.kind in (str, Secret):
        if any(ord(char) < 32 for char in text):
            raise ValueError("must not have control characters")
        if row.choices and text not in row.choices:
            raise ValueError(f"must be one of {', '.join(row.choices)}")
        return row.kind(text)
    number: float
    if row.kind is int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError("must be a whole number")
        number = int(text)
    else:
        try:
            number = float(text)
        except ValueError:
            raise ValueError("must be a number") from None
        if not math.isfinite(number):
            raise ValueError("must be a finite number")
    unit = f" {row.unit}" if row.unit else ""
    if row.low is not None and row.high is not None and not row.low <= number <= row.high:
        raise ValueError(f"must be between {_plain(row.low)} and {_plain(row.high)}{unit}")
    if row.low is not None and number < row.low:
        raise ValueError(f"must be at least {_plain(row.low)}{unit}")
    if row.high is not None and number > row.high:
        raise ValueError(f"must be at most {_plain(row.high)}{unit}")
    return number


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"


def _together(role: str, settings: Settings, origin: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with settings that are right one by one, and with the form of addresses and keys. `origin` has the
    name by which each of them was given."""

    def where(name: str) -> str:
        return origin.get(name, BY_NAME[name].env)

    if role in BY_NAME["otlp_port"].roles and settings.port and settings.port == settings.otlp_port:
        yield f"--otlp-port {settings.otlp_port}: is --port already; choose another, or 0 to turn it off"
    if role in ("up", "clickhouse") and settings.clickhouse_port and not settings.clickhouse_url:
        taken = (settings.port, settings.otlp_port) if role == "up" else (settings.port,)
        if settings.clickhouse_port in taken:
            yield f"--clickhouse-port {settings.clickhouse_port}: is --port or --otlp-port already; choose another"
    if settings.log_url:
        yield from _url(where("log_url"), settings.log_url, ("sqlite", "kafka", "kafka+ssl"))
    if settings.clickhouse_url:
        yield from _url(where("clickhouse_url"), settings.clickhouse_url, ("http", "https"))
    if settings.endpoint:
        yield from _url(where("endpoint"), Secret(settings.endpoint), ("http", "https"))
    public, secret = settings.init_project_public_key, settings.init_project_secret_key
    if bool(public) != bool(secret):
        missing = "SECRET_KEY" if public else "PUBLIC_KEY"
        yield f"LITEFUSE_INIT_PROJECT_{missing}: has to be given too, or neither of the two keys"
    for name, value in (("init_project_public_key", public), ("public_key", settings.public_key)):
        if value and not re.fullmatch(r"[\x21-\x39\x3b-\x7e]+", value):
            yield f"{_given(where(name), _cut(value))}: must be ASCII without spaces and colons (HTTP Basic)"
    for name, hidden in (("init_project_secret_key", secret), ("secret_key", settings.secret_key)):
        if hidden and not re.fullmatch(r"[\x21-\x7e]+", hidden.reveal()):
            yield f"{_given(where(name), '***')}: must be ASCII without spaces"


#: An address without its scheme; anything else without `://` may be a password that went astray.
_BARE = re.compile(r"(?=.{1,253}$)[A-Za-z0-9.-]+:[0-9]{1,5}(/[A-Za-z0-9_]*)?")


def _url(where: str, url: Secret, schemes: tuple[str, ...]) -> Iterator[str]:
    text = url.reveal()
    shown = _given(where, text if _BARE.fullmatch(text) else _cut(redact(text)))
    try:
        parts = urlsplit(text)
    except ValueError:
        yield f"{_given(where, '***')}: not a URL"
        return
    if parts.scheme not in schemes or "://" not in text:
        yield f"{shown}: must begin with {' or '.join(scheme + '://' for scheme in schemes)}"
    elif parts.scheme == "sqlite":
        if parts.netloc or not parts.path.strip("/"):
            yield f"{shown}: must be sqlite:///PATH (four slashes for an absolute path)"
    else:
        if "@" in parts.path + parts.query + parts.fragment:
            yield f"{shown}: special characters of user and password have to be percent-encoded"
            return
        hosts = parts.netloc.rpartition("@")[2].split(",")
        if len(hosts) > 1 and not parts.scheme.startswith("kafka"):
            yield f"{shown}: takes one host"
        for host in hosts:
            match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/]+)(?::([0-9]{1,5}))?", host)
            if match is None or not 0 < int(match[1] or 1) < 65536:
                yield f"{shown}: {_cut(host) or 'an empty text'} is not host or host:port"


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


def _shown(name: str, value: Any) -> str:
    """The value of an unknown key, unless it may be a secret under a misspelt name."""
    text = str(value)
    telling = re.search(r"secret|passw|key|token|cred|url|auth", name, re.IGNORECASE)
    return "***" if telling or re.search(r"sk-|://|@", text) else _cut(text)


def _cut(text: str) -> str:
    """One line that no terminal acts on."""
    from litefuse.telemetry.logs import escape

    return escape(text if len(text) <= 100 else text[:100] + "…")


def markdown() -> str:
    """`docs/settings.md`."""
    lines = [
        "# Settings",
        "",
        "<!-- Generated from litefuse/settings.py by `make docs`; edit there. -->",
        "",
        "A setting is a flag, an environment variable or a key in a TOML file (`--config FILE` or `LITEFUSE_CONFIG`),",
        "and flags win over the environment, the environment over the file, the file over the default. A key in the",
        'file is the flag without its dashes in front and with underscores: `data_dir = "/var/lib/litefuse"`. An empty',
        "value counts as not set. An unknown or invalid setting stops the process with exit code 2.",
        "",
    ]
    part = ""
    for row in ROWS:
        if row.part != part:
            part = row.part
            lines += [
                f"## {part[0].upper()}{part[1:]}",
                "",
                "| variable | flag | default | what it is | used by |",
                "|---|---|---|---|---|",
            ]
        default = f"`{row.default_text}`" if row.default_text else ""
        choices = f"; one of {', '.join(f'`{choice}`' for choice in row.choices)}" if row.choices else ""
        roles = "all" if len(row.roles) >= 6 else ", ".join(row.roles)
        help_ = row.help.replace("|", "\\|")
        lines.append(f"| `{row.env}` | `{row.flag}` | {default} | {help_}{choices} | {roles} |")
        if _last_of_part(row):
            lines.append("")
    return "\n".join(lines)


def _last_of_part(row: Row) -> bool:
    index = ROWS.index(row)
    return index + 1 == len(ROWS) or ROWS[index + 1].part != row.part
