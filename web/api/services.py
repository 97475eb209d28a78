"""What handlers use besides the request."""

from __future__ import annotations

from dataclasses import dataclass

from litefuse.clickhouse.asking import Inserting
from litefuse.log.base import Log
from litefuse.settings import Settings
from web.api.ingestion_writer import IngestionWriter
from web.api.score_writer import ScoreWriter
from web.api.trace_deleter import TraceDeleter


@dataclass(frozen=True, slots=True)
class Services:
    """`writing` is ClickHouse without the bounds that reads have."""

    settings: Settings
    writing: Inserting
    log: Log
    score_writer: ScoreWriter
    trace_deleter: TraceDeleter
    ingestion_writer: IngestionWriter
