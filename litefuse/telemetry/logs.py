"""Structured logs on stderr: one line an event, as `key=value` text or as JSON (`LITEFUSE_LOG_FORMAT`).

    logger = logging.getLogger("litefuse.worker")
    event(logger, logging.INFO, "block stored", rows=1000, partition=3)

Nothing is logged for single spans. Values come from clients now and then, so control characters, ANSI sequences
and direction marks are escaped: a log line cannot move a terminal's cursor or pretend to be another line. A
`Secret` prints as stars here too.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import time
from collections import OrderedDict
from typing import Any, TextIO

#: Loggers of libraries: only what is wrong, and the same line once a minute.
_REPEAT_SECONDS = 60.0
_REPEAT_MEMORY = 256

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# C0 and C1 controls, DEL, line separators, direction and zero-width marks, lone surrogates, tags.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\uffff"
    "\U000e0000-\U000e007f]"
)
_PLAIN = re.compile(r"[^\s\"'=\\]+")
#: Characters of one value that are kept; a hostile name must not fill the disk.
_MAX_VALUE = 2000


def event(logger: logging.Logger, level: int, text: str, **fields: Any) -> None:
    """Log `text`, a constant that one can search for, with what varies in `fields`."""
    logger.log(level, text, extra={"fields": fields})


def setup(level: str = "info", format: str = "text", stream: TextIO | None = None) -> None:
    """Send all logging to `stream` (stderr). May be called again; the last call counts."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    handler.addFilter(ForeignRepeats())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.getLogger("litefuse").setLevel(_LEVELS[level])
    for chatty in ("aiokafka", "asyncio", "urllib3", "clickhouse_connect", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(max(_LEVELS[level], logging.WARNING))
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a closed stderr must not end the process


def escape(text: str) -> str:
    """`text` with everything that a terminal would act on written as `\\xNN` or `\\uNNNN`."""
    return _UNSAFE.sub(lambda match: _code(ord(match[0])), text)


def _code(char: int) -> str:
    if char == 0x0A:
        return "\\n"
    return f"\\x{char:02x}" if char < 0x100 else f"\\u{char:04x}" if char < 0x10000 else f"\\U{char:08x}"


def _plain(value: Any) -> Any:
    """The value as JSON's own types. Subclasses of str go through `str()`, which is what makes a Secret stars."""
    if value is None or type(value) in (bool, int) or (type(value) is float and math.isfinite(value)):
        return value  # NaN and infinity leave as text: JSON has no number for them
    text = value if type(value) is str else str(value)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}… ({len(text)} characters)"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, "fields", None)
    return {str(key): _plain(value) for key, value in fields.items()} if isinstance(fields, dict) else {}


def _time(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.created % 1 * 1000):03d}Z"


class TextLines(logging.Formatter):
    """`time LEVEL logger text key=value key="two words"`; a traceback follows, indented and escaped."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_time(record), record.levelname, record.name, escape(str(_plain(record.getMessage())))]
        parts += [f"{escape(key)}={_quoted(value)}" for key, value in _fields(record).items()]
        line = " ".join(parts)
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join(f"\n    {escape(row)}" for row in trace.split("\n"))
        return line


def _quoted(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = escape(str(value))
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `event`, then the fields, `traceback` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, Any] = _fields(record)
        row |= {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _plain(record.getMessage()),
        }
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        # ASCII only: every control, mark and surrogate beyond ASCII leaves as \uNNNN; DEL is the one that is left.
        return json.dumps(row, ensure_ascii=True, default=str).replace("\x7f", "\\u007f")


class ForeignRepeats(logging.Filter):
    """Lets a library say the same thing once a minute. A broker that is down would else fill the log with one line
    per attempt and hide the line that names the cause."""

    def __init__(self, clock: Any = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "litefuse" or record.name.startswith("litefuse."):
            return True
        key = (record.name, str(record.msg)[:200])
        now = self._clock()
        last = self._seen.get(key)
        if last is not None and now - last < _REPEAT_SECONDS:
            return False
        self._seen[key] = now
        self._seen.move_to_end(key)
        while len(self._seen) > _REPEAT_MEMORY:
            self._seen.popitem(last=False)
        return True
