"""Requests to a running `up` with the keys of its first project."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import Litefuse, project_env, run
from tests.web.api.support import basic

PROTOBUF, JSON = "application/x-protobuf", "application/json"


@dataclass
class Up:
    process: Litefuse

    @property
    def data_dir(self) -> Path:
        return self.process.data_dir

    def call(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the answer. `path` is under /api/public; in names of headers `_` is `-`."""
        keys = project_env(self.data_dir)
        sent = {"Authorization": basic((keys["LITEFUSE_PUBLIC_KEY"], keys["LITEFUSE_SECRET_KEY"]))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.process.url}/api/public{path}", body, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def get(self, path: str) -> Any:
        """The JSON of an answer that has to be a success."""
        status, _, answer = self.call("GET", path)
        assert status == 200, answer
        return json.loads(answer)

    def post(self, path: str, body: bytes, content_type: str = JSON, **headers: str) -> bytes:
        """The body of an answer that has to be a success."""
        status, _, answer = self.call("POST", path, body, Content_Type=content_type, **headers)
        assert 200 <= status < 300, answer
        return answer

    def traces(self, body: bytes, content_type: str = PROTOBUF, **headers: str) -> None:
        """An OTLP request, which has to be taken."""
        self.post("/otel/v1/traces", body, content_type, **headers)

    def ask(self, sql: str) -> str:
        """The answer to a query, tab-separated."""
        done = run("sql", sql, "--format", "TSV", data_dir=self.data_dir)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
