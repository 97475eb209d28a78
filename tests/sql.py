"""SQL as a person types it: over the embedded ClickHouse's port with one of its two logins, and nothing of ours."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tests.processes import Litefuse

_PASSWORD_FILES = {"reader": "clickhouse.reader.password", "litefuse": "clickhouse.password"}


class Sql:
    """SQL on a process that has the embedded engine, as `reader` or as the operator, `litefuse`.

    Everything raises OSError while nothing listens there, SqlRefused with ClickHouse's sentence for a refusal.
    """

    def __init__(self, process: Litefuse, login: str = "reader") -> None:
        self.user = login
        self.password = (process.data_dir / _PASSWORD_FILES[login]).read_text().strip()
        self._port = process.clickhouse_port

    def url(self, port: int | None = None) -> str:
        """What LITEFUSE_CLICKHOUSE_URL is for this login, by way of another port when one is given."""
        password = urllib.parse.quote(self.password, safe="")
        return f"http://{self.user}:{password}@127.0.0.1:{port or self._port}/litefuse"

    def command(self, sql: str, **settings: str) -> str:
        """A statement as it is; what it answers as text."""
        query = {"user": self.user, "password": self.password, "database": "litefuse", **settings}
        url = f"http://127.0.0.1:{self._port}/?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, data=sql.encode(), timeout=60) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            raise SqlRefused(f"{error.code}: {error.read().decode(errors='replace')}\n{sql}") from error

    def __call__(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a SELECT."""
        return [json.loads(line) for line in self.command(f"{sql} FORMAT JSONEachRow").splitlines()]

    def count(self, sql: str) -> int:
        """The first value of the first row."""
        return int(next(iter(self(sql)[0].values())))


class SqlRefused(Exception):
    """ClickHouse's answer was an error."""
