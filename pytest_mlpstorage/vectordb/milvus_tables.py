"""What Milvus offers: its indexes with their parameters in the names of the rule book and in its own spelling.

Milvus takes a parameter that it does not know without a word, and keeps it beside its own: a name in another case sets nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pytest_mlpstorage.vectordb.engine import Capabilities, IndexFamily, ParameterSpec, Value

__all__ = ["BATCH", "CAPABILITIES", "CHECKED_BY_SERVER", "LARGEST_K", "LARGEST_SHARDS", "index_parameters", "search_parameters"]

BATCH: Final = 1000
"""Rows of one insert, as the official loader's; a server takes messages of 64 MiB."""

LARGEST_SHARDS: Final = 16
LARGEST_K: Final = 16_384

_LARGEST: Final = 2**31 - 1
_SEARCH_LIST: Final = (ParameterSpec("search_ef", "int", 1, _LARGEST, 200, native="search_list"),)
_NPROBE: Final = (ParameterSpec("nprobe", "int", 1, 65_536, 16),)
_NLIST: Final = (ParameterSpec("nlist", "int", 1, 65_536, 128),)

_FAMILIES: Final = (
    IndexFamily(
        "DISKANN",
        "DISKANN",
        build=(
            ParameterSpec("max_degree", "int", 1, 512, 64, native="MaxDegree"),
            ParameterSpec("search_list_size", "int", 1, _LARGEST, 200, native="SearchListSize"),
        ),
        search=_SEARCH_LIST,
        residence="disk",
    ),
    IndexFamily(
        "HNSW",
        "HNSW",
        build=(
            ParameterSpec("M", "int", 2, 2048, 64),
            ParameterSpec("ef_construction", "int", 1, _LARGEST, 200, native="efConstruction"),
        ),
        search=(ParameterSpec("search_ef", "int", 1, _LARGEST, 200, native="ef"),),
        residence="memory",
    ),
    IndexFamily(
        "AISAQ",
        "AISAQ",
        build=(
            ParameterSpec("max_degree", "int", 1, 512, 64),
            ParameterSpec("search_list_size", "int", 1, _LARGEST, 200),
            ParameterSpec("inline_pq", "int", 0, 512, 16),
        ),
        search=_SEARCH_LIST,
        residence="disk",
    ),
    IndexFamily("IVF_FLAT", "IVF_FLAT", build=_NLIST, search=_NPROBE, residence="memory"),
    IndexFamily("IVF_SQ8", "IVF_SQ8", build=_NLIST, search=_NPROBE, residence="memory"),
    IndexFamily("FLAT", "FLAT", build=(), search=(), residence="memory"),
)

CHECKED_BY_SERVER: Final = frozenset({"HNSW", "IVF_FLAT", "IVF_SQ8"})
"""Indexes whose parameters Milvus itself checks. What it reports of others is only what it was told."""

CAPABILITIES: Final = Capabilities(
    families=MappingProxyType({family.token: family for family in _FAMILIES}),
    metrics=frozenset({"COSINE", "L2", "IP"}),
    form="server",
    max_insert_batch=BATCH,
    readers="many",
    threads_ok=True,
    deterministic_build=False,
    appends_after_build=True,
    # Similarities; distances (L2) leave the plug-in with their sign turned.
    higher_is_better=True,
)


def index_parameters(token: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Checked build parameters in Milvus's spelling."""
    return {spec.engine_name: values[spec.name] for spec in CAPABILITIES.families[token].build}


def search_parameters(token: str, metric: str, params: Mapping[str, Value], k: int) -> dict[str, Any]:
    """Search parameters in Milvus's spelling. ``search_ef`` is never below ``k``, as in the official tool."""
    named: dict[str, Value] = {}
    for spec in CAPABILITIES.families[token].search:
        value = params.get(spec.name, spec.default)
        named[spec.engine_name] = max(int(value), k) if spec.name == "search_ef" else value
    return {"metric_type": metric, "params": named}
