"""Why a record or a span was refused: the closed set behind the `reason` header of dead letters, the `reason` label of
metrics and the texts of `partial_success` (architecture sections 4 and 5)."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One word each; `.text` is the sentence a sender or an operator reads."""

    BAD_TRACE_ID = "bad_trace_id"
    BAD_SPAN_ID = "bad_span_id"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    MALFORMED_SPAN = "malformed_span"
    UNDECODABLE = "undecodable"
    BAD_ENCODING = "bad_encoding"
    BAD_CONTENT_TYPE = "bad_content_type"
    NO_PROJECT = "no_project"
    REFUSED_BY_CLICKHOUSE = "refused_by_clickhouse"

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS: dict[Reason, str] = {
    Reason.BAD_TRACE_ID: "trace id is not 16 bytes, or all zeros",
    Reason.BAD_SPAN_ID: "span id is not 8 bytes, or all zeros",
    Reason.TOO_OLD: "span started before the project's retention",
    Reason.TOO_NEW: "span lies more than a day ahead of the server's clock",
    Reason.TOO_LARGE: "span is larger than the log takes",
    Reason.TOO_DEEP: "an attribute value is nested too deeply",
    Reason.MALFORMED_SPAN: "span cannot be decoded",
    Reason.UNDECODABLE: "record is not an OTLP trace export",
    Reason.BAD_ENCODING: "record cannot be decompressed",
    Reason.BAD_CONTENT_TYPE: "record has an unknown content type",
    Reason.NO_PROJECT: "record names no project, and LITEFUSE_DEFAULT_PROJECT_ID is not set",
    Reason.REFUSED_BY_CLICKHOUSE: "ClickHouse refuses this row",
}
