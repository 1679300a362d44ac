"""What zvec 0.8 can do: its indexes and their parameters in the names of the rule book, with the ranges that it documents.

It takes numbers beyond these ranges without a word, uses the nearest bound and still reports what was asked: only this table guards them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb.engine import Capabilities, IndexFamily, IndexSpec, ParameterSpec, Value

__all__ = ["CAPABILITIES", "LARGEST_BATCH", "index_parameters", "query_parameters"]

LARGEST_BATCH: Final = 1024
"""Rows of one insert; one more is an error."""

_MOST_EF: Final = 10_000
"""Not documented. As measured, the reads of a query grow with it to 5000 and more; it is raised to k where it is less."""

_DISKANN: Final = IndexFamily(
    "DISKANN",
    "DISKANN",
    build=(
        ParameterSpec("max_degree", "int", 1, 100, 64),
        ParameterSpec("search_list_size", "int", 10, 100, 100, native="list_size"),
        ParameterSpec("pq_chunk_num", "int", 0, 1024, 0),
    ),
    search=(ParameterSpec("search_ef", "int", 1, _MOST_EF, 200, native="list_size"),),
    residence="disk",
)
_HNSW: Final = IndexFamily(
    "HNSW",
    "HNSW",
    build=(ParameterSpec("M", "int", 5, 1000, 64, native="m"), ParameterSpec("ef_construction", "int", 1, 10_000, 200)),
    search=(ParameterSpec("search_ef", "int", 1, _MOST_EF, 200, native="ef"),),
    residence="memory",
)
_IVF_FLAT: Final = IndexFamily(
    "IVF_FLAT",
    "IVF",
    build=(ParameterSpec("nlist", "int", 1, 65_536, 128, native="n_list"),),
    search=(ParameterSpec("nprobe", "int", 1, 65_536, 32),),
    residence="memory",
)
_FLAT: Final = IndexFamily("FLAT", "FLAT", build=(), search=(), residence="memory")

CAPABILITIES: Final = Capabilities(
    families=MappingProxyType({family.token: family for family in (_DISKANN, _HNSW, _IVF_FLAT, _FLAT)}),
    metrics=frozenset({"COSINE", "L2", "IP"}),
    form="embedded",
    max_insert_batch=LARGEST_BATCH,
    readers="many",
    threads_ok=True,
    deterministic_build=False,
    appends_after_build=True,
    # Distances; inner products leave the plug-in with their sign turned.
    higher_is_better=False,
)


def index_parameters(zvec: Any, spec: IndexSpec, values: Mapping[str, Value]) -> Any:
    """The index description of zvec for checked build parameters; ConfigurationError where they do not fit the dimension."""
    if int(values.get("pq_chunk_num", 0)) > spec.dim:
        raise ConfigurationError(
            f"pq_chunk_num {values['pq_chunk_num']} is more than the {spec.dim} dimensions of the vectors",
            suggestion=f"set it to {spec.dim} or less; 0 lets zvec choose",
            code="MLPS-E161",
        )
    kinds = {"DISKANN": zvec.DiskAnnIndexParam, "HNSW": zvec.HnswIndexParam, "IVF_FLAT": zvec.IVFIndexParam, "FLAT": zvec.FlatIndexParam}
    named = {parameter.engine_name: values[parameter.name] for parameter in CAPABILITIES.families[spec.family].build}
    return kinds[spec.family](metric_type=getattr(zvec.MetricType, spec.metric), **named)


def query_parameters(zvec: Any, token: str, params: Mapping[str, Value], k: int) -> Any:
    """The query description of zvec; None where the index has nothing to set. ``search_ef`` is never below ``k``."""
    kinds = {"DISKANN": zvec.DiskAnnQueryParam, "HNSW": zvec.HnswQueryParam, "IVF_FLAT": zvec.IVFQueryParam}
    if token not in kinds:
        return None
    named = {spec.engine_name: params.get(spec.name, spec.default) for spec in CAPABILITIES.families[token].search}
    for spec in CAPABILITIES.families[token].search:
        if spec.name == "search_ef":
            named[spec.engine_name] = max(int(named[spec.engine_name]), k)
    return kinds[token](**named)
