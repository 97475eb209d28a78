"""A trace whose observations say everything or nothing, for the tests of both versions of the API."""

from __future__ import annotations

from tests.embedded.server import Server
from tests.web.queries.support import HOUR, MONDAY, SECOND, Span, insert

TRACE = f"{0xF0:032x}"
ROOT, CALL, BARE = "00000000000000a1", "00000000000000a2", "00000000000000a3"
AT = MONDAY + 40 * 24 * HOUR
_TOOL = '{"description": "looks", "parameters": {"type": "object"}}'

#: A model's call with every column filled.
FULL = Span(
    TRACE,
    CALL,
    AT + SECOND,
    AT + 3_500_000_000,
    parent=ROOT,
    name="call",
    type="GENERATION",
    level="WARNING",
    environment="prod",
    version="v2",
    model="gpt-5",
    tokens=(1000, 200),
    cost="0.0095",
    costs=("0.0055", "0.004"),
    first_token=AT + 1_250_000_000,
    input='{"a": [1, 12345678901234567890123]}',
    output="no JSON",
    scope=("my-scope", "2"),
    resource={"service.name": "shop"},
    attributes={"custom": "1.0", "input.value": "seen as input"},
    message="slow",
    prompt=("greeting", 3),
    own_metadata={"tier": "gold", "n": "5", "list": "[1, 2]", "text": '"5"', "empty": ""},
    tools=("look",),
    called=("look",),
    more={
        "usage": {"input": 1000, "output": 200, "input_cached_tokens": 500, "total": 1700},
        "total_tokens": 1700,
        "input_tokens": 1500,
        "cost": {"input": "0.005", "output": "0.004", "input_cached_tokens": "0.0005", "total": "0.0095"},
        "cost_source": "prices",
        "price": "gpt-5 of test",
        "model_parameters": {
            "temperature": "0.7",
            "stop": '["a", "b"]',
            "top": "all",
            "deep": '{"x": 1}',
            "mixed": "[1]",
        },
        "tool_definitions": {"look": _TOOL},
        "tool_calls.arguments": ['{"at": "it"}'],
    },
)


def insert_trace(server: Server) -> None:
    """Its root says what is the trace's; a third observation says nothing, and was never ended."""
    root = Span(
        TRACE,
        ROOT,
        AT,
        AT + 5 * SECOND,
        name="root",
        user_id="ann",
        session_id="talk",
        tags=("b", "a"),
        release="r1",
        public=True,
        trace_name="the trace",
    )
    insert(server, [root, FULL, Span(TRACE, BARE, AT + 2 * SECOND, parent=ROOT, name="", unended=True)])
