"""Places in the layout of rounds 2.0 and 3.0: ``<system>/<benchmark>/<model>``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS, PHASES, is_timestamp
from pytest_mlpstorage.results.layout_recognition import benchmark_of
from pytest_mlpstorage.results.places import Kind, SubjectPlace
from pytest_mlpstorage.results.walk_base import Around, Search

__all__ = ["NO_BENCHMARK", "system_results"]

NO_BENCHMARK: Final = f"no benchmark directory ({', '.join(BENCHMARKS)})"
"""Why a directory where benchmarks stand was left out."""

_PHASES: Final = {"training": PHASES, "checkpointing": (), "vector_database": ("datagen", "run"), "kv_cache": ("run",)}


def system_results(search: Search, path: Path, around: Around, system: str) -> Iterator[SubjectPlace]:
    """The results of one system; ``path`` holds its benchmark directories."""
    benchmarks = list(search.directories(path))
    if not any(_kind(benchmark, around) for benchmark in benchmarks):
        search.ignore(path, f"has {NO_BENCHMARK}")
        return
    for benchmark in benchmarks:
        kind = _kind(benchmark, around)
        if kind is None:
            search.ignore(benchmark, NO_BENCHMARK)
        else:
            yield from _benchmark(search, benchmark, kind, around, system)


def _kind(path: Path, around: Around) -> Kind | None:
    """The benchmark of a directory; only round 2.0 did not mind the case of its name."""
    name = benchmark_of(path.name)
    return cast("Kind", name) if name is not None and (name == path.name or around.layout == "2.0") else None


def _benchmark(search: Search, path: Path, kind: Kind, around: Around, system: str) -> Iterator[SubjectPlace]:
    models = list(search.directories(path))
    if not models:
        search.ignore(path, "has no model directory")
    for model in models:
        for place in _indexes(search, model) if kind == "vector_database" else [model]:
            name = model.name if place is model else f"{model.name}_{place.name}"
            yield around.place(kind, search.files.relative(place), system=system, model=name)
            _strays(search, place, kind, around)


def _indexes(search: Search, model: Path) -> list[Path]:
    """The results in ``vector_database/<model>``: conflict C-3, both shapes, ``[<engine>/]<INDEX>``, are real."""
    phases = _PHASES["vector_database"]
    inner = [m for m in search.directories(model) if m.name not in phases and not is_timestamp(m.name)]
    if not any(path.name in phases for path in search.directories(model)):
        return inner or [model]
    # An index: what else stands in it is a result only where it looks like one.
    return [model, *(m for m in inner if any(path.name in phases for path in search.directories(m)))]


def _strays(search: Search, place: Path, kind: Kind, around: Around) -> None:
    """Name the leaves that stand where no reader looks."""
    phases = _PHASES[kind]
    read = Search(TreeFiles(search.files.root))  # what cannot be listed in a phase or a run is told by who reads there in earnest
    for path in search.directories(place, subjects=kind == "vector_database"):
        if path.name in phases:
            for leaf in read.directories(path, subjects=False):
                if is_timestamp(leaf.name):
                    _inner_runs(read, leaf)
                elif around.layout == "2.0":  # in round 3.0 a rule speaks of the names in a phase
                    search.ignore(leaf, "is not named as a timestamp, so it is no run")
        elif is_timestamp(path.name) and kind == "checkpointing":
            _inner_runs(read, path)
        elif is_timestamp(path.name):
            search.ignore(path, f"stands beside the phases ({', '.join(phases)}), not in one")
        elif _holds_runs(search, path, results=kind == "vector_database"):
            search.ignore(path, f"holds runs and is no phase ({', '.join(phases) or 'checkpointing has none'})")
    search.ignored += read.ignored


def _inner_runs(search: Search, leaf: Path) -> None:
    """Name the runs in a run: somebody unpacked or copied one into another."""
    for path in search.directories(leaf, subjects=False):
        if is_timestamp(path.name):
            search.ignore(path, "stands inside another run, where no reader looks")


_SEARCHED: Final = 500
"""Directories that are looked into for runs out of place; one that holds more is named unsearched."""


def _holds_runs(search: Search, path: Path, *, results: bool) -> bool:
    """Whether a run stands somewhere below a directory. ``results``: one that holds phases is a result of its own, and read."""
    waiting = [path]
    for _ in range(_SEARCHED):
        if not waiting:
            return False
        current = waiting.pop(0)
        inner = list(search.directories(current, subjects=False))
        if results and current is path and any(p.name in _PHASES["vector_database"] for p in inner):
            return False
        if "summary.json" in search.files.listing(current).files or any(is_timestamp(p.name) for p in inner):
            return True
        waiting += inner
    return bool(waiting)
