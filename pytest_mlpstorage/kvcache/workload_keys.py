"""Every key of the official tool's ``config.yaml`` with what may stand there (kvcache.md §1.8)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pytest_mlpstorage.config.tree import Items, Node, Scalar

__all__ = ["FREE_SECTIONS", "HONOURED", "KEYS", "MODEL_KEYS", "MODEL_SECTION", "UNUSED", "Key", "Value"]

Value = bool | int | float | str | tuple[int, int] | tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Key:
    """What may stand at a key: in words, and as a function that gives None for everything else."""

    allowed: str
    read: Callable[[Node], Value | None]


def _number(node: Node, *, whole: bool) -> int | float | None:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value if isinstance(value, int) or not whole else None


def _whole(least: int) -> Key:
    def read(node: Node) -> int | None:
        value = _number(node, whole=True)
        return int(value) if value is not None and value >= least else None

    return Key(f"a whole number of at least {least}", read)


def _share(*, positive: bool = False) -> Key:
    def read(node: Node) -> float | None:
        value = _number(node, whole=False)
        return float(value) if value is not None and 0 <= value <= 1 and (value > 0 or not positive) else None

    return Key(f"a share from {'over 0' if positive else '0'} to 1", read)


def _seconds(node: Node) -> float | None:
    value = _number(node, whole=False)
    return float(value) if value is not None and value >= 0 else None


def _token_range(node: Node) -> tuple[int, int] | None:
    ends = [_number(child, whole=True) for child in node.nodes] if isinstance(node, Items) else []
    if len(ends) != 2 or ends[0] is None or ends[1] is None or not 1 <= ends[0] <= ends[1]:
        return None
    return int(ends[0]), int(ends[1])


def _seconds_range(node: Node) -> tuple[float, float] | None:
    ends = [_number(child, whole=False) for child in node.nodes] if isinstance(node, Items) else []
    if len(ends) != 2 or ends[0] is None or ends[1] is None or not 0 < ends[0] <= ends[1]:
        return None
    return float(ends[0]), float(ends[1])


def _word(*words: str) -> Key:
    def read(node: Node) -> str | None:
        value = node.value if isinstance(node, Scalar) else None
        return value if isinstance(value, str) and value in words else None

    return Key(" or ".join(words), read)


def _text(node: Node) -> str | None:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


_TOKENS: Final = Key("two whole numbers of at least 1, the smaller first", _token_range)
_TIMES: Final = Key("two numbers of seconds over 0, the smaller first", _seconds_range)
_DURATION: Final = Key("seconds of at least 0", _seconds)
_TEXT: Final = Key("text", _text)

_TEMPLATES: Final = {
    f"user_templates.{name}.{key}": kind
    for name in ("chatbot", "coding", "document")
    for key, kind in (("context_range", _TOKENS), ("generation_range", _TOKENS), ("think_time_range", _TIMES))
}

KEYS: Final[Mapping[str, Key]] = MappingProxyType(
    {
        **_TEMPLATES,
        "generation_timing.none": _DURATION,
        "generation_timing.fast": _DURATION,
        "generation_timing.realistic": _DURATION,
        "qos_distribution.interactive_probability": _share(),
        "qos_distribution.responsive_threshold": _share(),
        "eviction.max_recursion_depth": _whole(0),
        "eviction.target_usage_ratio": _share(positive=True),
        "eviction.large_entry_limit_ratio": _share(positive=True),
        "eviction.max_evictions_hard_cap": _whole(1),
        "eviction.max_evictions_min": _whole(0),
        "prefix_cache.min_prefix_length": _whole(0),
        "prefix_cache.max_prefix_entries": _whole(0),
        "prefix_cache.system_prompt_hit_probability": _share(),
        "rag.chunk_size_tokens": _whole(1),
        "rag.top_k_chunks": _whole(1),
        "rag.max_chunk_bytes": _whole(1),
        "rag.request_probability": _share(),
        "rag.retrieval_distribution": _word("zipfian", "uniform", "random"),
        "rag.max_documents": _whole(0),
        "rag.large_model_doc_tokens_min": _whole(1),
        "rag.large_model_doc_tokens_max": _whole(1),
        "rag.small_model_doc_tokens_min": _whole(1),
        "rag.small_model_doc_tokens_max": _whole(1),
        "conversation.max_conversations": _whole(1),
        "conversation.max_turns_per_conv": _whole(1),
        "conversation.end_conversation_probability": _share(),
        "decode.batch_size": _whole(1),
    }
)
"""Keys with a value of their own, dotted."""

HONOURED: Final = (
    "conversation.end_conversation_probability",
    "generation_timing.none",
    "generation_timing.fast",
    "generation_timing.realistic",
)
"""Keys that do nothing in the official code and do what they say in ours."""

UNUSED: Final = ("prefix_cache.min_prefix_length", "prefix_cache.max_prefix_entries")
"""Keys that do nothing in either."""

FREE_SECTIONS: Final = ("qos_profiles", "gpu_backend", "autoscaler", "sharegpt", "saturation_detection", "validation_limits")
"""Sections whose keys are not published one by one; taken as they are, and without effect on our work."""

MODEL_SECTION: Final = "model_configs"

MODEL_KEYS: Final[Mapping[str, Key]] = MappingProxyType(
    {
        "name": _TEXT,
        "num_layers": _whole(1),
        "hidden_dim": _whole(1),
        "num_heads": _whole(1),
        "kv_heads": _whole(1),
        "head_dim": _whole(1),
        "dtype": _TEXT,
        "attention_type": _word("mha", "gqa", "mla"),
        "kv_lora_rank": _whole(1),
        "qk_rope_head_dim": _whole(1),
    }
)
"""Columns of a model below ``model_configs.<key>``."""
