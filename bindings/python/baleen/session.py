"""One sequence of tokens."""

from __future__ import annotations

import array
import ctypes
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence

from . import _declarations as c
from ._handle import Handle, Interruptible, Owner
from ._hooks import Hooks
from ._library import (C, Cancelled, Error, Path, Status, check, name_bytes,
                       path_bytes, sized)
from ._options import Progress, Watch
from ._types import Counters, Finish, Piece, Stats, TokenScore, Window, record
from .reply import Reply, to_piece, to_tokens
from .sampling import ReadSampling, Sampling
from .stream import Stream, TokenStream

if TYPE_CHECKING:
    from .model import Model


class _SessionWatch(Watch):
    """A session's progress, and whether somebody asked for its call's end: the
    library forgets a cancel that comes while no call is inside, and one that
    comes just before a call is inside would be such."""

    def __init__(self, progress: Optional[Progress]) -> None:
        super().__init__(progress)
        self.asked = False

    def _call(self, _: Any, done: int, total: int) -> int:
        return super()._call(_, done, total) or int(self.asked)


def read_scores(structs: Any, count: int) -> List[TokenScore]:
    return [TokenScore(score.token, score.logit, score.log_probability)
            for score in structs[:count]]


class Session(Handle):
    """Made by Model.session()."""

    def __init__(self, model: Model, hooks: Hooks, watch: _SessionWatch,
                 made: Any) -> None:
        self._model = model
        self._hooks = hooks
        self._watch = watch
        self._owner = Owner(made, "baleen_session_release", (hooks, watch))

    @classmethod
    def create(cls, model: Model, hooks: Hooks, options: Any,
               progress: Optional[Progress]) -> Session:
        """Model.session() with options as the library has them."""
        watch = _SessionWatch(progress)
        options.progress = watch.callback
        made = ctypes.POINTER(c.baleen_session)()
        try:
            check(C.baleen_session_create, model.owner, ctypes.byref(options),
                  ctypes.byref(made))
        finally:
            watch.guard.reraise()  # Resuming reads tokens.
        return cls(model, hooks, watch, made)

    @property
    def model(self) -> Model:
        """The model that the session is of."""
        return self._model

    def close(self) -> None:
        """Ends the call that is inside, if there is one, and gives the session
        back."""
        owner = self._owner
        super().close()
        if owner is not None:
            C.baleen_session_cancel(owner)

    def cancel(self) -> None:
        """Makes the call that is inside fail with Cancelled soon, from any
        thread; or, if there is none at the moment, the next one."""
        self._watch.asked = True
        self._end()

    def _end(self) -> None:
        """The same for a call that is inside, and else nothing."""
        if self._owner is not None:
            C.baleen_session_cancel(self._owner)

    def _take_cancel(self) -> bool:
        """Whether cancel() was called and no call has failed with it yet; that
        is then forgotten."""
        asked, self._watch.asked = self._watch.asked, False
        return asked

    def _reraise(self) -> None:
        """What the session's progress raised inside the last call."""
        self._watch.guard.reraise()

    def _run(self, call: Callable[..., int], *arguments: Any) -> None:
        """Makes a call that may be cancelled and may tell its progress."""
        if self._take_cancel():
            raise Cancelled(Status.CANCELLED,
                            "the call was cancelled before it began")
        with Interruptible(self._watch.guard, self._end), self.owner as owner:
            try:
                with self._hooks.explaining():
                    check(call, owner, *arguments)
            except Cancelled:
                self._take_cancel()
                raise
            finally:
                self._reraise()

    def fork(self) -> Session:
        """A second session that goes on from where this one stands.  The log
        and the progress callback stay with the first."""
        made = ctypes.POINTER(c.baleen_session)()
        self._run(C.baleen_session_fork, ctypes.byref(made))
        return Session(self._model, self._hooks, _SessionWatch(None), made)

    def tokens(self) -> List[int]:
        """The tokens so far."""
        count = ctypes.c_size_t()
        owner = self.owner  # It lends them.
        lent = C.baleen_session_tokens(owner, ctypes.byref(count))
        tokens: List[int] = lent[:count.value] if count.value else []
        return tokens

    def append(self, tokens: Sequence[int]) -> None:
        """Reads tokens after those already there.  If it is cancelled, those
        it has read by then stay."""
        self._run(C.baleen_session_append, to_tokens(tokens), len(tokens))

    def append_scored(self, tokens: Sequence[int]) -> List[TokenScore]:
        """The same, and says how likely each of them was where it stood."""
        scores = (c.baleen_token_score * len(tokens))()
        self._run(C.baleen_session_append_scored, to_tokens(tokens),
                  len(tokens), scores)
        return read_scores(scores, len(tokens))

    def set_tokens(self, tokens: Sequence[int]) -> int:
        """Makes the session hold exactly these tokens, and returns how many of
        them cost nothing: a chat passes the whole conversation each time."""
        reused = ctypes.c_size_t()
        self._run(C.baleen_session_set_tokens, to_tokens(tokens), len(tokens),
                  ctypes.byref(reused))
        return reused.value

    def truncate(self, keep: int) -> None:
        """Drops all but the first `keep` tokens."""
        self._run(C.baleen_session_truncate, keep)

    def logits(self) -> array.array[float]:
        """Those of the token that follows, one for each of the vocabulary: a
        copy."""
        logits = ctypes.POINTER(ctypes.c_float)()
        count = ctypes.c_size_t()
        owner = self.owner  # It lends them.
        self._run(C.baleen_session_logits, ctypes.byref(logits),
                  ctypes.byref(count))
        copied = array.array("f")
        copied.frombytes(ctypes.string_at(logits, 4 * count.value))
        del owner
        return copied

    def top_tokens(self, limit: int) -> List[TokenScore]:
        """The likeliest tokens, likeliest first."""
        scores = (c.baleen_token_score * limit)()
        count = ctypes.c_size_t()
        self._run(C.baleen_session_top_tokens, scores, limit,
                  ctypes.byref(count))
        return read_scores(scores, count.value)

    def sample(self, sampling: Optional[Sampling] = None) -> int:
        """Chooses a token without reading it."""
        read = ReadSampling(sampling, self._watch.guard)
        token = c.baleen_token()
        self._run(C.baleen_session_sample, ctypes.byref(read.struct),
                  ctypes.byref(token))
        return token.value

    def step(self, sampling: Optional[Sampling] = None,
             limit: int = 16) -> List[int]:
        """Chooses tokens and reads them: one, or several, up to `limit`, where
        guesses came true."""
        read = ReadSampling(sampling, self._watch.guard)
        tokens = (c.baleen_token * limit)()
        count = ctypes.c_size_t()
        self._run(C.baleen_session_step, ctypes.byref(read.struct), tokens,
                  limit, ctypes.byref(count))
        return tokens[:count.value]

    def stream(self, *, sampling: Optional[Sampling] = None,
               max_tokens: int = 0, stops: Sequence[str] = (),
               reply: Optional[Reply] = None) -> Stream:
        """An iterator of the pieces of the model's turn, generated as one asks
        for them."""
        return Stream(self, sampling, max_tokens, stops, reply)

    def generate_tokens(
            self, sampling: Optional[Sampling] = None) -> TokenStream:
        """An iterator of tokens, chosen and read as one asks for them, until
        the model ends its turn."""
        return TokenStream(self, sampling)

    def generate(self, *, on_piece: Optional[Callable[[Piece], object]] = None,
                 sampling: Optional[Sampling] = None, max_tokens: int = 0,
                 stops: Sequence[str] = (),
                 reply: Optional[Reply] = None) -> Finish:
        """Generates until there is a reason to stop, and says which.
        `on_piece` gets what the model writes as it comes; False stops it."""
        watch = self._watch
        read = ReadSampling(sampling, watch.guard)
        texts = [name_bytes("a stop text", stop) for stop in stops]
        struct = sized(c.baleen_generation)
        struct.stop_count = len(texts)
        struct.stops = (ctypes.c_char_p * len(texts))(*texts)
        struct.sampling = ctypes.pointer(read.struct)
        struct.max_tokens = max_tokens
        reading = None if reply is None else reply.owner
        if reading is not None:
            struct.reply = reading._as_parameter_

        def hear(_: Any, piece: Any) -> int:
            answer = watch.guard.ask(tell, piece) if on_piece else 0
            # It may have been asked for just before the call began.
            if watch.asked or watch.guard.interrupted:
                self._end()
            return answer

        def tell(piece: Any) -> object:
            assert on_piece is not None
            return on_piece(to_piece(piece.contents))

        struct.on_piece = c.baleen_piece_fn(hear)
        finish = c.baleen_finish()
        self._run(C.baleen_session_generate, ctypes.byref(struct),
                  ctypes.byref(finish))
        return Finish(finish.value)

    def save(self, *, window: Window = Window.DEFAULT,
             progress: Optional[Progress] = None) -> bytes:
        """The session's state, for load()."""
        size = ctypes.c_size_t()
        try:
            self._save(C.baleen_session_save, window, progress, None, 0,
                       ctypes.byref(size))
        except Error as error:
            if error.status != Status.BUFFER_TOO_SMALL:
                raise
        buffer = ctypes.create_string_buffer(size.value)
        self._save(C.baleen_session_save, window, progress, buffer, size.value,
                   ctypes.byref(size))
        return buffer.raw[:size.value]

    def save_file(self, path: Path, *, window: Window = Window.DEFAULT,
                  progress: Optional[Progress] = None) -> None:
        """The same to a file, which has the old bytes or the new ones."""
        self._save(C.baleen_session_save_file, window, progress,
                   path_bytes(path))

    def _save(self, call: Callable[..., int], window: Window,
              progress: Optional[Progress], *arguments: Any) -> None:
        guard = self._watch.guard

        def tell(_: Any, done: int, total: int) -> int:
            return guard.ask(progress, done, total)

        options = sized(c.baleen_save_options)
        options.window = window
        options.progress = c.baleen_progress_fn(tell)
        self._run(call, ctypes.byref(options), *arguments)

    def load(self, state: bytes) -> None:
        """Replaces the session's state by a saved one."""
        self._run(C.baleen_session_load, state, len(state))

    def load_file(self, path: Path) -> None:
        """Reads what save_file() wrote."""
        self._run(C.baleen_session_load_file, path_bytes(path))

    def evict(self) -> None:
        """Writes the state to the context's state_path and frees its
        memory."""
        self._run(C.baleen_session_evict)

    def stats(self) -> Stats:
        """What the session has done since it was made."""
        stats = sized(c.baleen_session_stats)
        check(C.baleen_session_get_stats, self.owner, ctypes.byref(stats))
        return record(Stats, stats)

    def counters(self) -> Counters:
        """Bytes moved and operations done since it was made."""
        total = sized(c.baleen_session_counters)
        check(C.baleen_session_get_counters, self.owner, ctypes.byref(total),
              None)
        return record(Counters, total)

    def last_counters(self) -> Counters:
        """The same in the last call that computed."""
        last = sized(c.baleen_session_counters)
        check(C.baleen_session_get_counters, self.owner, None,
              ctypes.byref(last))
        return record(Counters, last)
