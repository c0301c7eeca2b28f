"""Options of models and sessions as the library has them."""

from __future__ import annotations

import ctypes
from typing import Any, Callable, Mapping, Optional, Sequence

from . import _declarations as c
from ._handle import Guard
from ._library import Path, name_bytes, path_bytes, sized
from ._types import Draft, Mode, Window

# Told how much of a long call is done; False ends it.
Progress = Callable[[int, int], object]


class Watch:
    """A progress callback, and what the library calls for it."""

    def __init__(self, progress: Optional[Progress]) -> None:
        self.guard = Guard()
        self._progress = progress
        self.callback = c.baleen_progress_fn(self._call)

    def _call(self, _: Any, done: int, total: int) -> int:
        return self.guard.ask(self._progress, done, total)


def model_options(watch: Watch, *, devices: Sequence[int] = (),
                  settings: Optional[Mapping[str, str]] = None,
                  device_memory_limit: int = 0, tokenizer_only: bool = False,
                  shapes_only: bool = False, verify: bool = False,
                  lock_memory: bool = False, repack: bool = False) -> Any:
    """baleen_model_options says what they mean."""
    options = sized(c.baleen_model_options)
    flags = {
        c.BALEEN_MODEL_TOKENIZER_ONLY: tokenizer_only,
        c.BALEEN_MODEL_SHAPES_ONLY: shapes_only,
        c.BALEEN_MODEL_VERIFY: verify,
        c.BALEEN_MODEL_LOCK_MEMORY: lock_memory,
        c.BALEEN_MODEL_REPACK: repack,
    }
    options.flags = sum(flag for flag, is_set in flags.items() if is_set)
    if devices:
        options.devices = (ctypes.c_uint32 * len(devices))(*devices)
        options.device_count = len(devices)
    pairs = [c.baleen_setting(name_bytes("a setting", name),
                              name_bytes("a setting", value))
             for name, value in (settings or {}).items()]
    options.settings = (c.baleen_setting * len(pairs))(*pairs)
    options.setting_count = len(pairs)
    options.device_memory_limit = device_memory_limit
    options.progress = watch.callback
    return options


def session_options(*, capacity: int = 0, seed: int = 0,
                    mode: Mode = Mode.FAST, prefill_chunk: int = 0,
                    draft: Draft = Draft.DEFAULT, draft_limit: int = 0,
                    window: Window = Window.DEFAULT, window_period: int = 0,
                    log_path: Optional[Path] = None, resume: bool = False,
                    private: bool = False) -> Any:
    """baleen_session_options says what they mean."""
    options = sized(c.baleen_session_options)
    options.capacity = capacity
    options.seed = seed
    options.mode = mode
    options.prefill_chunk = prefill_chunk
    options.draft = draft
    options.draft_limit = draft_limit
    options.window = window
    options.window_period = window_period
    if log_path is not None:
        options.log_path = path_bytes(log_path)
    if resume:
        options.flags |= c.BALEEN_SESSION_RESUME
    if private:
        options.flags |= c.BALEEN_SESSION_PRIVATE
    return options
