"""Bring the schema up to date.

Runs the numbered migrations that have not run yet. May run again, and at the same time as another. `--dry-run` prints
their SQL and changes nothing.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace

from litefuse.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", default=False, help="print what would run")


def run(options: Namespace, settings: Settings) -> int:
    return asyncio.run(_run(options, settings))


async def _run(options: Namespace, settings: Settings) -> int:
    from litefuse.cli.places import opened_store
    from schemas.runner import Applied, load, migrate

    newest = max((migration.version for migration in load()), default=0)
    if options.dry_run and _fresh(settings):
        # Nothing has run where there is nothing, and opening the engine would make its files.
        ran = [Applied(m.version, m.name, m.statements, True) for m in load()]
    else:
        async with opened_store(settings, make=True) as opened:
            ran = await migrate(opened.store, dry_run=options.dry_run)
    for done in ran:
        print(done)
    if not options.dry_run or not ran:
        print(f"schema is up to date (version {newest})")
    return 0


def _fresh(settings: Settings) -> bool:
    """Whether there is no ClickHouse yet that could be asked."""
    from litefuse.embedded import files

    return not settings.clickhouse_url and not (settings.data_dir / files.DATA).is_dir()
