"""The outer levels of an ExportTraceServiceRequest, on its wire bytes: find spans, cut down, split.

    request { 1: ResourceSpans { 1: resource  2: ScopeSpans { 1: scope  2: span  3: schema_url }  3: schema_url } }

Pure functions, no objects, no recursion; for the slow paths, where a body cannot be taken as a whole. A span's place
(`place`) is the order in which a protobuf decoder meets it. What framing is accepted is exactly what protobuf's own
decoder (upb) accepts, held against it by tests; what is inside of a span does not matter here, so that one span of
garbage is still found between its borders.

Time and memory are linear in the body, and bounded besides by MAX_FIELDS: each field costs about a microsecond.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import ClassVar, Literal, NamedTuple

from google.protobuf.message import DecodeError

from litefuse.otlp import BodyError
from litefuse.otlp.schema import FULL_REQUEST

#: Fields of the outer three levels, spans included, in one body. A span that can be kept has at least 30 bytes.
MAX_FIELDS = 500_000
#: `split` repeats resource and scope in each piece: the pieces together may be that many times the body, and one piece.
MAX_GROWTH = 4
#: upb's limit of messages and groups within each other.
_MAX_NESTING = 100

_VARINT, _FIXED64, _BYTES, _GROUP, _END, _FIXED32 = range(6)
_RESOURCE_SPANS, _SCOPE_SPANS, _SPAN = 1, 2, 2


class Malformed(BodyError):
    """The bytes are not an export request: the framing of its outer levels is broken."""


class TooManyParts(BodyError):
    """More than MAX_FIELDS fields in the outer levels. Refused, because memory would be a multiple of the body's."""

    status: ClassVar[int] = 413


class SpanAt(NamedTuple):
    """Where a span lies. Ranges are (start, end) offsets into the body, of the message's own bytes without tag and
    length; `field` is the start of the span's tag."""

    place: int
    start: int
    end: int
    field: int
    scope_spans: tuple[int, int]
    resource_spans: tuple[int, int]


class Split(NamedTuple):
    """`pieces`: requests of at most the limit each, all spans in order. `too_large`: (place, bytes it would need)."""

    pieces: list[bytes]
    too_large: list[tuple[int, int]]


class _Field(NamedTuple):
    number: int
    wire_type: int
    field: int
    start: int
    end: int


def spans(body: bytes) -> Iterator[SpanAt]:
    """All spans in order. Raises Malformed, TooManyParts, possibly after some spans."""
    return _spans(_Reader(body, MAX_FIELDS))


def _spans(reader: _Reader) -> Iterator[SpanAt]:
    place = 0
    for rs in reader.fields(0, len(reader.body), 0):
        if rs.number != _RESOURCE_SPANS or rs.wire_type != _BYTES:
            continue
        for ss in reader.fields(rs.start, rs.end, 1):
            if ss.number != _SCOPE_SPANS or ss.wire_type != _BYTES:
                continue
            for span in reader.fields(ss.start, ss.end, 2):
                if span.number == _SPAN and span.wire_type == _BYTES:
                    yield SpanAt(place, span.start, span.end, span.field, (ss.start, ss.end), (rs.start, rs.end))
                    place += 1


def keep(body: bytes, places: Container[int]) -> bytes:
    """The request cut down to those spans. Resource, scope, schema URLs and unknown fields stay at their levels;
    a ScopeSpans or ResourceSpans without spans goes. Raises Malformed, TooManyParts."""
    unknown, resources = _tree(body)
    pieces = [unknown]
    for resource in resources:
        scopes = []
        for scope in resource.scopes:
            kept = [body[field:end] for place, field, end in scope.spans if place in places]
            if kept:
                scopes.append(_message(0x12, [scope.rest, *kept]))
        if scopes:
            pieces.append(_message(0x0A, [resource.rest, *scopes]))
    return b"".join(pieces)


def each(body: bytes, places: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """`(place, request with that span alone)` for each of the spans, in order, in one walk; for dead letters, where
    `keep` for one span after the other would take quadratic time. Raises Malformed, TooManyParts."""
    wanted = frozenset(places)
    _, resources = _tree(body)
    for resource in resources:
        for scope in resource.scopes:
            for place, field, end in scope.spans:
                if place in wanted:
                    yield place, _message(0x0A, [resource.rest, _message(0x12, [scope.rest, body[field:end]])])


def split(body: bytes, limit: int) -> Split:
    """The request in pieces of at most `limit` bytes, cut at span borders, each with its resources and scopes; fields
    unknown at the top are left out. A span that does not fit with its resource and scope is `too_large`; so are those
    left over when repeated resources have made MAX_GROWTH times the body. Raises Malformed, TooManyParts."""
    allowance = MAX_GROWTH * len(body)
    pieces: list[bytes] = []
    too_large: list[tuple[int, int]] = []
    # The open piece: finished ResourceSpans, then those of the current one, then the current ScopeSpans' spans.
    done: list[bytes] = []
    done_size = 0
    for resource in _tree(body)[1]:
        scopes: list[bytes] = []
        scopes_size = len(resource.rest)
        for scope in resource.scopes:
            open_spans: list[bytes] = []
            open_size = len(scope.rest)
            for place, field, end in scope.spans:
                size = end - field
                alone = _framed(len(resource.rest) + _framed(len(scope.rest) + size))
                if alone > limit or allowance < alone:
                    too_large.append((place, alone))
                    continue
                if done_size + _framed(scopes_size + _framed(open_size + size)) > limit:
                    if open_spans:
                        scopes.append(_message(0x12, [scope.rest, *open_spans]))
                    if scopes:
                        done.append(_message(0x0A, [resource.rest, *scopes]))
                    pieces.append(b"".join(done))
                    allowance -= len(pieces[-1])
                    done, done_size = [], 0
                    scopes, scopes_size = [], len(resource.rest)
                    open_spans, open_size = [], len(scope.rest)
                open_spans.append(body[field:end])
                open_size += size
            if open_spans:
                scopes.append(_message(0x12, [scope.rest, *open_spans]))
                scopes_size += len(scopes[-1])
        if scopes:
            done.append(_message(0x0A, [resource.rest, *scopes]))
            done_size += len(done[-1])
    if done:
        pieces.append(b"".join(done))
    return Split(pieces, too_large)


def wrap(span: bytes) -> bytes:
    """A request of this span alone, at the depth at which spans lie."""
    return _message(0x0A, [_message(0x12, [_message(0x12, [span])])])


def wrap_all(body: bytes, spans: Iterable[SpanAt]) -> bytes:
    """A request of these spans of a body, without their resources and scopes."""
    return _message(0x0A, [_message(0x12, [body[span.field : span.end] for span in spans])])


def well_formed(span: bytes) -> bool:
    """Whether a span's own bytes are a span, as far as the worker reads it: attributes, events and links too, but not
    what is within lists and maps."""
    try:
        FULL_REQUEST.FromString(wrap(span))
    except DecodeError:
        return False
    return True


def unreadable(body: bytes) -> list[int]:
    """Places of the spans that are not `well_formed`; one walk, and one parse of each span, about 3 µs for a small one.
    Raises Malformed, TooManyParts."""
    return [span.place for span in spans(body) if not well_formed(body[span.start : span.end])]


def has_long_length(body: bytes) -> bool:
    """Whether somewhere could be a length of 2⁶⁴ minus a little, which makes ptars 0.0.25 panic (an error that is no
    `Exception`) or read on at a wrong place. Such a varint holds five bytes 0xff, which no UTF-8 text does; negative
    integers do. So most bodies are cleared at the price of one search. Sure for bodies below 2²⁸ bytes."""
    return b"\xff" in body and b"\xff\xff\xff\xff\xff" in body  # the first is a memchr, and settles most small bodies


def looks_like_logs(body: bytes) -> bool:
    """Whether a protobuf body is rather a logs export."""
    return guess_signal(body) == "logs"


def guess_signal(body: bytes) -> Literal["logs", "metrics"] | None:
    """What a protobuf body without usable spans probably is, for the error text: all three signals frame alike, and a
    log record or a metric decodes as a span without ids. Looks at the first few; never raises."""
    logs = metrics = traces = 0
    try:
        for span in _spans(_Reader(body, 10_000)):
            seen: dict[tuple[int, int], int] = {}
            for field in _Reader(body, 1_000).fields(span.start, span.end, 3):
                seen.setdefault((field.number, field.wire_type), field.end - field.start)
            # A span's times are 7 and 8 as fixed64. A log record's are 1 and 11 so, its severity is 2 as varint, its
            # trace id 9. A metric has its name at 1 and its points, a message, at one of 5, 7, 9, 10, 11.
            if (7, _FIXED64) in seen or (8, _FIXED64) in seen or seen.get((1, _BYTES)) == 16:
                traces += 1
            elif {(1, _FIXED64), (11, _FIXED64), (2, _VARINT)} & seen.keys() or seen.get((9, _BYTES)) == 16:
                logs += 1
            elif (1, _BYTES) in seen and {(n, _BYTES) for n in (5, 7, 9, 10, 11)} & seen.keys():
                metrics += 1
            if span.place == 7:
                break
    except BodyError:
        pass
    if max(logs, metrics) <= traces:
        return None
    return "logs" if logs >= metrics else "metrics"


#: Message kinds down to the key-value pairs, by the field number under which a child lies.
_CHILDREN: dict[str, dict[int, str]] = {
    "request": {_RESOURCE_SPANS: "resource_spans"},
    "resource_spans": {1: "resource", _SCOPE_SPANS: "scope_spans"},
    "resource": {},
    "scope_spans": {1: "scope", _SPAN: "span"},
    "scope": {},
    "span": {11: "event", 13: "link"},
    "event": {},
    "link": {},
}


def crowded(body: bytes, most: int) -> bool:
    """Whether the request has more than `most` fields down to key-value pairs. A pair takes two bytes on the wire at least,
    and some hundred when decoded. Linear in the fields read. Raises Malformed."""
    reader = _Reader(body, most)
    open_messages = [("request", 0, len(body), 0)]
    try:
        while open_messages:
            kind, at, end, depth = open_messages.pop()
            for field in reader.fields(at, end, depth):
                child = _CHILDREN[kind].get(field.number)
                if child is not None and field.wire_type == _BYTES:
                    open_messages.append((child, field.start, field.end, depth + 1))
    except TooManyParts:
        return True
    return False


# -- reading -----------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads fields; `budget` is how many more it reads, those within groups included, before it raises TooManyParts."""

    def __init__(self, body: bytes, budget: int) -> None:
        self.body = body
        self.budget = budget

    def fields(self, at: int, end: int, depth: int) -> Iterator[_Field]:
        """The fields of the message that lies in `body[at:end]`; `start` and `end` are the value's, for a group all
        of it. `depth` is how many messages it lies within."""
        while at < end:
            field = at
            number, wire_type, at = self._tag(at, end)
            start = at
            if wire_type == _BYTES:
                size, start = _varint(self.body, at, end, 5)
                if size > end - start:
                    raise Malformed(f"a field of {size} bytes at byte {field} exceeds what is left")
                at = start + size
            elif wire_type == _GROUP:
                at = self._skip_group(at, end, number, depth + 1)
            else:
                at = self._skip(at, end, wire_type)
            yield _Field(number, wire_type, field, start, at)

    def _tag(self, at: int, end: int) -> tuple[int, int, int]:
        self.budget -= 1
        if self.budget < 0:
            raise TooManyParts(f"more than {MAX_FIELDS} spans and other parts in one request")
        tag, after = _varint(self.body, at, end, 5)
        if tag > 0xFFFFFFFF or not tag >> 3:
            raise Malformed(f"no field number at byte {at}")
        return tag >> 3, tag & 7, after

    def _skip(self, at: int, end: int, wire_type: int) -> int:
        if wire_type == _VARINT:
            return _varint(self.body, at, end, 10)[1]
        if wire_type == _BYTES:
            size, at = _varint(self.body, at, end, 5)
            at += size
        elif wire_type == _FIXED64:
            at += 8
        elif wire_type == _FIXED32:
            at += 4
        else:
            raise Malformed(f"wire type {wire_type} at byte {at}")
        if at > end:
            raise Malformed(f"truncated at byte {end}")
        return at

    def _skip_group(self, at: int, end: int, number: int, depth: int) -> int:
        """The place behind the end tag of the group whose start tag ends at `at`."""
        open_groups = [number]
        while open_groups:
            if depth + len(open_groups) - 1 > _MAX_NESTING:
                raise Malformed(f"groups nested too deeply at byte {at}")
            number, wire_type, at = self._tag(at, end)
            if wire_type == _GROUP:
                open_groups.append(number)
            elif wire_type == _END:
                if open_groups.pop() != number:
                    raise Malformed(f"wrong end of a group at byte {at}")
            else:
                at = self._skip(at, end, wire_type)
        return at


def _varint(body: bytes, at: int, end: int, longest: int) -> tuple[int, int]:
    """A varint of at most `longest` bytes, and the place behind it."""
    value = shift = 0
    for place in range(at, min(end, at + longest)):
        byte = body[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise Malformed(f"varint without end at byte {at}")


class _Scope(NamedTuple):
    """A ScopeSpans: its fields that are not spans, joined, and the spans' (place, field start, end)."""

    rest: bytes
    spans: list[tuple[int, int, int]]


class _Resource(NamedTuple):
    rest: bytes
    scopes: list[_Scope]


def _tree(body: bytes) -> tuple[bytes, list[_Resource]]:
    """All spans by resource and scope, and the fields unknown at the top."""
    reader = _Reader(body, MAX_FIELDS)
    place = 0
    unknown: list[bytes] = []
    resources: list[_Resource] = []
    for rs in reader.fields(0, len(body), 0):
        if rs.number != _RESOURCE_SPANS or rs.wire_type != _BYTES:
            unknown.append(body[rs.field : rs.end])
            continue
        rest: list[bytes] = []
        scopes: list[_Scope] = []
        for ss in reader.fields(rs.start, rs.end, 1):
            if ss.number != _SCOPE_SPANS or ss.wire_type != _BYTES:
                rest.append(body[ss.field : ss.end])
                continue
            scope_rest: list[bytes] = []
            found: list[tuple[int, int, int]] = []
            for span in reader.fields(ss.start, ss.end, 2):
                if span.number == _SPAN and span.wire_type == _BYTES:
                    found.append((place, span.field, span.end))
                    place += 1
                else:
                    scope_rest.append(body[span.field : span.end])
            scopes.append(_Scope(b"".join(scope_rest), found))
        resources.append(_Resource(b"".join(rest), scopes))
    return b"".join(unknown), resources


# -- writing -----------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """A number ≥ 0 as protobuf varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _message(tag: int, parts: list[bytes]) -> bytes:
    size = sum(map(len, parts))
    return b"".join((bytes((tag,)), varint(size), *parts))


def _framed(size: int) -> int:
    """Bytes of a message of `size` bytes with its one-byte tag and its length."""
    return 1 + max(1, (size.bit_length() + 6) // 7) + size
