"""How late the event loop is: the time that some computation held it."""

from __future__ import annotations

import asyncio

from litefuse.telemetry import metrics as m

#: Seconds between two measurements; shorter ones would cost an idle process more than they tell.
_EVERY = 0.25


async def watch() -> None:
    """Measure until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _EVERY
        await asyncio.sleep(_EVERY)
        m.LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - due))
