"""Reads an nginx configuration, and tells which upstream a request goes to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(r"""\s+|\#[^\n]*|"([^"]*)"|'([^']*)'|([{};])|([^\s{};"'#]+)""")


@dataclass(frozen=True)
class Directive:
    """`words` without the name; `block` is empty for one that ends with a semicolon."""

    name: str
    words: tuple[str, ...]
    block: tuple[Directive, ...] = ()

    def all(self, name: str) -> list[Directive]:
        """Those in its block of this name."""
        return [each for each in self.block if each.name == name]

    def one(self, name: str) -> tuple[str, ...]:
        """The words of the only one."""
        (found,) = self.all(name)
        return found.words


def parse(path: Path) -> Directive:
    """The file as one block."""
    return Directive("", (), _block(_tokens(path.read_text())))


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Words, and the marks that end a directive or a block."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, text[at : at + 40]
        at = match.end()
        word = match[1] if match[1] is not None else match[2] if match[2] is not None else match[4]
        if word is not None:
            yield word, False
        elif match[3]:
            yield match[3], True


def _block(tokens: Iterator[tuple[str, bool]]) -> tuple[Directive, ...]:
    found: list[Directive] = []
    words: list[str] = []
    for word, is_mark in tokens:
        if not is_mark:
            words.append(word)
        elif word == "}":
            break
        else:
            found.append(Directive(words[0], tuple(words[1:]), _block(tokens) if word == "{" else ()))
            words = []
    assert not words, f"{words} is not ended"
    return tuple(found)


def upstream(http: Directive, method: str, path: str) -> str | None:
    """The name of the upstream that a request is passed to, None when nginx answers it itself. AssertionError for what this
    does not understand: regular expressions, a changed path, a map of something else than the method."""
    (server,) = http.all("server")
    location = _location(server, re.sub("/+", "/", path))
    if location.all("return"):
        return None
    passed = re.fullmatch(r"http://(\$?\w+)", location.one("proxy_pass")[0])
    assert passed, f"{location.words} changes the path"
    name = passed[1]
    if not name.startswith("$"):
        return name
    (table,) = (each for each in http.all("map") if each.words[1] == name)
    assert table.words[0] == "$request_method"
    values = {row.name: row.words[0] for row in table.block}
    return values.get(method, values["default"])


def _location(server: Directive, path: str) -> Directive:
    """An exact one, else that with the longest prefix."""
    best: Directive | None = None
    for each in server.all("location"):
        *modifier, prefix = each.words
        assert modifier in ([], ["="]), f"location {' '.join(each.words)}"
        if modifier and prefix == path:
            return each
        longer = best is None or len(prefix) > len(best.words[-1])
        if not modifier and not prefix.startswith("@") and path.startswith(prefix) and longer:
            best = each
    assert best is not None, path
    return best
