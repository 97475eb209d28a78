"""What of OTLP/JSON costs a span, what a whole request, and what nothing: wrong types, strange text, depth, junk."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from benchmarks.gen import request as benchmark_request
from litefuse.otlp import BodyError, jsontext
from litefuse.otlp.check import MAX_DEPTH
from litefuse.otlp.json import Converted, NotJson, NotOtlp, TooManyValues, to_protobuf
from litefuse.otlp.schema import FULL_REQUEST
from litefuse.reasons import Reason
from tests.otlp import gen
from tests.otlp.json_support import between_good, convert, message, one, refused, spans

# -- what costs a span -------------------------------------------------------------------------------------------------

BAD_FIELDS: list[dict[str, Any]] = [
    {"name": 5},
    {"name": ["a"]},
    {"traceState": {}},
    {"parentSpanId": "no id"},
    {"parentSpanId": 7},
    {"startTimeUnixNano": "soon"},
    {"startTimeUnixNano": ""},
    {"startTimeUnixNano": -1},
    {"startTimeUnixNano": "18446744073709551616"},
    {"startTimeUnixNano": 18446744073709551616},
    {"startTimeUnixNano": 1.5},
    {"startTimeUnixNano": True},
    {"startTimeUnixNano": "1_000"},
    {"startTimeUnixNano": " 1"},
    {"startTimeUnixNano": "٣"},
    {"startTimeUnixNano": {"low": 1}},
    {"startTimeUnixNano": {"low": {"low": 1, "high": 1}, "high": 1}},
    {"endTimeUnixNano": [1]},
    {"kind": "SPAN_KIND_WRONG"},
    {"kind": {}},
    {"kind": 1 << 31},
    {"flags": -1},
    {"flags": 1 << 32},
    {"droppedAttributesCount": "many"},
    {"status": "ERROR"},
    {"status": {"code": "wrong"}},
    {"status": {"message": 1}},
    {"events": {}},
    {"events": [None]},
    {"events": [{"timeUnixNano": "x"}]},
    {"events": [{"attributes": [{"key": "k", "value": 5}]}]},
    {"links": "x"},
    {"links": [{"traceId": "no id"}]},
    {"attributes": {}},
    {"attributes": "x"},
    {"attributes": [None]},
    {"attributes": ["x"]},
    {"attributes": [{"key": 5}]},
    {"attributes": [{"key": "k", "value": "plain"}]},
    {"attributes": [{"key": "k", "value": []}]},
    {"attributes": [{"key": "k", "value": {"stringValue": 5}}]},
    {"attributes": [{"key": "k", "value": {"boolValue": "true"}}]},
    {"attributes": [{"key": "k", "value": {"boolValue": 1}}]},
    {"attributes": [{"key": "k", "value": {"intValue": 1.5}}]},
    {"attributes": [{"key": "k", "value": {"intValue": "9223372036854775808"}}]},
    {"attributes": [{"key": "k", "value": {"intValue": 9223372036854775808}}]},
    {"attributes": [{"key": "k", "value": {"intValue": -9223372036854775809}}]},
    {"attributes": [{"key": "k", "value": {"intValue": "9" * 5000}}]},
    {"attributes": [{"key": "k", "value": {"intValue": "1e99"}}]},
    {"attributes": [{"key": "k", "value": {"intValue": True}}]},
    {"attributes": [{"key": "k", "value": {"doubleValue": "nan"}}]},
    {"attributes": [{"key": "k", "value": {"doubleValue": "1e999"}}]},
    {"attributes": [{"key": "k", "value": {"doubleValue": "1_0"}}]},
    {"attributes": [{"key": "k", "value": {"doubleValue": False}}]},
    {"attributes": [{"key": "k", "value": {"bytesValue": "*"}}]},
    {"attributes": [{"key": "k", "value": {"bytesValue": "A"}}]},
    {"attributes": [{"key": "k", "value": {"bytesValue": "ä"}}]},
    {"attributes": [{"key": "k", "value": {"bytesValue": [1]}}]},
    {"attributes": [{"key": "k", "value": {"arrayValue": []}}]},
    {"attributes": [{"key": "k", "value": {"arrayValue": {"values": {}}}}]},
    {"attributes": [{"key": "k", "value": {"arrayValue": {"values": [None]}}}]},
    {"attributes": [{"key": "k", "value": {"kvlistValue": {"values": ["x"]}}}]},
]


@pytest.mark.parametrize("fields", BAD_FIELDS, ids=lambda fields: json.dumps(fields)[:60])
def test_a_wrongly_typed_field_costs_that_span(fields: dict[str, Any]) -> None:
    request = gen.json_request(gen.json_span(), gen.json_span(**fields), gen.json_span())
    assert refused(request) == [Reason.MALFORMED_SPAN]


@pytest.mark.parametrize("span", [None, 5, "x", [], True])
def test_a_span_that_is_no_object_costs_itself(span: Any) -> None:
    assert refused(gen.json_request(gen.json_span(), span, gen.json_span())) == [Reason.MALFORMED_SPAN]


def test_the_text_names_the_field_and_never_the_value() -> None:
    converted = convert(gen.json_request(gen.json_span(startTimeUnixNano="secret")))
    assert [r.detail for r in converted.rejected] == ["startTimeUnixNano is not a whole number"]
    assert converted.body == b""


def test_a_bad_scope_or_resource_costs_its_spans() -> None:
    good = {"spans": [gen.json_span()]}
    bad = {"scope": {"name": 5}, "spans": [gen.json_span(name="bad")] * 2}
    converted = convert(
        {
            "resourceSpans": [
                {"scopeSpans": [good, bad, good]},
                {"resource": {"attributes": 5}, "scopeSpans": [good, good]},
                {"schemaUrl": 5, "scopeSpans": [good]},
                {"scopeSpans": [good]},
            ]
        }
    )
    assert [r.place for r in converted.rejected] == [1, 2, 4, 5, 6]
    assert [s.name for s in spans(converted)] == ["good"] * 3
    assert [len(r.scope_spans) for r in message(converted).resource_spans] == [2, 1]


def test_unknown_fields_and_snake_case_are_ignored() -> None:
    span = one(
        span_id="ffffffffffffffff",
        trace_id=5,
        start_time_unix_nano="x",
        future={"a": [1, {"b": None}]},
        attributes=[{"key": "k", "value": {"string_value": 5, "intValue": 1}, "key_ref": 5}],
    )
    assert span.span_id == gen.SPAN_ID
    assert span.attributes[0].value.int_value == 1


# -- whole requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [{}, {"resourceSpans": []}, {"resourceSpans": None}, {"future": 1}])
def test_empty_requests(request_: Any) -> None:
    assert convert(request_) == Converted(b"", 0, [])


def test_snake_case_at_the_top_is_ignored_and_remarked() -> None:
    converted = convert({"resource_spans": gen.json_request(gen.json_span())["resourceSpans"]})
    assert (converted.body, converted.count, list(converted.rejected)) == (b"", 0, [])
    assert "resourceSpans" in converted.warning


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b"not json", b'{"resourceSpans": [', b"{}x", b"\x0a\x05", b"\0", b"[" * 5000]
)
def test_not_json(body: bytes) -> None:
    with pytest.raises(NotJson) as caught:
        to_protobuf(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "request_",
    [
        [],
        5,
        "x",
        None,
        {"resourceSpans": {}},
        {"resourceSpans": "x"},
        {"resourceSpans": [None]},
        {"resourceSpans": [5]},
        {"resourceSpans": [{"scopeSpans": {}}]},
        {"resourceSpans": [{"scopeSpans": [5]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]},
    ],
)
def test_not_otlp(request_: Any) -> None:
    with pytest.raises(NotOtlp) as caught:
        convert(request_)
    assert (caught.value.status, caught.value.hint) == (400, None)


@pytest.mark.parametrize("signal", ["logs", "metrics", "profiles"])
def test_other_signals_are_named(signal: str) -> None:
    with pytest.raises(NotOtlp, match=signal) as caught:
        convert({f"resource{signal.capitalize()}": []})
    assert caught.value.hint == signal


# -- text --------------------------------------------------------------------------------------------------------------


def test_a_byte_order_mark_is_tolerated() -> None:
    body = json.dumps(gen.json_request(gen.json_span())).encode()
    assert to_protobuf(b"\xef\xbb\xbf" + body) == to_protobuf(body)


def test_invalid_utf8_is_replaced() -> None:
    converted = to_protobuf(between_good('{"name":"x"}').replace(b'"x"', b'"\xff\xc3\x28 \xed\xa0\x80"'))
    assert spans(converted)[1].name == "\ufffd\ufffd( \ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (r"\ud800", "\ufffd"),
        (r"a\udc00b", "a\ufffdb"),
        (r"\udc00\ud800", "\ufffd\ufffd"),
        (r"\ud83d\ud83d\ude80", "\ufffd🚀"),
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800", "\\\ufffd"),
        (r"\u0000", "\0"),
        (r"\"[{", '"[{'),
    ],
)
def test_lone_surrogates_are_replaced(given: str, expected: str) -> None:
    converted = to_protobuf(between_good(f'{{"name":"{given}","attributes":[{{"key":"{given}"}}]}}'))
    assert spans(converted)[1].name == spans(converted)[1].attributes[0].key == expected


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000, "9" * 400, "1" + "0" * 350])
def test_a_number_beyond_all_numbers_costs_its_span(number: str) -> None:
    for name in ("doubleValue", "intValue"):
        text = between_good(f'{{"attributes":[{{"key":"k","value":{{"{name}":{number}}}}}]}}')
        assert refused(text) == [Reason.MALFORMED_SPAN]
    converted = to_protobuf(between_good(f'{{"name":"good","future":{number}}}'))
    assert converted.rejected == []


@pytest.mark.parametrize("kind", ["arrayValue", "kvlistValue"])
def test_nesting(kind: str) -> None:
    def span(depth: int, where: str = '"attributes":[{"key":"k","value":%s}]') -> str:
        return f'{{"name":"good",{where % gen.json_nested(kind, depth)}}}'

    for depth in (0, 1, MAX_DEPTH):
        converted = to_protobuf(between_good(span(depth)))
        assert converted.rejected == []
        assert FULL_REQUEST.FromString(converted.body)
    for depth in (MAX_DEPTH + 1, 60, 300, 1000, 10_000, 200_000):
        assert refused(between_good(span(depth))) == [Reason.TOO_DEEP]
        in_event = span(depth, '"events":[{"attributes":[{"key":"k","value":%s}]}]')
        assert refused(between_good(in_event)) == [Reason.TOO_DEEP]
        assert to_protobuf(between_good(span(depth, '"future":%s'))).rejected == []


@pytest.mark.parametrize("depth", [300, 1024, 10_000, 200_000])
def test_deep_nonsense_costs_its_span(depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}"), ('[{"low":', "}]")):
        deep = opening * depth + "1" + closing * depth
        assert refused(between_good(f'{{"name":{deep}}}')) == [Reason.MALFORMED_SPAN]
        assert refused(between_good(f'{{"startTimeUnixNano":{{"low":{deep},"high":1}}}}')) == [Reason.MALFORMED_SPAN]
        if "low" in opening:  # a list of objects of unknown fields is one of attributes, and of resourceSpans
            continue
        assert refused(between_good(f'{{"attributes":{deep}}}')) == [Reason.MALFORMED_SPAN]
        with pytest.raises(NotOtlp):
            to_protobuf(f'{{"resourceSpans":{deep}}}'.encode())


def test_prune_replaces_what_lies_too_deep_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsontext, "_DEEPEST", 3)
    monkeypatch.setattr(jsontext, "_STEP", 7)
    rng = random.Random(6)

    def random_json(depth: int) -> Any:
        if depth == 0 or rng.random() < 0.2:
            return rng.choice((1, "a", '[{"\\', "\\\\", '"', "]}", None, 1.5))
        values = [random_json(depth - 1) for _ in range(rng.randint(0, 3))]
        return (
            values if rng.random() < 0.5 else {rng.choice(("k", '"[', "}\\")) + str(i): v for i, v in enumerate(values)}
        )

    def cut(tree: Any, depth: int) -> Any:
        if not isinstance(tree, dict | list):
            return tree
        if depth == 3:
            return 0
        if isinstance(tree, list):
            return [cut(v, depth + 1) for v in tree]
        return {k: cut(v, depth + 1) for k, v in tree.items()}

    for _ in range(500):
        tree = random_json(7)
        text = json.dumps(tree, indent=rng.choice((None, 1)), ensure_ascii=rng.random() < 0.5).encode()
        assert json.loads(jsontext.prune(text)) == cut(tree, 0)


def test_more_values_than_any_exporter_sends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsontext, "MAX_VALUES", 100)
    for inner in ("[],", "{},", "1,"):
        with pytest.raises(TooManyValues) as caught:
            to_protobuf(b'{"a":[' + inner.encode() * 101 + b"1]}")
        assert caught.value.status == 413
    assert to_protobuf(b'{"a":"' + b"[,{" * 101 + b'\\""}').count == 0


# -- hostile -----------------------------------------------------------------------------------------------------------

JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    1 << 63,
    1 << 64,
    "",
    "x",
    "NaN",
    "\ud800",
    "9" * 50,
    [],
    [[]],
    [None],
    {},
    {"key": "k"},
    {"low": 1, "high": 2},
    {"stringValue": 1},
    {"arrayValue": {"values": [{}]}},
]


def places_of(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in a tree."""
    found = []
    stack = [tree]
    while stack:
        node = stack.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, inner in items:
            found.append((node, key))
            stack.append(inner)
    return found


def test_junk_anywhere_in_one_span_leaves_its_neighbours_as_they_were() -> None:
    rng = random.Random(8)
    pool = [
        span
        for name, body in gen.captured("application/x-protobuf")
        for r in gen.as_json(body).get("resourceSpans", [])[:1]
        for scope in r["scopeSpans"][:1]
        for span in scope["spans"][:2]
    ]
    for _ in range(1500):
        trio = [copy.deepcopy(rng.choice(pool)) for _ in range(3)]
        expected = [spans(convert(gen.json_request(trio[i])))[0] for i in (0, 2)]
        for _ in range(rng.randint(1, 4)):
            container, key = rng.choice(places_of(trio[1]))
            if isinstance(container, list) and key >= len(container):
                continue
            container[key] = copy.deepcopy(rng.choice(JUNK))
        converted = convert(gen.json_request(*trio))
        FULL_REQUEST.FromString(converted.body)
        found = spans(converted)
        assert len(found) == converted.count == 3 - len(converted.rejected)
        assert {r.place for r in converted.rejected} <= {1}
        assert [found[0], found[-1]] == expected


def test_only_its_own_errors_come_out() -> None:
    rng = random.Random(9)
    whole = json.dumps(gen.as_json(benchmark_request(2)), ensure_ascii=False).encode()
    texts = [whole, *(body for _, body in gen.captured("application/json"))]
    kept = refused_ = 0
    for body in gen.mutated(10, texts, 3000):
        for _ in range(rng.randint(0, 2)):
            at = rng.randrange(len(body))
            body = (
                body[:at]
                + rng.choice((b'"', b"\\", b"{", b"]", b"\xff", b"1e999", b"NaN", b"[" * 300))
                + body[at + 1 :]
            )
        try:
            converted = to_protobuf(body)
        except BodyError:
            refused_ += 1
            continue
        kept += 1
        FULL_REQUEST.FromString(converted.body)
        assert len(spans(converted)) == converted.count
    assert min(kept, refused_) > 100
