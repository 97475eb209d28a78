"""What applications do, as traces: agents that call tools in turns, answers from documents, chats, embeddings."""

from __future__ import annotations

import random
from collections.abc import Callable

import orjson

from benchmarks.llm.people import SECOND, Asker
from benchmarks.llm.step import Call, Message, Model, Step, Trace, Usage
from benchmarks.llm.words import Words

MS = SECOND // 1000

_CHAT = (
    (Model("gpt-4o-mini", "gpt-4o-mini-2024-07-18", "openai", 90, (0.15, 0.6)), 34),
    (Model("gpt-4o", "gpt-4o-2024-08-06", "openai", 70, (2.5, 10.0)), 18),
    (Model("gpt-4.1", "gpt-4.1-2025-04-14", "openai", 80, (2.0, 8.0)), 12),
    (Model("o4-mini", "o4-mini-2025-04-16", "openai", 60, (1.1, 4.4), reasons=True), 6),
    (Model("claude-sonnet-4-20250514", "claude-sonnet-4-20250514", "anthropic", 65, (3.0, 15.0)), 14),
    (Model("claude-3-5-haiku-20241022", "claude-3-5-haiku-20241022", "anthropic", 95, (0.8, 4.0)), 6),
    (Model("gemini-2.5-flash", "gemini-2.5-flash", "gcp.gemini", 120, (0.3, 2.5)), 7),
    (Model("support-70b", "support-70b", "vllm", 40, (0.0, 0.0)), 3),
)
_EMBEDDING = Model("text-embedding-3-small", "text-embedding-3-small", "openai", 0, (0.02, 0.0))
_TOOLS = (
    ("search_orders", "Orders of a customer", 250, 0.02),
    ("get_weather", "Weather in a city", 120, 0.01),
    ("run_sql", "Run a read-only query", 800, 0.06),
    ("search_web", "Search the web", 1500, 0.08),
    ("send_email", "Send an e-mail", 400, 0.03),
    ("calculator", "Work out an expression", 3, 0.01),
)
_TOOL_JSON = orjson.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": text,
                "parameters": {
                    "type": "object",
                    "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
                },
            },
        }
        for name, text, _, _ in _TOOLS
    ]
).decode()
_FAILURES = (
    ("RateLimitError", "Error code: 429 - rate limit reached for requests"),
    ("APITimeoutError", "Request timed out."),
    ("BadRequestError", "Error code: 400 - context length exceeded"),
)
_SYSTEM = ("support-system", "docs-system", "agent-system", "summary-system")


class Stories:
    """Traces, one after another. `words` and `rng` are shared by all."""

    def __init__(self, rng: random.Random, words: Words) -> None:
        self.rng = rng
        self.words = words
        self._progress = 0.0
        self._system = {name: words.text(rng, 500 + 300 * i) for i, name in enumerate(_SYSTEM)}
        self._models, self._weights = [m for m, _ in _CHAT], [w for _, w in _CHAT]
        self._kinds: tuple[tuple[Callable[[Trace, int], None], str, float], ...] = (
            (self._agent, "support-agent", 46),
            (self._documents, "docs-answers", 24),
            (self._chat, "chat-api", 24),
            (self._embeddings, "indexer", 6),
        )

    def trace(self, start: int, progress: float, asker: Asker, dialect: str) -> Trace:
        """A trace that starts then; `progress` (0 to 1) is how much of the month is over: versions rise with it."""
        story, service, _ = self.rng.choices(self._kinds, [weight for _, _, weight in self._kinds])[0]
        trace = Trace(asker, dialect, service, f"2.{int(progress * 8)}.{int(progress * 40) % 5}", service)
        self._progress = progress
        story(trace, start)
        return trace

    # -- stories -------------------------------------------------------------------------------------------------------

    def _agent(self, trace: Trace, start: int) -> None:
        """Turns of a model and the tools it asks for; what was said before is sent again at every turn."""
        rng = self.rng
        trace.name = "support-agent"
        root = self._server(trace, start, "POST /agent")
        now = start + rng.randint(1, 5) * MS
        agent = self._add(trace, Step("agent", "support-agent", now, now, root))
        question = self.words.question(rng)
        history = [Message("system", self._system["agent-system"]), Message("user", question)]
        model = rng.choices(self._models, self._weights)[0]
        turns = 1 + min(60, int(rng.paretovariate(1.3)))
        answer = ""
        for turn in range(turns):
            asks = turn + 1 < turns
            calls = self._calls() if asks else ()
            step = self._model(trace, now, agent, model, history, calls, _TOOL_JSON)
            now = step.end
            if step.answer is None or not calls:
                answer = step.answer.content if step.answer else ""
                break
            history.append(step.answer)
            for call in calls:
                now = self._tool(trace, now, agent, call, history)
            if sum(len(message.content) for message in history) > 40_000:
                history[2:-6] = []  # what a context window does not hold is forgotten
        self._close(trace, agent, now, question, answer)
        self._close(trace, root, now + 2 * MS, "", "")

    def _documents(self, trace: Trace, start: int) -> None:
        """Embed the question, search, ask a model with what was found."""
        rng = self.rng
        trace.name = "docs-answers"
        root = self._server(trace, start, "POST /ask")
        now = start + 2 * MS
        chain = self._add(trace, Step("chain", "answer-from-documents", now, now, root))
        question = self.words.question(rng)
        now = self._embedding(trace, now + MS, chain, question)
        found = tuple(self.words.text(rng, rng.randint(300, 1200)) for _ in range(rng.choice((3, 4, 5, 8))))
        retrieval = self._add(
            trace, Step("retrieval", "search-documents", now, now, chain, input=question, documents=found)
        )
        now = self._database(trace, now + MS, retrieval, "query documents", "postgresql")
        trace.steps[retrieval].end = now
        prompt = f"Context:\n{chr(10).join(found)}\n\nQuestion: {question}"
        history = [Message("system", self._system["docs-system"]), Message("user", prompt)]
        model = rng.choices(self._models, self._weights)[0]
        step = self._model(trace, now, chain, model, history, (), "", "docs-answer")
        self._close(trace, chain, step.end, question, step.answer.content if step.answer else "")
        self._close(trace, root, step.end + MS, "", "")

    def _chat(self, trace: Trace, start: int) -> None:
        """One call, with the conversation so far; often without anything around it."""
        rng = self.rng
        trace.name = "chat"
        root = self._server(trace, start, "POST /chat") if rng.random() < 0.5 else -1
        history = [Message("system", self._system["support-system"])]
        for _ in range(rng.choice((0, 0, 1, 2, 4))):
            history += [Message("user", self.words.question(rng)), Message("assistant", self.words.text(rng, 400))]
        history.append(Message("user", self.words.question(rng)))
        now = start + (0 if root < 0 else 3 * MS)
        if root >= 0 and rng.random() < 0.6:
            now = self._database(trace, now, root, "SELECT conversations", "postgresql")
        model = rng.choices(self._models, self._weights)[0]
        step = self._model(trace, now, root, model, history, (), "", "chat")
        if root >= 0:
            self._close(trace, root, step.end + MS, "", "")

    def _embeddings(self, trace: Trace, start: int) -> None:
        """A document is cut, embedded and stored."""
        trace.name = "index-document"
        root = self._add(trace, Step("chain", "index-document", start, start, -1))
        now = start + MS
        for _ in range(self.rng.choice((1, 2, 4, 8, 20))):
            now = self._embedding(trace, now, root, self.words.text(self.rng, 1500))
        now = self._database(trace, now, root, "INSERT documents", "postgresql")
        self._close(trace, root, now, "document", "stored")

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _add(self, trace: Trace, step: Step) -> int:
        trace.steps.append(step)
        return len(trace.steps) - 1

    def _close(self, trace: Trace, place: int, end: int, input_: str, output: str) -> None:
        step = trace.steps[place]
        step.end, step.input, step.output = end, input_, output

    def _server(self, trace: Trace, start: int, name: str) -> int:
        return self._add(trace, Step("server", name, start, start, -1))

    def _calls(self) -> tuple[Call, ...]:
        rng = self.rng
        return tuple(
            Call(
                f"call_{rng.getrandbits(64):016x}",
                rng.choice(_TOOLS)[0],
                orjson.dumps({"query": self.words.text(rng, 30)[:60], "limit": rng.randint(1, 50)}).decode(),
            )
            for _ in range(rng.choice((1, 1, 1, 2, 3)))
        )

    def _model(
        self,
        trace: Trace,
        start: int,
        parent: int,
        model: Model,
        history: list[Message],
        calls: tuple[Call, ...],
        tools: str,
        prompt: str = "agent",
    ) -> Step:
        """A call of a model. Below it the HTTP request, as an HTTP client's instrumentation sees it."""
        rng = self.rng
        step = Step("chat", f"chat {model.asked}", start, start, parent, model, tuple(history), tools=tools)
        step.temperature = rng.choice((0.0, 0.2, 0.7, 1.0))
        step.prompt = (prompt, 1 + int(self._progress * 6))
        place = self._add(trace, step)
        if rng.random() < 0.02:
            step.error = rng.choice(_FAILURES)
            step.end = start + rng.randint(200, 30_000) * MS
            return step
        text = self.words.text(rng, 20 if calls else min(6000, int(150 * rng.paretovariate(1.1))))
        step.answer = Message("assistant", "" if calls and rng.random() < 0.7 else text, calls)
        sent = sum(len(message.content) for message in history) // 4 + (400 if tools else 0)
        reasoning = rng.randint(50, 1500) if model.reasons else 0
        output = len(text) // 4 + 30 * len(calls) + reasoning
        cached = sent // 128 * 128 if len(history) > 3 and rng.random() < 0.7 else 0
        step.usage = Usage(sent + 4, output, cached, reasoning)
        wait = int((250 + sent / 60 + 1000 * reasoning / model.speed) * rng.lognormvariate(0, 0.4))
        if rng.random() < 0.65:
            step.first_token = start + wait * MS
        step.end = start + (wait + int(1000 * output / model.speed)) * MS
        if rng.random() < 0.5:
            self._add(trace, Step("client", "POST", start + MS, step.end - MS, place))
        return step

    def _tool(self, trace: Trace, start: int, parent: int, call: Call, history: list[Message]) -> int:
        """A tool runs, and the history has what it answered; gives its end."""
        rng = self.rng
        _, _, usual, fails = next(tool for tool in _TOOLS if tool[0] == call.name)
        result = self.words.text(rng, min(8000, int(120 * rng.paretovariate(0.9))))
        end = start + max(1, int(usual * rng.lognormvariate(0, 0.7))) * MS
        step = Step("tool", call.name, start, end, parent, input=call.arguments, output=result, call=call)
        place = self._add(trace, step)
        if call.name in ("search_orders", "run_sql"):
            self._database(trace, start, place, "SELECT orders", "postgresql", end - start)
        elif call.name == "search_web":
            self._add(trace, Step("client", "GET", start, end, place))
        if rng.random() < fails:
            step.error, step.output = ("ToolError", "upstream answered 503"), ""
            result = "error: upstream answered 503"
        history.append(Message("tool", result, call_id=call.id))
        return end

    def _embedding(self, trace: Trace, start: int, parent: int, text: str) -> int:
        end = start + self.rng.randint(40, 200) * MS
        usage = Usage(len(text) // 4 + 1)
        self._add(trace, Step("embedding", "embeddings", start, end, parent, _EMBEDDING, input=text, usage=usage))
        return end

    def _database(self, trace: Trace, start: int, parent: int, name: str, system: str, took: int = 0) -> int:
        end = start + (took or self.rng.randint(1, 30) * MS)
        self._add(trace, Step("database", name, start, end, parent, input=name, output=system))
        return end
