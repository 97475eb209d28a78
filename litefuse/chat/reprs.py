"""Messages that reached us as the text of Python objects.

OpenInference's `input.value` of LlamaIndex and smolagents is JSON of such texts:
`ChatMessage(role=<MessageRole.USER: 'user'>, …, blocks=[TextBlock(block_type='text', text='Hello')])`.
"""

from __future__ import annotations

import ast
import re

from litefuse.chat.message import Message, role_of

_BEGIN = "ChatMessage("
_ROLE = re.compile(r"<MessageRole\.\w{1,40}: '([\w-]{1,40})'>")
_TEXT = re.compile(r"""(?:\btext=|'text': |\bcontent=)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)
#: Longer texts are shown as they are.
_LONGEST = 1 << 20


def message(text: str) -> Message | None:
    """The message behind the text of one; None for all other text."""
    if not text.startswith(_BEGIN) or len(text) > _LONGEST:
        return None
    role = _ROLE.search(text, 0, 200)
    if role is None:
        return None
    parts = [_literal(found) for found in _TEXT.findall(text)]
    return Message(role_of(role.group(1)), "\n".join(part for part in parts if part))


def _literal(text: str) -> str:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError):
        return text[1:-1]
    return value if isinstance(value, str) else ""
