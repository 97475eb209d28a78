"""Names of environments, as spans and scores have them (public-api.md section 6.1)."""

from __future__ import annotations

import re

#: What is meant when nothing is said.
DEFAULT = "default"
#: The name Langfuse keeps for itself, and what may join it to what follows.
_RESERVED = re.compile("(?:langfuse[-_]?)+")
_NAME = re.compile("[a-z0-9_-]{1,40}")


def environment_name(value: object) -> str:
    """Lower case, without Langfuse's own name before it, at most 40 characters; `default` for what is no such name."""
    if not isinstance(value, str):
        return DEFAULT
    name = value.lower()
    if name.startswith("langfuse"):
        reserved = _RESERVED.match(name)
        name = name[reserved.end() :] if reserved else name
    name = name[:40]
    return name if _NAME.fullmatch(name) else DEFAULT
