"""`litefuse send`: what it finds in files, how it posts, and what it makes of the answers."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from litefuse.cli import project_file
from litefuse.cli.captured import Call, Other, plan, read
from litefuse.cli.main import run
from litefuse.cli.post import Poster, traces_url
from litefuse.errors import ConfigError
from litefuse.settings import Secret
from tests.corpus_files import CORPUS, captured
from tests.processes import free_port

PROTOBUF = "application/x-protobuf"
OTLP_JSON = b'{"resourceSpans": []}'


@dataclass
class Receiver:
    """An OTLP receiver that answers with what `answers` says, then 200."""

    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, headers, answer = made.answers.pop(0) if made.answers else (200, {"content-type": PROTOBUF}, b"")
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def send(receiver: Receiver, *files: object, **flags: str) -> int:
    given = {"endpoint": receiver.url, "public-key": "pk-lf-1", "secret-key": "sk-lf-1", **flags}
    arguments = [word for name, value in given.items() for word in (f"--{name}", value)]
    return run(["send", *map(str, files), *arguments], {})


# -- what is found -----------------------------------------------------------------------------------------------------


def test_the_corpus_is_found_whole_and_other_calls_are_told_apart() -> None:
    found = [item for path, _ in plan([str(CORPUS)]) for item in read(path)]
    calls = [item for item in found if isinstance(item, Call)]
    assert [(call.body, call.headers["content-type"]) for call in calls] == [
        (request.body, request.content_type) for request in captured()
    ]
    others = [item for item in found if isinstance(item, Other)]
    assert {item.why for item in others if item.name.endswith(".bin")} >= {
        "GET /api/public/projects",
        "POST /api/public/ingestion",
    }


def test_captured_headers_go_along_but_not_those_of_the_connection() -> None:
    call = next(item for item in read(CORPUS / "langfuse_v3" / "006.bin") if isinstance(item, Call))
    assert call.headers["x-langfuse-sdk-version"]
    assert not {"host", "content-length", "authorization", "x-langfuse-public-key"} & call.headers.keys()


def test_each_file_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b.json", "a.bin", "a.json", "c.txt"):
        (tmp_path / name).write_bytes(OTLP_JSON)
    assert [p.name for p, _ in plan([str(tmp_path), str(tmp_path / "a.json"), str(tmp_path / "b.json")])] == [
        "a.bin",
        "b.json",
    ]


@pytest.mark.parametrize("name", ["none", "there.txt", "empty"])
def test_what_cannot_be_sent_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "there.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=name):
        plan([str(tmp_path / name)])


def test_forms_of_json(tmp_path: Path) -> None:
    def kinds(name: str, content: bytes) -> list[str]:
        path = tmp_path / name
        path.write_bytes(content)
        return [item.why if isinstance(item, Other) else "call" for item in read(path)]

    assert kinds("one.json", OTLP_JSON) == ["call"]
    assert kinds("pretty.json", b'{\n "resourceSpans":\n []\n}\n') == ["call"]
    assert kinds("lines.json", OTLP_JSON + b"\n\n" + OTLP_JSON + b"\n") == ["call", "call"]
    assert kinds("lines.jsonl", OTLP_JSON + b"\nnot\n") == ["call", "not JSON"]
    assert kinds("logs.json", b'{"resourceLogs": []}') == ["OTLP logs"]
    assert kinds("metrics.json", b'{"resourceMetrics": []}') == ["OTLP metrics"]
    assert kinds("other.json", b"[1]") == ["JSON, but no OTLP trace request"]
    assert kinds("bad.json", b"{") == ["not JSON"]


def test_a_body_alone(tmp_path: Path) -> None:
    (tmp_path / "a.pb").write_bytes(b"\n\x00")
    (tmp_path / "b.bin").write_bytes(gzip.compress(b"\n\x00"))
    headers = [item.headers for name in ("a.pb", "b.bin") for item in read(tmp_path / name) if isinstance(item, Call)]
    assert headers == [{"content-type": PROTOBUF}, {"content-type": PROTOBUF, "content-encoding": "gzip"}]


def test_a_broken_description_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.bin").touch()
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"a\.json: not the description of a request"):
        list(read(tmp_path / "a.bin"))


# -- posting -----------------------------------------------------------------------------------------------------------


def test_endpoint_may_be_any_of_three() -> None:
    assert traces_url("http://h:3000") == "http://h:3000/api/public/otel/v1/traces"
    assert traces_url("http://h:3000/api/public/otel/") == "http://h:3000/api/public/otel/v1/traces"
    assert traces_url("http://h:4318/v1/traces") == "http://h:4318/v1/traces"


def test_sends_a_directory_and_counts(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(receiver, CORPUS / "langfuse_v3") == 0
    assert "in 1 request sent (" in capsys.readouterr().out
    ((path, headers, body),) = receiver.requests
    assert path == "/api/public/otel/v1/traces"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"pk-lf-1:sk-lf-1").decode()
    assert body == (CORPUS / "langfuse_v3" / "006.bin").read_bytes()


def test_other_calls_in_a_directory_are_skipped_and_counted(
    receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_bytes(OTLP_JSON)
    (tmp_path / "b.json").write_bytes(b'{"resourceLogs": []}')
    (tmp_path / "c.bin").touch()
    assert send(receiver, tmp_path) == 0
    assert "2 other calls skipped (not OTLP traces)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.json", b"{", "not JSON"),
        ("a.json", b'{"resourceLogs": []}', "OTLP logs"),
        ("a.json", b" \n", "empty"),
        ("a.bin", b"", "empty"),
        ("a.jsonl", OTLP_JSON + b"\nnot\n", "not JSON"),
    ],
)
def test_a_named_file_that_is_not_sendable_says_so_and_fails(
    name: str, content: bytes, why: str, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert send(receiver, tmp_path / name) == 1
    out = capsys.readouterr()
    assert f"not sent: {why}" in out.err
    assert "1 payload not sendable" in out.out


def test_a_named_call_that_is_recorded_as_another_is_skipped_and_counted(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """`litefuse send corpus/*/*.bin` names them all."""
    assert send(receiver, CORPUS / "langfuse_v2" / "001.bin", CORPUS / "langfuse_v2" / "002.json") == 0
    assert "2 other calls skipped (not OTLP traces)" in capsys.readouterr().out
    assert receiver.requests == []


def test_the_summary_has_spans_and_where_they_went(
    receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text('{"resourceSpans": [{"scopeSpans": [{"spans": [{}, {}]}, {"spans": [{}]}]}]}')
    assert send(receiver, tmp_path / "a.json") == 0
    out = capsys.readouterr().out
    assert out.startswith("3 spans in 1 request sent")
    assert out.endswith(f"; to {receiver.url}/api/public/otel/v1/traces\n")
    assert send(receiver, CORPUS / "dspy_oi") == 0
    assert capsys.readouterr().out.startswith("9 spans in ")


def test_no_answer_is_not_a_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_bytes(OTLP_JSON)
    nobody = Receiver(url=f"http://127.0.0.1:{free_port()}")
    assert send(nobody, tmp_path / "a.json") == 1
    assert "0 requests refused, 1 request without an answer" in capsys.readouterr().out


def test_a_404_names_the_address_that_is_wanted(
    receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_bytes(OTLP_JSON)
    receiver.answers.append((404, {}, b""))
    assert send(receiver, tmp_path / "a.json") == 1
    assert "--endpoint wants the address of `up`'s or ingest's --port" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [PROTOBUF, "application/json"])
def test_rejected_spans_are_printed_and_fail(
    kind: str, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_bytes(OTLP_JSON)
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 2
    partial.partial_success.error_message = "2 spans: trace id is all zeros\x1b[2J"
    body = (
        partial.SerializeToString()
        if kind == PROTOBUF
        else json.dumps({"partialSuccess": {"rejectedSpans": "2", "errorMessage": "2 spans: trace id\x1b[2J"}}).encode()
    )
    receiver.answers.append((200, {"content-type": kind}, body))
    assert send(receiver, tmp_path / "a.json") == 1
    out = capsys.readouterr()
    assert "a.json: 2 spans rejected: 2 spans: trace id" in out.err
    assert "\x1b" not in out.err
    assert "2 spans rejected" in out.out


def test_a_warning_without_rejected_spans_is_no_failure(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(OTLP_JSON)
    receiver.answers.append((200, {"content-type": "application/json"}, b'{"partialSuccess":{"errorMessage":"hm"}}'))
    assert send(receiver, tmp_path / "a.json") == 0


def test_503_is_retried_after_what_the_server_says(receiver: Receiver) -> None:
    waits: list[float] = []
    receiver.answers += [(503, {"retry-after": "3"}, b""), (429, {"retry-after": "7"}, b""), (502, {}, b"")]
    poster = Poster(receiver.url, "pk", Secret("sk"), sleep=waits.append)
    assert poster.post(Call("x", b"body")).status == 200
    poster.close()
    assert waits[:2] == [3.0, 7.0]
    assert len(receiver.requests) == 4


def test_patience_ends(receiver: Receiver) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    status = Status(code=14, message="the log is full").SerializeToString()
    receiver.answers += [(503, {"retry-after": "29", "content-type": PROTOBUF}, status)] * 10
    poster = Poster(receiver.url, "pk", Secret("sk"), sleep=sleep, clock=lambda: now[0])
    answer = poster.post(Call("x", b"body"))
    poster.close()
    assert answer.status == 503
    assert answer.problem == "503 the log is full; gave up after 120 s of retries"
    assert len(receiver.requests) == 5


@pytest.mark.parametrize("status", [400, 413, 415])
def test_a_refused_request_is_printed_and_the_rest_is_sent(
    status: int, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(OTLP_JSON)
    receiver.answers.append((status, {"content-type": "application/json"}, b'{"code": 3, "message": "no good"}'))
    assert send(receiver, tmp_path) == 1
    out = capsys.readouterr()
    assert f"a.json: {status} no good" in out.err
    assert "1 request sent" in out.out
    assert "1 request refused" in out.out


def test_a_wrong_key_stops_it(receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(OTLP_JSON)
    receiver.answers.append((401, {"content-type": PROTOBUF}, Status(code=16, message="invalid").SerializeToString()))
    assert send(receiver, tmp_path) == 1
    assert len(receiver.requests) == 1
    assert "401 invalid" in capsys.readouterr().err


def test_keys_and_endpoint_come_from_the_data_directory(receiver: Receiver, tmp_path: Path) -> None:
    project_file.write(tmp_path, project_file.Project(receiver.url, "pk-lf-f", Secret("sk '\"$f")))
    assert (tmp_path / "project.env").stat().st_mode & 0o777 == 0o600
    (tmp_path / "a.json").write_bytes(OTLP_JSON)
    assert run(["send", str(tmp_path / "a.json"), "--data-dir", str(tmp_path)], {}) == 0
    assert receiver.requests[0][1]["authorization"] == "Basic " + base64.b64encode(b"pk-lf-f:sk '\"$f").decode()


def test_without_a_data_directory_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_bytes(OTLP_JSON)
    assert run(["send", str(tmp_path / "a.json"), "--data-dir", str(tmp_path)], {}) == 2
    assert "--endpoint: not given, and" in capsys.readouterr().err
