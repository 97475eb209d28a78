"""Fixtures shared by the whole suite."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator

import pytest

from tests.servers.kafka import KafkaServer

# Our processes keep pandas out (litefuse.cli.nopandas). The tests read times in nanoseconds with it, and two threads that
# import it at once, at its first use, can see it half made.
importlib.import_module("pandas")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """One real broker for the whole run, started by the first test that asks for it. Tests share it, so each uses
    topics and groups of its own; a test that stops or breaks a broker starts one of its own (`KafkaServer()`)."""
    with KafkaServer() as server:
        yield server


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a test sets up of logging (levels, handlers) ends with it: a later test would look for lines in vain."""
    loggers = [logging.getLogger(name) for name in (None, "litefuse")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    raises = logging.raiseExceptions
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    logging.raiseExceptions = raises
