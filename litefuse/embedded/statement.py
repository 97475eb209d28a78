"""What a statement is, and where it has to be cut: pure functions on its text.

The engine itself tells what a statement is, by formatting it (`formatQuerySingleLine`: one statement only, no comments,
canonical quotes). What is looked for here is found in that canonical text; places in the original text follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from litefuse.clickhouse.sql import Token, tokens
from litefuse.embedded.sqlerror import OUTFILE, SYNTAX, UNSUPPORTED, SqlError

#: The text in front of an insert's data is shorter than this.
MAX_HEAD = 256 * 1024


class Kind(Enum):
    SELECT = "select"  # its result is streamed
    INSERT = "insert"  # with data behind the statement
    OTHER = "other"  # small or no result


@dataclass(frozen=True, slots=True)
class Head:
    """The statement of an insert without its FORMAT clause, the format, and where the data begins."""

    text: bytes
    format: str
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A single statement, as the engine's parser sees it. `settings` are those of its last SETTINGS clauses at the top
    level, `format` the one it names itself."""

    kind: Kind
    canonical: bytes
    format: str | None
    settings: dict[str, str] = field(default_factory=dict)


def split_insert(text: bytes) -> Head | None:
    """Where `INSERT … FORMAT X` or `INSERT … VALUES` ends and its data begins; None when it is no such statement."""
    found = tokens(text)
    first = next(found, None)
    if first is None or not first.is_word(b"INSERT"):
        return None
    behind_into = False
    end = first.end
    for token in found:
        before, end = end, token.end
        if end > MAX_HEAD:
            return None
        if token.depth:
            continue
        if not behind_into:
            # INTO [TABLE | FUNCTION] name: the name may be any word.
            if not token.is_word(b"INTO", b"TABLE", b"FUNCTION"):
                behind_into = True
            continue
        if token.is_word(b"SELECT", b"WITH", b"FROM"):
            return None
        if token.is_word(b"VALUES"):
            return Head(text[:before], "Values", end)
        if token.is_word(b"FORMAT"):
            name = next(found, None)
            if name is None or name.kind not in ("word", "quoted"):
                return None
            return Head(text[:before], name.name, _data(text, name.end))
    return None


def _data(text: bytes, at: int) -> int:
    """Data begins behind the blanks of the line, and behind one line break."""
    while text[at : at + 1] in (b" ", b"\t", b"\f"):
        at += 1
    if text[at : at + 1] == b"\r":
        at += 1
    return at + 1 if text[at : at + 1] == b"\n" else at


def one_statement(text: bytes, head: Head) -> None:
    """Raises SqlError when a second statement follows VALUES. The engine would leave it out silently; what follows other
    formats is data, whatever it looks like."""
    if head.format != "Values" or len(text) > MAX_HEAD:
        return
    ended = False
    for token in tokens(text, head.end):
        if ended and token.text != b";":
            raise SqlError(
                SYNTAX, "Syntax error (Multi-statements are not allowed): there is a statement behind VALUES"
            )
        ended = ended or (token.depth == 0 and token.text == b";")


def describe(canonical: bytes) -> Statement:
    """What the canonical text says. Raises SqlError for what no login may do over HTTP: write or read the files of a
    client that is not there."""
    all_tokens = list(tokens(canonical))
    for one, two in zip(all_tokens, islice(all_tokens, 1, None), strict=False):
        if one.is_word(b"INTO") and two.is_word(b"OUTFILE"):
            raise SqlError(OUTFILE, "INTO OUTFILE is not allowed: the result comes back over HTTP")
        if one.is_word(b"FROM") and two.is_word(b"INFILE"):
            raise SqlError(UNSUPPORTED, "FROM INFILE is not allowed: send the data behind the statement")
    top = [t for t in all_tokens if t.depth == 0]
    if not top:
        raise SqlError(SYNTAX, "Empty query")
    fmt = _last_format(top)
    first = top[0]
    if first.is_word(b"INSERT"):
        has_data = fmt is not None and not any(t.is_word(b"SELECT") for t in top)
        return Statement(Kind.INSERT if has_data else Kind.OTHER, canonical, fmt.name if fmt else None)
    selects = first.is_word(b"SELECT", b"WITH") or first.text == b"("
    return Statement(
        Kind.SELECT if selects else Kind.OTHER,
        canonical,
        fmt.name if fmt is not None else None,
        _settings(top),
    )


def _last_format(top: list[Token]) -> Token | None:
    """The name behind the FORMAT keyword, which ends the statement but for a SETTINGS clause. Names that are keywords too
    are printed in quotes: FORMAT `Null`. `AS FORMAT`, `t.FORMAT` and `FROM FORMAT FINAL` are no such clause."""
    for at in range(len(top) - 2, 0, -1):
        name, behind = top[at + 1], top[at + 2] if at + 2 < len(top) else None
        if (
            top[at].text == b"FORMAT"
            and name.kind in ("word", "quoted")
            and not name.is_word(b"SETTINGS", b"ASC", b"DESC", b"FINAL")
            and (behind is None or behind.is_word(b"SETTINGS"))
            and not top[at - 1].is_word(b"AS")
            and top[at - 1].text not in (b".", b",")
        ):
            return name
    return None


def _settings(top: list[Token]) -> dict[str, str]:
    """`name = value` pairs of the SETTINGS clauses at the top level; values that are no plain literal are left out."""
    found: dict[str, str] = {}
    at = 0
    while at < len(top):
        at += 1
        if not top[at - 1].is_word(b"SETTINGS"):
            continue
        while at + 2 < len(top) and top[at].kind in ("word", "quoted") and top[at + 1].text == b"=":
            name, value = top[at].name, top[at + 2]
            at += 3
            sign = ""
            if value.text in (b"-", b"+") and at < len(top):
                sign, value = value.text.decode(), top[at]
                at += 1
            if value.kind == "string":
                found[name] = value.name[1:-1]
            elif value.kind in ("number", "word"):
                found[name] = sign + value.name
            if at < len(top) and top[at].text == b",":
                at += 1
            else:
                break
    return found


def with_outfile(text: bytes, statement: Statement, path: str) -> bytes:
    """The original text, with its result sent to a file. The clause goes in front of the statement's own FORMAT, else to
    its end, before semicolons and comments."""
    top = [t for t in tokens(text) if t.depth == 0 and t.text != b";"]
    at = top[-1].end if top else len(text)
    if statement.format is not None:
        for i in range(len(top) - 2, -1, -1):
            if top[i].is_word(b"FORMAT") and top[i + 1].name == statement.format:
                at = top[i].start
                break
    return text[:at] + b" INTO OUTFILE '" + path.encode() + b"' APPEND " + text[at:]


def with_infile(head: Head, path: str) -> bytes:
    """An insert that reads its data from a file: the clause goes in front of a SETTINGS clause, else to the end."""
    at = next((t.start for t in tokens(head.text) if t.depth == 0 and t.is_word(b"SETTINGS")), len(head.text))
    clause = b" FROM INFILE '" + path.encode() + b"' "
    return head.text[:at] + clause + head.text[at:] + b" FORMAT " + head.format.encode()
