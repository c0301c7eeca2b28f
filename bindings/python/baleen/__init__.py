"""DeepSeek-V4 language models in your own program.

    import baleen

    with baleen.Context() as context:
        model = context.load("/models/DeepSeek-V4-Flash")
        session = model.session()
        session.append(model.encode_chat([baleen.user("Who are you?")]))
        for piece in session.stream(max_tokens=200):
            print(piece.text, end="", flush=True)

What the calls do is told in baleen.h, whose rules hold.  What is different:

- A call that fails raises Error.
- Objects give back what they hold when they are collected, or before that by
  close() or `with`, in any order.  What is made from them stays usable.
- Ctrl-C ends a long call of the main thread within a token, or a chunk of the
  prompt, and raises KeyboardInterrupt; the session stays usable.
- Callbacks run inside the call.  An exception in one ends the call and comes
  out of it, except in a log, where it is lost, and in files of the program's
  own, where it is the cause of the Error.
"""

from __future__ import annotations

from ._declarations import baleen_allocator, baleen_workers
from ._library import (Cancelled, Error, Status, has_feature, version,
                       version_number)
from ._types import (Channel, Counters, Device, Draft, Encoder, Finish,
                     LogLevel, MemoryPlan, Message, Mode, ModelInfo, Part,
                     Piece, Stats, Thinking, TokenScore, Window, assistant,
                     system, tool, user)
from .context import Context
from .files import BytesFile, File, Files, NewFile, WritableFiles
from .model import Model
from .reply import Reply
from .sampling import Sampling
from .session import Session
from .steps import Step, Stepped, step_many
from .stream import Stream, TokenStream

__all__ = [
    "BytesFile", "Cancelled", "Channel", "Context", "Counters", "Device",
    "Draft", "Encoder", "Error", "File", "Files", "Finish", "LogLevel",
    "MemoryPlan", "Message", "Mode", "Model", "ModelInfo", "NewFile", "Part",
    "Piece", "Reply", "Sampling", "Session", "Stats", "Status", "Step",
    "Stepped", "Stream", "Thinking", "TokenScore", "TokenStream", "Window",
    "WritableFiles", "assistant", "baleen_allocator", "baleen_workers",
    "has_feature", "step_many", "system", "tool", "user", "version",
    "version_number",
]
