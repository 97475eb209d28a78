"""A running Litefuse for the SDKs: projects of its own for each test, spans by plain OTLP, and waiting until they are seen."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.sdk.client import Sdk, sdk
from tests.processes import Litefuse, litefuse, run
from tests.sql import Sql
from tests.waiting import eventually

Keys = tuple[str, str]


@dataclass
class Place:
    """`clients` are kept: a process of an SDK takes a second to start."""

    up: Litefuse
    stack: ExitStack
    projects: dict[str, Keys] = field(default_factory=dict)
    clients: dict[tuple[int, str, str], Sdk] = field(default_factory=dict)

    def keys(self, project: str) -> Keys:
        """The project's keys; it is made when there is none."""
        if project not in self.projects:
            made = run("keys", "create", "--project", project, data_dir=self.up.data_dir)
            assert made.returncode == 0, made.stderr
            said = dict(line.split("=", 1) for line in made.stdout.splitlines())
            self.projects[project] = said["LITEFUSE_PUBLIC_KEY"], said["LITEFUSE_SECRET_KEY"]
        return self.projects[project]

    def sdk(self, major: int, project: str, slash: str = "") -> Sdk:
        """A client of the project; `slash` follows the address."""
        named = (major, project, slash)
        if named not in self.clients:
            self.clients[named] = self.stack.enter_context(sdk(major, self.up.url + slash, *self.keys(project)))
        return self.clients[named]

    def stranger(self, major: int) -> Sdk:
        """A client with a wrong secret."""
        public, _ = self.keys("stranger")
        if (major, "", "") not in self.clients:
            self.clients[major, "", ""] = self.stack.enter_context(sdk(major, self.up.url, public, "sk-lf-wrong"))
        return self.clients[major, "", ""]

    def post(self, project: str, spans: list[Span]) -> None:
        """By OTLP, and wait until SQL shows them."""
        request = ExportTraceServiceRequest()
        request.resource_spans.add().scope_spans.add().spans.extend(spans)
        self._request(project, "/api/public/otel/v1/traces", request.SerializeToString(), "application/x-protobuf")
        ids = ", ".join({f"'{span.trace_id.hex()}'" for span in spans})
        self.until(f"SELECT count() FROM spans WHERE trace_id IN ({ids})", len(spans))
        # ClickHouse shows a block's spans a moment before what its view makes of them.
        self.until(f"SELECT count() FROM traces WHERE trace_id IN ({ids})", len({span.trace_id for span in spans}))

    def send(self, project: str, path: str, body: Any) -> None:
        self._request(project, path, json.dumps(body).encode(), "application/json")

    def _request(self, project: str, path: str, body: bytes, kind: str) -> None:
        token = base64.b64encode(":".join(self.keys(project)).encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": kind}
        with urllib.request.urlopen(urllib.request.Request(self.up.url + path, body, headers), timeout=60) as answer:
            assert answer.status in (200, 202)

    def until(self, sql: str, count: int) -> None:
        """Wait until this counts so many."""
        ask = Sql(self.up)
        eventually(lambda: ask.count(sql) >= count, 60)

    def trace_seen(self, trace_id: str, spans: int) -> None:
        self.until(f"SELECT count() FROM spans WHERE trace_id = '{trace_id}' AND type != 'TRACE'", spans)
        self.until(f"SELECT count() FROM traces WHERE trace_id = '{trace_id}'", 1)


@contextmanager
def place(data_dir: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        up = stack.enter_context(litefuse("up", data_dir=data_dir))
        yield Place(up, stack)


def span(trace: int, number: int, start_ns: int = 0, **more: Any) -> Span:
    """With ids and nothing else but what is said."""
    return Span(
        trace_id=trace.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), start_time_unix_nano=start_ns, **more
    )
