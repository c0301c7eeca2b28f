"""A file system of the program's own: weights out of an archive or a database,
states beside the program's other data."""

from __future__ import annotations

import ctypes
import itertools
import os
from typing import Any, Callable, Dict, Optional, Protocol, cast

from . import _declarations as c
from ._library import sized


class File(Protocol):
    """A file to read.  Several threads may read at once."""

    @property
    def size(self) -> int:
        """How many bytes it has."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills all of the buffer, which is lent for the call."""

    def close(self) -> None:
        """It is not used any more."""


class NewFile(Protocol):
    """A file to write."""

    def write(self, offset: int, data: memoryview) -> None:
        """Writes all of the data, which is lent for the call."""

    def sync(self) -> None:
        """Returns when what was written would survive a loss of power."""

    def close(self) -> None:
        """It is complete, or was given up."""


class Files(Protocol):
    """What the library reads, in the place of the system's files.  Methods may
    be called from any thread; an exception is the cause of the Error that the
    library's call ends with."""

    def open(self, path: str) -> File:
        """A file that there is, else FileNotFoundError."""


class WritableFiles(Files, Protocol):
    """The same, for programs that save states or pack models."""

    def create(self, path: str) -> NewFile:
        """An empty file, in the place of one that there may be."""

    def rename(self, old: str, new: str) -> None:
        """In the place of a file `new` that there may be."""

    def remove(self, path: str) -> None:
        """The file is not wanted any more."""


class BytesFile:
    """A File whose bytes are in memory, or mapped there."""

    def __init__(self, data: Any) -> None:
        self._view = memoryview(data).cast("B")

    @property
    def size(self) -> int:
        return self._view.nbytes

    def read_into(self, offset: int, buffer: memoryview) -> None:
        end = offset + buffer.nbytes
        if end > self._view.nbytes:
            raise EOFError("the file is shorter")
        buffer[:] = self._view[offset:end]

    def close(self) -> None:
        self._view.release()


def _lent(address: Optional[int], size: int) -> memoryview:
    if not address:
        return memoryview(bytearray())
    array = (ctypes.c_char * size).from_address(address)
    return memoryview(array).cast("B")


class FilesHook:
    """Files as the library calls them."""

    def __init__(self, files: Files) -> None:
        self._files: Any = files
        self._open: Dict[int, Any] = {}  # By the handles that C has.
        self._handles = itertools.count(1)
        self.failure: Optional[BaseException] = None  # The last one.
        self.struct: Any = sized(c.baleen_files)
        names = ["open", "read", "close"]
        if hasattr(files, "create"):
            names += ["create", "write", "sync", "rename", "remove"]
        kinds = dict(cast(Any, c.baleen_files._fields_))
        for name in names:
            method = getattr(self, "_c_" + name)
            setattr(self.struct, name, kinds[name](self._guarded(method)))

    def _guarded(self, method: Callable[..., None]) -> Callable[..., int]:
        def call(_: Any, *arguments: Any) -> int:
            try:
                method(*arguments)
                return 0
            except BaseException as failure:  # C must not see it.
                self.failure = failure
                return 1
        return call

    def _adopt(self, file: Any, out: Any) -> None:
        handle = next(self._handles)
        self._open[handle] = file
        out[0] = handle

    def _c_open(self, path: bytes, out: Any, size: Any) -> None:
        file = self._files.open(os.fsdecode(path))
        size[0] = file.size
        self._adopt(file, out)

    def _c_read(self, handle: int, offset: int, buffer: Optional[int],
                size: int) -> None:
        with _lent(buffer, size) as view:
            self._open[handle].read_into(offset, view)

    def _c_close(self, handle: int) -> None:
        self._open.pop(handle).close()

    def _c_create(self, path: bytes, out: Any) -> None:
        self._adopt(self._files.create(os.fsdecode(path)), out)

    def _c_write(self, handle: int, offset: int, data: Optional[int],
                 size: int) -> None:
        with _lent(data, size) as view:
            self._open[handle].write(offset, view.toreadonly())

    def _c_sync(self, handle: int) -> None:
        self._open[handle].sync()

    def _c_rename(self, old: bytes, new: bytes) -> None:
        self._files.rename(os.fsdecode(old), os.fsdecode(new))

    def _c_remove(self, path: bytes) -> None:
        self._files.remove(os.fsdecode(path))
