"""Writes that fail. chDB (26.9) passes over a write(2) that fails, where ClickHouse throws: with a full disk, an insert is
reported as done and its part is cut short, which is found when somebody reads it. What it does keep is a count of them.

So whoever changes something looks at that count before and after. When it has grown, new parts are checked, and broken ones
dropped, which forgets their deduplication tokens too: then the statement has failed, and the same insert can be sent again.
The count grows for other reasons as well, such as a reader that leaves in the middle of its result, so it alone says nothing.
`config.KEEP_FREE_BYTES` keeps it from coming to this.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from litefuse.clickhouse.sql import identifier, literal
from litefuse.embedded.sqlerror import FULL, SqlError

logger = logging.getLogger("litefuse.clickhouse")

_FAILED = "SELECT sum(value) FROM system.events WHERE event = 'WriteBufferFromFileDescriptorWriteFailed'"
#: A part that a merge has made is not dropped: the rows in it were stored before.
_NEW = "SELECT database, table, name, level FROM system.parts WHERE active AND modification_time >= toDateTime({})"


class Mark(NamedTuple):
    """The count, the time in seconds, and how many parts were dropped until then."""

    failed: int
    at: int
    dropped: int


class Writes:
    """The count, and the parts dropped because of it. For threads; `session` makes a session of the engine."""

    def __init__(self, session: Callable[[], Any]) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._dropped = 0

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Around a statement that changes something. Raises SqlError when one of its parts was broken, which is dropped by
        then. A statement that has failed may have left such a part as well."""
        mark = self._mark()
        try:
            yield
        except BaseException:
            with contextlib.suppress(SqlError, RuntimeError):
                self._look(mark)
            raise
        self._look(mark)

    def _mark(self) -> Mark:
        session = self._session()
        try:
            failed, now = json.loads(
                session.query(f"SELECT ({_FAILED}), toUnixTimestamp(now())", "JSONCompactEachRow").bytes()
            )
        finally:
            session.close()
        return Mark(int(failed), int(now), self._dropped)

    def _look(self, mark: Mark) -> None:
        session = self._session()
        try:
            if int(session.query(_FAILED, "TabSeparatedRaw").bytes()) == mark.failed:
                return
            # One at a time: the first one to look drops the parts of the others, which have failed as well.
            with self._lock:
                self._drop_broken(session, mark.at - 1)
            if self._dropped != mark.dropped:
                raise SqlError(FULL, "A write to the disk has failed, is it full? What was inserted is not stored")
        finally:
            session.close()

    def _drop_broken(self, session: Any, since: int) -> None:
        rows = session.query(_NEW.format(since), "JSONCompactEachRow").bytes().splitlines()
        for database, table, part, level in map(json.loads, rows):
            name = f"{identifier(database)}.{identifier(table)}"
            check = b"CHECK TABLE %s PART %s SETTINGS check_query_single_value_result = 1"
            good = session.query(check % (name.encode(), literal(part)), "TabSeparatedRaw").bytes().strip() == b"1"
            if good:
                continue
            if level:
                logger.error("part %s of %s is broken: a merge could not be written, is the disk full?", part, name)
                continue
            logger.error("part %s of %s is dropped: it could not be written, is the disk full?", part, name)
            self._dropped += 1
            session.query(b"ALTER TABLE %s DROP PART %s" % (name.encode(), literal(part)))
