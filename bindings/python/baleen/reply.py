"""The way back from tokens to thinking, answer and tool calls."""

from __future__ import annotations

import ctypes
from typing import Any, Iterator, Optional, Sequence

from . import _declarations as c
from ._handle import Handle, Owner
from ._hooks import Hooks
from ._library import C, check, optional_name, sized
from ._types import Channel, Message, Piece, Thinking


def to_tokens(tokens: Sequence[int]) -> Any:
    """An array of C's."""
    return (c.baleen_token * len(tokens))(*tokens)


def _text(address: Optional[int], size: int) -> Optional[str]:
    if address is None:
        return None
    return ctypes.string_at(address, size).decode("utf-8", "replace")


def _name(text: Optional[bytes]) -> Optional[str]:
    return None if text is None else text.decode("utf-8", "replace")


def to_piece(struct: Any) -> Piece:
    return Piece(Channel(struct.channel),
                 _text(struct.text, struct.text_size) or "", struct.call_index,
                 _name(struct.call_id) or "", _name(struct.tool) or "")


class Reply(Handle):
    """Reads one turn of the model.  Made by Model.reply()."""

    def __init__(self, model: Owner, hooks: Hooks, thinking: Thinking,
                 tools: Optional[str], strict: bool,
                 no_implicit_end: bool) -> None:
        options = sized(c.baleen_reply_options)
        options.thinking = thinking
        options.tools = optional_name("tools", tools)
        if strict:
            options.flags |= c.BALEEN_REPLY_STRICT
        if no_implicit_end:
            options.flags |= c.BALEEN_REPLY_NO_IMPLICIT_END
        made = ctypes.POINTER(c.baleen_reply)()
        check(C.baleen_reply_create, model, ctypes.byref(options),
              ctypes.byref(made))
        self._owner = Owner(made, "baleen_reply_release", hooks)

    def add(self, tokens: Sequence[int]) -> None:
        """Reads further tokens of the turn."""
        check(C.baleen_reply_add, self.owner, to_tokens(tokens),
              len(tokens))

    def add_text(self, text: str) -> None:
        """The same for a model that runs elsewhere."""
        data = text.encode()
        check(C.baleen_reply_add_text, self.owner, data, len(data))

    def finish(self) -> None:
        """Says that the turn is over."""
        check(C.baleen_reply_finish, self.owner)

    def pieces(self) -> Iterator[Piece]:
        """Takes the pieces that there are."""
        struct = sized(c.baleen_piece)
        while C.baleen_reply_next(self.owner, ctypes.byref(struct)):
            yield to_piece(struct)

    def message(self) -> Message:
        """The turn so far, with its tokens, fit to be the next prompt's
        last."""
        struct: Any = c.baleen_message()
        owner = self.owner  # What it points to is lent by it.
        check(C.baleen_reply_message, owner, ctypes.byref(struct))
        return Message(
            role=_name(struct.role) or "",
            content=_text(struct.content, struct.content_size),
            reasoning=_text(struct.reasoning, struct.reasoning_size),
            tool_calls=_name(struct.tool_calls),
            tool_call_id=_name(struct.tool_call_id),
            extra=_name(struct.extra),
            tokens=struct.tokens[:struct.token_count])
