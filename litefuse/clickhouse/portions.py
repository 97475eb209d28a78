"""Long lists of texts as parameters of several statements. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: A server takes 128 KiB of one parameter (http_max_field_value_size).
_BYTES = 120_000
#: What a character is worth that may be written with an escape, of the array's text and of the text within it.
_ESCAPED = 4


def portions(texts: Iterable[str], most: int = 10_000) -> Iterator[list[str]]:
    """The texts in their order, at most so many at once, and so that each part fits a parameter of type Array(String). A text
    that is too long for that is a part of its own."""
    part: list[str] = []
    size = 0
    for text in texts:
        own = _size(text)
        if part and (len(part) == most or size + own > _BYTES):
            yield part
            part, size = [], 0
        part.append(text)
        size += own
    if part:
        yield part


def _size(text: str) -> int:
    """Bytes it takes at most, with quotes and comma."""
    if text.isascii() and text.replace("-", "").isalnum():
        return len(text) + 3
    return _ESCAPED * len(text.encode("utf-8", "replace")) + 3
