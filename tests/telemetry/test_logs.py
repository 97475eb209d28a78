"""Log lines: structure, levels, and nothing hostile or secret in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from litefuse.settings import Secret
from litefuse.telemetry.logs import ForeignRepeats, escape, event, setup

logger = logging.getLogger("litefuse.tests")


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raising = list(root.handlers), root.level, logging.raiseExceptions
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising
    logging.captureWarnings(False)
    logging.getLogger("litefuse").setLevel(logging.NOTSET)


def lines(format: str, level: str = "info", **fields: object) -> list[str]:
    stream = io.StringIO()
    setup(level, format, stream)
    event(logger, logging.INFO, "block stored", **fields)
    return stream.getvalue().splitlines()


def test_text_line() -> None:
    (line,) = lines("text", rows=3, name="two words", ok=True, empty="", quote='a"b', none=None)
    assert line.split(" ", 1)[1] == (
        'INFO litefuse.tests block stored rows=3 name="two words" ok=true empty="" quote="a\\"b" none=null'
    )


def test_json_line() -> None:
    (line,) = lines("json", rows=3, name="two words", share=float("nan"))
    row = json.loads(line)
    assert row.pop("time").endswith("Z")
    assert row == {
        "rows": 3,
        "name": "two words",
        "share": "nan",
        "level": "info",
        "logger": "litefuse.tests",
        "event": "block stored",
    }


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_value_can_act_on_a_terminal_or_make_a_line(format: str) -> None:
    hostile = "a\x1b[31m\r\nERROR forged\x00\x7f\x9b\u202e\u2028\ud800\U000e0041"
    (line,) = lines(format, **{"name": hostile, "key\n": "1"})
    assert all(ord(char) >= 32 and not 0x7F <= ord(char) <= 0x9F for char in line)
    assert not {"\u202e", "\u2028", "\ud800", "\U000e0041"} & set(line)
    assert "forged" in line


@pytest.mark.parametrize("format", ["text", "json"])
def test_secrets_are_stars(format: str) -> None:
    (line,) = lines(format, url=Secret("hunter2"))
    assert "hunter2" not in line
    assert "***" in line


def test_long_values_are_cut() -> None:
    (line,) = lines("text", name="x" * 1_000_000)
    assert len(line) < 3000
    assert "1000000 characters" in line


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_traceback_stays_with_its_event(format: str) -> None:
    stream = io.StringIO()
    setup("info", format, stream)
    try:
        raise ValueError("bad\x1b[31m")
    except ValueError:
        logger.exception("failed")
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "ValueError" in text
    if format == "json":
        assert "ValueError" in json.loads(text)["traceback"]
    else:
        assert all(line.startswith("    ") for line in text.splitlines()[1:])


def test_levels() -> None:
    assert lines("text", level="warning") == []


def test_a_library_says_the_same_thing_once_a_minute() -> None:
    now = [0.0]
    repeats = ForeignRepeats(lambda: now[0])
    foreign = logging.LogRecord("aiokafka", logging.ERROR, "", 1, "cannot reach %s", ("x",), None)
    ours = logging.LogRecord("litefuse.log", logging.ERROR, "", 1, "cannot reach %s", ("x",), None)
    assert [bool(repeats.filter(foreign)) for _ in range(3)] == [True, False, False]
    assert [bool(repeats.filter(ours)) for _ in range(3)] == [True, True, True]
    now[0] = 61.0
    assert repeats.filter(foreign)


def test_escape_keeps_letters_of_all_scripts() -> None:
    assert escape("Ünïcödé 漢字 עברית 😀") == "Ünïcödé 漢字 עברית 😀"
