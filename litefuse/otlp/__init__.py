"""OTLP trace exports as they come off the wire: inflate, JSON to protobuf, scan, check, cut.

    inflate   Content-Encoding undone, with a bound
    json      OTLP/JSON → the protobuf bytes that a protobuf exporter would have sent
    wire      the outer levels of protobuf bytes: find span borders, cut a request down, split it
    scan      ids and times of all spans, for ingest
    check     what a span needs to be kept; the same rule at ingest and in the worker
    schema    the protobuf schemas that OTLP is decoded with
    values    lists, maps and bytes as JSON text

Everything is pure and bounded: nothing here recurses on what a sender chose, and for a whole body only the
exceptions below come out; a bad span costs that span alone.

    BodyError
    ├── inflate.UnsupportedEncoding   415
    ├── inflate.CorruptBody           400
    ├── inflate.BodyTooLarge          413
    ├── wire.Malformed                400  not an export request in protobuf
    ├── wire.TooManyParts             413  more parts than any exporter sends; bounds memory and time
    ├── json.NotJson                  400
    ├── json.NotOtlp                  400  JSON, but not an export request
    └── json.TooManyValues            413
"""

from __future__ import annotations

from typing import ClassVar

from litefuse.errors import LitefuseError
from litefuse.reasons import Reason


class BodyError(LitefuseError):
    """A body cannot be used at all. `status` is the HTTP answer, `reason` the dead letter's; the text is for the sender."""

    status: ClassVar[int] = 400
    reason: ClassVar[Reason] = Reason.UNDECODABLE
