"""The language models of the KV cache workload and the bytes that their caches take (kvcache.md §1.1)."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["MODELS", "OFFERED", "KVModel", "model"]

_DTYPE_BYTES: Final = MappingProxyType({"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1})
_UNKNOWN_DTYPE_BYTES: Final = 2
"""What the official tool takes for a word that it does not know."""

_KEYS_AND_VALUES: Final = 2


@dataclasses.dataclass(frozen=True)
class KVModel:
    """The columns of a model that decide how many bytes its cache takes.

    ``kv_lora_rank`` and ``rope_dim`` (elements a token and layer) count for kind ``mla`` only, the head columns for the others only.
    """

    key: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    kind: Literal["mha", "gqa", "mla"]
    kv_lora_rank: int = 0
    rope_dim: int = 0
    dtype: str = "float16"

    @property
    def dtype_bytes(self) -> int:
        """Bytes of one element."""
        return _DTYPE_BYTES.get(self.dtype, _UNKNOWN_DTYPE_BYTES)

    @property
    def elements_per_token(self) -> int:
        """Elements of one token over all layers: keys and values, or the compressed vector of both."""
        if self.kind == "mla":
            return self.layers * (self.kv_lora_rank + self.rope_dim)
        return self.layers * _KEYS_AND_VALUES * self.kv_heads * self.head_dim

    @property
    def bytes_per_token(self) -> int:
        """Bytes of one token over all layers."""
        return self.elements_per_token * self.dtype_bytes

    def entry_bytes(self, tokens: int, tensor_parallel: int = 1) -> int:
        """Bytes of the entry of so many tokens; under tensor parallelism N those of the first 1/N of its elements."""
        if tensor_parallel < 1:
            raise ConfigurationError(
                f"tensor parallelism {tensor_parallel} is no number of cards", details={"allowed": "1 and more"}, code="MLPS-E111"
            )
        return self.elements_per_token * tokens // tensor_parallel * self.dtype_bytes

    def shape(self, tokens: int) -> tuple[int, ...]:
        """Shape of the array of one entry, as its file says it."""
        if self.kind == "mla":
            return (self.layers, tokens, self.kv_lora_rank + self.rope_dim)
        return (self.layers, _KEYS_AND_VALUES, tokens, self.kv_heads, self.head_dim)


def _attention(key: str, layers: int, hidden: int, heads: int, kv_heads: int, head_dim: int = 0) -> KVModel:
    kind: Literal["mha", "gqa"] = "mha" if kv_heads == heads else "gqa"
    return KVModel(key, layers, hidden, heads, kv_heads, head_dim or hidden // heads, kind)


_ALL: Final = (
    _attention("tiny-1b", 12, 1024, 8, 4),
    _attention("mistral-7b", 32, 4096, 32, 8),
    _attention("llama2-7b", 32, 4096, 32, 32),
    _attention("llama3.1-8b", 32, 4096, 32, 8),
    _attention("llama3.1-70b-instruct", 80, 8192, 64, 8),
    KVModel("deepseek-v3", 61, 7168, 128, 0, 0, "mla", kv_lora_rank=512, rope_dim=64),
    _attention("qwen3-32b", 64, 5120, 64, 8, 128),
    _attention("gpt-oss-120b", 36, 2880, 64, 8, 64),
    _attention("gpt-oss-20b", 24, 2880, 64, 8, 64),
)

MODELS: Final[Mapping[str, KVModel]] = MappingProxyType({entry.key: entry for entry in _ALL})
"""Every model of the official code by its key."""

OFFERED: Final = tuple(entry.key for entry in _ALL[:5])
"""The models that ``mlpstorage`` itself lets one choose."""


def model(key: str) -> KVModel:
    """The model of that key; ConfigurationError with the nearest of the keys."""
    found = MODELS.get(key)
    if found is None:
        # editions.base.nearest would do, but a rank that reads it pays for pydantic before its first byte.
        near = difflib.get_close_matches(key.lower(), MODELS, n=1)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise ConfigurationError(f"unknown KV cache model {key!r}; allowed: {', '.join(MODELS)}{guess}", code="MLPS-E114")
    return found
