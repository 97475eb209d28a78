"""Run the ingest role: take OTLP over HTTP, check keys, write to Kafka.

Listens on --port (OTLP under /api/public/otel, health, ready, metrics) and on --otlp-port (OTLP under /v1). While Kafka
cannot be written it answers 503 with Retry-After. With LITEFUSE_INIT_PROJECT_PUBLIC_KEY and _SECRET_KEY set, that
project and key are made when they are missing.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from litefuse.settings import Settings

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store


def arguments(parser: ArgumentParser) -> None:
    """Settings only."""


def run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli import process
    from litefuse.cli.ports import need_ports

    process.need_servers("ingest", settings)
    need_ports("ingest", settings)

    async def prepare(store: Store) -> None:
        from litefuse.keys import KeyStore

        if settings.init_project_public_key:
            await KeyStore(store).ensure_init_project(settings)

    return process.run(process.Process(settings, frozenset(("ingest",)), prepare))
