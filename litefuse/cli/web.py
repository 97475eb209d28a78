"""Run the web role: the read side. The public API, a page with the state of the pipeline, and health, ready and metrics."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from litefuse.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Settings only."""


def run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli import process
    from litefuse.cli.ports import need_ports

    process.need_servers("web", settings)
    need_ports("web", settings)
    return process.run(process.Process(settings, frozenset(("web",))))
