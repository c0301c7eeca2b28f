"""A turn of the model, generated as one asks for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Deque, Iterator, List, Optional, Sequence

from ._handle import Guard, Interruptible
from ._library import Error, Status
from ._types import Channel, Finish, Message, Piece, Thinking

if TYPE_CHECKING:
    from .reply import Reply
    from .sampling import Sampling
    from .session import Session


class StopTexts:
    """Takes the answer part by part, and ends it before a stop text."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""  # What may be the beginning of a stop text.
        self.found = False

    def add(self, text: str) -> str:
        """What of the answer is known not to be a stop text."""
        text = self._held + text
        places = [text.find(stop) for stop in self._stops if stop in text]
        if places:
            self.found = True
            self._held = ""
            return text[:min(places)]
        held = self._beginning(text)
        self._held = text[len(text) - held:]
        return text[:len(text) - held]

    def flush(self) -> str:
        """What was held back, and is part of the answer after all."""
        held, self._held = self._held, ""
        return held

    def _beginning(self, text: str) -> int:
        """How much of the text's end a stop text may begin with."""
        for size in range(max(map(len, self._stops), default=1) - 1, 0, -1):
            for stop in self._stops:
                if size < len(stop) and text.endswith(stop[:size]):
                    return size
        return 0


class Stream(Iterator[Piece]):
    """An iterator of pieces; see Session.stream().

    Between two pieces nothing is inside the session, so that Ctrl-C and an
    exception of the loop leave it as it is."""

    finish = Finish.NONE  # Why it is over.

    def __init__(self, session: Session, sampling: Optional[Sampling],
                 max_tokens: int, stops: Sequence[str],
                 reply: Optional[Reply]) -> None:
        self._session = session
        self._model = session.model
        self._sampling = sampling
        self._max_tokens = max_tokens
        self._written = 0
        self._stops = StopTexts(stops)
        self._reply = reply or self._fitting_reply()
        self._pieces: Deque[Piece] = deque()
        self._called = False  # Tools.

    def _fitting_reply(self) -> Reply:
        # As generate() sees it: a prompt that leaves thinking open ends with
        # the tag that opens it.
        open_tag = self._model.find_token("<think>")
        is_open = open_tag is not None and \
            self._session.tokens()[-1:] == [open_tag]
        return self._model.reply(
            thinking=Thinking.ON if is_open else Thinking.OFF)

    def __next__(self) -> Piece:
        while not self._pieces and self.finish == Finish.NONE:
            with Interruptible(Guard()):  # At the end, when nothing is lost.
                self._step()
        if self._pieces:
            return self._pieces.popleft()
        raise StopIteration

    def message(self) -> Message:
        """The turn so far, fit to be the next prompt's last message."""
        return self._reply.message()

    def _step(self) -> None:
        left = self._max_tokens - self._written if self._max_tokens else 16
        try:
            tokens = self._session.step(self._sampling, min(left, 16))
        except Error as error:
            if error.status != Status.SESSION_FULL:
                raise
            self._end(Finish.FULL)
            return
        for token in tokens:
            self._written += 1
            self._reply.add([token])
            if self._model.is_end(token):
                self._end(Finish.END)
                return
        self._drain()
        if self._written == self._max_tokens and self.finish == Finish.NONE:
            self._end(Finish.LIMIT)

    def _end(self, finish: Finish) -> None:
        self._reply.finish()
        self._drain()
        self._say(self._stops.flush())
        if self.finish == Finish.NONE:
            called = finish == Finish.END and self._called
            self.finish = Finish.TOOL_CALL if called else finish

    def _drain(self) -> None:
        """Takes the pieces that the reply has."""
        for piece in self._reply.pieces():
            if piece.channel != Channel.ANSWER:
                self._say(self._stops.flush())
                self._pieces.append(piece)
                self._called |= piece.channel == Channel.TOOL_CALL
                continue
            self._say(self._stops.add(piece.text))
            if self._stops.found:
                self.finish = Finish.STOP
                return

    def _say(self, text: str) -> None:
        if text:
            self._pieces.append(Piece(Channel.ANSWER, text))


class TokenStream(Iterator[int]):
    """An iterator of tokens; see Session.generate_tokens().

    Guesses that came true make the session run ahead of the iterator; close(),
    or the end of `with`, takes it back to what was taken."""

    def __init__(self, session: Session, sampling: Optional[Sampling]) -> None:
        self._session = session
        self._model = session.model
        self._sampling = sampling
        self._chosen: List[int] = []
        self._ended = False

    def __next__(self) -> int:
        if not self._ended and not self._chosen:
            with Interruptible(Guard()):  # At the end, when nothing is lost.
                self._chosen = self._session.step(self._sampling)
        if self._ended or not self._chosen:
            raise StopIteration
        token = self._chosen.pop(0)
        if self._model.is_end(token):
            self._ended = True
            raise StopIteration
        return token

    def close(self) -> None:
        """Ends it."""
        self._ended = True
        if self._chosen:
            ahead, self._chosen = len(self._chosen), []
            self._session.truncate(len(self._session.tokens()) - ahead)

    def __enter__(self) -> TokenStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
