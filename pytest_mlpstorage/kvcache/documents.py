"""Documents that requests retrieve chunks of (kvcache.md §1.6), each chunk an entry with a number of its own (F11).

The book does not say what the distribution of retrievals is over; here it is over the chunks of a document, which is drawn evenly.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Final, Literal

import numpy as np

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.streams import DOCUMENTS, integers, words

__all__ = ["Chunk", "Distribution", "Document", "RAGOptions", "make_documents"]

Distribution = Literal["zipfian", "uniform", "random"]

_LARGE_HIDDEN: Final = 8192
_LARGE_LAYERS: Final = 64


@dataclasses.dataclass(frozen=True)
class RAGOptions:
    """The retrieval settings of the official configuration file with their defaults. ``max_documents`` 0 is no limit."""

    chunk_size_tokens: int = 512
    top_k_chunks: int = 5
    max_chunk_bytes: int = 256 * 2**20
    request_probability: float = 0.1
    retrieval_distribution: Distribution = "zipfian"
    max_documents: int = 0
    large_model_doc_tokens_min: int = 1024
    large_model_doc_tokens_max: int = 4096
    small_model_doc_tokens_min: int = 4000
    small_model_doc_tokens_max: int = 12_000


@dataclasses.dataclass(frozen=True)
class Chunk:
    """One retrievable part of a document."""

    entry: int
    tokens: int


@dataclasses.dataclass(frozen=True)
class Document:
    """A document, its chunks from the most likely on."""

    tokens: int
    chunks: tuple[Chunk, ...]

    def retrieved(self, draw: int, top_k: int, distribution: Distribution) -> tuple[Chunk, ...]:
        """So many different chunks for the random word of a retrieval; all of them where there are no more."""
        left = list(self.chunks)
        weights = [1 / rank if distribution == "zipfian" else 1.0 for rank in range(1, len(left) + 1)]
        choose = random.Random(draw)  # noqa: S311 - a repeatable choice; nothing here is a secret
        chosen = []
        for _ in range(min(top_k, len(left))):
            place = choose.choices(range(len(left)), weights)[0]
            chosen.append(left.pop(place))
            del weights[place]
        return tuple(chosen)


def make_documents(
    model: KVModel, *, effective_seed: int, count: int, first_entry: int, options: RAGOptions | None = None
) -> tuple[Document, ...]:
    """So many documents for that model, their chunks numbered from ``first_entry`` on, above the entries of the requests."""
    options = options or RAGOptions()
    chunk_tokens = min(options.chunk_size_tokens, options.max_chunk_bytes // model.bytes_per_token)
    if chunk_tokens < 1:
        raise ConfigurationError(
            f"max_chunk_bytes is {options.max_chunk_bytes}, less than one token of {model.key}",
            details={"allowed": f"{model.bytes_per_token} and more"},
            code="MLPS-E115",
        )
    if model.hidden >= _LARGE_HIDDEN or model.layers >= _LARGE_LAYERS:
        least, most = options.large_model_doc_tokens_min, options.large_model_doc_tokens_max
    else:
        least, most = options.small_model_doc_tokens_min, options.small_model_doc_tokens_max
    made: list[Document] = []
    entry = first_entry
    for number in range(min(count, options.max_documents or count)):
        tokens = int(integers(words(effective_seed, number, DOCUMENTS, 1), np.uint64(least), np.uint64(most))[0])
        sizes = [min(chunk_tokens, tokens - start) for start in range(0, tokens, chunk_tokens)]
        made.append(Document(tokens, tuple(Chunk(entry + place, size) for place, size in enumerate(sizes))))
        entry += len(sizes)
    return tuple(made)
