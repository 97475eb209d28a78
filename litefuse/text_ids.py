"""Ids that are any text, as OTLP ids: what SDKs from before OpenTelemetry send to POST /ingestion (public-api.md section 8).

The table keeps the text; OTLP has 16 and 8 bytes, so on the wire such a span goes by hashes of it and carries the texts as
attributes. The same text always gives the same id: what is sent again, exported or taken back is the same span.
"""

from __future__ import annotations

import hashlib
import re

#: Attributes that hold the text of an id; each is there only where the id is not the OTLP id already.
TRACE_ID, SPAN_ID, PARENT_SPAN_ID = "litefuse.trace_id", "litefuse.span_id", "litefuse.parent_span_id"

_TRACE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SPAN = re.compile(r"[0-9a-f]{16}", re.ASCII)


def trace_id(text: str) -> bytes:
    """16 bytes: the id itself when the text is 32 lower-case hex digits, else a hash."""
    return bytes.fromhex(text) if _TRACE.fullmatch(text) and text.strip("0") else _hash("trace", text, 16)


def span_id(text: str) -> bytes:
    """8 bytes: the id itself when the text is 16 lower-case hex digits, else a hash."""
    return bytes.fromhex(text) if _SPAN.fullmatch(text) and text.strip("0") else _hash("span", text, 8)


def _hash(what: str, text: str, size: int) -> bytes:
    # Lone surrogates, which no UTF-8 has, hash like `?`.
    return hashlib.sha256(f"litefuse {what} {text}".encode("utf-8", "replace")).digest()[:size]
