"""What the chats of the tests say, whatever their shape."""

from __future__ import annotations

from litefuse.chat import Call, Message

CALL = Call("call_1", "get_weather", '{"city":"Paris"}')
ARGUMENTS = {"city": "Paris"}
ASKS = Message("assistant", tool_calls=(CALL,))
RESULT = Message("tool", "18 degrees", call_id="call_1")
HELLO = [Message("system", "Be brief."), Message("user", "Hello")]
OPENAI_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": CALL.arguments}}
