"""What one span says of its trace (otel-mapping.md sections 16.1 and 16.2, WB-28 to WB-31)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from worker.map.mapped import Mapped
from worker.map.metadata import flatten, user_metadata
from worker.map.scalars import app_version, release
from worker.map.span import Span
from worker.map.trace import contribution


def said(
    attributes: Mapping[str, Any] | None = None,
    io: tuple[str, str] = ("", ""),
    joined: str | None = None,
    **fields: Any,
) -> Mapped:
    """As worker/map/one.py does it, for a root unless `parent_span_id` is given; `joined` is the input with tools."""
    span = Span(attributes=attributes or {}, **fields)
    mapped = Mapped(input=io[0] if joined is None else joined, output=io[1], metadata=flatten(user_metadata(span)))
    mapped.app_version, mapped.app_version_is_own = app_version(span)
    mapped.release, mapped.release_is_own = release(span)
    contribution(span, mapped, io)
    return mapped


def child(attributes: Mapping[str, Any] | None = None, **fields: Any) -> Mapped:
    return said(attributes, parent_span_id="00f067aa0ba902b7", **fields)


def test_section_16_1_a_root_has_no_parent_or_is_said_to_be_one() -> None:
    assert said().is_root
    assert not child().is_root
    assert child({"langfuse.internal.as_root": True}).is_root
    assert child({"langfuse.internal.as_root": "true"}).is_root
    assert not child({"langfuse.internal.as_root": "yes"}).is_root


def test_wb_29_root_of_the_application_names_a_trace_without_a_root() -> None:
    assert child({"langfuse.internal.is_app_root": True}).is_app_root
    assert child({"langfuse.internal.is_app_root": "true"}).is_app_root
    others: tuple[Any, ...] = (False, "false", 5, [], {})
    for other in others:
        assert not child({"langfuse.internal.is_app_root": other}).is_app_root


def test_section_16_1_a_span_without_a_trigger_says_nothing() -> None:
    found = child(
        {"gen_ai.request.model": "m", "metadata": '{"a": 1}', "langfuse.observation.metadata.b": 1},
        io=("in", "out"),
        joined="in and tools",
        resource={"user.id": "u", "session.id": "s", "langfuse.tags": "t", "langfuse.metadata": '{"c": 1}'},
    )
    assert (found.user_id, found.session_id, found.tags, found.trace_name) == ("", "", [], "")
    assert (found.trace_input, found.trace_output, found.trace_public, found.trace_metadata) == ("", "", None, {})


USERS = (
    "langfuse.user.id",
    "user.id",
    "langfuse.observation.metadata.langfuse_user_id",
    "langfuse.trace.metadata.langfuse_user_id",
    "ai.telemetry.metadata.userId",
    "ai.settings.context.userId",
    "traceloop.association.properties.user_id",
)
SESSIONS = (
    "langfuse.session.id",
    "session.id",
    "gen_ai.conversation.id",
    "langfuse.observation.metadata.langfuse_session_id",
    "langfuse.trace.metadata.langfuse_session_id",
    "ai.telemetry.metadata.sessionId",
    "ai.settings.context.sessionId",
    "traceloop.association.properties.session_id",
)
TAGS = (
    "langfuse.trace.tags",
    "langfuse.tags",
    "langfuse.observation.metadata.langfuse_tags",
    "langfuse.trace.metadata.langfuse_tags",
    "ai.telemetry.metadata.tags",
    "tag.tags",
    "ai.settings.context.tags",
)


@pytest.mark.parametrize("place", range(len(USERS)))
def test_section_16_2_and_wb_28_user_in_order_on_any_span(place: int) -> None:
    attributes = {key: f"by {key}" for key in USERS[place:]}
    assert said(attributes).user_id == child(attributes).user_id == f"by {USERS[place]}"
    attributes[USERS[place]] = ""
    assert said(attributes).user_id == (f"by {USERS[place + 1]}" if place + 1 < len(USERS) else "")  # WB-3


@pytest.mark.parametrize("place", range(len(SESSIONS)))
def test_section_16_2_and_wb_28_session_in_order_on_any_span(place: int) -> None:
    attributes = {key: f"by {key}" for key in SESSIONS[place:]}
    assert said(attributes).session_id == child(attributes).session_id == f"by {SESSIONS[place]}"


def test_wb_31_a_session_that_is_a_conversation_is_told_apart() -> None:
    assert said({"gen_ai.conversation.id": "c"}).session_is_conversation
    found = said({"gen_ai.conversation.id": "c", "session.id": "s"})
    assert (found.session_id, found.session_is_conversation) == ("s", False)


def test_wb_4_ids_that_are_no_text_are_made_text() -> None:
    assert said({"user.id": 48151623}).user_id == "48151623"
    assert said({"session.id": True}).session_id == "true"


def test_wb_37_ids_from_values_of_sdk_5_are_decoded_all_the_way() -> None:
    for prefix in ("langfuse.observation.metadata.", "langfuse.trace.metadata."):
        attributes = {
            f"{prefix}langfuse_user_id": '"\\"123\\""',
            f"{prefix}langfuse_session_id": '"s"',
            f"{prefix}langfuse_tags": '["a", "b"]',
        }
        found = said(attributes, scope_name="langfuse-sdk", scope_version="5.1")
        assert (found.user_id, found.session_id, found.tags) == ("123", "s", ["a", "b"])
        assert said(attributes, scope_name="langfuse-sdk", scope_version="4.18").user_id == '"\\"123\\""'
    attributes = {USERS[2]: '""', USERS[3]: '"u"'}
    assert said(attributes, scope_name="langfuse-sdk", scope_version="5.1").user_id == "u"


@pytest.mark.parametrize("place", range(len(TAGS)))
def test_section_16_2_and_wb_28_tags_in_order_on_any_span(place: int) -> None:
    attributes = {key: [f"by {key}"] for key in TAGS[place:]}
    assert said(attributes).tags == child(attributes).tags == [f"by {TAGS[place]}"]
    attributes[TAGS[place]] = []
    assert said(attributes).tags == ([f"by {TAGS[place + 1]}"] if place + 1 < len(TAGS) else [])  # WB-30


@pytest.mark.parametrize(
    ("sent", "tags"),
    [
        (["a", "b"], ["a", "b"]),
        ([1, True, {"a": 1}], ["1", "true", '{"a":1}']),
        ('["a", "b"]', ["a", "b"]),
        ("a, b ,c", ["a", "b", "c"]),
        ("one tag", ["one tag"]),
        ("[not json", ["[not json"]),
        ("[not, json", ["[not", "json"]),
    ],
)
def test_section_16_2_forms_of_tags(sent: Any, tags: list[str]) -> None:
    assert said({"langfuse.tags": sent}).tags == tags


@pytest.mark.parametrize(
    ("sent", "tags"),
    [
        ("a,,b", ["a", "b"]),
        (["", "a", " "], ["a"]),
        ('[null, "a", ""]', ["a"]),
        (5, ["5"]),
        (False, ["false"]),
        ("[]", ["next"]),
        (",", ["next"]),
        ({"a": 1}, ["next"]),
        (["a", "a"], ["a"]),
    ],
)
def test_wb_30_clean_tags(sent: Any, tags: list[str]) -> None:
    assert said({"langfuse.tags": sent, "tag.tags": ["next"]}).tags == tags


@pytest.mark.parametrize(("sent", "public"), [(True, True), ("true", True), (False, False), ("yes", False), (1, False)])
def test_section_16_2_public(sent: Any, public: bool) -> None:
    assert child({"langfuse.trace.public": sent}).trace_public is public
    assert child({"langfuse.public": sent}).trace_public is public
    assert child({"langfuse.trace.public": sent, "langfuse.public": not public}).trace_public is public
    assert child({"langfuse.trace.public": ""}).trace_public is None


def test_section_16_2_name_as_said() -> None:
    assert child({"langfuse.trace.name": "flow"}).trace_name == "flow"
    assert said(name="span").trace_name == ""  # the name of a root is in observation_name
    assert said({"langfuse.trace.name": 7}).trace_name == "7"  # WB-4


def test_section_16_2_input_and_output_as_said() -> None:
    attributes = {"langfuse.trace.input": "question", "langfuse.trace.output": {"a": [1]}}
    for found in (said(attributes, io=("own", "own")), child(attributes, io=("question", "own"))):
        assert (found.trace_input, found.trace_output) == ("question", '{"a":[1]}')


def test_section_16_2_input_and_output_of_a_root_are_stored_once() -> None:
    found = said(io=("in", "out"))
    assert (found.trace_input, found.trace_output) == ("", "")
    same = said({"langfuse.trace.input": "in", "langfuse.trace.output": "out"}, io=("in", "out"))
    assert (same.trace_input, same.trace_output) == ("", "")


def test_section_16_2_input_of_a_root_before_tools_were_joined() -> None:
    assert said(io=("in", "out"), joined='{"prompt":"in","tools":[]}').trace_input == "in"
    assert child(io=("in", "out"), joined='{"prompt":"in","tools":[]}').trace_input == ""


def test_section_16_2_metadata_of_the_trace() -> None:
    attributes = {
        "langfuse.trace.metadata": '{"a": {"b": 1}, "c": 1}',
        "langfuse.metadata": '{"hidden": 1}',
        "langfuse.trace.metadata.c": 2,
        "langfuse.metadata.d": 3,
        "ai.telemetry.metadata.e": 4,
        "ai.telemetry.metadata.userId": "u",
        "langfuse.observation.metadata.own": 5,
    }
    found = child(attributes, resource={"langfuse.metadata": '{"c": 0, "team": "red"}'})
    assert found.trace_metadata == {"a.b": "1", "c": "2", "d": "3", "e": "4", "team": "red"}
    assert child({"langfuse.metadata": '{"f": 1}'}).trace_metadata == {"f": "1"}


def test_section_16_2_a_root_adds_the_metadata_of_its_observation() -> None:
    attributes = {"langfuse.observation.metadata": '{"own": 1, "both": 1}', "langfuse.trace.metadata.both": 2}
    assert said(attributes).trace_metadata == {"own": "1", "both": "2"}
    assert said({"metadata": '{"plan": "pro"}'}).trace_metadata == {"plan": "pro"}
    assert child({"metadata": '{"plan": "pro"}', "user.id": "u"}).trace_metadata == {}


@pytest.mark.parametrize(
    "trigger",
    [
        *("langfuse.trace.name", "langfuse.trace.input", "langfuse.trace.output", "langfuse.trace.public"),
        *(
            "langfuse.public",
            "langfuse.release",
            "langfuse.version",
            "gen_ai.conversation.id",
            "langfuse.trace.metadata.x",
        ),
        *(*USERS, *SESSIONS, *TAGS),
    ],
)
def test_wb_28_every_source_triggers(trigger: str) -> None:
    """Seen by what the resource says: it is of the trace when the span contributes."""
    resource = {"langfuse.metadata": '{"team": "red"}'}
    assert child({trigger: "x"}, resource=resource).trace_metadata["team"] == "red"
    assert child({"gen_ai.request.model": "m"}, resource=resource).trace_metadata == {}


def test_section_16_1_the_resource_never_sets_user_session_or_tags() -> None:
    found = said(resource=dict.fromkeys((*USERS, *SESSIONS, *TAGS), "x"))
    assert (found.user_id, found.session_id, found.tags) == ("", "", [])


def test_wb_37_metadata_of_the_trace_too() -> None:
    found = said({"langfuse.trace.metadata.k": '"acme"'}, scope_name="langfuse-sdk", scope_version="5.0")
    assert found.trace_metadata == {"k": "acme"}


def test_wb_27_metadata_of_the_trace_that_is_no_object() -> None:
    assert said({"langfuse.trace.metadata": "[1]"}).trace_metadata == {"metadata": "[1]"}
    assert said({"langfuse.trace.metadata.scope": "x"}).trace_metadata == {"user.scope": "x"}


def test_section_19_mlflow_tags_of_the_trace_on_a_root() -> None:
    attributes = {"mlflow.traceTag.team": '"red"', "mlflow.traceTag.tags": "a,b"}
    found = said(attributes)
    assert (found.trace_metadata, found.tags) == ({"team": '"red"'}, ["a", "b"])
    assert said({**attributes, "langfuse.tags": ["c"]}).tags == ["c"]
    found = child(attributes)
    assert (found.trace_metadata, found.tags) == ({}, [])


@pytest.mark.parametrize(
    "value", [1, float("nan"), True, [], [[None]], {}, {"a": {"b": [None]}}, "", "\0", "[" * 5000, '"']
)
def test_bad_input_any_type_in_any_attribute(value: Any) -> None:
    keys = (
        *USERS, *SESSIONS, *TAGS, "langfuse.trace.name", "langfuse.trace.input", "langfuse.trace.output",
        "langfuse.trace.public", "langfuse.trace.metadata", "langfuse.internal.as_root", "langfuse.internal.is_app_root",
        "mlflow.traceTag.a", "mlflow.traceTag.tags", "langfuse.release", "langfuse.version",
    )  # fmt: skip
    attributes = dict.fromkeys(keys, value)
    for scope in ("", "langfuse-sdk"):
        for found in (said(attributes, scope_name=scope, scope_version="5"), child(attributes, resource=attributes)):
            texts = (
                found.user_id,
                found.session_id,
                found.trace_name,
                found.trace_input,
                found.trace_output,
                *found.tags,
            )
            assert all(isinstance(text, str) for text in (*texts, *found.trace_metadata.values()))
