"""A process of one role over either log, for measurements: `python -m benchmarks.role ingest`.

It is what `litefuse ingest` and `litefuse worker` are, but that these refuse the SQLite log, which belongs to one
process: here that process has one role alone, so that its CPU time is that role's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from benchmarks.machine import allow_sampling
from litefuse.cli import process
from litefuse.clickhouse.client import Store
from litefuse.keys import KeyStore
from litefuse.settings_load import load


def main(roles: Sequence[str]) -> int:
    allow_sampling()
    settings = load("up", env=os.environ)

    async def prepare(store: Store) -> None:
        await KeyStore(store).ensure_init_project(settings)

    return process.run(process.Process(settings, frozenset(roles), prepare))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
