"""The verdict on a run: every acknowledged span is there exactly once, none is there twice, none is a dead letter."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from litefuse.errors import LogError
from litefuse.log import open_log
from litefuse.log.base import DEAD, TRACES, Committed, Partition, Record
from litefuse.settings import Secret, Settings
from tests.faults.sender import Senders
from tests.sql import Sql
from tests.waiting import eventually
from worker.plan import read

GROUP = Settings().kafka_group


class Judge:
    """Looks into a log from outside, beside the processes that work with it, and counts in SQL as the operator."""

    def __init__(self, log_url: str, data_dir: Path) -> None:
        self._settings = replace(Settings(), log_url=Secret(log_url), data_dir=data_dir)

    def lag(self) -> int:
        """Records not yet committed; a large number while the log cannot be asked."""
        return asyncio.run(self._lag())

    async def _lag(self) -> int:
        log = open_log(self._settings, guest=True)
        try:
            await log.start()
            positions = await log.positions(TRACES, GROUP)
            return sum(p.end - max(p.committed, 0) for p in positions.values())
        except LogError:
            return 1 << 40
        finally:
            await log.close()

    def open_token(self, table_partition: str) -> str:
        """The token of the one insert that the workers have planned now."""
        return asyncio.run(self._open_token(table_partition))

    async def _open_token(self, table_partition: str) -> str:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.log_url.reveal().removeprefix("kafka://"))
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(GROUP)
        finally:
            await admin.close()
        plans = {
            Partition(place.topic, place.partition): standing.plan
            for place, at in offsets.items()
            if (standing := read(Committed(at.offset, at.metadata))).plan is not None
        }
        assert len(plans) == 1, plans
        ((partition, plan),) = plans.items()
        return plan.token(partition, table_partition)

    def dead_letters(self) -> list[Record]:
        return asyncio.run(self._dead_letters())

    async def _dead_letters(self) -> list[Record]:
        log = open_log(self._settings, guest=True)
        try:
            await log.start()
            return [record async for record in log.read(DEAD)]
        finally:
            await log.close()

    def wait_drained(self, timeout: float) -> None:
        lags: list[int] = []
        with contextlib.suppress(AssertionError):
            eventually(lambda: lags.append(self.lag()) or lags[-1] == 0, timeout, every=0.3)  # type: ignore[func-returns-value]
        assert lags[-1] == 0, f"not drained within {timeout} s, records not committed: {lags[-20:]}"

    def verdict(self, sql: Sql, senders: Senders) -> int:
        """Call it when the lag is 0. Returns the number of spans stored."""
        assert senders.faults == []
        assert senders.acknowledged, f"nothing was acknowledged: {senders.summary()}"
        merged = "FROM system.parts WHERE table = 'spans' AND active AND min_block_number != max_block_number"
        assert sql.count(f"SELECT count() {merged}") == 0, "merges may have hidden a span that is there twice"
        mine = f"FROM spans WHERE attributes_string['run'] = '{senders.run}'"
        seq = "attributes_int['seq']"
        twice = sql(f"SELECT {seq} AS seq, count() AS copies {mine} GROUP BY seq HAVING count() != 1 ORDER BY seq")
        assert twice == [], f"{len(twice)} spans are there more than once: {self._places(sql, mine, twice)}"
        stored = {int(row["seq"]) for row in sql(f"SELECT {seq} AS seq {mine}")}
        lost = sorted(senders.acknowledged - stored)
        assert lost == [], f"{len(lost)} of {len(senders.acknowledged)} acknowledged spans are not there: {lost[:40]}"
        assert stored <= set(range(senders.sent))
        letters = self.dead_letters()
        assert [(r.header("reason"), r.header("error")) for r in letters] == []
        return len(stored)

    @staticmethod
    def _places(sql: Sql, mine: str, twice: list[dict[str, object]]) -> str:
        """Where the copies of the first doubled spans come from, and in which parts they lie."""
        numbers = ", ".join(str(row["seq"]) for row in twice[:5])
        return str(
            sql(
                f"SELECT attributes_int['seq'] AS seq, _part, log_partition, log_offset, log_row {mine} "
                f"AND seq IN ({numbers}) ORDER BY seq"
            )
        )
