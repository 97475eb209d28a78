"""Run the worker role: read Kafka, decode, write blocks into ClickHouse, commit.

Any number of workers share the partitions of the topic. Listens on --port for health, ready and metrics. While
ClickHouse cannot be written it keeps its partitions and waits.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from litefuse.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Settings only."""


def run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli import process
    from litefuse.cli.ports import need_ports

    process.need_servers("worker", settings)
    need_ports("worker", settings)
    return process.run(process.Process(settings, frozenset(("worker",))))
