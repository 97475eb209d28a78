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
    from schemas.runner import migrate

    async with opened_store(settings, make=True) as opened:
        for done in await migrate(opened.store, dry_run=options.dry_run):
            print(done)
    return 0
