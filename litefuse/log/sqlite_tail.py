"""The newest records of a topic, kept in memory for the consumer in the same process.

`litefuse up` reads what it has just written; this saves reading it back from the file. It holds only records that are
durable already, and only what the consumer has not had yet, within a bound of bytes. What it does not hold is in the file.
"""

from __future__ import annotations

from collections import deque

from litefuse.log.base import Record


class Tail:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._records: deque[Record] = deque()
        self._bytes = 0

    def append(self, record: Record) -> None:
        """Records come with growing offsets; there may be gaps, where another process has written."""
        self._records.append(record)
        self._bytes += record.size
        while self._bytes > self._limit:
            self._drop()

    def take(self, offset: int, max_bytes: int) -> list[Record]:
        """Remove and return the records from `offset` on without a gap, about `max_bytes`; none when the first of them is
        not here."""
        while self._records and self._records[0].offset < offset:
            self._drop()
        taken: list[Record] = []
        size = 0
        while self._records and self._records[0].offset == offset + len(taken) and size < max_bytes:
            taken.append(self._drop())
            size += taken[-1].size
        return taken

    def _drop(self) -> Record:
        record = self._records.popleft()
        self._bytes -= record.size
        return record
