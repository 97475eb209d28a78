"""What the Langfuse SDK 2 tells by POST /ingestion, read back by its own calls (public-api.md section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.sdk.place import Place
from tests.waiting import eventually

Json = dict[str, Any]


@pytest.fixture(scope="module")
def told(litefuse_for_sdks: Place) -> tuple[Mapping[str, str], Json, Json]:
    """The names of what was told, and both traces as the SDK fetches them."""
    client = litefuse_for_sdks.sdk(2, "told")
    names = client.call("recipe.told_2")
    litefuse_for_sdks.trace_seen(names["trace"], 4)
    litefuse_for_sdks.trace_seen(names["decorated"], 1)

    def fetched(id_: str) -> Json:
        found: Json = client.call("fetch_trace", id=id_)["data"]
        return found

    eventually(lambda: fetched(names["trace"])["output"] == "done", 30)
    eventually(lambda: fetched(names["decorated"])["output"] == "HI", 30)
    return names, fetched(names["trace"]), fetched(names["decorated"])


def test_the_trace_is_what_was_said_last(told: tuple[Mapping[str, str], Json, Json]) -> None:
    _, trace, _ = told
    assert (trace["name"], trace["userId"], trace["sessionId"], trace["release"]) == ("final", "ann", "s-2", "r1")
    assert trace["tags"] == ["a", "b"]
    assert trace["metadata"] == {"step": 2, "kept": {"x": [1]}}
    assert (trace["input"], trace["output"]) == (None, "done")
    assert trace["environment"] == "staging"


def test_observations_nest_as_they_were_made(told: tuple[Mapping[str, str], Json, Json]) -> None:
    names, trace, _ = told
    found = {o["name"]: o for o in trace["observations"]}
    assert {name: (o["type"], o["parentObservationId"]) for name, o in found.items()} == {
        "outer": ("SPAN", None),
        "inner": ("SPAN", names["outer"]),
        "call": ("GENERATION", names["inner"]),
        "noted": ("EVENT", names["inner"]),
    }
    assert found["call"]["id"] == names["generation"]
    assert {o["environment"] for o in found.values()} == {"staging"}
    outer = found["outer"]
    assert (outer["level"], outer["statusMessage"], outer["input"]) == ("WARNING", "slow", {"q": 1})
    assert outer["metadata"] == {"late": True}
    assert found["inner"]["output"] == [1, 2]
    assert found["noted"]["endTime"] is None
    assert (found["noted"]["metadata"], found["noted"]["output"]) == ({"n": 1}, "o")
    assert outer["startTime"] <= found["inner"]["startTime"] <= found["call"]["startTime"] <= found["call"]["endTime"]


def test_a_generation_has_its_model_its_usage_and_a_cost(told: tuple[Mapping[str, str], Json, Json]) -> None:
    _, trace, _ = told
    (call,) = [o for o in trace["observations"] if o["name"] == "call"]
    assert call["model"] == "gpt-4o-mini"
    assert call["modelParameters"] == {"temperature": "0.5", "stop": ["x"]}  # this SDK makes text of numbers it reads
    assert (call["usage"]["input"], call["usage"]["output"], call["usage"]["total"]) == (7, 3, 10)
    assert call["usageDetails"] == {"input": 7, "output": 3, "total": 10}
    assert call["calculatedTotalCost"] == pytest.approx(7 * 0.15e-6 + 3 * 0.6e-6)
    assert call["input"] == [{"role": "user", "content": "What is 2+2?"}]
    assert call["output"] == {"role": "assistant", "content": "4"}
    assert call["startTime"] <= call["completionStartTime"] <= call["endTime"]


def test_scores_are_on_the_trace_and_on_the_observation(told: tuple[Mapping[str, str], Json, Json]) -> None:
    names, trace, decorated = told
    found = {s["name"]: s for s in trace["scores"]}
    assert found["quality"]["value"] == 0.5
    assert found["quality"]["comment"] == "fine"
    assert found["style"]["stringValue"] == "good"
    assert found["style"]["observationId"] == names["generation"]
    assert [(s["name"], s["value"]) for s in decorated["scores"]] == [("own", 1)]


def test_decorated_functions(told: tuple[Mapping[str, str], Json, Json]) -> None:
    _, _, trace = told
    assert (trace["name"], trace["userId"], trace["tags"]) == ("pipeline", "bob", ["decorated"])
    assert (trace["input"], trace["output"]) == ({"args": ["hi"], "kwargs": {}}, "HI")
    (call,) = trace["observations"]
    assert (call["name"], call["type"], call["model"], call["output"]) == ("call", "GENERATION", "gpt-4o-mini", "HI")
    assert call["usageDetails"] == {"input": 2, "output": 1, "total": 3}
