"""Shutdown: order, deadline, second signal, and errors that do not stop it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable

from litefuse.cli.shutdown import Sequence, Signals


class Steps:
    """Steps that note that they ran."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def quick(self, name: str) -> Callable[[], Awaitable[None]]:
        async def close() -> None:
            self.done.append(name)

        return close

    def hanging(self, name: str, cancelled: list[str]) -> Callable[[], Awaitable[None]]:
        async def close() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(name)
                raise

        return close

    def failing(self, name: str) -> Callable[[], Awaitable[None]]:
        async def close() -> None:
            self.done.append(name)
            raise RuntimeError(name)

        return close


async def test_what_was_started_last_stops_first() -> None:
    steps, sequence = Steps(), Sequence(Signals())
    for name in ("engine", "log", "intake"):
        sequence.push(name, steps.quick(name))
    await sequence.run(5.0)
    assert steps.done == ["intake", "log", "engine"]
    await sequence.run(5.0)
    assert steps.done == ["intake", "log", "engine"]


async def test_a_step_that_fails_does_not_keep_the_others() -> None:
    steps, sequence = Steps(), Sequence(Signals())
    sequence.push("engine", steps.quick("engine"))
    sequence.push("log", steps.failing("log"))
    await sequence.run(5.0)
    assert steps.done == ["log", "engine"]


async def test_a_step_that_hangs_is_cancelled_at_the_deadline() -> None:
    steps, sequence, cancelled = Steps(), Sequence(Signals()), list[str]()
    sequence.push("engine", steps.quick("engine"))
    sequence.push("worker", steps.hanging("worker", cancelled))
    await sequence.run(0.1)
    assert (cancelled, steps.done) == (["worker"], ["engine"])


async def test_a_step_that_cannot_be_cancelled_is_left_behind() -> None:
    steps, sequence = Steps(), Sequence(Signals())
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    sequence.push("engine", steps.quick("engine"))
    sequence.push("worker", stubborn)
    await sequence.run(0.0)
    assert steps.done == ["engine"]
    release.set()


async def test_the_second_signal_does_not_wait() -> None:
    steps, signals, cancelled = Steps(), Signals(), list[str]()
    sequence = Sequence(signals)
    sequence.push("engine", steps.quick("engine"))
    sequence.push("worker", steps.hanging("worker", cancelled))
    signals.listen()
    try:
        began = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(signals.stop.wait(), 5)
        assert not signals.hasten.is_set()
        running = asyncio.create_task(sequence.run(3600.0))
        await asyncio.sleep(0.05)
        assert not running.done()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(running, 30)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert (cancelled, steps.done) == (["worker"], ["engine"])
    assert time.monotonic() - began < 3600
