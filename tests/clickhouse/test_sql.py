"""Tokens of ClickHouse SQL. The engine is the judge: see tests/embedded."""

from __future__ import annotations

import pytest

from litefuse.clickhouse.sql import identifier, literal, statements, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  -- only this\n/* and this */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;\n;; SELECT 2 ;", ["SELECT 1", "SELECT 2"]),
        ("-- a; b\nSELECT ';' /* ; /* ; */ ; */ , 1; -- ;\nSELECT 2", ["SELECT ';' /* ; /* ; */ ; */ , 1", "SELECT 2"]),
        ("SELECT 'it''s; \\'; '; SELECT `a;b`, \"c;d\"", ["SELECT 'it''s; \\'; '", 'SELECT `a;b`, "c;d"']),
        ("SELECT $$ ; $$; SELECT $x$ $$ ; $x$", ["SELECT $$ ; $$", "SELECT $x$ $$ ; $x$"]),
        ("SELECT (1; 2)", ["SELECT (1; 2)"]),
        ("SELECT 1 # ; comment\n, 2 // ; comment\n, 3", ["SELECT 1 # ; comment\n, 2 // ; comment\n, 3"]),
        ("SELECT 'open ; ", ["SELECT 'open ; "]),
        ("SELECT 'é; ü'; SELECT 2", ["SELECT 'é; ü'", "SELECT 2"]),
    ],
)
def test_statements(text: str, expected: list[str]) -> None:
    assert statements(text) == expected


def test_depth_and_kinds() -> None:
    found = [(t.kind, t.text.decode(), t.depth) for t in tokens(b"f(a, [1], `b`)['x'] }")]
    assert found == [
        ("word", "f", 0),
        ("mark", "(", 0),
        ("word", "a", 1),
        ("mark", ",", 1),
        ("mark", "[", 1),
        ("number", "1", 2),
        ("mark", "]", 1),
        ("mark", ",", 1),
        ("quoted", "`b`", 1),
        ("mark", ")", 0),
        ("mark", "[", 0),
        ("string", "'x'", 1),
        ("mark", "]", 0),
        ("mark", "}", 0),
    ]


def test_any_bytes_come_to_an_end() -> None:
    for raw in (b"\xff\x00'", b"/*" * 1000, b"(" * 100_000, b"'" * 99_999, b"`\\", b"$a$b$", bytes(range(256))):
        assert all(t.end > t.start for t in tokens(raw))


def test_quoting() -> None:
    assert literal("it's \\ \n\t\0") == rb"'it\'s \\ \n\t\0'"
    assert literal(b"\xff") == b"'\xff'"
    assert identifier("a`b\\") == "`a\\`b\\\\`"
