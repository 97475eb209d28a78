"""User metadata of an observation (otel-mapping.md section 15, WB-27, WB-37, WB-38)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from worker.map.metadata import flatten, user_metadata
from worker.map.span import Span


def metadata(attributes: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return user_metadata(Span(attributes=attributes or {}, **fields))


def test_section_15_row_1_of_the_resource() -> None:
    assert metadata(resource={"langfuse.metadata": '{"a": 1}'}) == {"a": 1}
    assert metadata(resource={"langfuse.trace.metadata": '{"b": 2}', "langfuse.metadata": '{"a": 1}'}) == {"b": 2}
    dotted = {"langfuse.metadata": '{"a": 1, "b": 1}', "langfuse.trace.metadata.b": 2, "langfuse.metadata.c.d": "3"}
    assert metadata(resource=dotted) == {"a": 1, "b": 2, "c.d": "3"}
    assert metadata({"langfuse.observation.metadata": '{"a": 2}'}, resource=dotted)["a"] == 2


def test_section_15_row_2_object_of_the_observation_else_of_langfuse() -> None:
    both = {"langfuse.observation.metadata": '{"a": {"b": 1}}', "langfuse.metadata": '{"c": 1}'}
    assert metadata(both) == {"a": {"b": 1}}
    assert metadata({**both, "langfuse.observation.metadata": ""}) == {"c": 1}  # WB-3
    assert metadata({"langfuse.observation.metadata": {"a": [1]}}) == {"a": [1]}


def test_section_15_row_3_dotted_in_attribute_order() -> None:
    assert metadata(
        {
            "ai.telemetry.metadata.team": "x",
            "langfuse.observation.metadata.retry.count": 3,
            "langfuse.metadata.team": "y",
            "langfuse.observation.metadata": '{"team": "w", "z": 1}',
        }
    ) == {"team": "y", "z": 1, "retry.count": 3}


def test_section_15_row_3_fields_of_their_own_are_no_metadata() -> None:
    keys = [f"ai.telemetry.metadata.{name}" for name in ("userId", "sessionId", "tags", "langfusePrompt")]
    assert metadata(dict.fromkeys(keys, "x")) == {}


def test_section_15_dotted_values_are_not_decoded() -> None:
    attributes = {"langfuse.observation.metadata.a": '"v"', "langfuse.metadata.b": '{"c": 1}'}
    assert metadata(attributes) == {"a": '"v"', "b": '{"c": 1}'}


def test_section_15_metadata_of_the_trace_is_not_of_the_observation() -> None:
    assert metadata({"langfuse.trace.metadata": '{"a": 1}', "langfuse.trace.metadata.b": 1}) == {}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("[1, 2]", "[1, 2]"),
        ("5", "5"),
        ('{"a": ', '{"a": '),
        ("text", "text"),
        (7, "7"),
        ([1, "a"], '[1,"a"]'),
        (True, "true"),
    ],
)
def test_wb_27_metadata_that_is_no_object_is_kept_as_text(sent: Any, kept: str) -> None:
    for key in ("langfuse.observation.metadata", "langfuse.metadata", "metadata"):
        assert metadata({key: sent}) == {"metadata": kept}
    assert metadata(resource={"langfuse.metadata": sent}) == {"metadata": kept}


def test_wb_27_names_of_built_in_parts_are_moved() -> None:
    expected = {"user.attributes": 1, "user.resourceAttributes": 2, "user.scope": {"a": 3}}
    sent = {"attributes": 1, "resourceAttributes": 2, "scope": {"a": 3}}
    assert metadata({"langfuse.observation.metadata": json.dumps(sent)}) == expected
    assert metadata({f"langfuse.observation.metadata.{name}": value for name, value in sent.items()}) == expected
    assert metadata({"metadata": json.dumps(sent)}) == expected
    assert flatten(expected)["user.scope.a"] == "3"


def of_sdk(version: str, attributes: dict[str, Any], scope: str = "langfuse-sdk") -> dict[str, Any]:
    return metadata(attributes, scope_name=scope, scope_version=version)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('"acme"', "acme"),
        ('"a \\"b\\" c"', 'a "b" c'),
        ('"\\"123\\""', '"\\"123\\""'),
        ('"123"', '"123"'),
        ('"null"', '"null"'),
        ('"true"', '"true"'),
        ('"{}"', '"{}"'),
        ('"[1]"', '"[1]"'),
        ('""', ""),
        ("5", "5"),
        ('{"a": "b"}', '{"a": "b"}'),
        ("bare", "bare"),
        ('"broken', '"broken'),
        (5, 5),
    ],
)
def test_wb_37_values_of_sdk_5_are_decoded_once_unless_they_are_json_themselves(sent: Any, kept: Any) -> None:
    key = "langfuse.observation.metadata.k"
    for version in ("5", "5.0.1", "10.2"):
        assert of_sdk(version, {key: sent}) == {"k": kept}


def test_wb_37_only_of_langfuse_sdk_from_5_on() -> None:
    attributes = {"langfuse.observation.metadata.k": '"acme"'}
    for version in ("4.18.0", "3.0", "", "x", "05x"):
        assert of_sdk(version, attributes) == {"k": '"acme"'}
    assert of_sdk("5.0", attributes, scope="other") == {"k": '"acme"'}


def test_wb_38_openinference_metadata_has_the_lowest_rank() -> None:
    assert metadata({"metadata": '{"plan": "pro", "a": 1}'}) == {"plan": "pro", "a": 1}
    assert metadata({"metadata": '{"a": 1}'}, resource={"langfuse.metadata.a": 2}) == {"a": 2}
    assert metadata({"metadata": '{"a": 1}', "langfuse.metadata.a": 3}) == {"a": 3}


def test_wb_38_association_properties_but_user_and_session() -> None:
    prefix = "traceloop.association.properties."
    sent = {f"{prefix}{name}": name for name in ("plan", "user_id", "session_id", "a.b")}
    assert metadata(sent) == {"plan": "plan", "a.b": "a.b"}
    assert metadata({**sent, "metadata": '{"b": 1}', "langfuse.metadata.plan": "x"}) == {
        "plan": "x",
        "a.b": "a.b",
        "b": 1,
    }


def test_section_15_flattened_storage() -> None:
    nested = {
        "a": {"b": {"c": 1, "d": [1, {"e": None}]}, "f": True},
        "g": "text",
        "h": 1.5,
        "i": None,
        "j": {},
        "k": [],
    }
    assert flatten(nested) == {
        "a.b.c": "1",
        "a.b.d": '[1,{"e":null}]',
        "a.f": "true",
        "g": "text",
        "h": "1.5",
        "i": "null",
        "j": "{}",
        "k": "[]",
    }


def test_section_15_of_names_that_become_one_the_later_source_counts() -> None:
    attributes = {"traceloop.association.properties.a": {"b": 1}, "langfuse.observation.metadata": '{"a": {"b": 3}}'}
    assert flatten(metadata(attributes, resource={"langfuse.metadata.a.b": 2})) == {"a.b": "3"}


def test_section_21_no_nul_and_no_endless_nesting() -> None:
    assert flatten(metadata({"langfuse.metadata": '{"a\\u0000": "\\u0000b", "c": {"d": ["\\u0000"]}}'})) == {
        "a\ufffd": "\ufffdb",
        "c.d": '["\\u0000"]',
    }
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"x": deep}
    ((path, text),) = flatten({"a": deep}).items()
    assert path.count(".") == 32
    assert text.startswith('{"x":{"x":')


@pytest.mark.parametrize(
    "value", [1, float("nan"), True, [], [[]], {}, {"a": {"b": [None]}}, "", "\0", "[" * 5000, '"', -(2**63)]
)
def test_bad_input_any_type_in_any_attribute(value: Any) -> None:
    keys = (
        "langfuse.observation.metadata langfuse.metadata langfuse.trace.metadata metadata langfuse.observation.metadata. "
        "langfuse.metadata.a ai.telemetry.metadata.b traceloop.association.properties.c langfuse.trace.metadata.d"
    )
    attributes = dict.fromkeys(keys.split(), value)
    for scope in ("", "langfuse-sdk"):
        found = flatten(metadata(attributes, resource=attributes, scope_name=scope, scope_version="5.0"))
        assert all(isinstance(text, str) for pair in found.items() for text in pair)
