"""What all objects of the library have in common: their release, and what
becomes of exceptions and Ctrl-C inside a call."""

from __future__ import annotations

import signal
import threading
import weakref
from types import TracebackType
from typing import Any, Callable, Optional, Type, TypeVar

from ._library import C, Error, Status

T = TypeVar("T", bound="Handle")


class Owner:
    """Holds a handle of C's, and gives it back when nobody uses it any more:
    a call that is inside has a reference of its own, so that close() may come
    meanwhile."""

    def __init__(self, address: Any, release: str, keep: Any) -> None:
        self._as_parameter_ = address  # So that calls take the owner itself.
        # What must outlive the handle, such as callbacks: an object's weak
        # references end before what it holds goes.
        self._keep = keep
        # Also at the end of the program.
        self._release = weakref.finalize(self, _release, release, address)

    def __enter__(self) -> Owner:
        # The program may end while a call is inside, in a daemon thread.
        self._release.atexit = False
        return self

    def __exit__(self, *_: Any) -> None:
        self._release.atexit = True


def _release(function: str, address: Any) -> None:
    getattr(C, function)(address)


class Handle:
    """Something to close."""

    _owner: Optional[Owner] = None

    @property
    def owner(self) -> Owner:
        if self._owner is None:
            name = type(self).__name__
            raise Error(Status.INVALID_ARGUMENT, f"the {name} is closed")
        return self._owner

    @property
    def closed(self) -> bool:
        return self._owner is None

    def close(self) -> None:
        """Gives it back.  What was made from it stays usable."""
        self._owner = None

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]],
                 value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()


class Guard:
    """Keeps the exception of a callback until the call has returned."""

    def __init__(self) -> None:
        self._raised: Optional[BaseException] = None
        self.interrupted = False  # By Ctrl-C.

    def run(self, otherwise: Any, callback: Callable[..., Any],
            *arguments: Any) -> Any:
        """What the callback returned; `otherwise` if it raised, now or
        before."""
        if self._raised is not None:
            return otherwise
        try:
            return callback(*arguments)
        except BaseException as raised:  # Of any kind: C must not see it.
            self._raised = raised
            return otherwise

    def ask(self, callback: Optional[Callable[..., Any]],
            *arguments: Any) -> int:
        """1 if the call is to end: the callback returned False or raised, or
        somebody pressed Ctrl-C."""
        answer = None
        if callback is not None:
            answer = self.run(False, callback, *arguments)
        return int(answer is False or self.interrupted)

    def reraise(self) -> None:
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised


class Interruptible:
    """While a long call is inside, Ctrl-C must not raise KeyboardInterrupt in
    a callback, where it would be lost.  It is noted, ends the call, and is
    raised when the call has returned."""

    def __init__(self, guard: Guard,
                 end: Optional[Callable[[], None]] = None) -> None:
        self._guard = guard
        self._end = end
        self._previous: Any = None
        self._noted: Any = None

    def __enter__(self) -> None:
        # Handlers belong to the main thread; other ones are not interrupted.
        if threading.current_thread() is threading.main_thread():
            previous = signal.getsignal(signal.SIGINT)
            if callable(previous):
                signal.signal(signal.SIGINT, self._note)
                self._previous = previous

    def _note(self, number: int, frame: Any) -> None:
        self._noted = (number, frame)
        self._guard.interrupted = True
        if self._end is not None:
            self._end()

    def __exit__(self, *_: Any) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        self._guard.interrupted = False
        if self._noted is not None:
            self._previous(*self._noted)
