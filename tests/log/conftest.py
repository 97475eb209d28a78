from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.log import kit as kits
from tests.log.kit import KafkaKit, SqliteKit
from tests.servers.kafka import KafkaServer


@pytest.fixture(params=["sqlite", "kafka"])
async def kit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteKit | KafkaKit]:
    """Both logs, one after the other."""
    made: SqliteKit | KafkaKit = SqliteKit(tmp_path / "log.db")
    if request.param == "kafka":
        made = KafkaKit(request.getfixturevalue("kafka").bootstrap)
    yield made
    await kits.close(made)


@pytest.fixture
async def sqlite_kit(tmp_path: Path) -> AsyncIterator[SqliteKit]:
    made = SqliteKit(tmp_path / "log.db")
    yield made
    await kits.close(made)


@pytest.fixture
async def kafka_kit(kafka: KafkaServer) -> AsyncIterator[KafkaKit]:
    made = KafkaKit(kafka.bootstrap)
    yield made
    await kits.close(made)
