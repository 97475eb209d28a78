"""Stands in for the OpenAI API: chat completions, whole or streamed, with usage; the same question gets the same answer.

`with ModelApi() as api:` serves on a free loopback port from threads of the test process; `api.variables` is what an
`openai` client has to find in its environment. Standard library alone.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Json = dict[str, Any]

ANSWERS = {
    "What is the capital of France?": "The capital of France is Paris.",
    "What is OpenTelemetry?": "OpenTelemetry is a vendor-neutral standard for traces, metrics and logs.",
}
MODELS = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18", "gpt-4o": "gpt-4o-2024-08-06"}
"""The model asked for, and the dated one that answers."""
KEY = "sk-stand-in"
CREATED = 1_700_000_000
"""Unix seconds in every answer."""


class ModelApi:
    """The server. `requests` are the bodies it was asked with, in order of arrival."""

    def __init__(self) -> None:
        self.requests: list[Json] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.requests))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def variables(self) -> dict[str, str]:
        return {"OPENAI_BASE_URL": f"http://127.0.0.1:{self._server.server_port}/v1", "OPENAI_API_KEY": KEY}

    def __enter__(self) -> ModelApi:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(question: Json) -> str:
    """What the model says to a request: by the text of its last message."""
    text = str(question["messages"][-1]["content"])
    return ANSWERS.get(text, f"You said: {text}")


def usage(question: Json) -> Json:
    """A token is a word, and three more for each message sent."""
    prompt = sum(3 + len(str(message["content"]).split()) for message in question["messages"])
    completion = len(answer(question).split())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def whole(question: Json, number: int) -> Json:
    """The answer to a request that does not stream."""
    message = {"role": "assistant", "content": answer(question), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _head(question, number, "chat.completion") | {"choices": [choice], "usage": usage(question)}


def pieces(question: Json, number: int) -> Iterator[Json]:
    """The chunks of one that does: a role, the words, why it ends, and the usage if it was asked for."""
    head = _head(question, number, "chat.completion.chunk")

    def piece(delta: Json, finish: str | None = None) -> Json:
        return head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    yield piece({"role": "assistant", "content": ""})
    words = answer(question).split(" ")
    for place, word in enumerate(words):
        yield piece({"content": word if place == 0 else f" {word}"})
    yield piece({}, "stop")
    if (question.get("stream_options") or {}).get("include_usage"):
        yield head | {"choices": [], "usage": usage(question)}


def _head(question: Json, number: int, kind: str) -> Json:
    return {
        "id": f"chatcmpl-stand-in-{number}",
        "object": kind,
        "created": CREATED,
        "model": MODELS[question["model"]],
        "service_tier": "default",
        "system_fingerprint": "fp_stand_in",
    }


def _error(text: str, code: str) -> Json:
    return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": code}}


def _handler(requests: list[Json]) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/v1/chat/completions":
                return self._send(404, _error(f"Unknown request URL: POST {self.path}", "unknown_url"))
            if self.headers["Authorization"] != f"Bearer {KEY}":
                return self._send(401, _error("Incorrect API key provided.", "invalid_api_key"))
            question = json.loads(body)
            with lock:
                requests.append(question)
                number = len(requests)
            if question["model"] not in MODELS:
                text = f"The model `{question['model']}` does not exist or you do not have access to it."
                return self._send(404, _error(text, "model_not_found"))
            if question.get("stream"):
                return self._stream(pieces(question, number))
            return self._send(200, whole(question, number))

        def _send(self, status: int, answer: Json) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, events: Iterator[Json]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for event in events:
                self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
                self.wfile.flush()
            self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: what was asked is in `requests`."""

    return Handler
