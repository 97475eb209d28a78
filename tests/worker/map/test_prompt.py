"""Prompt link (otel-mapping.md section 13, and section 19 for MLflow)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.map.prompt import prompt_link
from worker.map.span import Span


def link(attributes: dict[str, Any], kind: str = "GENERATION") -> tuple[str, int | None]:
    return prompt_link(Span(attributes=attributes), kind)


ALL = {
    "langfuse.observation.prompt.name": "a",
    "langfuse.observation.prompt.version": 1,
    "langfuse.prompt.name": "b",
    "langfuse.prompt.version": 2,
    "ai.telemetry.metadata.langfusePrompt": json.dumps({"name": "c", "version": 3, "isFallback": False}),
    "mlflow.linkedPrompts": json.dumps([{"name": "x", "version": "9"}, {"name": "d", "version": "4"}]),
}


def test_section_13_sources_in_order() -> None:
    sent = dict(ALL)
    found = []
    for name in ("langfuse.observation.prompt.", "langfuse.prompt.", "ai.telemetry", "mlflow."):
        found.append(link(sent))
        sent = {key: value for key, value in sent.items() if not key.startswith(name)}
    assert found == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
    assert link(sent) == ("", None)


@pytest.mark.parametrize("kind", ["SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "EMBEDDING"])
def test_section_13_only_of_generations(kind: str) -> None:
    assert link(ALL, kind) == ("", None)


@pytest.mark.parametrize(("version", "expected"), [(0, 0), (65_535, 65_535), ("7", 7), (" 7 ", 7)])
def test_section_13_versions(version: Any, expected: int) -> None:
    assert link({"langfuse.observation.prompt.name": "a", "langfuse.observation.prompt.version": version}) == (
        "a",
        expected,
    )


@pytest.mark.parametrize("version", [-1, 65_536, "v2", 1.5, True, [], {}, "", None, float("nan"), "9" * 99])
def test_wb_4_and_section_13_a_name_without_a_version_is_kept(version: Any) -> None:
    assert link({"langfuse.observation.prompt.name": "a", "langfuse.observation.prompt.version": version}) == (
        "a",
        None,
    )


def test_section_13_an_empty_name_falls_through() -> None:
    assert link({"langfuse.observation.prompt.name": "", "langfuse.prompt.name": "b"}) == ("b", None)


def test_section_13_a_name_of_another_type_is_text() -> None:
    assert link({"langfuse.prompt.name": 5}) == ("5", None)


@pytest.mark.parametrize("value", ["{", "[]", "5", "", 5, [1], '{"name": ""}'])
def test_section_13_a_broken_object_of_vercel_says_nothing(value: Any) -> None:
    assert link({"ai.telemetry.metadata.langfusePrompt": value}) == ("", None)


@pytest.mark.parametrize("as_sent", [json.dumps, list])
def test_section_19_the_last_linked_prompt_of_mlflow(as_sent: Any) -> None:
    sent = as_sent([{"name": "x", "version": 1}, {"name": "d", "version": 2}])
    assert link({"mlflow.linkedPrompts": sent}) == ("d", 2)
    assert link({"mlflow.linkedPrompts": sent}, "CHAIN") == ("", None)


@pytest.mark.parametrize("value", ["{", "{}", "[]", "[1]", '[{"version": 1}]', 5, [[]]])
def test_section_19_linked_prompts_of_another_shape(value: Any) -> None:
    assert link({"mlflow.linkedPrompts": value}) == ("", None)


def test_section_19_a_linked_prompt_brings_its_own_version() -> None:
    assert link({"langfuse.prompt.version": 8, "mlflow.linkedPrompts": '[{"name": "d"}]'}) == ("d", None)
    assert link({"langfuse.prompt.name": "b", "mlflow.linkedPrompts": '[{"name": "d", "version": 4}]'}) == ("b", None)
