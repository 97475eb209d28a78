"""One span as the mapping reads it: plain Python values, made only for spans that have something to map.

`Span.of` is given what the row's columns hold; MLflow's quoted texts are unquoted here, once, before anything reads
them (WB-32).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from litefuse.ingested import SCOPE
from worker.map.values import Attributes, Value, parsed


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a span; `time_ns` in Unix nanoseconds."""

    name: str
    attributes: Attributes
    time_ns: int = 0


@dataclass(frozen=True)
class Span:
    """`start_ns` and `end_ns` are the mended times, Unix ns. `attributes` are the span's own, `resource` and
    `scope_attributes` those of its resource and scope. `kind` and `status_code` are words as in the table `spans`."""

    name: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    scope_name: str = ""
    scope_version: str = ""
    scope_attributes: Attributes = field(default_factory=dict)
    events: Sequence[Event] = ()
    parent_span_id: str = ""
    kind: str = "INTERNAL"
    status_code: str = "UNSET"
    status_message: str = ""
    start_ns: int = 0
    end_ns: int = 0

    @cached_property
    def families(self) -> frozenset[str]:
        """The parts of the attribute keys before their first `.`: asks at once whether a convention can be meant."""
        return frozenset([key.partition(".")[0] for key in self.attributes])

    @cached_property
    def sdk_keys(self) -> list[str]:
        """The attribute keys in which SDKs let their users say things, `langfuse.` and `ai.`, in order."""
        return [key for key in self.attributes if key.startswith(("langfuse.", "ai."))]

    @cached_property
    def is_root(self) -> bool:
        """Without a parent, or said to be a root by `langfuse.internal.as_root` (section 16.1). Of SCOPE none is."""
        if self.scope_name == SCOPE:
            return False
        return not self.parent_span_id or self.attributes.get("langfuse.internal.as_root") in (True, "true")

    def under(self, prefix: str) -> dict[str, Value]:
        """The attributes whose key begins with `prefix`, by the rest of their key, in order."""
        size = len(prefix)
        return {key[size:]: value for key, value in self.attributes.items() if key.startswith(prefix)}

    @cached_property
    def _parsed(self) -> dict[str, Value]:
        return {}

    def json(self, key: str) -> Value:
        """What `values.parsed` makes of an attribute, parsed once for all who ask; not to be changed by them."""
        found = self._parsed
        if key not in found:
            found[key] = parsed(self.attributes.get(key))
        return found[key]
