"""The shared library, and what a failed call becomes."""

from __future__ import annotations

import ctypes
import enum
import os
import sys
from typing import Any, Callable, Optional, Union

from . import _declarations as c

Path = Union[str, "os.PathLike[str]"]


class Status(enum.IntEnum):
    """What a call came to."""

    OK = c.BALEEN_OK
    INTERNAL = c.BALEEN_INTERNAL
    INVALID_ARGUMENT = c.BALEEN_INVALID_ARGUMENT
    OUT_OF_MEMORY = c.BALEEN_OUT_OF_MEMORY
    NOT_FOUND = c.BALEEN_NOT_FOUND
    IO = c.BALEEN_IO
    CORRUPT = c.BALEEN_CORRUPT
    UNSUPPORTED = c.BALEEN_UNSUPPORTED
    BUFFER_TOO_SMALL = c.BALEEN_BUFFER_TOO_SMALL
    SESSION_FULL = c.BALEEN_SESSION_FULL
    CANCELLED = c.BALEEN_CANCELLED
    BUSY = c.BALEEN_BUSY
    DEVICE_LOST = c.BALEEN_DEVICE_LOST


class Error(Exception):
    """Why a call failed."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def __reduce__(self) -> Any:
        return type(self), (self.status, self.message)


class Cancelled(Error):
    """A callback, or cancel() of a session, ended the call."""


def error_of(failure: c.baleen_error) -> Error:
    message = failure.message.decode("utf-8", "replace")
    if failure.status == Status.CANCELLED:
        return Cancelled(Status.CANCELLED, message)
    try:
        return Error(Status(failure.status), message)
    except ValueError:  # Of a later library.
        return Error(Status.INTERNAL, message)


def _file_name() -> str:
    if sys.platform == "win32":
        return "baleen.dll"
    return "libbaleen.1.dylib" if sys.platform == "darwin" else "libbaleen.so.1"


def _open() -> ctypes.CDLL:
    """That of the environment, that in a wheel, or the system's."""
    name = _file_name()
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    path = os.environ.get("BALEEN_LIBRARY")
    if not path:
        path = beside if os.path.exists(beside) else name
    library = ctypes.CDLL(path)
    for function, (result, arguments) in c.FUNCTIONS.items():
        # An older library lacks what was added since.
        if hasattr(library, function):
            found = getattr(library, function)
            found.restype = result
            found.argtypes = arguments
    major = library.baleen_version() // 10000
    if major != c.BALEEN_VERSION // 10000:
        raise ImportError(f"{path} is of the other major version {major}")
    return library


C = _open()


def check(call: Callable[..., int], *arguments: Any) -> None:
    """Makes a call whose last argument is for the failure."""
    failure = c.baleen_error()
    if call(*arguments, ctypes.byref(failure)) < 0:
        raise error_of(failure)


def name_bytes(what: str, text: Union[str, bytes]) -> bytes:
    """Text that ends in NUL.  With one inside it would be cut short."""
    data = text.encode() if isinstance(text, str) else text
    if b"\0" in data:
        raise Error(Status.INVALID_ARGUMENT, f"{what} has a zero byte inside")
    return data


def path_bytes(path: Path) -> bytes:
    return name_bytes("the path", os.fsencode(path))


def optional_name(what: str, text: Optional[str]) -> Optional[bytes]:
    return None if text is None else name_bytes(what, text)


def sized(kind: Any) -> Any:
    """A struct of the library's, empty but for its size."""
    made = kind()
    made.struct_size = ctypes.sizeof(kind)
    return made


def version() -> str:
    """The version of the library that is running, such as "1.4.2"."""
    text: bytes = C.baleen_version_string()
    return text.decode()


def version_number() -> int:
    """The same as a number: major * 10000 + minor * 100 + patch."""
    number: int = C.baleen_version()
    return number


def has_feature(name: str) -> bool:
    """Whether the library can do what docs/features.md has under this name."""
    return bool(C.baleen_has_feature(name.encode()))
