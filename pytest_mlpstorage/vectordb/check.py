"""What can be said about a collection, its parameters and its vectors before an engine sees them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np

from pytest_mlpstorage.config.problems import did_you_mean
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb.engine import Capabilities, IndexFamily, IndexSpec, Metric, ParameterSpec, Value

__all__ = [
    "LARGEST_DIMENSION",
    "CheckedParameters",
    "check_parameters",
    "check_spec",
    "family_of",
    "name_problem",
    "query_problem",
    "vectors_problem",
]

LARGEST_DIMENSION: Final = 65_536
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
"""What a directory, a table and a collection may be called alike."""

Part = Literal["build", "search"]


@dataclasses.dataclass(frozen=True)
class CheckedParameters:
    """Every parameter of a table: as used in ``values``; ``clamped`` holds those that were asked for beyond their range, as asked."""

    values: Mapping[str, Value]
    clamped: Mapping[str, Value]


def family_of(capabilities: Capabilities, token: str, engine: str) -> IndexFamily:
    """The index family of that name; ConfigurationError where the engine does not offer it."""
    found = capabilities.families.get(token)
    if found is None:
        raise ConfigurationError(
            f"{engine} offers no index {token!r}{did_you_mean(token, capabilities.families)}",
            details={"offered": ", ".join(sorted(capabilities.families))},
            suggestion="choose one of these, or another engine",
            code="MLPS-E114",
        )
    return found


def name_problem(name: str) -> str:
    """Why a collection cannot be called so; empty where it can."""
    return "" if _NAME.fullmatch(name) else f"{name[:80]!r} is no name of letters, digits and underscores"


def check_parameters(
    family: IndexFamily, given: Mapping[str, object], *, part: Part = "build", clamp: bool = False, k: int = 0
) -> CheckedParameters:
    """All parameters of the family's table for building or searching, those not given by their default.

    An engine may take a number beyond its range without a word and use another, so ranges are those of the plug-in: what lies outside is
    refused, or with ``clamp`` brought to the nearest bound and told. Of a search, ``search_ef`` is at least ``k`` (the official tool
    raises it likewise). ConfigurationError names every parameter that cannot be.
    """
    table = family.build if part == "build" else family.search
    known = {spec.name: spec for spec in table}
    problems = [
        f"{name}: {family.token} has no such {part} parameter{did_you_mean(name, known)}" for name in map(str, given) if name not in known
    ]
    values: dict[str, Value] = {}
    clamped: dict[str, Value] = {}
    for spec in table:
        if spec.name not in given:
            values[spec.name] = spec.default
            continue
        asked, problem = _value(spec, given[spec.name])
        if problem:
            problems.append(f"{spec.name}: {problem}")
            continue
        used = _bounded(spec, asked)
        if used != asked:
            clamped[spec.name] = asked
            if not clamp:
                problems.append(f"{spec.name}: {asked} is outside {_range(spec)}")
        values[spec.name] = used
    if problems:
        raise ConfigurationError(
            f"the {part} parameters of {family.token} ({family.native}) cannot be used",
            details={f"{number}": problem for number, problem in enumerate(problems, 1)},
            suggestion=f"allowed: {'; '.join(f'{spec.name} {_range(spec)}' for spec in table) or 'none'}",
            code="MLPS-E161",
        )
    ef = values.get("search_ef")
    if part == "search" and isinstance(ef, int) and ef < k:
        values["search_ef"] = k
        clamped.setdefault("search_ef", ef)
    return CheckedParameters(MappingProxyType(values), MappingProxyType(clamped))


def check_spec(capabilities: Capabilities, spec: IndexSpec, engine: str, *, clamp: bool = False, shards: int = 1) -> CheckedParameters:
    """The build parameters of a collection that ``engine`` can make with at most ``shards`` shards; ConfigurationError where it cannot."""
    family = family_of(capabilities, spec.family, engine)
    problems = {}
    if problem := name_problem(spec.name):
        problems["name"] = problem
    if not _whole(spec.dim) or not 1 <= spec.dim <= LARGEST_DIMENSION:
        problems["dim"] = f"{spec.dim!r} is no whole number from 1 to {LARGEST_DIMENSION}"
    if spec.metric not in get_args(Metric) or spec.metric not in capabilities.metrics:
        problems["metric"] = f"{spec.metric!r} is none of {', '.join(sorted(capabilities.metrics))}"
    if not _whole(spec.shards) or not 1 <= spec.shards <= shards:
        problems["shards"] = f"{spec.shards!r} is no whole number from 1 to {shards}"
    if problems:
        raise ConfigurationError(
            f"{engine} cannot make the collection", details=problems, suggestion="correct these values", code="MLPS-E161"
        )
    return check_parameters(family, spec.build, clamp=clamp)


def vectors_problem(ids: object, vectors: object, dim: int) -> str | None:
    """Why a block cannot be loaded; None where it can. Engines do not ask all of this, and one dies of a NaN while it builds."""
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
        return f"ids must be a row of int64, not {_kind(ids)}"
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.ndim != 2:
        return f"vectors must be rows of float32, not {_kind(vectors)}"
    if vectors.shape[1] != dim:
        return f"vectors have the dimension {vectors.shape[1]}, the collection has {dim}"
    if len(ids) != len(vectors):
        return f"{len(ids)} ids for {len(vectors)} vectors"
    if not len(ids):
        return "the block is empty"
    if not vectors.flags.c_contiguous:
        return "vectors do not lie one row after the other in memory (C order)"
    if ids[0] < 0 or not np.array_equal(ids, np.arange(ids[0], ids[0] + len(ids), dtype=np.int64)):
        return "ids are not contiguous and counting upwards from 0 or more"
    finite = np.isfinite(vectors)
    if not finite.all():
        row, component = np.argwhere(~finite)[0]
        return f"component {component} of the vector with id {ids[row]} is {vectors[row, component]}"
    return None


def query_problem(vector: object, k: object, dim: int) -> str | None:
    """Why a query cannot be asked; None where it can. Cheap, as it is asked within the time of a search."""
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.shape != (dim,):
        return f"a query is one float32 vector of {dim} components, not {_kind(vector)}"
    if not _whole(k) or k < 1:  # type: ignore[operator] # a whole number by the first half
        return f"k must be a whole number of at least 1, not {k!r}"
    if not np.isfinite(vector).all():
        return "a component of the query is not a finite number"
    return None


def _kind(value: object) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _value(spec: ParameterSpec, given: object) -> tuple[Value, str]:
    """The value by its kind, and what is wrong with it."""
    if spec.kind == "choice":
        if not isinstance(given, str) or given not in spec.choices:
            return "", f"{given!r} is none of {', '.join(spec.choices)}{did_you_mean(str(given), spec.choices)}"
        return given, ""
    if isinstance(given, int) and not isinstance(given, bool):
        return (given if spec.kind == "int" else float(given)), ""
    if spec.kind == "float" and isinstance(given, float) and math.isfinite(given):
        return given, ""
    return 0, f"{repr(given)[:60]} is no {'whole' if spec.kind == 'int' else 'finite'} number"


def _bounded(spec: ParameterSpec, value: Value) -> Value:
    if isinstance(value, str):
        return value
    bounded: float = value
    if spec.least is not None and value < spec.least:
        bounded = spec.least
    if spec.most is not None and value > spec.most:
        bounded = spec.most
    return int(bounded) if spec.kind == "int" else float(bounded)


def _range(spec: ParameterSpec) -> str:
    if spec.kind == "choice":
        return "one of " + ", ".join(spec.choices)
    least = "" if spec.least is None else f"from {spec.least:g}"
    most = "" if spec.most is None else f"to {spec.most:g}"
    return " ".join(filter(None, (least, most))) or "any number"
