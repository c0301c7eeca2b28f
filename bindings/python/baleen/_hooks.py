"""What the library calls as long as anything made from a context lives."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any, Callable, Iterator, Optional

from . import _declarations as c
from ._handle import Guard
from ._library import Error
from ._types import LogLevel
from .files import Files, FilesHook

# Receives the log line by line, from any thread.
Log = Callable[[LogLevel, str], object]


def _log_callback(log: Log) -> Any:
    def write(_: Any, level: int, line: bytes) -> None:
        # There may be no caller to raise in: this may be a thread of C's.
        Guard().run(None, lambda: log(LogLevel(level),
                                      line.decode("utf-8", "replace")))
    return c.baleen_log_fn(write)


class Hooks:
    """Those of one context.  All that is made from it keeps them."""

    def __init__(self, log: Optional[Log], files: Optional[Files],
                 allocator: Optional[c.baleen_allocator],
                 workers: Optional[c.baleen_workers]) -> None:
        self._log = None if log is None else _log_callback(log)
        self._files = None if files is None else FilesHook(files)
        self._allocator = allocator
        self._workers = workers

    def fill(self, options: Any, level: LogLevel) -> None:
        """Puts them into baleen_context_options."""
        if self._log is not None:
            options.log = self._log
            options.log_level = level
        if self._files is not None:
            options.files = ctypes.pointer(self._files.struct)
        if self._allocator is not None:
            options.allocator = ctypes.pointer(self._allocator)
        if self._workers is not None:
            options.workers = ctypes.pointer(self._workers)

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Gives an Error of what is called inside what the program's own files
        raised meanwhile as its cause."""
        if self._files is None:
            yield
            return
        try:
            yield
        except Error as error:
            if self._files.failure is not None:
                raise error from self._files.failure
            raise
        finally:
            # It may be of a file that need not be there, and holds frames.
            self._files.failure = None
