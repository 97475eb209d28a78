"""The two ends of the worker alone: CPU µs a span of reading the log, and of sending finished blocks to ClickHouse."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Sequence

from benchmarks.figures import Section, Series, Table
from benchmarks.inputs import Body
from benchmarks.loop import run_in_loop
from benchmarks.machine import spending
from benchmarks.records import fill, records, slices
from benchmarks.servers import LOGS, Servers, forget_log
from litefuse.clickhouse.client import Store
from litefuse.log import open_log
from litefuse.log.base import TRACES
from litefuse.settings import Secret, Settings
from worker.block import Cutter, Limits
from worker.decode import Defaults, decode
from worker.write import INSERT_SETTINGS, ipc

_DEADLINE_S = 60.0
_POLL_BYTES = 16 << 20
US = 1e6

#: Rows of the table, in order.
READ = {log: f"read the log, {log}" for log in LOGS}
SEND = "send the block"

Samples = dict[tuple[str, str], list[float]]
"""(row, input) → µs a span, one a round."""


def once(servers: Servers, name: str, bodies: Sequence[Body], samples: Samples) -> None:
    """One round of one input (protobuf)."""
    for log in LOGS:
        settings = servers.settings(log, f"edges-{log}")
        try:
            samples.setdefault((READ[log], name), []).append(run_in_loop(_read(settings, bodies)))
        finally:
            forget_log(settings.data_dir)
    samples.setdefault((SEND, name), []).append(run_in_loop(_send(servers.sink, bodies)))


async def _read(settings: Settings, bodies: Sequence[Body]) -> float:
    """As the worker's group, which has nothing left to read before, and nothing after. Raises TimeoutError, LogError."""
    log = open_log(settings)
    await log.start()
    try:
        await fill(log, bodies)
        gc.collect()
        consumer = log.consumer(TRACES, settings.kafka_group)
        await consumer.start()
        read = 0
        deadline = time.monotonic() + _DEADLINE_S
        with spending({"me": os.getpid()}) as spent:
            while read < len(bodies):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{read} of {len(bodies)} records")
                polled = await consumer.poll(timeout=0.25, max_bytes=_POLL_BYTES)
                read += sum(map(len, polled.values()))
        for partition in consumer.assignment():
            await consumer.commit(partition, consumer.position(partition))
        await consumer.stop()
    finally:
        await log.close()
    return spent.cpu["me"] / sum(body.spans for body in bodies) * US


async def _send(url: str, bodies: Sequence[Body]) -> float:
    """Blocks as the worker cuts them, ready as Arrow IPC. Raises StoreError."""
    cutter = Cutter(Limits(bytes=33554432, rows=100_000, age=1.0))
    blocks: list[tuple[Sequence[str], bytes]] = []
    pieces = [decode(taken, Defaults(), 0.0) for taken in slices(records(bodies))]
    for i, piece in enumerate(pieces):
        cutter.add(piece)
        if cutter.full() or i + 1 == len(pieces):
            blocks += [(part.spans.column_names, ipc(part.spans)) for part in cutter.take().parts]
    store = await Store.open(Secret(url))
    try:
        await store.ping()
        gc.collect()
        with spending({"me": os.getpid()}) as spent:
            for columns, body in blocks:
                await store.insert_arrow("spans", columns, body, settings=INSERT_SETTINGS, timeout=_DEADLINE_S)
    finally:
        await store.close()
    return spent.cpu["me"] / sum(body.spans for body in bodies) * US


def section(samples: Samples) -> Section:
    """The table."""
    inputs = list(dict.fromkeys(name for _, name in samples))
    table = Table(
        "edges",
        "Worker, its two ends alone: CPU µs a span",
        ("end", *inputs),
        note="What the stages do not show: records out of the log, and finished blocks over HTTP to a sink. On Kafka with the "
        "group's heartbeats, and the producer's snappy to be undone.",
    )
    found = Section([table])
    for row in (*READ.values(), SEND):
        cells = [Series.of(samples[row, name], "µs/span") for name in inputs]
        table.rows.append((row, *cells))
        found.figures |= {f"edges/{row}/{name}": cell for name, cell in zip(inputs, cells, strict=True)}
    return found
