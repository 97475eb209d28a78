"""`litefuse COMMAND …`: finds the command, reads the settings, runs it.

Exit codes: 0 done · 1 it failed, with a sentence on stderr · 2 what was typed or set is wrong · 130 interrupted.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from litefuse import __version__
from litefuse.cli import nopandas
from litefuse.cli.commands import BY_NAME, TABLE, Command
from litefuse.errors import ConfigError, LitefuseError
from litefuse.settings import Settings
from litefuse.settings_load import BY_NAME as SETTINGS
from litefuse.settings_load import Row, load

#: Prefix under which argparse keeps the settings' flags, apart from a command's own arguments.
_SETTING = "setting:"


class Usage(ConfigError):
    """What was typed cannot be understood; the text says which word and where the help is."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The entry point."""
    nopandas.install()
    sys.exit(run(sys.argv[1:] if argv is None else argv, os.environ))


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """One command; the exit code. What a sentence can explain is printed as that sentence, without a traceback."""
    try:
        if not argv or argv[0] in ("-h", "--help", "help"):
            print(overview())
            return 0 if argv else 2
        if argv[0] in ("-V", "--version"):
            print(f"litefuse {__version__}")
            return 0
        command = _command(argv[0])
        module = command.module()
        options = _parse(command, argv[1:])
        settings = _settings(command, options, env)
        return module.run(options, settings)
    except ConfigError as error:
        _complain(error)
        return 2
    except LitefuseError as error:
        _complain(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _complain(error: LitefuseError) -> None:
    from litefuse.telemetry.logs import escape

    for line in str(error).split("\n"):
        print(f"litefuse: {escape(line)}", file=sys.stderr)


def overview() -> str:
    lines = [
        "usage: litefuse COMMAND [options]        litefuse COMMAND --help",
        "",
        "OpenTelemetry backend for LLM applications: OTLP in, SQL out, on ClickHouse.",
    ]
    part = ""
    for command in TABLE:
        if command.part != part:
            part = command.part
            lines += ["", f"{part}:"]
        lines.append(f"  {command.name:<12}{command.summary}")
    lines += [
        "",
        "Every setting is a flag, an environment variable LITEFUSE_… or a key in a TOML file (--config);",
        "`litefuse up --help` has them all.",
    ]
    return "\n".join(lines)


def _command(name: str) -> Command:
    if name in BY_NAME:
        return BY_NAME[name]
    close = difflib.get_close_matches(name, BY_NAME, n=1)
    meant = f"; did you mean {close[0]}?" if close else ";"
    if name.startswith("-"):
        raise Usage(f"{name.partition('=')[0]}: a command comes first, as in `litefuse up {name.partition('=')[0]} …`")
    raise Usage(f"{name}: no such command{meant} `litefuse --help` lists them")


class Parser(argparse.ArgumentParser):
    """argparse whose errors are raised. They name what is wrong and never the text beside it, which may be a secret."""

    def __init__(self, **rest: object) -> None:
        rest = {"allow_abbrev": False, "formatter_class": Help, "argument_default": argparse.SUPPRESS, **rest}
        super().__init__(**rest)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message}\n`{self.prog} --help` says what there is")


class Help(argparse.HelpFormatter):
    """Help in two lines for a setting: what it is, then default and variable."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=min(120, max(70, shutil.get_terminal_size().columns - 2)))

    def _split_lines(self, text: str, width: int) -> list[str]:
        # Not at hyphens: <data-dir> is one word.
        return [line for part in text.split("\n") for line in textwrap.wrap(part, width, break_on_hyphens=False)]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in text.split("\n"))


def parser(command: Command) -> Parser:
    """The command's parser, with its own arguments and the settings it knows."""
    module = command.module()
    made = Parser(prog=f"litefuse {command.name}", description=module.__doc__)
    module.arguments(made)
    for one in (made, *_subparsers(made)):
        one.usage = _usage(one)
        add_settings(one, command)
    return made


def _subparsers(made: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    return [
        sub
        for action in made._actions
        if isinstance(action, argparse._SubParsersAction)
        for sub in action.choices.values()
    ]


def _usage(made: argparse.ArgumentParser) -> str:
    """One line that leaves the forty settings to the list below it."""
    words = [made.prog]
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            words.append("|".join(action.choices))
        elif not action.option_strings:
            name = str(action.metavar or action.dest)
            words.append({"?": f"[{name}]", "*": f"[{name}…]", "+": f"{name}…"}.get(str(action.nargs), name))
    return " ".join([*words, "[options]"])


def add_settings(made: argparse.ArgumentParser, command: Command) -> None:
    """The settings as flags, in the table's parts. Texts only: the loader checks them, in one place with the rest."""
    group = None
    for row in command.settings():
        if group is None or group.title != row.part:
            group = made.add_argument_group(row.part)
        group.add_argument(
            row.flag, dest=_SETTING + row.name, metavar=_metavar(row), help=describe(row).replace("%", "%%")
        )
    files = made.add_argument_group("file")
    files.add_argument("--config", dest="config_file", metavar="FILE", help="TOML file with settings\nLITEFUSE_CONFIG")


def describe(row: Row) -> str:
    """Two lines: what it is (with its choices); default with unit, and variable."""
    choices = f": {', '.join(row.choices)}" if row.choices else ""
    default = f'"{row.default_text}"' if row.default_text == "default" else row.default_text
    return f"{row.help}{choices}\n{f'default {default} · ' if default else ''}{row.env}"


def _metavar(row: Row) -> str:
    if row.choices:
        return "NAME"
    if row.kind in (int, float):
        return {"bytes": "BYTES", "seconds": "SECONDS", "milliseconds": "MS", "days": "DAYS"}.get(row.unit, "N")
    if row.kind is Path:
        return "DIR"
    if row.name.endswith("file"):
        return "FILE"
    if row.name == "host":
        return "ADDRESS"
    if row.name.endswith("_url") or row.name == "endpoint":
        return "URL"
    return "TEXT"


def _parse(command: Command, argv: Sequence[str]) -> argparse.Namespace:
    made = parser(command)
    options, rest = made.parse_known_args(argv)
    if rest:
        raise Usage(_unknown(command, made, rest[0]))
    return options


def _unknown(command: Command, made: Parser, word: str) -> str:
    name = word.partition("=")[0]
    help_ = f"\n`litefuse {command.name} --help` says what there is"
    if not name.startswith("-"):
        return f"{name}: litefuse {command.name} takes no such argument{help_}"
    row = SETTINGS.get(name.lstrip("-").replace("-", "_"))
    if row is not None:
        return f"{name}: not a setting of `litefuse {command.name}`, but of {_users(row)}{help_}"
    close = difflib.get_close_matches(name, made._option_string_actions, n=1, cutoff=0.6)
    return f"{name}: no such flag{f'; did you mean {close[0]}?' if close else ''}{help_}"


def _users(row: Row) -> str:
    return ", ".join(command.name for command in TABLE if row in command.settings())


def _settings(command: Command, options: argparse.Namespace, env: Mapping[str, str]) -> Settings:
    given = {key.removeprefix(_SETTING): str(value) for key, value in vars(options).items() if key.startswith(_SETTING)}
    file = getattr(options, "config_file", None)
    return load(command.role, given, env, Path(file) if file else None)
