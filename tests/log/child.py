"""A process of its own for tests that kill or stop it: `python -m tests.log.child publish|consume URL TOPIC`.

`publish` prints `number offset` for each record the log has acknowledged. `consume` prints `owned`, and for each line it
is sent on stdin tries to commit, and prints what came of it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from litefuse.errors import LogError
from litefuse.log.base import Log
from litefuse.log.kafka import KafkaLog
from litefuse.log.sqlite import SqliteLog
from litefuse.settings import Secret, Settings


def open_log(url: str, topic: str) -> Log:
    if url.startswith("sqlite:///"):
        return SqliteLog(Path(url.removeprefix("sqlite:///")))
    settings = Settings(log_url=Secret(url), kafka_partitions=1, kafka_session_timeout_s=6.0)
    return KafkaLog(settings, topics=(topic,))


async def publish(log: Log, topic: str) -> None:
    number = 0

    async def one() -> None:
        nonlocal number
        while True:
            number += 1
            mine = number
            placed = await log.publish(topic, b"%d" % mine, [("n", b"%d" % mine)])
            print(mine, placed.offset, flush=True)

    await asyncio.gather(*[one() for _ in range(20)])


async def consume(log: Log, topic: str) -> None:
    consumer = log.consumer(topic, f"{topic}.children")
    await consumer.start()
    while not consumer.assignment():
        await consumer.poll(timeout=0.2, max_bytes=1 << 20)
    (partition,) = consumer.assignment()
    print("owned", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            await consumer.commit(partition, int(line), "child")
            print("committed", flush=True)
        except LogError as error:
            print(type(error).__name__, flush=True)


async def main(what: str, url: str, topic: str) -> None:
    log = open_log(url, topic)
    await log.start()
    await {"publish": publish, "consume": consume}[what](log, topic)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
