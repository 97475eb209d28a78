"""ptars, which decodes for the worker, held against upb, protobuf's own decoder, on the schema that both use.

What upb accepts, ptars accepts with the same content, but for one thing: a value given in two types shows both. ptars
accepts a little more, and panics on lengths close to 2⁶⁴. All of this is pinned here: when a new version of ptars
changes any of it, the code that allows for it has to be looked at.
"""

from __future__ import annotations

from typing import Any, Literal

import pytest
from google.protobuf.message import DecodeError

from litefuse.otlp import wire
from litefuse.otlp.schema import FULL, FULL_REQUEST
from tests.otlp import gen

Decoded = list[dict[str, Any]] | Literal["refused", "panic"]


def by_ptars(body: bytes) -> Decoded:
    try:
        return FULL.list_to_record_batch([body]).to_pylist()  # type: ignore[no-any-return]
    except ValueError:
        return "refused"
    except BaseException as error:
        # Not an Exception, and of a class that cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        return "panic"


def by_upb(body: bytes) -> Decoded:
    """upb's reading, shown through ptars, which reads upb's canonical output as any other decoder does."""
    try:
        message = FULL_REQUEST.FromString(body)
    except DecodeError:
        return "refused"
    return by_ptars(message.SerializeToString())


def without_double_values(ptars: Any, upb: Any) -> Any:
    """ptars' reading with each value that shows two types replaced by upb's choice, if that is among them."""
    if isinstance(ptars, list) and isinstance(upb, list) and len(ptars) == len(upb):
        return [without_double_values(p, u) for p, u in zip(ptars, upb, strict=True)]
    if isinstance(ptars, dict) and isinstance(upb, dict):
        if "kvlist_value" in ptars:
            shown = {kind for kind, value in ptars.items() if value is not None}
            chosen = {kind for kind, value in upb.items() if value is not None}
            return upb if len(shown) > 1 and len(chosen) == 1 and chosen < shown else ptars
        return {key: without_double_values(value, upb[key]) for key, value in ptars.items()}
    return ptars


def test_agree_on_everything_captured() -> None:
    for name, body in gen.captured("application/x-protobuf"):
        assert repr(by_ptars(body)) == repr(by_upb(body)), name


def test_agree_on_what_upb_accepts() -> None:
    small = [wire.keep(body, range(2)) for _, body in gen.captured("application/x-protobuf")]
    bodies = [gen.Grower(seed, 0.1, garbage=seed % 3 == 0).grow() for seed in range(3000)]
    bodies += gen.mutated(12, small, 1000)
    accepted = refused = lenient = panics = 0
    for body in bodies:
        ptars, upb = by_ptars(body), by_upb(body)
        if ptars == "panic":
            panics += 1
            assert upb == "refused"
            assert wire.has_long_length(body)
        elif upb == "refused":
            refused += ptars == "refused"
            lenient += ptars != "refused"
        else:
            accepted += 1
            assert repr(without_double_values(ptars, upb)) == repr(upb)
    assert min(accepted, refused) > 1000
    assert lenient < 10
    assert panics < 30


@pytest.mark.parametrize("name", gen.odd_spans())
def test_agree_on_odd_spans(name: str) -> None:
    body = gen.request(gen.span(), gen.odd_spans()[name])
    ptars, upb = by_ptars(body), by_upb(body)
    assert upb != "refused"
    assert repr(without_double_values(ptars, upb)) == repr(upb)
    assert (repr(ptars) == repr(upb)) == (name != "a value of two types")


#: upb refuses these, ptars does not. Harmless: the content is the same as without the oddity.
LENIENT = {
    "group ended by another",
    "groups too deep",
    "tag of 6 bytes",
    "tag beyond 32 bits",
    "length of 10 bytes",
}


@pytest.mark.parametrize("name", gen.garbage_spans())
def test_ptars_on_garbage_spans(name: str) -> None:
    body = gen.request(gen.garbage_spans()[name])
    assert by_upb(body) == "refused"
    found = by_ptars(body)
    if name == "length of 2^64 - 1":
        assert found == "panic"
        assert wire.has_long_length(body)
    else:
        assert (found != "refused") == (name in LENIENT)


_TEXT, _NUMBER = gen.field(1, b"s"), gen.number(3, 5)


@pytest.mark.parametrize(("first", "then"), [(_TEXT, _NUMBER), (_NUMBER, _TEXT)])
def test_ptars_shows_both_values_of_two_types(first: bytes, then: bytes) -> None:
    """In either order, and also when two AnyValues merge; so which was last cannot be told from it."""
    merged = gen.field(9, gen.field(1, b"k") + gen.field(2, first) + gen.field(2, then))
    for rest in (gen.attribute("k", first + then), merged):
        found = by_ptars(gen.request(gen.span(rest=rest)))
        assert isinstance(found, list)
        value = found[0]["resource_spans"][0]["scope_spans"][0]["spans"][0]["attributes"][0]["value"]
        assert (value["string_value"], value["int_value"]) == (b"s", 5)


def test_lengths_close_to_2_64_are_seen_before() -> None:
    for less in (1, 2, 100, 1 << 20, (1 << 28) - 1):
        assert wire.has_long_length(gen.tag(1, 2) + wire.varint((1 << 64) - less))
    for _, body in gen.captured("application/x-protobuf"):
        assert not wire.has_long_length(body) or by_ptars(body) == by_upb(body)
    assert not wire.has_long_length("世界 🚀 \ufffd\U0010ffff".encode() * 10)
