"""Every metric Litefuse has, declared once with its type, unit, meaning and label values.

The set is closed: nothing makes a metric anywhere else, and a label value outside the declared ones is counted as
`other`, so that no client can grow the number of series. `docs/metrics.md` is generated from `TABLE`
(`python -m litefuse.telemetry.docs`). Use the objects:

    from litefuse.telemetry import metrics as m

    m.REQUESTS.labels(route="traces", status="200").inc()
    m.BUFFERED_BYTES.set(1024)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from litefuse.reasons import Reason

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter that nobody asked for
REGISTRY = CollectorRegistry(auto_describe=False)
#: What `render` returns is of this media type.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: Stands for every label value that is not declared.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Label:
    """`values` are all it can have; empty means that `bound` says in words what bounds their number."""

    values: tuple[str, ...] = ()
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table. `name` is as scraped (counters end in `_total`)."""

    object_name: str
    name: str
    kind: str
    unit: str
    meaning: str
    labels: Mapping[str, Label]


TABLE: list[Metric] = []

M = TypeVar("M", Counter, Gauge, Histogram)


class Family(Generic[M]):
    """A metric with labels. `labels` costs one dictionary look-up for combinations seen before."""

    def __init__(self, parent: M, labels: Mapping[str, Label]) -> None:
        self._parent: M = parent
        self._labels = labels
        self._children: dict[tuple[str, ...], M] = {}
        if len(labels) == 1:
            # A series that is there from the start, at zero, lets `rate()` see its first event.
            for name, label in labels.items():
                for value in label.values:
                    self.labels(**{name: value})

    def labels(self, **values: str) -> M:
        key = tuple(values[name] for name in self._labels)
        child = self._children.get(key)
        if child is None:
            known = tuple(
                value if not label.values or value in label.values else OTHER
                for value, label in zip(key, self._labels.values(), strict=True)
            )
            child = self._parent.labels(*known)
            if known == key:  # what is not declared must not grow this dictionary either
                self._children[key] = child
        return child

    def forget(self, **values: str) -> None:
        """Drop one series, for instance of a partition that this process no longer owns."""
        key = tuple(values[name] for name in self._labels)
        if self._children.pop(key, None) is not None:
            self._parent.remove(*key)


def _row(object_name: str, name: str, kind: str, unit: str, meaning: str, labels: Mapping[str, Label]) -> None:
    TABLE.append(Metric(object_name, name, kind, unit, meaning, labels))


def _counter(object_name: str, name: str, unit: str, meaning: str) -> Counter:
    _row(object_name, f"litefuse_{name}_total", "counter", unit, meaning, {})
    return Counter(f"litefuse_{name}", meaning, registry=REGISTRY)


def _counters(object_name: str, name: str, unit: str, meaning: str, labels: Mapping[str, Label]) -> Family[Counter]:
    _row(object_name, f"litefuse_{name}_total", "counter", unit, meaning, labels)
    return Family(Counter(f"litefuse_{name}", meaning, list(labels), registry=REGISTRY), labels)


def _gauge(object_name: str, name: str, unit: str, meaning: str) -> Gauge:
    _row(object_name, f"litefuse_{name}", "gauge", unit, meaning, {})
    return Gauge(f"litefuse_{name}", meaning, registry=REGISTRY)


def _gauges(object_name: str, name: str, unit: str, meaning: str, labels: Mapping[str, Label]) -> Family[Gauge]:
    _row(object_name, f"litefuse_{name}", "gauge", unit, meaning, labels)
    return Family(Gauge(f"litefuse_{name}", meaning, list(labels), registry=REGISTRY), labels)


def _histogram(object_name: str, name: str, unit: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
    _row(object_name, f"litefuse_{name}", "histogram", unit, meaning, {})
    return Histogram(f"litefuse_{name}", meaning, registry=REGISTRY, buckets=buckets)


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ROWS = (1, 10, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)

_ROUTE = Label(("traces", "logs", "metrics", "health", "ready", "prometheus", "page", "api", OTHER))
_STATUS = Label(
    (
        *("200", "204", "304", "400", "401", "403", "404", "405", "408", "411", "413", "415"),
        *("429", "431", "499", "500", "501", "503", OTHER),
    )
)
_REASON = Label((*(reason.value for reason in Reason), OTHER))
_PARTITION = Label(bound="number of the log's partition")

# -- ingest ------------------------------------------------------------------------------------------------------------
REQUESTS = _counters(
    "REQUESTS",
    "requests",
    "requests",
    "HTTP requests answered; 499 = the client went away first",
    {"route": _ROUTE, "status": _STATUS},
)
REQUEST_BYTES = _counter("REQUEST_BYTES", "request_bytes", "bytes", "Bytes of OTLP bodies as they came over the wire")
REQUEST_INFLATED_BYTES = _counter(
    "REQUEST_INFLATED_BYTES", "request_inflated_bytes", "bytes", "Bytes of OTLP bodies after decompression"
)
REQUEST_SPANS = _counter("REQUEST_SPANS", "request_spans", "spans", "Spans in acknowledged requests, rejected ones too")
SPANS_REJECTED = _counters(
    "SPANS_REJECTED",
    "spans_rejected",
    "spans",
    "Spans refused for good and reported to their sender in partial_success",
    {"reason": _REASON},
)
PUBLISH_SECONDS = _histogram(
    "PUBLISH_SECONDS", "publish_seconds", "seconds", "Time until the log confirmed a record as durable", _SECONDS
)
INFLIGHT_BYTES = _gauge(
    "INFLIGHT_BYTES",
    "inflight_bytes",
    "bytes",
    "Bytes of requests being read, checked or published now; at LITEFUSE_INFLIGHT_BYTES new ones get 503",
)
KEYS_AGE_SECONDS = _gauge(
    "KEYS_AGE_SECONDS", "keys_age_seconds", "seconds", "Age of the copy of the API keys that requests are checked with"
)

# -- worker ------------------------------------------------------------------------------------------------------------
RECORDS_CONSUMED = _counter("RECORDS_CONSUMED", "records_consumed", "records", "Records read from the log")
SPANS_DECODED = _counter("SPANS_DECODED", "spans_decoded", "spans", "Spans decoded from records")
SPANS_MAPPED = _counter(
    "SPANS_MAPPED", "spans_mapped", "spans", "Spans that had something to map: LLM calls and the like"
)
MAPPING_ERRORS = _counter(
    "MAPPING_ERRORS",
    "mapping_errors",
    "spans",
    "Spans kept without some of their LLM columns; spans.mapping_error says why",
)
UNPRICED = _counters(
    "UNPRICED",
    "spans_without_price",
    "spans",
    "Spans with a model and usage whose cost is null: no price for the model, for kinds of its tokens, or an amount beyond "
    "the columns",
    {"reason": Label(("model", "kinds", "amount"))},
)
ROWS_INSERTED = _counter(
    "ROWS_INSERTED", "rows_inserted", "rows", "Rows of inserts that ClickHouse acknowledged or that a look found there"
)
INSERTS = _counters(
    "INSERTS",
    "inserts",
    "inserts",
    "Inserts sent to ClickHouse; unknown = the answer does not say whether it is stored",
    {"result": Label(("ok", "unknown", "refused", OTHER))},
)
INSERT_SECONDS = _histogram(
    "INSERT_SECONDS", "insert_seconds", "seconds", "Time of an acknowledged insert into ClickHouse", _SECONDS
)
DECODE_SECONDS = _histogram(
    "DECODE_SECONDS", "decode_seconds", "seconds", "Time to decode a slice of records into columns", _SECONDS
)
BLOCK_ROWS = _histogram("BLOCK_ROWS", "block_rows", "rows", "Rows of a block sent to ClickHouse", _ROWS)
DUPLICATE_SPANS = _counter(
    "DUPLICATE_SPANS", "duplicate_spans", "spans", "Spans of one block with the identity of another span in it"
)
LAG_RECORDS = _gauges(
    "LAG_RECORDS",
    "lag_records",
    "records",
    "Records in the log that are not yet committed by the workers",
    {"partition": _PARTITION},
)
LAG_SECONDS = _gauges(
    "LAG_SECONDS",
    "lag_seconds",
    "seconds",
    "Age of the oldest record that is not yet committed",
    {"partition": _PARTITION},
)
BUFFERED_BYTES = _gauge(
    "BUFFERED_BYTES",
    "buffered_bytes",
    "bytes",
    "Bytes read from the log and not yet committed; at LITEFUSE_WORKER_BUFFER_BYTES partitions are paused",
)
PAUSED = _gauge(
    "PAUSED", "paused", "0 or 1", "Consumption is paused: the buffer is full or ClickHouse needs an operator"
)
DEAD_LETTERS = _counters(
    "DEAD_LETTERS", "dead_letters", "records", "Records and spans put into the dead letters", {"reason": _REASON}
)
REPLAYED_INSERTS = _counter(
    "REPLAYED_INSERTS", "replayed_inserts", "inserts", "Inserts sent again with the same token after an unknown outcome"
)
LOOKS = _counters(
    "LOOKS",
    "looks",
    "looks",
    "Checks after an unknown outcome: are the rows of the insert in the table?",
    {"result": Label(("found", "missing", "partial", OTHER))},
)
RETRIES = _counters(
    "RETRIES",
    "retries",
    "attempts",
    "Attempts that failed for a reason that can pass and are made again",
    {"what": Label(("insert", "look", "commit", "publish", "poll", "dead", OTHER))},
)
OFFSET_RESETS = _counter(
    "OFFSET_RESETS",
    "offset_resets",
    "resets",
    "Positions outside the log's range: records were deleted before they were read. Alarm on any increase",
)
REBALANCES = _counter("REBALANCES", "rebalances", "rebalances", "Times that partitions were given to this worker")

# -- public API --------------------------------------------------------------------------------------------------------
SCORES = _counters(
    "SCORES",
    "scores",
    "scores",
    "Scores that the public API was given: stored, refused for good, or answered with 503, after which they may be stored",
    {"result": Label(("stored", "refused", "failed"))},
)
INGESTION_EVENTS = _counters(
    "INGESTION_EVENTS",
    "ingestion_events",
    "events",
    "Events of POST /ingestion: stored ones of traces and observations, and all that were refused for good",
    {"result": Label(("stored", "refused"))},
)
SCORE_BLOCKS = _counter("SCORE_BLOCKS", "score_blocks", "inserts", "Inserts of scores that ClickHouse acknowledged")

# -- SQL and the process -----------------------------------------------------------------------------------------------
SQL_QUERIES = _counters(
    "SQL_QUERIES",
    "sql_queries",
    "queries",
    "Statements at the embedded ClickHouse's HTTP port; denied = password or permission, busy = no free connection",
    {
        "login": Label(("litefuse", "reader", "none", OTHER)),
        "result": Label(("ok", "error", "denied", "busy", OTHER)),
    },
)
LOOP_LAG_SECONDS = _histogram(
    "LOOP_LAG_SECONDS",
    "loop_lag_seconds",
    "seconds",
    "How late the event loop wakes a timer: time it was held by a computation",
    _SECONDS,
)

ProcessCollector(registry=REGISTRY)


def render() -> bytes:
    """All metrics in the Prometheus text format, `CONTENT_TYPE`."""
    return generate_latest(REGISTRY)
