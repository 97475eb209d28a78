"""Every call of the four majors of the Langfuse SDK that reads, on an empty project, on one span with nothing set, and on a
full trace (public-api.md sections 10 and 11)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.sdk.client import Raised, Sdk
from tests.e2e.sdk.place import Place, span
from tests.e2e.sdk.rows import READS, Read
from tests.waiting import eventually

MAJORS = sorted(READS)
CASES = [(major, read) for major in MAJORS for read in READS[major]]
IDS = [f"{major}-{read.call}-{n}" for n, (major, read) in enumerate(CASES)]
UNKNOWN = {"trace": "f" * 32, "root": "f" * 16, "session": "nobody", "score": "nothing"}
METADATA = {"a": "1", "b": 1, "c": {"d": [1]}}
LISTS = {read.call for _, read in CASES if read.call.rpartition(".")[2] in ("list", "get_many", "get") and not read.one}
LISTS |= {"fetch_traces", "fetch_observations", "api.scores_v3.get_many_v3", "api.observations_v_2.get_many"}
LISTS -= {"api.projects.get", "api.sessions.list"}
#: Spans of `full` in tests/recipes/langfuse_calls.py.
FULL = 3


@pytest.mark.parametrize(("major", "read"), CASES, ids=IDS)
def test_on_an_empty_project(litefuse_for_sdks: Place, major: int, read: Read) -> None:
    client = litefuse_for_sdks.sdk(major, "empty")
    if read.one:
        with pytest.raises(Raised) as raised:
            client.call(read.call, **read.filled(UNKNOWN))
        assert (raised.value.name, raised.value.status) == ("NotFoundError", 404)
        assert set(raised.value.body) == {"message", "error"}
        return
    found = client.call(read.call, **read.filled(UNKNOWN))
    if read.call == "auth_check":
        assert found is True
    elif read.call == "recipe.evaluate":
        assert found["processed"] == 0
    elif read.call.startswith("api.projects"):
        assert [project["name"] for project in found["data"]] == ["empty"]
    elif read.call == "get_trace_url":
        assert found.endswith(f"/traces/{UNKNOWN['trace']}")
    elif isinstance(found, dict) and "data" in found:
        assert found["data"] == []


@pytest.fixture(scope="module")
def bare(litefuse_for_sdks: Place) -> Mapping[str, str]:
    """One span with ids and nothing else, and a score on it."""
    litefuse_for_sdks.post("bare", [span(0xBA5E, 0xBA5E)])
    names = {"trace": f"{0xBA5E:032x}", "root": f"{0xBA5E:016x}", "score": "bare-score"}
    litefuse_for_sdks.send(
        "bare", "/api/public/scores", [{"id": "bare-score", "traceId": names["trace"], "name": "n", "value": 1}]
    )
    return names


@pytest.mark.parametrize(("major", "read"), [case for case in CASES if case[1].one != "session"])
def test_on_one_span_with_nothing_set(
    litefuse_for_sdks: Place, bare: Mapping[str, str], major: int, read: Read
) -> None:
    found = litefuse_for_sdks.sdk(major, "bare").call(read.call, **read.filled(bare))
    if read.one in ("trace", "root"):
        one = found.get("data", found)
        assert one["id"] == bare[read.one]
        assert one["input"] is None
    elif read.call == "recipe.evaluate":
        assert (found["seen"], found["failed"]) == ([bare["root"]], 0)
    elif read.call in LISTS:
        assert len(found["data"]) == 1


# -- a full trace, by each major's own tracing ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full(litefuse_for_sdks: Place) -> Mapping[int, Mapping[str, str]]:
    """Major → the ids of its trace, in a project of its own."""
    found = {}
    for major in MAJORS:
        client = litefuse_for_sdks.sdk(major, f"full{major}")
        names = client.call("recipe.full")
        score = {
            "traceId": names["trace"],
            "observationId": names["generation"],
            "comment": "why",
            "metadata": METADATA,
        }
        litefuse_for_sdks.send(
            f"full{major}",
            "/api/public/scores",
            [
                {"id": f"number-{major}", "name": "quality", "value": 0.5, **score},
                {"id": f"flag-{major}", "name": "good", "value": 1, "dataType": "BOOLEAN", **score},
                {"id": f"word-{major}", "name": "tone", "value": "kind", "dataType": "CATEGORICAL", **score},
                {"id": f"session-{major}", "name": "whole", "value": 2, "sessionId": "s-1"},
            ],
        )
        found[major] = {**names, "session": "s-1", "score": f"number-{major}"}
    for names in found.values():
        litefuse_for_sdks.trace_seen(names["trace"], FULL)
    return found


@pytest.mark.parametrize(("major", "read"), CASES, ids=IDS)
def test_on_a_full_trace(
    litefuse_for_sdks: Place, full: Mapping[int, Mapping[str, str]], major: int, read: Read
) -> None:
    found = litefuse_for_sdks.sdk(major, f"full{major}").call(read.call, **read.filled(full[major]))
    if read.one in ("trace", "root"):
        one = found.get("data", found)
        assert one["id"] == full[major][read.one]
        assert one["input"] == {"q": [1, 2]}
        assert one["output"] == {"a": 4}
    elif read.one in ("session", "score"):
        assert found["id"] == full[major][read.one]
    elif read.call == "recipe.evaluate":
        assert len(found["seen"]) == len(set(found["seen"])) >= FULL
        assert found["failed"] == 0
    elif read.call == "get_trace_url":
        assert found.endswith(full[major]["trace"])
    elif isinstance(found, dict) and "data" in found:
        assert found["data"]


def the_trace(client: Sdk, trace_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.call("api.trace.get", trace_id=trace_id)
    return found


@pytest.mark.parametrize("major", [2, 3, 4])
def test_a_full_trace_in_full(litefuse_for_sdks: Place, full: Mapping[int, Mapping[str, str]], major: int) -> None:
    names = full[major]
    trace = the_trace(litefuse_for_sdks.sdk(major, f"full{major}"), names["trace"])
    assert (trace["name"], _either(trace, "user_id")) == ("talk", "ann")
    assert (trace["tags"], trace["public"]) == (["x", "y"], True)
    assert trace["environment"] == "staging"
    by_id = {observation["id"]: observation for observation in trace["observations"]}
    assert len(by_id) == len(trace["observations"]) == FULL
    generation = by_id[names["generation"]]
    assert (generation["type"], generation["model"], generation["version"]) == ("GENERATION", "gpt-4o-mini", "v7")
    assert generation["input"] == [{"role": "user", "content": "What is 2+2?"}]
    assert generation["output"] == "It is 4."
    assert _either(generation, "usage_details") == {"input": 7, "output": 3, "input_cached_tokens": 2, "total": 12}
    assert _either(generation, "cost_details") == {"input": 0.25, "output": 0.5, "total": 0.75}
    assert _either(generation, "parent_observation_id") == names["root"]
    assert {score["id"] for score in trace["scores"]} == {f"number-{major}", f"flag-{major}", f"word-{major}"}
    assert _either(trace, "total_cost") == pytest.approx(0.75)


def _either(row: Mapping[str, Any], name: str) -> Any:
    """SDK 2 and 3 give names as on the wire."""
    head, *rest = name.split("_")
    return row[name] if name in row else row[head + "".join(word.capitalize() for word in rest)]


@pytest.mark.parametrize(("major", "a"), [(4, 1), (5, "1")])
def test_metadata_comes_back_as_it_was(
    litefuse_for_sdks: Place, full: Mapping[int, Mapping[str, str]], major: int, a: object
) -> None:
    """SDK 5 says of each value whether it is text; SDK 4 does not, so that its text "1" reads as a number."""
    client = litefuse_for_sdks.sdk(major, f"full{major}")
    rows = client.call("api.observations.get_many", trace_id=full[major]["trace"], fields="core,basic,metadata")["data"]
    metadata = next(row["metadata"] for row in rows if row["id"] == full[major]["root"])
    assert {name: metadata[name] for name in METADATA} == {**METADATA, "a": a}


# -- what has to fail, and what must not double --------------------------------------------------------------------------


@pytest.mark.parametrize("major", MAJORS)
def test_a_wrong_key_is_unauthorized(litefuse_for_sdks: Place, major: int) -> None:
    for read in READS[major]:
        if not read.call.startswith("api.") or read.call == "api.health.health":
            continue
        with pytest.raises(Raised) as raised:
            litefuse_for_sdks.stranger(major).call(read.call, **read.filled(UNKNOWN))
        assert (raised.value.name, raised.value.status) == ("UnauthorizedError", 401), read.call


@pytest.mark.parametrize("major", MAJORS)
def test_a_score_sent_twice_is_one_score(litefuse_for_sdks: Place, major: int) -> None:
    project = f"scores{major}"
    client = litefuse_for_sdks.sdk(major, project)
    trace_id = f"{0x5C0 + major:032x}"
    named = {"id" if major == 2 else "score_id": "twice"}
    for value in (0.25, 0.75):
        client.call("recipe.score", name="quality", value=value, trace_id=trace_id, **named)
    read = {2: "api.score.get", 3: "api.score_v_2.get", 4: "api.scores.get_many", 5: "api.scores.get_many"}[major]
    eventually(lambda: [score["value"] for score in client.call(read)["data"]] == [0.75], 20)
    remove = {2: "api.score.delete", 3: "api.score.delete", 4: "api.legacy.score_v1.delete", 5: "api.scores.delete"}
    client.call(remove[major], score_id="twice")
    eventually(lambda: client.call(read)["data"] == [], 20)


@pytest.mark.parametrize("major", MAJORS)
def test_scores_are_made_by_the_api_object(litefuse_for_sdks: Place, major: int) -> None:
    client = litefuse_for_sdks.sdk(major, f"made{major}")
    one = {"name": "quality", "value": 0.5, "id": "made", "trace_id" if major > 3 else "traceId": "a" * 32}
    if major == 5:
        made = client.call("api.scores.create", request=[{"$make": "CreateScoreRequest", "with": one}] * 2)
        assert made == {"message": "Accepted"}
    elif major == 4:
        assert client.call("api.scores.create", **one)["id"] == "made"
        assert client.call("api.legacy.score_v1.create", **one)["id"] == "made"
    else:
        made = client.call("api.score.create", request={"$make": "CreateScoreRequest", "with": one})
        assert made["id"] == "made"
    litefuse_for_sdks.until("SELECT count() FROM scores WHERE id = 'made' AND value = 0.5", 1)


@pytest.mark.parametrize("major", MAJORS)
def test_an_address_that_ends_in_a_slash(litefuse_for_sdks: Place, major: int) -> None:
    client = litefuse_for_sdks.sdk(major, f"slash{major}", "/")
    assert client.call("auth_check") is True
    names = client.call("recipe.full")
    litefuse_for_sdks.trace_seen(names["trace"], FULL)
    if major > 2:
        assert client.call("get_trace_url", trace_id=names["trace"]).endswith(f"/traces/{names['trace']}")


# -- paging --------------------------------------------------------------------------------------------------------------

MANY = 1000
START = 1_780_272_000 * 10**9


@pytest.fixture(scope="module")
def many(litefuse_for_sdks: Place) -> set[str]:
    """A thousand traces of one span each, all of one start time, and as many scores of one time."""
    litefuse_for_sdks.post("many", [span(0xA0000 + n, 0xB0000 + n, START, name=f"n{n}") for n in range(MANY)])
    scores = [
        {
            "id": f"score-{n}",
            "traceId": f"{0xA0000 + n:032x}",
            "name": "n",
            "value": n,
            "timestamp": "2026-06-01T00:00:00Z",
        }
        for n in range(MANY)
    ]
    litefuse_for_sdks.send("many", "/api/public/scores", scores)
    return {f"{0xB0000 + n:016x}" for n in range(MANY)}


def by_page(client: Sdk, call: str, limit: int, **arguments: Any) -> list[str]:
    """All ids by the number of the page, until the last page there is."""
    found: list[str] = []
    page = 1
    while True:
        got = client.call(call, page=page, limit=limit, **arguments)
        found += [row["id"] for row in got["data"]]
        if page >= _either(got["meta"], "total_pages"):
            return found
        page += 1


def by_cursor(client: Sdk, call: str, limit: int, **arguments: Any) -> list[str]:
    """All ids by cursors, until there is none."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        got = client.call(call, limit=limit, **cursor, **arguments)
        found += [row["id"] for row in got["data"]]
        after = got["meta"].get("cursor")
        if after is None:
            return found
        cursor = {"cursor": after}


OBSERVATIONS = {
    2: ("api.observations.get_many", by_page),
    3: ("api.observations.get_many", by_page),
    4: ("api.legacy.observations_v1.get_many", by_page),
    5: ("api.observations.get_many", by_cursor),
}


@pytest.mark.parametrize("limit", [100, 30])
@pytest.mark.parametrize("major", MAJORS)
def test_paging_visits_each_observation_once(litefuse_for_sdks: Place, many: set[str], major: int, limit: int) -> None:
    call, pages = OBSERVATIONS[major]
    found = pages(litefuse_for_sdks.sdk(major, "many"), call, limit)
    assert len(found) == MANY
    assert set(found) == many


@pytest.mark.parametrize("major", [2, 3, 4])
def test_paging_visits_each_trace_once(litefuse_for_sdks: Place, many: set[str], major: int) -> None:
    found = by_page(litefuse_for_sdks.sdk(major, "many"), "api.trace.list", 100)
    assert sorted(found) == [f"{0xA0000 + n:032x}" for n in range(MANY)]


@pytest.mark.parametrize("major", MAJORS)
def test_paging_visits_each_score_once(litefuse_for_sdks: Place, many: set[str], major: int) -> None:
    call, pages = {
        2: ("api.score.get", by_page),
        3: ("api.score_v_2.get", by_page),
        4: ("api.scores_v3.get_many_v3", by_cursor),
        5: ("api.scores.get_many", by_cursor),
    }[major]
    found = pages(litefuse_for_sdks.sdk(major, "many"), call, 100)
    assert sorted(found) == sorted(f"score-{n}" for n in range(MANY))


@pytest.mark.parametrize("major", [3, 4, 5])
def test_batched_evaluation_visits_each_once(litefuse_for_sdks: Place, many: set[str], major: int) -> None:
    found = litefuse_for_sdks.sdk(major, "many").call("recipe.evaluate", fetch_batch_size=100, max_concurrency=50)
    assert len(found["seen"]) == MANY
    assert set(found["seen"]) == many


@pytest.mark.parametrize("major", MAJORS)
def test_deleted_traces_are_gone(litefuse_for_sdks: Place, major: int) -> None:
    project = f"deleted{major}"
    now = time.time_ns()
    litefuse_for_sdks.post(project, [span(0xDE1E000 + major * 10 + n, 1 + n, now) for n in range(3)])
    client = litefuse_for_sdks.sdk(major, project)
    ids = [f"{0xDE1E000 + major * 10 + n:032x}" for n in range(3)]
    assert client.call("api.trace.delete", trace_id=ids[0])["message"]
    assert client.call("api.trace.delete_multiple", trace_ids=ids[1:])["message"]
    call, pages = OBSERVATIONS[major]
    eventually(lambda: pages(client, call, 50) == [], 30)
