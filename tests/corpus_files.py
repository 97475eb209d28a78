"""The captured requests under tests/corpus, as tests want them."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Captured:
    """One request as it came off the wire; `name` is CLIENT/NNN."""

    name: str
    body: bytes
    content_type: str
    encoding: str
    path: str

    @property
    def plain(self) -> bytes:
        """The body without its content encoding."""
        if self.encoding == "gzip":
            return gzip.decompress(self.body)
        return zlib.decompress(self.body) if self.encoding == "deflate" else self.body

    @property
    def is_json(self) -> bool:
        return self.content_type.startswith("application/json")


def captured() -> list[Captured]:
    """All OTLP trace requests of the corpus, in order."""
    found = []
    for meta_path in sorted(CORPUS.glob("*/[0-9]*.json")):
        meta = json.loads(meta_path.read_text())
        if not meta["path"].endswith("/v1/traces"):
            continue
        headers = meta["headers"]
        found.append(
            Captured(
                f"{meta_path.parent.name}/{meta_path.stem}",
                meta_path.with_suffix(".bin").read_bytes(),
                headers["content-type"],
                headers.get("content-encoding", ""),
                meta["path"],
            )
        )
    return found
