"""A set of weights and its tokenizer."""

from __future__ import annotations

import ctypes
from typing import Any, List, Optional, Sequence

from . import _declarations as c
from ._handle import Handle, Owner
from ._hooks import Hooks
from ._library import (C, Error, Status, check, name_bytes, optional_name,
                       sized)
from ._options import Progress, session_options
from ._types import Encoder, MemoryPlan, Message, ModelInfo, Thinking, record
from .reply import Reply, to_tokens
from .session import Session


def filled(kind: Any, guess: int, call: Any, *arguments: Any) -> Any:
    """As many elements as there are: the call ends with a buffer, its capacity
    and the count to fill in."""
    count = ctypes.c_size_t()
    while True:
        buffer = (kind * guess)()
        try:
            check(call, *arguments, buffer, guess, ctypes.byref(count))
            return buffer[:count.value]
        except Error as error:
            grown = count.value > guess
            if error.status != Status.BUFFER_TOO_SMALL or not grown:
                raise
            guess = count.value


def _flags(special: bool) -> int:
    return c.BALEEN_TEXT_SPECIAL if special else 0


class Model(Handle):
    """Made by Context.load()."""

    def __init__(self, owner: Owner, hooks: Hooks) -> None:
        self._owner = owner
        self._hooks = hooks  # Which must outlive all that is made from it.

    def session(self, *, progress: Optional[Progress] = None,
                **options: Any) -> Session:
        """Makes an empty session.  The options are those of
        baleen_session_options: capacity, seed, mode, prefill_chunk, draft,
        draft_limit, window, window_period, log_path, resume, private."""
        # The session's own model stays open when this one is closed.
        return Session.create(Model(self.owner, self._hooks), self._hooks,
                              session_options(**options), progress)

    def reply(self, *, thinking: Thinking = Thinking.DEFAULT,
              tools: Optional[str] = None, strict: bool = False,
              no_implicit_end: bool = False) -> Reply:
        """Makes a reader of one turn, with the prompt's thinking and tools."""
        return Reply(self.owner, self._hooks, thinking, tools, strict,
                     no_implicit_end)

    def tokenize(self, text: str, *, special: bool = False) -> List[int]:
        """Splits text into tokens.  With `special`, special tokens are read
        from their names: never for strangers' text."""
        data = text.encode()
        tokens: List[int] = filled(
            c.baleen_token, len(data) // 2 + 16, C.baleen_model_tokenize,
            self.owner, data, len(data), _flags(special))
        return tokens

    def detokenize_bytes(self, tokens: Sequence[int], *,
                         special: bool = False) -> bytes:
        """Joins tokens into text, which may begin or end inside a character.
        With `special`, special tokens are written as their names."""
        data: bytes = filled(
            ctypes.c_char, len(tokens) * 6 + 16, C.baleen_model_detokenize,
            self.owner, to_tokens(tokens), len(tokens), _flags(special))
        return data

    def detokenize(self, tokens: Sequence[int], *,
                   special: bool = False) -> str:
        """The same, with the parts of characters replaced."""
        data = self.detokenize_bytes(tokens, special=special)
        return data.decode("utf-8", "replace")

    def find_token(self, name: str) -> Optional[int]:
        """The token with exactly this name, such as "</think>"."""
        token: int = C.baleen_model_find_token(
            self.owner, name_bytes("the name", name))
        return None if token < 0 else token

    def is_end(self, token: int) -> bool:
        """Whether the model ends its turn with this token."""
        return bool(C.baleen_model_is_end(self.owner, token))

    def encode_chat(self, messages: Sequence[Message], *,
                    thinking: Thinking = Thinking.DEFAULT,
                    encoder: Encoder = Encoder.DEFAULT,
                    tools: Optional[str] = None,
                    response_format: Optional[str] = None,
                    context_count: int = 0, no_begin: bool = False,
                    keep_reasoning: bool = False,
                    special: bool = False) -> List[int]:
        """Writes a conversation as the tokens the model was trained on, up to
        where its next turn begins.  `tools` and `response_format` are JSON;
        baleen_chat_options says what the rest means."""
        options = sized(c.baleen_chat_options)
        flags = {
            c.BALEEN_CHAT_NO_BEGIN: no_begin,
            c.BALEEN_CHAT_KEEP_REASONING: keep_reasoning,
            c.BALEEN_CHAT_SPECIAL: special,
        }
        options.flags = sum(flag for flag, is_set in flags.items() if is_set)
        options.thinking = thinking
        options.encoder = encoder
        options.tools = optional_name("tools", tools)
        options.response_format = optional_name("response_format",
                                                response_format)
        options.context_count = context_count
        structs = (c.baleen_message * len(messages))()
        kept: List[Any] = []  # What the structs point to.
        guess = 64
        for struct, message in zip(structs, messages):
            _fill_message(struct, message, kept)
            guess += 16 + struct.content_size // 2 + len(message.tokens)
        tokens: List[int] = filled(
            c.baleen_token, guess, C.baleen_model_encode_chat, self.owner,
            structs, len(messages), ctypes.byref(options))
        return tokens

    def info(self) -> ModelInfo:
        """About the model."""
        info = sized(c.baleen_model_info)
        check(C.baleen_model_get_info, self.owner, ctypes.byref(info))
        return record(ModelInfo, info)

    def metadata(self, key: str) -> Optional[str]:
        """The value of a key of the model's configuration as JSON text."""
        value: Optional[bytes] = C.baleen_model_metadata(
            self.owner, name_bytes("the key", key))
        return None if value is None else value.decode()

    def plan(self, **options: Any) -> MemoryPlan:
        """What memory the model and a session of it take, with the options of
        session()."""
        plan = sized(c.baleen_memory_plan)
        check(C.baleen_model_plan, self.owner,
              ctypes.byref(session_options(**options)), ctypes.byref(plan))
        return record(MemoryPlan, plan)


def _fill_message(struct: Any, message: Message, kept: List[Any]) -> None:
    struct.role = name_bytes("the role", message.role)
    for name in ("content", "reasoning"):
        text = getattr(message, name)
        if text is not None:
            data = text.encode()
            kept.append(data)
            setattr(struct, name,
                    ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p))
            setattr(struct, name + "_size", len(data))
    for name in ("tool_calls", "tool_call_id", "extra"):
        setattr(struct, name, optional_name(name, getattr(message, name)))
    if message.tokens:
        struct.tokens = to_tokens(message.tokens)
        struct.token_count = len(message.tokens)
