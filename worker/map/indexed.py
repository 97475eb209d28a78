"""Messages that an SDK spread over indexed attribute keys, put together again (otel-mapping.md section 8.3).

`gen_ai.completion.0.tool_calls.1.name` gives `[{tool_calls: [null, {name}]}]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from worker.map.values import Attributes, Value, filled

#: List slots that the keys of one side may create in all its lists together, gaps included: a key is some bytes, but the
#: index in it may ask for gigabytes.
SLOTS = 10_001
#: Names that are no data but the inner workings of JavaScript objects, for readers of the API that merge what they get.
_RESERVED = frozenset(("__proto__", "constructor", "prototype"))
#: Deeper than this, the rest of a key is one name: the result stays writable as JSON.
_DEPTH = 64

Node = dict[str | int, Any]
Path = list[str | int]


def rebuild(attributes: Attributes, prefix: str) -> Value:
    """The value under `prefix`: the bare key as it is when it is filled, else a list or an object made of the keys that
    go on with `.`; None for none. The order of the keys does not matter."""
    bare = attributes.get(prefix)
    if filled(bare):
        return bare
    begin = prefix + "."
    return together([(key[len(begin) :], value) for key, value in attributes.items() if key.startswith(begin)])


def together(pairs: list[tuple[str, Value]]) -> Value:
    """The same of (rest of the key, value)."""
    paths = []
    is_list = False
    most = 0  # slots if no two keys shared a list
    for rest, value in pairs:
        path, slots = _path(rest)
        if path:
            paths.append((path, value))
            most += slots
            is_list = is_list or (len(path) > 1 and type(path[0]) is int)
    root, complete = _tree(paths, bounded=most > SLOTS)
    if not complete:  # which keys fit must not depend on their order: ask again, lowest index first
        root, _ = _tree(sorted(paths, key=lambda pair: [(type(s) is str, s) for s in pair[0]]))
    if not root:
        return None
    return _as_list(root) if is_list and root.size else {str(name): _made(inner) for name, inner in root.items()}


def _path(rest: str) -> tuple[Path, int]:
    """Segments of a key, indices as numbers, and the slots it takes by itself; empty for a key that is not to be read."""
    segments: Path = []
    slots = 0
    for segment in rest.split(".", _DEPTH):
        if segment.isdigit() and segment.isascii():
            index = int(segment) if len(segment) < 10 else SLOTS
            slots += index + 1
            segments.append(index)
        elif segment in _RESERVED:
            return [], 0
        else:
            segments.append(segment)
    if len(segments) > _DEPTH and not _RESERVED.isdisjoint(rest.split(".")):
        return [], 0
    return segments, slots


class _Branch(dict[str | int, Any]):
    """Segments that go on from a place; `size` is the length it has as a list so far."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        super().__init__()
        self.size = 0


def _tree(paths: Iterable[tuple[Path, Value]], bounded: bool = True) -> tuple[_Branch, bool]:
    """All paths that fit the budget (if asked to keep one) as one tree, and whether all did. Where a value and a branch
    meet, the branch stays."""
    root, left, complete = _Branch(), SLOTS, True
    for path, value in paths:
        if bounded:
            price = _price(root, path)
            if price > left:
                complete = False
                continue
            left -= price
        node = root
        last = len(path) - 1
        for place, segment in enumerate(path):
            if type(segment) is int and segment >= node.size:
                node.size = segment + 1
            inner = node.get(segment)
            if place == last:
                if type(inner) is not _Branch:
                    node[segment] = value
            elif type(inner) is _Branch:
                node = inner
            else:
                node[segment] = node = _Branch()
    return root, complete


def _price(root: _Branch, path: Path) -> int:
    """List slots that a path would add."""
    price = 0
    node: Any = root
    for segment in path:
        if type(segment) is int:
            size = node.size if node is not None else 0
            if segment >= size:
                price += segment + 1 - size
        if node is not None:
            node = node.get(segment)
            if type(node) is not _Branch:
                node = None
    return price


def _made(node: Value) -> Value:
    """A tree as lists and objects: a list where all segments are indices, else an object."""
    if type(node) is not _Branch:
        return node
    if node.size and all(type(segment) is int for segment in node):
        return _as_list(node)
    return {str(segment): _made(inner) for segment, inner in node.items()}


def _as_list(node: _Branch) -> list[Value]:
    made: list[Value] = [None] * node.size
    for segment, inner in node.items():
        if type(segment) is int:
            made[segment] = _made(inner)
    return made
