"""A `litefuse` role that kills itself, as kill -9 does, at a chosen step of its n-th insert.

    python -m tests.faults.dying STEP N ROLE …

Steps: `plan` after the plan is committed and before the insert is sent; `insert` when ClickHouse has acknowledged the
insert, before anything else; `commit` when every insert of the block is acknowledged, before the offset is committed. The
n-th insert is counted over all partitions; `commit` counts blocks. Production code has no failpoints: its methods are
wrapped here.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from litefuse.cli.main import main
from worker.block import Block
from worker.write import Writer

STEPS = ("plan", "insert", "commit")


def wrap(step: str, number: int) -> None:
    seen = 0

    def reached() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            sys.stderr.write(f"dying at step {step}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    insert, commit = Writer._insert, Writer.commit

    async def dying_insert(self: Writer, *args: Any) -> bool:
        if step == "plan":
            reached()
        clean = await insert(self, *args)
        if step == "insert":
            reached()
        return clean

    async def dying_commit(self: Writer, block: Block) -> None:
        if step == "commit" and block.parts:
            reached()
        await commit(self, block)

    Writer._insert = dying_insert  # type: ignore[method-assign, assignment]
    Writer.commit = dying_commit  # type: ignore[method-assign]


if __name__ == "__main__":
    step, number, *arguments = sys.argv[1:]
    assert step in STEPS, step
    wrap(step, int(number))
    main(arguments)
