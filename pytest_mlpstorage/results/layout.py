"""Where things stand in a v3.0 submission tree: names to paths and back."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path, PurePosixPath
from typing import Final

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.verdict import Division

__all__ = [
    "BENCHMARKS",
    "DLIO_CONFIG",
    "PHASES",
    "SCRATCH",
    "STAGING",
    "Place",
    "check_component",
    "is_component",
    "is_noise",
    "is_timestamp",
    "leaf_path",
    "metadata_name",
    "output_name",
    "parse_result_path",
    "result_path",
    "rollup_path",
]

STAGING: Final = ".mlps"
"""The directory in a results directory for what is not (or never became) a result: staging, failed evidence, the lock."""

SCRATCH: Final = "scratch"
"""Directory in ``.mlps`` with one directory a running step, for what it needs and leaves nobody."""

BENCHMARKS: Final = ("training", "checkpointing", "vector_database", "kv_cache")
"""Benchmark directories, in the order of the rule book."""

PHASES: Final = ("datasize", "datagen", "run")
"""Phase directories of a training result, in running order."""

DLIO_CONFIG: Final = "dlio_config"
"""The directory of a leaf that holds DLIO's config.yaml, hydra.yaml and overrides.yaml."""

_TWO_LEVELS: Final = "vector_database"

_COMPONENT: Final = re.compile(r"[A-Za-z0-9._-]+\Z", re.ASCII)
_TIMESTAMP: Final = re.compile(r"\d{8}_\d{6}\Z", re.ASCII)


def is_component(name: str) -> bool:
    """Whether a name may be a level of a submission path (rule 2.1.1): ``^[A-Za-z0-9._-]+$`` and not ``.`` or ``..``."""
    return _COMPONENT.match(name) is not None and name not in {".", ".."}


def check_component(name: str, what: str) -> str:
    """Return the name itself; raises ConfigurationError where it may not be a level of a path. ``what`` names it for people."""
    if not is_component(name):
        raise ConfigurationError(
            f"{what} {name!r} cannot be a directory of a submission",
            details={"allowed": "letters, digits, '.', '_' and '-'; not '.' or '..'"},
            suggestion=f"write each other character as '-': {re.sub(r'[^A-Za-z0-9._-]', '-', name) or 'a-name'}",
            code="MLPS-E111",
        )
    return name


def is_timestamp(name: str) -> bool:
    """Whether a name is ``YYYYMMDD_HHMMSS`` by its shape (rule 2.1.17 asks no more)."""
    return _TIMESTAMP.match(name) is not None


def is_noise(name: str) -> bool:
    """Whether a name is what desktops and editors leave behind: never evidence, never parsed, never missed."""
    return name.startswith(("._", "~$")) or name.endswith((".swp", "~")) or name in {".DS_Store", "Thumbs.db"}


def result_path(results_dir: Path, division: Division, submitter: str, system: str, family: str, model: str) -> Path:
    """Directory of one result; raises ConfigurationError for a name that may not be in a path."""
    if family not in BENCHMARKS:
        raise ConfigurationError(f"unknown benchmark directory {family!r}", details={"allowed": ", ".join(BENCHMARKS)}, code="MLPS-E114")
    names = (check_component(submitter, "submitter"), "results", check_component(system, "system"))
    return results_dir.joinpath(division.value, *names, family, check_component(model, "model"))


def leaf_path(
    results_dir: Path,
    division: Division,
    submitter: str,
    system: str,
    family: str,
    model: str,
    phase: str | None,
    timestamp: str,
) -> Path:
    """Directory of one leaf; checkpointing has no phase level (``phase`` None)."""
    result = result_path(results_dir, division, submitter, system, family, model)
    if not is_timestamp(timestamp):
        raise ConfigurationError(f"{timestamp!r} is no timestamp", details={"allowed": "YYYYMMDD_HHMMSS"}, code="MLPS-E111")
    return result / timestamp if phase is None else result / check_component(phase, "phase") / timestamp


def rollup_path(results_dir: Path, division: Division, submitter: str) -> Path:
    """Directory of a submitter's results, where results.json and results.csv of the organisation stand."""
    return results_dir / division.value / check_component(submitter, "submitter") / "results"


def metadata_name(family: str, timestamp: str) -> str:
    """Name of a leaf's metadata file: ``training_20260713_090822_metadata.json``."""
    return f"{family}_{timestamp}_metadata.json"


def output_name(family: str, phase: str, stream: str) -> str:
    """Name of the log of a launched command: ``training_run.stdout.log``."""
    return f"{family}_{phase}.{stream}.log"


@dataclasses.dataclass(frozen=True)
class Place:
    """What a result's path says. ``timestamp`` and ``phase`` are None for the result directory itself."""

    division: Division
    submitter: str
    system: str
    family: str
    model: str
    phase: str | None = None
    timestamp: str | None = None


def parse_result_path(relpath: str) -> Place | None:
    """Return the place of a result or of one of its leaves from its path relative to the tree; None where it is neither.

    ``closed/acme/results/fastfs/training/unet3d[/run[/20260713_090822]]``; the division is lower case (rule 2.1.2).
    """
    parts = PurePosixPath(relpath).parts
    if len(parts) > 6 and parts[4] == _TWO_LEVELS and parts[6] not in PHASES and not is_timestamp(parts[6]):
        # Conflict C-3: the index stands below its engine, and the result is of both.
        parts = (*parts[:5], f"{parts[5]}_{parts[6]}", *parts[7:])
    if not 6 <= len(parts) <= 8 or parts[2] != "results" or parts[4] not in BENCHMARKS:
        return None
    if parts[0] not in {d.value for d in Division}:
        return None
    rest = parts[6:]
    timestamp = rest[-1] if rest and is_timestamp(rest[-1]) else None
    phases = rest[:-1] if timestamp else rest
    if len(phases) > 1 or (phases and phases[0] not in PHASES):
        return None
    return Place(Division(parts[0]), parts[1], parts[3], parts[4], parts[5], phases[0] if phases else None, timestamp)
