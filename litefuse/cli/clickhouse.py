"""Run the embedded ClickHouse alone, for several local processes.

Its HTTP interface is on --clickhouse-port, database litefuse, with the logins litefuse and reader; address and passwords
are files in the data directory. The schema is brought up to date at start. Health, ready and metrics are on --port.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from litefuse.errors import ConfigError
from litefuse.settings import Settings

if TYPE_CHECKING:
    from litefuse.clickhouse.client import Store


def arguments(parser: ArgumentParser) -> None:
    """Settings only."""


def run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli import process
    from litefuse.cli.ports import need_ports
    from litefuse.cli.up import make_data_dir
    from litefuse.embedded import open_embedded
    from litefuse.embedded.embedded import need_installed

    if settings.clickhouse_url:
        raise ConfigError("LITEFUSE_CLICKHOUSE_URL: names another ClickHouse; leave it out to run the embedded one")
    need_installed()
    need_ports("clickhouse", settings)
    make_data_dir(settings)

    async def prepare(store: Store) -> None:
        from schemas.runner import migrate

        await migrate(store)

    return process.run(process.Process(settings, frozenset(), prepare, open_embedded))
