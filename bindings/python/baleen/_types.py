"""The values that calls take and give."""

from __future__ import annotations

import dataclasses
import enum
from typing import (Any, NamedTuple, Optional, Sequence, Type, TypeVar,
                    cast)

from . import _declarations as c


class LogLevel(enum.IntEnum):
    """How much the log tells."""

    OFF = c.BALEEN_LOG_OFF
    ERROR = c.BALEEN_LOG_ERROR
    WARNING = c.BALEEN_LOG_WARNING
    INFO = c.BALEEN_LOG_INFO
    DEBUG = c.BALEEN_LOG_DEBUG


class Thinking(enum.IntEnum):
    """How long the model thinks before it answers."""

    DEFAULT = c.BALEEN_THINKING_DEFAULT
    OFF = c.BALEEN_THINKING_OFF
    ON = c.BALEEN_THINKING_ON
    LOW = c.BALEEN_THINKING_LOW
    HIGH = c.BALEEN_THINKING_HIGH
    MAX = c.BALEEN_THINKING_MAX


class Encoder(enum.IntEnum):
    """Whose way to write a conversation."""

    DEFAULT = c.BALEEN_ENCODER_DEFAULT
    PREVIEW = c.BALEEN_ENCODER_PREVIEW
    GA = c.BALEEN_ENCODER_GA


class Mode(enum.IntEnum):
    """How numbers are rounded."""

    FAST = c.BALEEN_MODE_FAST
    REFERENCE = c.BALEEN_MODE_REFERENCE


class Draft(enum.IntEnum):
    """Where guesses at further tokens come from."""

    DEFAULT = c.BALEEN_DRAFT_DEFAULT
    OFF = c.BALEEN_DRAFT_OFF
    MODEL = c.BALEEN_DRAFT_MODEL
    LOOKUP = c.BALEEN_DRAFT_LOOKUP


class Window(enum.IntEnum):
    """Which states of the attention window are kept."""

    DEFAULT = c.BALEEN_WINDOW_DEFAULT
    NONE = c.BALEEN_WINDOW_NONE
    PERIODIC = c.BALEEN_WINDOW_PERIODIC
    FULL = c.BALEEN_WINDOW_FULL


class Channel(enum.IntEnum):
    """What a piece is part of."""

    ANSWER = c.BALEEN_CHANNEL_ANSWER
    THINKING = c.BALEEN_CHANNEL_THINKING
    TOOL_CALL = c.BALEEN_CHANNEL_TOOL_CALL


class Finish(enum.IntEnum):
    """Why a generation stopped."""

    NONE = c.BALEEN_FINISH_NONE
    END = c.BALEEN_FINISH_END
    LIMIT = c.BALEEN_FINISH_LIMIT
    STOP = c.BALEEN_FINISH_STOP
    CALLBACK = c.BALEEN_FINISH_CALLBACK
    FULL = c.BALEEN_FINISH_FULL
    TOOL_CALL = c.BALEEN_FINISH_TOOL_CALL


class Part(enum.IntEnum):
    """Parts of the model, for counts by kind."""

    EMBEDDING = c.BALEEN_PART_EMBEDDING
    HYPER = c.BALEEN_PART_HYPER
    PROJECTION = c.BALEEN_PART_PROJECTION
    COMPRESSOR = c.BALEEN_PART_COMPRESSOR
    INDEXER = c.BALEEN_PART_INDEXER
    ATTENTION = c.BALEEN_PART_ATTENTION
    ROUTER = c.BALEEN_PART_ROUTER
    EXPERTS = c.BALEEN_PART_EXPERTS
    SHARED_EXPERT = c.BALEEN_PART_SHARED_EXPERT
    HEAD = c.BALEEN_PART_HEAD
    DRAFTER = c.BALEEN_PART_DRAFTER


@dataclasses.dataclass
class Message:
    """One message of a conversation; baleen_message says what its fields
    mean."""

    role: str
    content: Optional[str] = None
    reasoning: Optional[str] = None
    tool_calls: Optional[str] = None  # JSON
    tool_call_id: Optional[str] = None
    extra: Optional[str] = None  # A JSON object.
    tokens: Sequence[int] = ()


def system(content: str) -> Message:
    """What the program wants of the model."""
    return Message("system", content)


def user(content: str) -> Message:
    """What a person says."""
    return Message("user", content)


def assistant(content: str) -> Message:
    """What the model said."""
    return Message("assistant", content)


def tool(call_id: str, content: str) -> Message:
    """What a tool answered to a call."""
    return Message("tool", content, tool_call_id=call_id)


class Piece(NamedTuple):
    """A part of what the model writes."""

    channel: Channel
    text: str
    call_index: int = 0  # Of a tool call: which one, from 0,
    call_id: str = ""  # its name for tool(),
    tool: str = ""  # and what is called.


class TokenScore(NamedTuple):
    """A token and how likely it is."""

    token: int
    logit: float
    log_probability: float


@dataclasses.dataclass(frozen=True)
class Device:
    """Something that computes."""

    backend: str
    name: str
    memory_total: int
    memory_free: int
    flags: int

    @property
    def unified_memory(self) -> bool:
        """Whether it shares its memory with the host."""
        return bool(self.flags & c.BALEEN_DEVICE_UNIFIED_MEMORY)


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """About a model; see baleen_model_info."""

    vocabulary_size: int
    hidden_size: int
    layer_count: int
    window_layer_count: int
    csa_layer_count: int
    hca_layer_count: int
    draft_layer_count: int
    expert_count: int
    experts_per_token: int
    encoder: int
    position_limit: int
    parameter_count: int
    weight_bytes: int
    architecture: str
    drafter: str
    name: str


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """Where how many bytes go; see baleen_memory_plan."""

    weights_mapped: int
    weights_host: int
    weights_device: int
    session_host: int
    session_device: int
    scratch_host: int
    scratch_device: int
    weights_by_part: Sequence[int]  # By Part.


@dataclasses.dataclass(frozen=True)
class Stats:
    """What a session has done; see baleen_session_stats."""

    seed: int
    prompt_tokens: int
    reused_tokens: int
    generated_tokens: int
    drafted_tokens: int
    accepted_tokens: int
    state_bytes: int
    state_bytes_shared: int
    evictions: int
    prompt_seconds: float
    generate_seconds: float


@dataclasses.dataclass(frozen=True)
class Counters:
    """Bytes moved and operations done; see baleen_session_counters."""

    positions: int
    state_bytes_read: int
    state_bytes_written: int
    weight_bytes: Sequence[int]  # By Part.
    operations: Sequence[int]  # By Part.
    operations_fp4: int
    operations_fp8: int
    operations_bf16: int
    operations_f32: int
    pass_weight_bytes: int  # A share, by rows, of what steps read.


Record = TypeVar("Record")


def record(kind: Type[Record], struct: Any) -> Record:
    """A dataclass of the values of a struct."""
    values = {}
    for field in dataclasses.fields(cast(Any, kind)):
        value = getattr(struct, field.name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif hasattr(value, "_length_"):
            value = tuple(value)[:len(Part)]
        values[field.name] = value
    return kind(**values)
