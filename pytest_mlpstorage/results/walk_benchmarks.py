"""Places in the layout of rounds 2.0 and 3.0: ``<system>/<benchmark>/<model>``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

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
        # vector_database/[<engine>/]<INDEX>: conflict C-3, both shapes are real.
        inner = [m for m in search.directories(model) if m.name not in {"datagen", "run"} and not is_timestamp(m.name)]
        for place in inner if kind == "vector_database" and inner else [model]:
            name = model.name if place is model else f"{model.name}_{place.name}"
            yield around.place(kind, search.files.relative(place), system=system, model=name)
            _strays(search, place, kind, around)


def _strays(search: Search, place: Path, kind: Kind, around: Around) -> None:
    """Name the leaves that stand where no reader looks."""
    phases = _PHASES[kind]
    for path in search.directories(place):
        if path.name in phases:
            # In round 3.0 a rule speaks of the names in a phase.
            for leaf in search.directories(path) if around.layout == "2.0" else ():
                if not is_timestamp(leaf.name):
                    search.ignore(leaf, "is not named as a timestamp, so it is no run")
        elif is_timestamp(path.name):
            if kind != "checkpointing":
                search.ignore(path, f"stands beside the phases ({', '.join(phases)}), not in one")
        elif any(is_timestamp(leaf.name) for leaf in search.directories(path)):
            search.ignore(path, f"holds runs and is no phase ({', '.join(phases) or 'checkpointing has none'})")
