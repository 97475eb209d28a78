"""Fixtures shared by the whole suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.kafka import KafkaServer


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """One real broker for the whole run, started by the first test that asks for it. Tests share it, so each uses
    topics and groups of its own; a test that stops or breaks a broker starts one of its own (`KafkaServer()`)."""
    with KafkaServer() as server:
        yield server
