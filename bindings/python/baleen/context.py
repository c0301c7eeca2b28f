"""What the whole process shares."""

from __future__ import annotations

import ctypes
from typing import Any, Callable, List, Mapping, Optional

from . import _declarations as c
from ._handle import Handle, Interruptible, Owner
from ._hooks import Hooks, Log
from ._library import C, Path, check, path_bytes, sized
from ._options import Progress, Watch, model_options, session_options
from ._types import Device, LogLevel, MemoryPlan, record
from .files import Files
from .model import Model


class Context(Handle):
    """Compute devices and worker threads."""

    def __init__(self, *, threads: int = 0, log: Optional[Log] = None,
                 log_level: LogLevel = LogLevel.INFO,
                 backend_path: Optional[Path] = None,
                 state_memory_limit: int = 0,
                 state_path: Optional[Path] = None,
                 files: Optional[Files] = None,
                 allocator: Optional[c.baleen_allocator] = None,
                 workers: Optional[c.baleen_workers] = None) -> None:
        """With 0 `threads` there is one for each core.  The folder
        `backend_path` has plug-ins; "" is that of the library.  The states of
        idle sessions go to `state_path` when all take more than
        `state_memory_limit`.  All is read from `files` if there are any.
        `allocator` and `workers` are structs of C, whose functions are best
        of C, too: each call of one of Python's takes the interpreter's lock."""
        options = sized(c.baleen_context_options)
        options.thread_count = threads
        self._hooks = Hooks(log, files, allocator, workers)
        self._hooks.fill(options, log_level)
        if backend_path is not None:
            options.backend_path = path_bytes(backend_path)
        options.state_memory_limit = state_memory_limit
        if state_path is not None:
            options.state_path = path_bytes(state_path)
        made = ctypes.POINTER(c.baleen_context)()
        check(C.baleen_context_create, ctypes.byref(options),
              ctypes.byref(made))
        self._owner = Owner(made, "baleen_context_release", self._hooks)

    def load(self, path: Path, *, progress: Optional[Progress] = None,
             **options: Any) -> Model:
        """Loads the model in a folder or packed file.  The options are those
        of baleen_model_options: devices, settings (a mapping),
        device_memory_limit, and flags such as verify=True."""
        made = ctypes.POINTER(c.baleen_model)()
        self._watched(C.baleen_model_load, [path], progress, options,
                      ctypes.byref(made))
        return Model(Owner(made, "baleen_model_release", self._hooks),
                     self._hooks)

    def pack(self, path: Path, packed_path: Path, *,
             progress: Optional[Progress] = None, **options: Any) -> None:
        """Writes the model in a folder to one file, which load() opens at
        once.  The options are those of load()."""
        self._watched(C.baleen_model_pack, [path, packed_path], progress,
                      options)

    def plan(self, path: Path, *,
             model: Optional[Mapping[str, Any]] = None,
             session: Optional[Mapping[str, Any]] = None) -> MemoryPlan:
        """What a model and a session of it would take, before anything is
        loaded, with the options of load() and Model.session()."""
        plan = sized(c.baleen_memory_plan)
        options = session_options(**session or {})
        self._watched(C.baleen_context_plan, [path], None, dict(model or {}),
                      ctypes.byref(options), ctypes.byref(plan))
        return record(MemoryPlan, plan)

    def _watched(self, call: Callable[..., int], paths: List[Path],
                 progress: Optional[Progress], options: Mapping[str, Any],
                 *arguments: Any) -> None:
        watch = Watch(progress)
        struct = model_options(watch, **options)
        with Interruptible(watch.guard):
            try:
                with self._hooks.explaining():
                    check(call, self.owner, *map(path_bytes, paths),
                          ctypes.byref(struct), *arguments)
            finally:
                watch.guard.reraise()

    def load_backend(self, path: Path) -> None:
        """Loads a backend plug-in by its absolute path."""
        check(C.baleen_context_load_backend, self.owner, path_bytes(path))

    def devices(self) -> List[Device]:
        """The devices.  The first is the CPU."""
        found = []
        for index in range(C.baleen_context_device_count(self.owner)):
            info = sized(c.baleen_device_info)
            check(C.baleen_context_device_info, self.owner, index,
                  ctypes.byref(info))
            found.append(record(Device, info))
        return found
