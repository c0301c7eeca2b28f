"""How to choose a token."""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any, Callable, Mapping, Optional

from . import _declarations as c
from ._handle import Guard
from ._library import sized

# Gets the logits, one for each of the vocabulary, to change in their place.
# The view is lent for the call.
Edit = Callable[[memoryview], object]


@dataclasses.dataclass
class Sampling:
    """The defaults are what the model's authors advise."""

    greedy: bool = False  # The likeliest token.
    temperature: float = 0
    top_p: float = 0
    min_p: float = 0
    top_k: int = 0
    repeat_penalty: float = 0
    repeat_window: int = 0
    biases: Mapping[int, float] = dataclasses.field(default_factory=dict)
    edit: Optional[Edit] = None

    @classmethod
    def likeliest(cls) -> Sampling:
        return cls(greedy=True)


class ReadSampling:
    """A Sampling as the library has it, with what it points to."""

    def __init__(self, sampling: Optional[Sampling], guard: Guard) -> None:
        sampling = sampling or Sampling()
        self._guard = guard
        self._edit = sampling.edit
        self.struct: Any = sized(c.baleen_sampling)
        for name in ("temperature", "top_p", "min_p", "top_k",
                     "repeat_penalty", "repeat_window"):
            setattr(self.struct, name, getattr(sampling, name))
        if sampling.greedy:
            self.struct.flags = c.BALEEN_SAMPLING_GREEDY
        biases = [c.baleen_token_bias(*pair)
                  for pair in sampling.biases.items()]
        self.struct.bias_count = len(biases)
        self.struct.biases = (c.baleen_token_bias * len(biases))(*biases)
        if sampling.edit is not None:
            self._callback = c.baleen_logits_fn(self._call)
            self.struct.edit = self._callback

    def _call(self, _: Any, logits: Any, count: int) -> None:
        self._guard.run(None, self._change, logits, count)

    def _change(self, logits: Any, count: int) -> None:
        array = ctypes.cast(
            logits, ctypes.POINTER(ctypes.c_float * count)).contents
        view: Any = memoryview(array).cast("B").cast("f")
        with view:
            assert self._edit is not None
            self._edit(view)
