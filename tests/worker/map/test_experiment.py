"""Experiments (otel-mapping.md section 17)."""

from __future__ import annotations

from typing import Any

import pytest

from worker.map.experiment import experiment
from worker.map.span import Span


def of(attributes: dict[str, Any]) -> dict[str, str]:
    return experiment(Span(attributes=attributes))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("langfuse.experiment.id", "id"),
        ("langfuse.experiment.name", "name"),
        ("langfuse.experiment.description", "description"),
        ("langfuse.experiment.dataset.id", "dataset_id"),
        ("langfuse.experiment.item.id", "item_id"),
        ("langfuse.experiment.item.root_observation_id", "item_root_span_id"),
        ("langfuse.experiment.item.expected_output", "item_expected_output"),
    ],
)
def test_section_17_attribute_to_text(key: str, name: str) -> None:
    assert of({key: "x"}) == {name: "x"}
    assert of({key: {"a": 1}}) == {name: '{"a":1}'}
    assert of({key: ""}) == {}


@pytest.mark.parametrize("name", ["metadata", "item.metadata"])
def test_section_17_metadata_dotted_names_win(name: str) -> None:
    key, ours = f"langfuse.experiment.{name}", name.replace(".", "_")
    found = of({key: '{"a": {"b": 1}, "c": 1}', f"{key}.c": "2", f"{key}.a.d": 3})
    assert found == {f"{ours}.a.b": "1", f"{ours}.c": "2", f"{ours}.a.d": "3"}
    assert of({key: "[1]"}) == {ours: "[1]"}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2026-01-02T03:04:05.678901Z", "2026-01-02 03:04:05.678"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02 01:04:05.000"),
        ("2026-01-02 03:04:05", "2026-01-02 03:04:05.000"),
        ("v1", None),
        ("None", None),
        ("", None),
        ("0001-01-01T00:00:00+10:00", None),
        (5, None),
        (True, None),
        (["2026-01-02"], None),
    ],
)
def test_section_17_item_version_is_a_timestamp_or_dropped(sent: Any, expected: str | None) -> None:
    assert of({"langfuse.experiment.item.version": sent}).get("item_version") == expected


def test_section_17_other_spans_have_none() -> None:
    assert of({"langfuse.user.id": "u", "langfuse.experimental": 1}) == {}
