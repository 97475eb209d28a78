"""Events of POST /ingestion through a running Litefuse, and back by the API: the captured SDK 2, order and repetition, deletion
(public-api.md section 8)."""

from __future__ import annotations

import json
import random
import urllib.error
import urllib.parse
import urllib.request
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.corpus_files import CORPUS
from tests.processes import Litefuse, litefuse, project_env
from tests.sql import Sql
from tests.waiting import eventually

Json = dict[str, Any]
HOME = CORPUS / "langfuse_v2"
EXPECTED = json.loads((HOME / "expected.json").read_text())["traces"]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Litefuse]:
    with litefuse("up", data_dir=tmp_path_factory.mktemp("ingestion") / "data") as process:
        yield process


def ask(
    up: Litefuse, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
) -> tuple[int, Any]:
    keys = project_env(up.data_dir)
    token = b64encode(f"{keys['LITEFUSE_PUBLIC_KEY']}:{keys['LITEFUSE_SECRET_KEY']}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": kind}
    request = urllib.request.Request(f"{up.url}/api/public{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def send(up: Litefuse, events: Sequence[Json]) -> None:
    status, answer = ask(up, "POST", "/ingestion", json.dumps({"batch": events}).encode())
    assert (status, answer["errors"]) == (207, [])
    assert [one["id"] for one in answer["successes"]] == [event["id"] for event in events]


def get(up: Litefuse, path: str) -> Any:
    status, answer = ask(up, "GET", path)
    assert status == 200, answer
    return answer


def trace_of(up: Litefuse, trace_id: str) -> Json:
    found: Json = get(up, f"/traces/{urllib.parse.quote(trace_id)}")
    return found


def stored(up: Litefuse) -> None:
    """Until all that was sent is there: the log of one process is worked on in its order."""
    last = str(uuid.uuid4())
    send(up, [event("trace-create", 0, {"id": last})])
    eventually(lambda: Sql(up).count(f"SELECT count() FROM traces WHERE trace_id = '{last}'") == 1, 60)


def event(type_: str, seconds: float, body: Json) -> Json:
    """Seconds after a start an hour ago."""
    return {"id": str(uuid.uuid4()), "type": type_, "timestamp": at(seconds), "body": body}


START = datetime.now(UTC) - timedelta(hours=1)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


# -- the captured SDK ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def captured(up: Litefuse) -> Mapping[str, Json]:
    """The traces of the captured batches by name, each batch sent twice as the SDK does after an error."""
    batches = [json.loads((HOME / f"{number}.bin").read_text())["batch"] for number in ("002", "003")]
    for batch in (*batches, *batches):
        send(up, batch)
    ids = {e["body"]["id"] for batch in batches for e in batch if e["type"] == "trace-create"}
    wanted = sum(trace["observations"] for trace in EXPECTED)
    eventually(lambda: Sql(up).count("SELECT count() FROM spans WHERE type != 'TRACE'") == wanted, 60)
    eventually(lambda: Sql(up).count("SELECT count() FROM traces") == len(ids), 60)
    return {trace["name"]: trace for trace in (trace_of(up, id_) for id_ in ids)}


@pytest.mark.parametrize("expected", EXPECTED, ids=[trace["name"] for trace in EXPECTED])
def test_captured_traces_are_what_the_corpus_expects(captured: Mapping[str, Json], expected: Json) -> None:
    found = captured[expected["name"]]
    assert expected["trace_id"] in (None, found["id"])
    assert (found["userId"], found["sessionId"]) == (expected["user"], expected["session"])
    assert (found["tags"], found["metadata"]) == (expected["tags"], expected["metadata"])
    assert found["input"] == expected["input"]
    output = found["output"]
    assert (output["content"] if isinstance(output, dict) else output) == expected.get(
        "output", expected["model_calls"][0]["output_text"] if expected["model_calls"] else None
    )
    assert (found["environment"], found["release"]) == (expected.get("environment", "default"), expected.get("release"))
    names = [node["name"] for node in expected["tree"]]
    assert [observation["name"] for observation in found["observations"]] == names
    assert all(observation["parentObservationId"] is None for observation in found["observations"])
    for generation in expected.get("generations", ()):
        (one,) = [o for o in found["observations"] if o["name"] == generation["span"]]
        assert (one["type"], one["model"]) == ("GENERATION", generation["model"])
        assert generation["usage"].items() <= one["usageDetails"].items()
    for call in expected["model_calls"]:
        (one,) = found["observations"]
        assert one["usage"]["input"] == call["input_tokens"]
        assert one["usage"]["output"] == call["output_tokens"]
        assert one["usageDetails"]["input_cached_tokens"] == call["cached_input_tokens"]
    for score in expected.get("scores", ()):
        assert score["value"] in [s["value"] for s in found["scores"] if s["name"] == score["name"]]


def test_captured_observations_have_their_types_and_levels(captured: Mapping[str, Json]) -> None:
    found = {o["name"]: o for o in captured["chat-app"]["observations"]}
    assert {name: o["type"] for name, o in found.items()} == {
        "retrieve": "SPAN",
        "llm": "GENERATION",
        "clicked": "EVENT",
        "fails": "SPAN",
    }
    assert (found["fails"]["level"], found["fails"]["statusMessage"]) == ("ERROR", "nope")
    assert found["clicked"]["endTime"] is None
    assert found["clicked"]["metadata"] == {"button": 1}
    assert found["llm"]["costDetails"] == {"total": 0.01}
    assert found["llm"]["modelParameters"] == {"temperature": 0.5}


# -- order, splits, repetition -------------------------------------------------------------------------------------------


def random_trace(chance: random.Random, trace_id: str) -> list[Json]:
    """A trace told in many events: fields that replace each other, observations that nest, starts that are said twice."""
    made = [
        event(
            "trace-create", chance.uniform(0, 5), {"id": trace_id, "timestamp": at(-1), "name": "first", "tags": ["a"]}
        )
    ]
    for _ in range(chance.randint(0, 4)):
        body = {
            "name": chance.choice([None, "second", "third"]),
            "userId": chance.choice([None, "ann", "bob"]),
            "input": chance.choice([None, {"q": 1}, "text"]),
            "output": chance.choice([None, "done", [1, 2]]),
            "metadata": chance.choice([None, {"k": chance.randint(0, 9)}, {"n": {"m": [1]}}]),
            "tags": chance.choice([None, ["b"], ["c", "a"]]),
        }
        made.append(event("trace-create", chance.uniform(5, 900), {"id": trace_id, **body}))
    observations: list[str] = []
    for number in range(chance.randint(1, 5)):
        # Ids of any text; one of them is that of its trace.
        id_ = f"{trace_id}/o {number}?" if number else trace_id
        common = {"id": id_, "traceId": trace_id}
        kind = chance.choice(["span", "generation"])
        start = chance.uniform(0, 600)
        made.append(
            event(
                f"{kind}-create",
                start,
                {
                    **common,
                    "name": f"n{number}",
                    "startTime": at(start),
                    "parentObservationId": chance.choice([None, *observations]),
                    "input": chance.choice([None, {"i": number}]),
                    "environment": "prod",
                },
            )
        )
        for _ in range(chance.randint(0, 3)):
            later = start + chance.uniform(1, 900)
            body = {
                "endTime": chance.choice([None, at(later)]),
                "output": chance.choice([None, "o1", "o2"]),
                "level": chance.choice([None, "WARNING", "ERROR"]),
                "startTime": chance.choice([None, None, at(start + chance.choice([1, 3000]))]),
                "metadata": chance.choice([None, {"x": chance.randint(0, 9)}]),
                "model": chance.choice([None, "gpt-4o-mini"]) if kind == "generation" else None,
                "usage": chance.choice([None, {"input": 3, "output": 4}]) if kind == "generation" else None,
            }
            made.append(event(f"{kind}-update", later, {**common, **body}))
        observations.append(id_)
    return made


def renamed(events: Sequence[Json], old: str, new: str) -> list[Json]:
    text = json.dumps(events).replace(old, new)
    return [{**one, "id": str(uuid.uuid4())} for one in json.loads(text)]


def comparable(trace: Json, trace_id: str) -> Json:
    """A trace's answer without what says when it came."""
    text = json.dumps(trace, sort_keys=True).replace(trace_id, "ID")
    found: Json = json.loads(text)
    for one in (found, *found["observations"]):
        for name in ("createdAt", "updatedAt", "htmlPath"):
            one.pop(name, None)
    found["observations"].sort(key=lambda o: o["id"])
    return found


def test_a_trace_is_the_same_however_its_events_came(up: Litefuse) -> None:
    """Each trace is told at once, and a copy of it in small requests of any order, several at a time, some of them again."""
    chance = random.Random(7)
    ids = [f"trace {number}" for number in range(12)]
    for id_ in ids:
        events = random_trace(chance, id_)
        send(up, events)
        parts = renamed(events, id_, f"parts of {id_}")
        parts += [one for one in parts if chance.random() < 0.3]
        chance.shuffle(parts)
        requests = [parts[n : n + 2] for n in range(0, len(parts), 2)]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda request: send(up, request), requests))
    stored(up)
    for id_ in ids:
        whole, parts_of = trace_of(up, id_), trace_of(up, f"parts of {id_}")
        assert whole["observations"]
        assert comparable(parts_of, f"parts of {id_}") == comparable(whole, id_), id_


def test_lists_show_each_observation_once_and_nothing_that_is_none(up: Litefuse) -> None:
    id_ = f"listed-{uuid.uuid4()}"
    send(up, [event("trace-create", 0, {"id": id_, "name": "listed", "userId": id_})])
    send(up, [event("span-update", 1, {"id": f"{id_}-s", "traceId": id_, "startTime": at(4000), "name": "moved"})])
    eventually(lambda: Sql(up).count(f"SELECT count() FROM spans WHERE span_id = '{id_}-s'") == 1, 30)
    send(up, [event("span-create", 2, {"id": f"{id_}-s", "traceId": id_, "startTime": at(5)})])
    seen = f"SELECT count() FROM spans WHERE span_id = '{id_}-s' AND start_time < '{START + timedelta(seconds=60):%Y-%m-%d %T}'"
    eventually(lambda: Sql(up).count(seen) == 1, 30)
    assert [o["id"] for o in get(up, f"/observations?traceId={id_}")["data"]] == [f"{id_}-s"]
    assert [o["id"] for o in get(up, f"/v2/observations?traceId={id_}")["data"]] == [f"{id_}-s"]
    (listed,) = get(up, f"/traces?userId={id_}")["data"]
    assert (listed["name"], listed["observations"]) == ("listed", [f"{id_}-s"])


# -- beside spans that came by OpenTelemetry -----------------------------------------------------------------------------


def test_a_trace_create_adds_to_a_trace_of_spans(up: Litefuse) -> None:
    """As SDKs 3 and 4 tag what they have evaluated: nothing of what the spans say is lost."""
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=bytes(15) + b"\x07",
            span_id=bytes(7) + b"\x07",
            name="root",
            start_time_unix_nano=int(START.timestamp()) * 10**9,
        )
    )
    span.attributes.add(key="input.value").value.string_value = "of the root"
    span.attributes.add(key="langfuse.trace.tags").value.string_value = "spans"
    id_ = span.trace_id.hex()
    status, _ = ask(up, "POST", "/otel/v1/traces", request.SerializeToString(), "application/x-protobuf")
    assert status == 200
    send(up, [event("trace-create", 10, {"id": id_, "tags": ["evaluated"]})])
    eventually(lambda: Sql(up).count(f"SELECT sum(length(tags)) FROM traces WHERE trace_id = '{id_}'") == 2, 30)
    found = trace_of(up, id_)
    assert (found["name"], found["input"], found["tags"]) == ("root", "of the root", ["evaluated", "spans"])
    assert [o["id"] for o in found["observations"]] == [span.span_id.hex()]


# -- deletion ------------------------------------------------------------------------------------------------------------


def test_a_deleted_trace_is_gone_with_its_events_and_may_be_told_anew(up: Litefuse) -> None:
    id_ = f"deleted-{uuid.uuid4()}"
    create = event("span-create", 1, {"id": f"{id_}-s", "traceId": id_, "startTime": at(0), "input": "secret"})
    send(up, [event("trace-create", 0, {"id": id_, "name": "before", "input": "secret"}), create])
    send(up, [event("span-update", 2, {"id": f"{id_}-s", "output": "secret"})])
    eventually(lambda: ask(up, "GET", f"/traces/{id_}")[0] == 200, 30)
    stored(up)
    assert ask(up, "DELETE", f"/traces/{id_}")[0] == 200
    everything = f"SELECT count() FROM ingestion_events WHERE object_id LIKE '{id_}%' SETTINGS final = 0"
    eventually(lambda: Sql(up).count(everything) == 0, 60)
    eventually(lambda: ask(up, "GET", f"/traces/{id_}")[0] == 404, 60)
    send(up, [event("span-create", 3, {"id": f"{id_}-s", "traceId": id_, "startTime": at(0), "name": "anew"})])
    eventually(lambda: ask(up, "GET", f"/traces/{id_}")[0] == 200, 30)
    (one,) = trace_of(up, id_)["observations"]
    assert (one["name"], one["input"], one["output"]) == ("anew", None, None)
