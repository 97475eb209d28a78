"""Who a record of the log is from: the headers that every record of spans carries (architecture section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from litefuse.keys import Key
from litefuse.log.base import Headers

_SDK_CHARS = 200


@dataclass(frozen=True, slots=True)
class Sender:
    """What all requests in a record have in common. `retention_days` 0 = for ever."""

    project_id: str
    public_key: str
    retention_days: int
    sdk_name: str
    sdk_version: str

    @classmethod
    def of(cls, key: Key, retention_days: int, headers: Mapping[str, str]) -> Sender:
        """Of a request with this key and these headers; `retention_days` is what projects have that name none."""
        kept = key.kept_days(retention_days)
        return cls(key.project_id, key.public_key, kept, _sdk(headers, "name"), _sdk(headers, "version"))

    def headers(self, media: str, encoding: str, received_at: int) -> Headers:
        """The headers of a record; those that say nothing are left out. `received_at`: Unix ns."""
        headers = [
            ("project_id", self.project_id.encode()),
            ("content_type", media.encode()),
            ("received_at", b"%d" % received_at),
            ("retention_days", b"%d" % self.retention_days),
            ("public_key", self.public_key.encode()),
        ]
        if encoding:
            headers.append(("content_encoding", encoding.encode()))
        if self.sdk_name:
            headers.append(("sdk_name", self.sdk_name.encode("utf-8", "replace")))
        if self.sdk_version:
            headers.append(("sdk_version", self.sdk_version.encode("utf-8", "replace")))
        return headers


def _sdk(headers: Mapping[str, str], what: str) -> str:
    """Of the Langfuse SDKs; the older ones write underscores."""
    text = headers.get(f"x-langfuse-sdk-{what}") or headers.get(f"x_langfuse_sdk_{what}") or ""
    return text[:_SDK_CHARS]
