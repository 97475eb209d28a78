"""ClickHouse's errors, as the engine words them and as HTTP carries them."""

from __future__ import annotations

import re

_FIRST = re.compile(r"Code: (\d+)\. DB::(?:\w+)?Exception: ")
_NESTED = re.compile(r"Code: \d+\. DB::(?:\w+)?Exception: ")
_OUR_FILE = re.compile(r"\(in file/uri \S+\): |: \(in file/uri \S+\)|: data for INSERT was parsed from file")
_OUR_CHECK = re.compile(r"(?:: )?In scope SELECT formatQuerySingleLine\(.*\)(?=\. \([A-Z_]+\))", re.DOTALL)
#: What statement.with_outfile and with_infile put into the text.
_OUR_CLAUSE = re.compile(
    r" ?(?:INTO OUTFILE '/dev/fd/\d+' APPEND|FROM INFILE '(?:/proc/self/fd/\d+|[^']*litefuse-insert-[^']*)') ?"
)
_VERSION = re.compile(r" \(version [^()]*(?:\([^()]*\))?\)")

UNSUPPORTED = 48
SYNTAX = 62
UNKNOWN_FORMAT = 73
TIMEOUT = 159
READONLY = 164
OUTFILE = 168
UNKNOWN_SETTING = 115
BUSY = 202
ABORTED = 236
FULL = 243
TOO_LARGE = 307
CANCELLED = 394
ACCESS_DENIED = 497
AUTHENTICATION = 516
UNKNOWN = 1002

_NAMES = {
    UNSUPPORTED: "NOT_IMPLEMENTED",
    SYNTAX: "SYNTAX_ERROR",
    UNKNOWN_FORMAT: "UNKNOWN_FORMAT",
    TIMEOUT: "TIMEOUT_EXCEEDED",
    READONLY: "READONLY",
    OUTFILE: "INTO_OUTFILE_NOT_ALLOWED",
    UNKNOWN_SETTING: "UNKNOWN_SETTING",
    BUSY: "TOO_MANY_SIMULTANEOUS_QUERIES",
    ABORTED: "ABORTED",
    FULL: "NOT_ENOUGH_SPACE",
    TOO_LARGE: "TOO_MANY_BYTES",
    CANCELLED: "QUERY_WAS_CANCELLED",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION: "AUTHENTICATION_FAILED",
}
#: HTTP statuses, as ClickHouse chooses them (HTTPHandler.cpp); all others are 500.
_STATUS = {
    **dict.fromkeys((6, 26, 27, 33, 36, 38, 41, 42, 43, 53, 62, 69, 70, 72, 117, 130, 349, 377, 456, 457), 400),
    **dict.fromkeys((192, 193, ACCESS_DENIED, AUTHENTICATION), 403),
    194: 401,
    **dict.fromkeys((16, 46, 47, 50, 56, 60, 73, 81, UNKNOWN_SETTING), 404),
    TIMEOUT: 408,
    UNSUPPORTED: 501,
    BUSY: 503,
    ABORTED: 503,
}


class SqlError(Exception):
    """A statement failed. `text` is one line: `Code: N. DB::Exception: … (NAME)`. `status` overrides the HTTP status."""

    def __init__(self, code: int, text: str, status: int | None = None) -> None:
        if not text.startswith("Code: "):
            name = _NAMES.get(code, "UNKNOWN_EXCEPTION")
            text = f"Code: {code}. DB::Exception: {text.rstrip('.')}. ({name})"
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status if status is not None else _STATUS.get(code, 500)

    @classmethod
    def of(cls, error: BaseException) -> SqlError:
        """The engine's exception. chDB adds words of its own in front, and repeats the code when it passes one on."""
        raw = str(error)
        first = _FIRST.search(raw)
        if first is None:
            return cls(UNKNOWN, raw or type(error).__name__)
        raw = _OUR_CLAUSE.sub(" ", _OUR_CHECK.sub("", raw))
        text = first[0] + _VERSION.sub("", _OUR_FILE.sub("", _NESTED.sub("", raw[first.end() :])))
        name = re.search(r"(\([A-Z][A-Z0-9_]+\))\.? \(\1?", text)
        if name is not None and text.endswith(f"{name[1]}"):  # the name twice
            text = text[: name.end(1)]
        return cls(int(first[1]), text.strip())
