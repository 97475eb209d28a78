"""What is in the dead letters now, and what resolves them (architecture section 5).

The dead topic is only ever appended to. A letter is *open* until a record with the header `resolves` = its id
(`partition-offset`) follows, which `litefuse dead replay` and `discard` write. A worker that crashed may have written the
same letter twice: copies show as one, the first, and are resolved together.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from litefuse.errors import ConfigError, LitefuseError
from litefuse.log.base import DEAD, TRACES, Log, Record

#: Headers that the worker added to the record's own.
ADDED = frozenset(("reason", "error", "topic", "partition", "offset", "row", "failed_at"))
RESOLVES = "resolves"

_ID = re.compile(r"([0-9]{1,9})-([0-9]{1,19})")


class NoSuchLetter(LitefuseError):
    """No open dead letter has this id."""


class LetterId(NamedTuple):
    """Where the letter lies in the dead topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> LetterId:
        match = _ID.fullmatch(text.strip())
        if match is None:
            raise ConfigError(f"{text}: not the id of a dead letter, which looks like 0-17")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class Letter:
    """An open dead letter without its bytes. `failed_at_ns` and `received_at_ns` are Unix ns, 0 when not known."""

    id: LetterId
    project_id: str
    reason: str
    error: str
    topic: str
    partition: str
    offset: str
    row: str
    failed_at_ns: int
    received_at_ns: int
    size: int

    @property
    def place(self) -> str:
        """Where the refused record lay in the log, with the span's place in it: `topic/partition@offset#row`."""
        return f"{self.topic}/{self.partition}@{self.offset}{f'#{self.row}' if self.row else ''}"


class Letters:
    """Collects the records of the dead topic, in any order of partitions; keeps no values."""

    def __init__(self) -> None:
        self._letters: dict[LetterId, Letter] = {}
        self._origins: dict[LetterId, bytes] = {}
        self._resolved: dict[LetterId, str] = {}

    def add(self, record: Record) -> None:
        resolves = [value for name, value in record.headers if name == RESOLVES]
        for value in resolves:
            match = _ID.fullmatch(value.decode("utf-8", "replace"))
            if match:
                self._resolved[LetterId(int(match[1]), int(match[2]))] = record.header("action") or "resolved"
        if not resolves:
            letter = describe(record)
            self._letters[letter.id] = letter
            self._origins[letter.id] = _origin(letter, record.value)

    def open(self) -> list[Letter]:
        """Those that nothing has resolved, copies once, oldest first."""
        resolved = {self._origins[id] for id in self._resolved if id in self._origins}
        seen: set[bytes] = set()
        found = []
        for id in sorted(self._letters, key=lambda i: (self._letters[i].failed_at_ns, i)):
            origin = self._origins[id]
            if origin not in resolved and origin not in seen:
                seen.add(origin)
                found.append(self._letters[id])
        return found

    def state(self, id: LetterId) -> str:
        """`open`, or what has resolved the letter or a copy of it: `replay`, `discard`."""
        origin = self._origins.get(id)
        for resolved, action in self._resolved.items():
            if origin is not None and self._origins.get(resolved) == origin:
                return action
        return "open"


def describe(record: Record) -> Letter:
    """The letter that a record of the dead topic is."""
    return Letter(
        id=LetterId(record.partition, record.offset),
        project_id=record.header("project_id") or "",
        reason=record.header("reason") or "",
        error=record.header("error") or "",
        topic=record.header("topic") or "",
        partition=record.header("partition") or "",
        offset=record.header("offset") or "",
        row=record.header("row") or "",
        failed_at_ns=_number(record.header("failed_at")) or record.timestamp_ns,
        received_at_ns=_number(record.header("received_at")),
        size=len(record.value),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else 0


def _origin(letter: Letter, value: bytes) -> bytes:
    """Equal for copies of a letter. The place alone is not enough: a topic that is made anew counts from zero again, and
    its letters must not be taken for old ones that are resolved."""
    place = f"{letter.place} {letter.received_at_ns} ".encode("utf-8", "replace")
    return hashlib.blake2b(place + value, digest_size=16).digest()


def put_back(record: Record) -> tuple[str, list[tuple[str, bytes]]]:
    """Topic and headers with which a letter goes back into the log: those that it had before it was refused."""
    return record.header("topic") or TRACES, [(name, value) for name, value in record.headers if name not in ADDED]


def resolution(id: LetterId, action: str, at_ns: int) -> list[tuple[str, bytes]]:
    """Headers of the record that resolves a letter; `action` is `replay` or `discard`."""
    return [(RESOLVES, str(id).encode()), ("action", action.encode()), ("resolved_at", str(at_ns).encode())]


async def read_open(log: Log) -> list[Letter]:
    """All open letters; reads the whole dead topic. Raises LogUnavailable."""
    return (await read_all(log)).open()


async def read_all(log: Log) -> Letters:
    """The whole dead topic. Raises LogUnavailable."""
    letters = Letters()
    async for record in log.read(DEAD):
        letters.add(record)
    return letters


async def fetch(log: Log, id: LetterId) -> Record:
    """The letter's record with its bytes, resolved or not. Raises NoSuchLetter, LogUnavailable."""
    record = await log.fetch(DEAD, id.partition, id.offset)
    if record is None or record.header(RESOLVES) is not None:
        raise NoSuchLetter(f"{id}: no such dead letter; `litefuse dead list` shows those that are open")
    return record


def chosen(letters: Sequence[Letter], ids: Iterable[LetterId]) -> list[Letter]:
    """The open letters with these ids. Raises NoSuchLetter for the first that is not open."""
    known = {letter.id: letter for letter in letters}
    found = []
    for id in ids:
        if id not in known:
            raise NoSuchLetter(f"{id}: no open dead letter has this id")
        found.append(known[id])
    return found


async def resolve(log: Log, letters: Iterable[Letter], action: str) -> AsyncIterator[Letter]:
    """Replay or discard letters one by one, yielding each when that is durable. Raises LogError.

    A replay writes the record first and resolves the letter then: a crash in between repeats the replay, whose spans
    collapse with the first's, and never loses it.
    """
    for letter in letters:
        record = await fetch(log, letter.id)
        if action == "replay":
            topic, headers = put_back(record)
            await log.publish(topic, record.value, headers, record.key)
        await log.publish(DEAD, b"", resolution(letter.id, action, time.time_ns()), record.key)
        yield letter
