"""Holds a full chat, closes everything, and asks LeakSanitizer, which must have
been loaded first, what of it is still there.

    LD_PRELOAD=liblsan.so PYTHONMALLOC=malloc leaks.py [forget]

Without PYTHONMALLOC, what Python's own heap points to looks forgotten.
"""

import ctypes
import gc
import sys

from pocket import ENDLESS, POCKET, baleen

from baleen import Thinking

TOOLS = """[{"type": "function", "function": {"name": "look",
    "description": "Looks.", "parameters": {"type": "object"}}}]"""


class Disk:
    """The system's files, as those of the program's own."""

    def open(self, path):
        with open(path, "rb") as file:
            return baleen.BytesFile(file.read())


def chat():
    lines = []
    context = baleen.Context(threads=2, log_level=baleen.LogLevel.DEBUG,
                             log=lambda _, line: lines.append(line),
                             files=Disk())
    model = context.load(POCKET, progress=lambda *_: None)
    session = model.session(progress=lambda *_: None)
    messages = []
    for question in ("Tell me about the whale.", "And the sea?"):
        messages.append(baleen.user(question))
        session.set_tokens(model.encode_chat(messages, tools=TOOLS,
                                             thinking=Thinking.OFF))
        stream = session.stream(max_tokens=20, stops=["never in the text"])
        assert list(stream)
        messages.append(stream.message())
    reply = model.reply(thinking=Thinking.OFF)
    session.generate(max_tokens=10, reply=reply, on_piece=lambda _: None,
                     sampling=baleen.Sampling(edit=lambda _: None))
    reply.message()
    fork = session.fork()
    fork.load(session.save())
    baleen.step_many([baleen.Step(each) for each in (session, fork)])
    try:
        fork.generate(sampling=ENDLESS, on_piece=lambda _: fork.cancel())
    except baleen.Cancelled:
        pass
    try:
        context.load("/no/such/model")
    except baleen.Error:
        pass
    for each in (context, model, reply, session, fork):
        each.close()
    assert lines


def forget():
    """Contexts that nobody gives back: several, since the last may still be
    seen on the stack that C has left."""
    for _ in range(8):
        context = baleen.Context(threads=1)
        context.owner._release.detach()
        context.close()


chat()
if "forget" in sys.argv:
    forget()
gc.collect()
check = getattr(ctypes.CDLL(None), "__lsan_do_recoverable_leak_check", None)
if check is None:
    sys.exit("LeakSanitizer was not loaded first")
sys.stdout.flush()
sys.exit(23 if check() else 0)
