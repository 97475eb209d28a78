"""Chats as people read them: any stored input or output as messages of roles, text, calls and results."""

from litefuse.chat.message import Call, Media, Message
from litefuse.chat.messages import conversation, messages, of_value, tools

__all__ = ["Call", "Media", "Message", "conversation", "messages", "of_value", "tools"]
