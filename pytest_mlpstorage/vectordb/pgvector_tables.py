"""What pgvector 0.8 can do: its indexes with their parameters in the names of the rule book, and the SQL words for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytest_mlpstorage.vectordb.engine import Capabilities, IndexFamily, ParameterSpec, Value

__all__ = ["BATCH", "CAPABILITIES", "LARGEST_DIMENSION", "OPERATORS", "OPERATOR_CLASSES", "search_settings"]

BATCH: Final = 1000
"""Rows of one COPY: the server has no limit, but each COPY has a deadline."""

LARGEST_DIMENSION: Final = 2000
"""Of a column with an index; without one it may be longer."""

OPERATORS: Final[Mapping[str, str]] = MappingProxyType({"COSINE": "<=>", "L2": "<->", "IP": "<#>"})
OPERATOR_CLASSES: Final[Mapping[str, str]] = MappingProxyType({"COSINE": "vector_cosine_ops", "L2": "vector_l2_ops", "IP": "vector_ip_ops"})

_HNSW: Final = IndexFamily(
    "HNSW",
    "hnsw",
    build=(ParameterSpec("M", "int", 2, 100, 16, native="m"), ParameterSpec("ef_construction", "int", 4, 1000, 64)),
    search=(ParameterSpec("search_ef", "int", 1, 1000, 100, native="hnsw.ef_search"),),
    residence="page-cache",
)
_IVF_FLAT: Final = IndexFamily(
    "IVF_FLAT",
    "ivfflat",
    build=(ParameterSpec("nlist", "int", 1, 32_768, 128, native="lists"),),
    search=(ParameterSpec("nprobe", "int", 1, 32_768, 16, native="ivfflat.probes"),),
    residence="page-cache",
)

CAPABILITIES: Final = Capabilities(
    families=MappingProxyType({family.token: family for family in (_HNSW, _IVF_FLAT)}),
    metrics=frozenset(OPERATORS),
    form="server",
    max_insert_batch=BATCH,
    readers="many",
    threads_ok=False,
    deterministic_build=False,
    appends_after_build=True,
    # Distances, and of inner products the negative.
    higher_is_better=False,
)


def search_settings(family: IndexFamily, params: Mapping[str, Value], k: int) -> dict[str, int]:
    """The session's settings for searches. Fewer candidates than ``k`` would give fewer than ``k`` rows."""
    found = {spec.engine_name: int(params.get(spec.name, spec.default)) for spec in family.search}
    if "hnsw.ef_search" in found:
        found["hnsw.ef_search"] = max(found["hnsw.ef_search"], k)
    return found
