"""What events say together: the rules of public-api.md section 8, and that neither order nor repetition matters."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from litefuse.ingested import KIND, TRACE
from web.api.ingestion_events import Event, parsed
from web.api.ingestion_rows import Row, rows, trace_of, version

SECOND = 1_000_000_000
START = 1_780_272_000 * SECOND
ISO = "2026-06-01T{:02}:{:02}:{:02}.000Z"


def at(seconds: int) -> str:
    """A time so many seconds after START."""
    return ISO.format(seconds // 3600, seconds // 60 % 60, seconds % 60)


def event(type_: str, seconds: int, body: Mapping[str, Any], id_: str = "") -> Event:
    sent = {"id": "o", **({} if type_ == "trace-create" else {"traceId": "t"}), **body}
    made = parsed(id_ or f"{type_}@{seconds}", type_, START + seconds * SECOND, sent)
    return replace(made, received_ns=START + seconds)


def only(*events: Event) -> Row:
    found = rows(events)
    assert len(found) == 1
    return found[0]


def said(row: Row, name: str) -> Any:
    """An attribute decoded."""
    return orjson.loads(row.attributes[name])


# -- observations --------------------------------------------------------------------------------------------------------


def test_what_is_given_replaces_and_null_keeps() -> None:
    row = only(
        event("generation-create", 1, {"name": "a", "startTime": at(0), "input": [1], "model": "m", "version": "v"}),
        event("generation-update", 2, {"name": None, "output": "x", "model": "n", "endTime": at(9)}),
    )
    assert (row.trace_id, row.span_id, row.name) == ("t", "o", "a")
    assert (row.start_ns, row.end_ns) == (START, START + 9 * SECOND)
    assert row.attributes["langfuse.observation.type"] == "generation"
    assert row.attributes["langfuse.observation.model.name"] == "n"
    assert row.attributes["langfuse.observation.output"] == "x"
    assert said(row, "langfuse.observation.input") == [1]
    assert row.attributes["langfuse.version"] == "v"


def test_creates_go_before_updates_whatever_their_times() -> None:
    row = only(
        event("span-update", 1, {"output": "of the update", "level": "ERROR"}),
        event("span-create", 2, {"startTime": at(0), "output": "of the create"}),
    )
    assert row.attributes["langfuse.observation.output"] == "of the update"


def test_start_trace_and_environment_are_what_is_said_first() -> None:
    found = rows(
        [
            event("span-create", 1, {"startTime": at(5), "environment": "prod"}),
            event("span-update", 2, {"startTime": at(7), "environment": "dev", "traceId": "u"}),
        ]
    )
    row = found[-1]
    assert (row.start_ns, row.trace_id) == (START + 5 * SECOND, "t")
    assert row.attributes["langfuse.environment"] == "prod"


def test_a_create_without_start_or_trace_begins_at_its_own_time_in_a_trace_of_its_own() -> None:
    alone = event("tool-create", 3, {"traceId": None, "parentObservationId": "p"})
    row = only(alone)
    assert (row.trace_id, row.start_ns, row.parent_id) == ("o", START + 3 * SECOND, "p")
    assert row.attributes["langfuse.observation.type"] == "tool"
    assert trace_of([alone]) == "o"


def test_an_update_alone_waits_unless_it_says_where_it_belongs() -> None:
    assert rows([event("span-update", 1, {"output": 1})]) == []
    assert rows([event("span-update", 1, {"startTime": at(0), "traceId": None})]) == []
    assert only(event("span-update", 1, {"startTime": at(0), "output": 1})).start_ns == START
    assert trace_of([event("span-update", 1, {"traceId": None})]) == ""


@pytest.mark.parametrize(
    ("body", "usage", "cost"),
    [
        (
            {"usage": {"input": 7, "output": 3, "total": 10, "unit": "TOKENS"}},
            {"input": 7, "output": 3, "total": 10},
            None,
        ),
        ({"usage": {"promptTokens": 7, "completionTokens": 3}}, {"input": 7, "output": 3}, None),
        (
            {"usage": {"input": 7, "inputCost": 0.5, "totalCost": 1, "outputCost": None}},
            {"input": 7},
            {"input": 0.5, "total": 1},
        ),
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 3}}, {"prompt_tokens": 7, "completion_tokens": 3}, None),
        ({"usage": {"input": 1}, "usageDetails": {"input": 7, "cached": 2}}, {"input": 7, "cached": 2}, None),
        ({"usage": {"input": 1, "inputCost": 1}, "costDetails": {"total": 3}}, {"input": 1}, {"total": 3}),
        ({"usage": {"input": 1}, "usageDetails": {}}, {"input": 1}, None),
        ({"usage": {}}, None, None),
    ],
)
def test_forms_of_usage(body: Mapping[str, Any], usage: Any, cost: Any) -> None:
    row = only(event("generation-create", 1, body))
    found = {
        name: said(row, f"langfuse.observation.{name}") if f"langfuse.observation.{name}" in row.attributes else None
        for name in ("usage_details", "cost_details")
    }
    assert found == {"usage_details": usage, "cost_details": cost}


def test_metadata_is_put_together_by_name() -> None:
    row = only(
        event("span-create", 1, {"metadata": {"a": "1", "b": {"x": 1, "y": [2]}, "c": None}}),
        event("span-update", 2, {"metadata": {"a": 2, "b": {"x": 3}}}),
        event("span-update", 3, {"metadata": ["no object"]}),
    )
    prefix = "langfuse.observation.metadata."
    found = {k.removeprefix(prefix): v for k, v in row.attributes.items() if k.startswith(prefix)}
    assert found == {"a": "2", "b": '{"x":3,"y":[2]}', "c": "null", "metadata": '["no object"]'}


def test_the_type_is_that_of_the_create() -> None:
    row = only(event("generation-create", 1, {}), event("span-update", 2, {"output": 1}))
    assert row.attributes["langfuse.observation.type"] == "generation"
    assert only(event("observation-create", 1, {"type": "agent"})).attributes["langfuse.observation.type"] == "agent"


# -- traces --------------------------------------------------------------------------------------------------------------


def test_a_trace_is_one_row_that_says_what_all_its_events_say() -> None:
    row = only(
        event("trace-create", 1, {"timestamp": at(0), "name": "n", "userId": "u", "tags": ["b", "a"], "public": True}),
        event("trace-create", 9, {"output": {"x": 1}, "tags": ["c"], "metadata": {"k": 1}, "name": "n"}),
    )
    assert (row.trace_id, row.start_ns, row.end_ns, row.name) == ("o", START, 0, "n")
    assert row.span_id != "o"
    assert row.attributes == {
        KIND: TRACE,
        "langfuse.trace.name": "n",
        "langfuse.user.id": "u",
        "langfuse.trace.output": '{"x":1}',
        "langfuse.trace.tags": '["a","b","c"]',
        "langfuse.trace.public": "true",
        "langfuse.trace.metadata.k": "1",
    }


def test_a_value_that_was_replaced_cannot_come_back() -> None:
    """A second row, as late as the latest event: what may be stored of the first one alone is earlier."""
    first, latest = rows(
        [
            event("trace-create", 1, {"timestamp": at(0), "output": "a"}),
            event("trace-create", 700, {"output": "b"}),
        ]
    )
    assert (first.start_ns, latest.start_ns) == (START, START + 700 * SECOND)
    assert first.attributes == latest.attributes
    assert latest.span_id > first.span_id


# -- any order, any split, any repetition --------------------------------------------------------------------------------


def random_events(chance: random.Random, kind: str) -> list[Event]:
    """Of one object. Each has a time of its own; starts may be hours apart."""
    made = []
    for number, seconds in enumerate(sorted(chance.sample(range(10, 7000), chance.randint(1, 6)))):
        body: dict[str, Any] = {
            "name": chance.choice([None, "n1", "n2"]),
            "input": chance.choice([None, "i1", {"i": 2}]),
            "output": chance.choice([None, "o1", [2]]),
            "metadata": chance.choice([None, {"a": 1}, {"a": 2, "b": {"c": chance.randint(0, 3)}}, "text"]),
            "version": chance.choice([None, "v1", "v2"]),
        }
        if kind == "trace":
            type_ = "trace-create"
            body |= {
                # Nobody says of a trace that it begins after an event about it.
                "timestamp": chance.choice([None, at(0), at(chance.randint(0, 9))]),
                "userId": chance.choice([None, "u1", "u2"]),
                "tags": chance.choice([None, ["x"], ["y", "x"]]),
            }
        else:
            type_ = chance.choice(["span-create", "span-update", "generation-update", "event-create"])
            body |= {
                "traceId": chance.choice([None, "t", "t", "u"]),
                "startTime": chance.choice([None, None, at(0), at(2), at(3600), at(chance.randint(0, 7000))]),
                "endTime": chance.choice([None, at(7100)]),
                "usage": chance.choice([None, {"input": 1}, {"promptTokens": 5, "totalCost": 1}]),
            }
        made.append(event(type_, seconds, body, f"e{number}"))
    return made


class Stored:
    """The tables that rows end in, in plain Python: the newest row of a key is seen (`spans` with FINAL); of what rows ever
    said of their trace, the latest counts, and of one start the greater span id, then the newer row (`trace_parts`)."""

    def __init__(self) -> None:
        self.known: dict[str, Event] = {}
        self.spans: dict[tuple[str, int, str], tuple[int, Row]] = {}
        self.parts: list[tuple[int, str, int, Row]] = []
        self.written: list[tuple[Row, int]] = []

    def request(self, events: Sequence[Event], received_ns: int) -> None:
        for number, one in enumerate(events):
            self.known[one.id] = replace(one, received_ns=received_ns + number)
        order = version(list(self.known.values()))
        self.written += [(row, order) for row in rows(self.known.values())]

    def insert(self, written: Iterable[tuple[Row, int]]) -> None:
        for row, order in written:
            key = row.trace_id, row.start_ns // (300 * SECOND), row.span_id
            if key not in self.spans or self.spans[key][0] <= order:
                self.spans[key] = order, row
            self.parts.append((row.start_ns, row.span_id, order, row))

    def observations(self) -> list[Row]:
        return [row for _, row in self.spans.values() if row.attributes.get(KIND) != TRACE]

    def trace(self) -> dict[str, Any]:
        found: dict[str, Any] = {"start": min(part[0] for part in self.parts)}
        for *_, row in sorted(self.parts, key=lambda part: part[:3]):
            found |= {name: text for name, text in row.attributes.items() if not name.endswith("tags")}
            found["tags"] = sorted(
                {*found.get("tags", ()), *orjson.loads(row.attributes.get("langfuse.trace.tags", "[]"))}
            )
        return found


def sent_anyhow(chance: random.Random, events: Sequence[Event]) -> Stored:
    """The events over some requests, some of them again; rows stored in any order, as several processes and partitions do."""
    stored = Stored()
    shuffled = list(events) + [e for e in events if chance.random() < 0.3]
    chance.shuffle(shuffled)
    now = START
    while shuffled:
        size = chance.randint(1, 3)
        stored.request(shuffled[:size], now := now + 1000)
        shuffled = shuffled[size:]
    written = list(stored.written)
    chance.shuffle(written)
    stored.insert(written)
    return stored


@pytest.mark.parametrize("seed", range(400))
def test_an_observation_is_the_same_however_it_was_told(seed: int) -> None:
    chance = random.Random(seed)
    events = random_events(chance, "observation")
    at_once = [row for row in rows(events) if row.attributes.get(KIND) != TRACE]
    assert len(at_once) <= 1
    for _ in range(4):
        assert sent_anyhow(chance, events).observations() == at_once


@pytest.mark.parametrize("seed", range(400))
def test_a_trace_is_the_same_however_it_was_told(seed: int) -> None:
    chance = random.Random(seed)
    events = random_events(chance, "trace")
    at_once = Stored()
    at_once.request(events, START)
    at_once.insert(at_once.written)
    for _ in range(4):
        assert sent_anyhow(chance, events).trace() == at_once.trace()


def test_whoever_has_read_more_wins() -> None:
    """Of two processes that store an object at once, one reads the events of both."""
    one, two = event("span-create", 1, {}), event("span-update", 2, {"output": 1})
    late, early = replace(one, received_ns=900), replace(two, received_ns=100)
    assert version([late]) < version([late, early])
    assert version([early]) < version([late, early])
