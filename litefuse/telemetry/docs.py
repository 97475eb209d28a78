"""`docs/metrics.md`, from the table of metrics."""

from __future__ import annotations

from litefuse.telemetry.metrics import TABLE, Label

_HEAD = """\
# Metrics

<!-- Generated from litefuse/telemetry/metrics.py by `make docs`; edit there. -->

Every role serves them at `/metrics` on its `--port`, in the Prometheus text format. The set is closed: no request, project
or span makes a new series, and a label value that is not listed here is counted as `other`. Histograms have the series
`_bucket`, `_sum` and `_count`. Beside these are the usual `process_…` metrics of the process.

| metric | type | unit | what it is | labels |
|---|---|---|---|---|"""

_TAIL = """
## What to watch

- Are spans refused? `litefuse_spans_rejected_total` and `litefuse_dead_letters_total`, by `reason`.
- Do clients have to wait? `litefuse_requests_total` with `route="traces"` and `status="503"`, `litefuse_inflight_bytes`,
  `litefuse_publish_seconds`.
- Does the worker keep up? `litefuse_lag_seconds`, `litefuse_lag_records`, `litefuse_paused`.
- Is ClickHouse what they wait for? `litefuse_insert_seconds`, `litefuse_inserts_total` with `result="unknown"`,
  `litefuse_retries_total`.
- Was anything deleted from the log before it was read? `litefuse_offset_resets_total`: alarm on any increase.
- Does a computation hold the process? `litefuse_loop_lag_seconds`.
"""


def markdown() -> str:
    rows = [
        f"| `{metric.name}` | {metric.kind} | {metric.unit} | {metric.meaning} | {_labels(metric.labels)} |"
        for metric in TABLE
    ]
    return "\n".join([_HEAD, *rows, _TAIL])


def _labels(labels: object) -> str:
    assert isinstance(labels, dict)
    return "; ".join(f"`{name}`: {_values(label)}" for name, label in labels.items())


def _values(label: Label) -> str:
    return ", ".join(label.values) if label.values else label.bound
