"""Ratios of figures that were measured in turns in one run, round by round: what one thing costs in terms of another."""

from __future__ import annotations

from benchmarks.figures import Series, Table

_PAIRS = (
    ("worker, 512-span records: Kafka over SQLite", "worker/kafka/http-512/sink", "worker/sqlite/http-512/sink"),
    ("worker, 1-span records: Kafka over SQLite", "worker/kafka/http-1/sink", "worker/sqlite/http-1/sink"),
    ("worker, Kafka: 1-span records over 512-span", "worker/kafka/http-1/sink", "worker/kafka/http-512/sink"),
    ("worker, Kafka, LLM spans: JSON over protobuf", "worker/kafka/LLM JSON/sink", "worker/kafka/LLM/sink"),
    (
        "worker, Kafka: the whole over its stages",
        "worker/kafka/http-512/sink",
        "stages/http-512/sum",
    ),
    ("Kafka: ClickHouse over worker", "clickhouse/kafka/http-512", "worker/kafka/http-512/clickhouse"),
    ("ingest, 512-span: Kafka over SQLite", "ingest/kafka/http-512/protobuf", "ingest/sqlite/http-512/protobuf"),
    ("ingest, 1-span: Kafka over SQLite", "ingest/kafka/http-1/protobuf", "ingest/sqlite/http-1/protobuf"),
    ("ingest, Kafka, 512-span: JSON over protobuf", "ingest/kafka/http-512/JSON", "ingest/kafka/http-512/protobuf"),
    ("ingest, Kafka, 512-span: gzip over plain", "ingest/kafka/http-512/gzip", "ingest/kafka/http-512/protobuf"),
    ("ingest, Kafka, 1-span: JSON over protobuf", "ingest/kafka/http-1/JSON", "ingest/kafka/http-1/protobuf"),
)


def ratios(figures: dict[str, Series]) -> Table:
    """Those of which both sides were measured."""
    table = Table("ratios", "Ratios", ("what", "times"), note="Both sides in the same run.")
    for text, above, below in _PAIRS:
        if above in figures and below in figures:
            table.rows.append((text, figures[above].over(figures[below])))
    return table
