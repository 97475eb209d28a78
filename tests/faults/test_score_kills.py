"""`litefuse up` is killed with -9 while scores come in: what was answered is there, and what is sent again is there once."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.faults.cluster import PUBLIC_KEY, SECRET_KEY, keys, seeded
from tests.processes import Litefuse
from tests.waiting import eventually

KILLS = 3
WRITERS = 4
HEADERS = {
    "Authorization": "Basic " + base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode(),
    "Content-Type": "application/json",
}


class Writer(threading.Thread):
    """Sends lists of scores, each again and again until it is answered, as SDKs do. `answered`: id → value."""

    def __init__(self, up: Litefuse, number: int, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self.up, self.number, self.ending = up, number, ending
        self.answered: dict[str, float] = {}
        self.repeated = 0

    def run(self) -> None:
        value = 0
        while not self.ending.is_set():
            value += 1
            # Some of the ids were there before.
            ids = [f"{self.number}-{n}" for n in range(value, value + 5)]
            sent = [{"id": id_, "name": "n", "value": value, "traceId": f"t{self.number}"} for id_ in ids]
            while not self._sent(json.dumps(sent).encode()):
                self.repeated += 1
                time.sleep(0.05)
            self.answered |= dict.fromkeys(ids, float(value))

    def _sent(self, body: bytes) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.up.port, timeout=10)
            try:
                connection.request("POST", "/api/public/scores", body, HEADERS)
                answer = connection.getresponse()
                answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return False
        assert answer.status in (202, 503), answer.status
        return answer.status == 202


def stored(up: Litefuse, trace: str) -> list[dict[str, Any]]:
    """By pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        url = f"{up.url}/api/public/v3/scores?limit=100&traceId={trace}&cursor={cursor}"
        with urllib.request.urlopen(urllib.request.Request(url, headers=HEADERS), timeout=20) as answer:
            page = json.load(answer)
        found += page["data"]
        cursor = page["meta"].get("cursor", "")
        if not cursor:
            return found


def test_up_is_killed_while_scores_come_in(tmp_path: Path) -> None:
    r = seeded(11)
    up = Litefuse(("up",), tmp_path / "data", keys())
    ending = threading.Event()
    try:
        up.start()
        writers = [Writer(up, number, ending) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for _ in range(KILLS):
            before = [len(writer.answered) for writer in writers]
            eventually(lambda before=before: all(len(w.answered) > b for w, b in zip(writers, before, strict=True)), 60)  # type: ignore[misc]
            time.sleep(r.uniform(0, 0.5))
            up.kill()
            up.start()
        eventually(lambda: all(writer.repeated for writer in writers), 60)
        ending.set()
        for writer in writers:
            writer.join(30)
            assert not writer.is_alive()
        for writer in writers:
            rows = stored(up, f"t{writer.number}")
            values = {row["id"]: row["value"] for row in rows}
            assert len(rows) == len(values)
            assert {id_: values.get(id_, 0) for id_ in writer.answered} == writer.answered
        assert up.stop() == 0
    except BaseException:
        print(up.tail())
        raise
    finally:
        ending.set()
        up.kill()
