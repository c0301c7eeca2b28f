"""Several sessions in one pass over the weights."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
from typing import Any, List, NamedTuple, Optional, Sequence

from . import _declarations as c
from ._handle import Guard, Interruptible
from ._library import C, Cancelled, Error, Status, check
from ._types import TokenScore
from .reply import to_tokens
from .sampling import ReadSampling, Sampling
from .session import Session, read_scores


@dataclasses.dataclass
class Step:
    """One session's part in step_many()."""

    session: Session
    input: Sequence[int] = ()  # To be read first.
    sampling: Optional[Sampling] = None
    limit: int = 16  # Of chosen tokens; 0: read the input only.
    scored: bool = False  # Say also how likely each chosen token was.


class Stepped(NamedTuple):
    """What became of one session in step_many()."""

    # How much of the input was read.  If it is not all of it, nothing was
    # chosen: pass the rest next time.
    input_done: int
    tokens: List[int]  # Those chosen.
    scores: List[TokenScore]  # Of each, if they were asked for.
    error: Optional[Error]  # Of this session; the others go on.


class _Part:
    """A Step as the library has it, with what it points to."""

    def __init__(self, step: Step, guard: Guard) -> None:
        self.session = step.session
        self._scored = step.scored
        self._sampling = ReadSampling(step.sampling, guard)
        self._input = to_tokens(step.input)
        self._tokens = (c.baleen_token * step.limit)()
        self._scores = (c.baleen_token_score * step.limit)()
        self.struct: Any = c.baleen_step(
            session=step.session.owner._as_parameter_, input=self._input,
            input_count=len(step.input),
            sampling=ctypes.pointer(self._sampling.struct),
            tokens=self._tokens, capacity=step.limit)
        if step.scored:
            self.struct.scores = self._scores

    def begin(self) -> bool:
        """Whether it is to be called: the library forgets a cancel that comes
        while no call is inside."""
        if self.session._take_cancel():
            self.struct.status = c.BALEEN_CANCELLED
        return not self.cancelled

    @property
    def cancelled(self) -> bool:
        return bool(self.struct.status == c.BALEEN_CANCELLED)

    def result(self) -> Stepped:
        """What the call wrote."""
        if self.cancelled:
            self.session._take_cancel()
        count = self.struct.count
        return Stepped(self.struct.input_done, self._tokens[:count],
                       read_scores(self._scores, count * self._scored),
                       self._error())

    def _error(self) -> Optional[Error]:
        status = self.struct.status
        if status >= 0:
            return None
        name = C.baleen_status_name(status).decode()
        message = f"a session's part of step_many failed with {name}"
        if self.cancelled:
            return Cancelled(Status.CANCELLED, message)
        known = status in set(Status)
        return Error(Status(status) if known else Status.INTERNAL, message)


def step_many(steps: Sequence[Step]) -> List[Stepped]:
    """Session.step() for several sessions of one model and mode in one pass
    over its weights.  Long inputs are read in chunks, each session getting its
    share.  What happens to one session, cancel() too, leaves the others alone;
    Error is raised only if the call could not begin."""
    guard = Guard()
    parts = [_Part(step, guard) for step in steps]
    going = [part for part in parts if part.begin()]
    structs = (c.baleen_step * len(going))(*(part.struct for part in going))

    def end() -> None:
        for part in going:
            part.session._end()

    with Interruptible(guard, end), contextlib.ExitStack() as inside:
        for part in going:
            inside.enter_context(part.session.owner)
        try:
            if going:
                check(C.baleen_session_step_many, structs, len(going))
        finally:
            guard.reraise()
            for part in going:
                part.session._reraise()
    for part, struct in zip(going, structs):
        part.struct = struct
    return [part.result() for part in parts]
