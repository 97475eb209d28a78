"""The commands, as one table: what each is, which settings it knows, and where its code is.

A command is a module with `arguments(parser)` and `run(options, settings) -> int`. It is imported only when it is the
one that was typed, and imports what is heavy inside `run`: `litefuse --help` has to be there at once.
"""

from __future__ import annotations

import importlib
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from litefuse.settings import Settings
from litefuse.settings_load import ROWS, Row


class Module(Protocol):
    def arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command takes besides settings."""

    def run(self, options: Namespace, settings: Settings) -> int:
        """Do it; the exit code. Raises LitefuseError for what a sentence can explain."""


_ENGINE = ("data_dir", "clickhouse_url", "log_level", "log_format")
_LOG = ("data_dir", "log_url", "kafka_sasl_mechanism", "kafka_ssl_cafile", "log_level", "log_format")
#: Topics are made when they are missing, by whoever comes first.
_TOPICS = ("kafka_partitions", "kafka_replication", "kafka_max_message_bytes")


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    part: str
    summary: str
    role: str
    #: Settings that have an effect on it; empty means every setting of the role, less those of `without`.
    names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def settings(self) -> list[Row]:
        return [
            row
            for row in ROWS
            if self.role in row.roles and (not self.names or row.name in self.names) and row.name not in self.without
        ]

    def module(self) -> Module:
        return cast(Module, importlib.import_module(f"litefuse.cli.{self.name}"))


_ONE = "On one machine"
_ROLES = "Roles, for production"
_TOOLS = "Tools"

TABLE: tuple[Command, ...] = (
    Command("up", _ONE, "everything in one process: ingest, worker, web, log and ClickHouse", "up"),
    Command("send", _ONE, "post captured OTLP payloads", "send"),
    Command("export", _ONE, "write traces, scores and projects to files that send takes back", "cli", _ENGINE),
    Command(
        "sql", _ONE, "run SQL as the reader, result as a table", "cli", (*_ENGINE, "sql_timeout_s", "sql_memory_bytes")
    ),
    Command(
        "mcp",
        _ONE,
        "let an agent read traces: a server of the Model Context Protocol",
        "cli",
        (*_ENGINE, "sql_timeout_s", "sql_memory_bytes"),
    ),
    Command("ingest", _ROLES, "the front door: takes OTLP, writes it to Kafka", "ingest", without=("kafka_group",)),
    Command("worker", _ROLES, "reads Kafka, writes blocks into ClickHouse", "worker"),
    Command("web", _ROLES, "the read side: public API and pages", "web"),
    Command(
        "clickhouse",
        _ROLES,
        "the embedded ClickHouse alone, for several local processes",
        "clickhouse",
        without=("log_url",),
    ),
    Command("migrate", _TOOLS, "bring the schema up to date", "cli", _ENGINE),
    Command("keys", _TOOLS, "create, list and revoke API keys", "cli", _ENGINE),
    Command("delete", _TOOLS, "delete traces, a user's traces or a project, for good", "cli", _ENGINE),
    Command("dead", _TOOLS, "look at, replay or discard dead letters", "cli", (*_LOG, *_TOPICS, "kafka_compression")),
    Command(
        "prices", _TOOLS, "what models cost: look it up, set it for a project, price stored spans anew", "cli", _ENGINE
    ),
    Command(
        "status", _TOOLS, "lag, rates, parts and dead letters on one screen", "cli", (*_ENGINE, *_LOG, "kafka_group")
    ),
)
BY_NAME: Mapping[str, Command] = {command.name: command for command in TABLE}
