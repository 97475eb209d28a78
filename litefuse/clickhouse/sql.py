"""ClickHouse SQL cut into tokens: as much of its lexer as it takes to find clauses and ends of statements.

Works on bytes, since a statement may be followed by data that is no text. It never decides what a query may do: that is
the engine's parser (litefuse.embedded.gate). Where the engine would refuse a text, tokens still come out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Token(NamedTuple):
    """`kind` is word, string, quoted (a quoted identifier), number or mark; `depth` counts the open brackets around it."""

    kind: str
    text: bytes
    start: int
    end: int
    depth: int

    def is_word(self, *words: bytes) -> bool:
        """Whether it is one of these keywords (upper case)."""
        return self.kind == "word" and self.text.upper() in words

    @property
    def name(self) -> str:
        """An identifier without its quotes, for comparing."""
        text = self.text
        if self.kind == "quoted":
            text = re.sub(rb"\\(.)", rb"\1", text[1:-1], flags=re.DOTALL)
        return text.decode("utf-8", "replace")


_SKIP = re.compile(rb"(?:\s+|--[^\n]*|//[^\n]*|#[ !][^\n]*)+")
_COMMENT_EDGE = re.compile(rb"/\*|\*/")
_TOKEN = re.compile(
    rb"""
    (?P<string>'(?:[^'\\]|\\.|'')*'?)
  | (?P<quoted>`(?:[^`\\]|\\.|``)*`? | "(?:[^"\\]|\\.|"")*"?)
  | (?P<heredoc>\$[A-Za-z0-9_]*\$)
  | (?P<word>[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*)
  | (?P<number>[0-9][A-Za-z0-9_]*(?:\.[0-9][A-Za-z0-9_]*)?)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(text: bytes, start: int = 0) -> Iterator[Token]:
    """The tokens from `start` on, without blanks and comments. Lazy: what follows the last one asked for is not read.
    What is left open at the end (a string, a comment) reaches to the end."""
    at, depth = start, 0
    while (at := _skip(text, at)) < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None  # `mark` takes anything
        kind, end = match.lastgroup or "mark", match.end()
        if kind == "heredoc":
            close = text.find(match[0], end)
            kind, end = "string", len(text) if close < 0 else close + len(match[0])
        found = text[at:end]
        if found in (b")", b"]", b"}") and depth:
            depth -= 1
        yield Token(kind, found, at, end, depth)
        if found in (b"(", b"[", b"{"):
            depth += 1
        at = end


def _skip(text: bytes, at: int) -> int:
    """Behind blanks and comments; `/* */` nests."""
    while True:
        match = _SKIP.match(text, at)
        if match is not None:
            at = match.end()
        if not text.startswith(b"/*", at):
            return at
        depth = 0
        while True:
            edge = _COMMENT_EDGE.search(text, at)
            if edge is None:
                return len(text)
            at = edge.end()
            depth += 1 if edge[0] == b"/*" else -1
            if not depth:
                break


def statements(text: str) -> list[str]:
    """The statements of a script, separated by semicolons, without the comments between them."""
    raw = text.encode()
    found = []
    first: Token | None = None
    last = 0
    for token in tokens(raw):
        if token.kind == "mark" and token.text == b";" and token.depth == 0:
            if first is not None:
                found.append(raw[first.start : last].decode())
            first = None
            continue
        first = first or token
        last = token.end
    if first is not None:
        found.append(raw[first.start : last].decode())
    return found


def literal(text: str | bytes) -> bytes:
    """A string literal, exact for any bytes."""
    raw = text.encode() if isinstance(text, str) else text
    for plain, escaped in ((b"\\", rb"\\"), (b"'", rb"\'"), (b"\n", rb"\n"), (b"\t", rb"\t"), (b"\0", rb"\0")):
        raw = raw.replace(plain, escaped)
    return b"'" + raw + b"'"


def identifier(name: str) -> str:
    """A quoted identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
