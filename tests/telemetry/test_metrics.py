"""The closed set of metrics: declared once, used, bounded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from litefuse.reasons import Reason
from litefuse.telemetry import metrics as m

REPO = Path(__file__).resolve().parents[2]
SOURCES = [
    path for folder in ("ingest", "litefuse", "schemas", "web", "worker") for path in (REPO / folder).rglob("*.py")
]


@pytest.mark.parametrize("metric", m.TABLE, ids=lambda metric: metric.object_name)
def test_every_metric_is_used_somewhere(metric: m.Metric) -> None:
    use = re.compile(rf"\b(m|metrics)\.{metric.object_name}\b")
    users = [path for path in SOURCES if path.name != "metrics.py" and use.search(path.read_text())]
    assert users, f"{metric.object_name} is declared and never used"


def test_every_metric_that_is_used_is_declared() -> None:
    declared = {metric.object_name for metric in m.TABLE}
    for path in SOURCES:
        text = path.read_text()
        if "telemetry import metrics as m" in text:
            used = set(re.findall(r"\bm\.([A-Z][A-Z_]+)\b", text)) - {"REGISTRY", "TABLE", "CONTENT_TYPE", "OTHER"}
            assert used <= declared, path


@pytest.mark.parametrize("metric", m.TABLE, ids=lambda metric: metric.object_name)
def test_every_row_of_the_table_is_complete(metric: m.Metric) -> None:
    assert metric.name.startswith("litefuse_")
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert metric.unit
    assert metric.meaning
    assert all(label.values or label.bound for label in metric.labels.values())
    made = getattr(m, metric.object_name)
    assert isinstance(made, m.Family) == bool(metric.labels)


def test_no_metric_is_made_elsewhere() -> None:
    for path in SOURCES:
        if path.name != "metrics.py":
            assert not re.search(r"^from prometheus_client|^import prometheus_client", path.read_text(), re.M), path


def test_what_is_scraped_is_what_is_declared() -> None:
    names = {family.name for family in text_string_to_metric_families(m.render().decode())}
    declared = {metric.name.removesuffix("_total") for metric in m.TABLE}
    assert declared <= names
    assert {name for name in names if name.startswith("litefuse_")} == declared


def test_undeclared_label_values_are_counted_as_other() -> None:
    before = m.RETRIES.labels(what="other")._value.get()
    for n in range(50):
        m.RETRIES.labels(what=f"hostile {n}").inc()
    assert m.RETRIES.labels(what="other")._value.get() == before + 50
    assert "hostile" not in m.render().decode()


def test_a_missing_label_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        m.REQUESTS.labels(route="traces")


def test_every_reason_is_there_from_the_start() -> None:
    text = m.render().decode()
    for reason in Reason:
        assert f'litefuse_dead_letters_total{{reason="{reason.value}"}}' in text


def test_a_partition_that_is_gone_can_be_forgotten() -> None:
    m.LAG_RECORDS.labels(partition="4711").set(3)
    assert 'partition="4711"' in m.render().decode()
    m.LAG_RECORDS.forget(partition="4711")
    m.LAG_RECORDS.forget(partition="4711")
    assert 'partition="4711"' not in m.render().decode()
