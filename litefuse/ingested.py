"""How what POST /ingestion was told goes through the log: as spans of a scope of its own (public-api.md section 8).

Web writes them, the map stage of the worker reads them. Their ids are in `text_ids`; all else is said by the attributes that
SDKs use. This scope means nothing but what it says itself: one of its spans without a parent is not the root of its trace,
because a trace has a span of its own here.
"""

from __future__ import annotations

SCOPE = "litefuse.ingestion"

#: Attribute. What a span is when it is no observation: of its row only what it says of its trace is read.
KIND = "litefuse.kind"
#: A value of KIND, and the type of such rows in the table `spans`.
TRACE = "TRACE"
#: Attribute, Unix ns: the time of receipt of the newest event that is in it, which orders the rows of an object.
VERSION = "litefuse.version"
