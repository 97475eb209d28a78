from __future__ import annotations

import pytest

from litefuse.clickhouse.portions import portions


def test_nothing_has_no_part() -> None:
    assert list(portions([])) == []


@pytest.mark.parametrize(
    "text", ["x" * 32, "0b1c-" * 160, "ü" * 800, "\\" * 800, "'\n" * 400, "\0" * 800, "😀" * 800, ""]
)
def test_each_part_fits_a_parameter(text: str) -> None:
    """As clickhouse-connect writes it: quotes, and a backslash before what needs one, twice."""
    texts = [text] * 5000
    parts = list(portions(texts))
    assert [one for part in parts for one in part] == texts
    assert len(parts) > 1 or not text
    for part in parts:
        written = "[" + ",".join("'" + one.replace("\\", "\\\\").replace("'", "\\'") + "'" for one in part) + "]"
        for character in "\\\n\0":
            written = written.replace(character, "\\" + character)
        assert len(written.encode()) < 131_072


def test_no_part_has_more_than_it_may() -> None:
    texts = [*"abcdefghij", "b" * 200_000, "c" * 200_000, *"klm"]
    assert list(portions(texts, 7)) == [[*"abcdefg"], [*"hij"], ["b" * 200_000], ["c" * 200_000], [*"klm"]]
