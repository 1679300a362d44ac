"""Data set size of a training run: what the rules demand at least, and whether it fits (rules.md §4.1, §4.2)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, Literal

from pytest_mlpstorage.editions.edition import Edition
from pytest_mlpstorage.editions.models import SizingRules
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.units import GIB

__all__ = [
    "DatasetSize",
    "Floor",
    "RunMinimum",
    "expected_compute_seconds",
    "minimum_files_for_run",
    "record_bytes",
    "training_dataset_size",
]

# The official tool's widths; other types count as 4 bytes, also those that are narrower.
_COLUMN_BYTES: Final = {"float64": 8, "int64": 8, "uint8": 1, "bool": 1}
_OTHER_COLUMN_BYTES: Final = 4


@dataclasses.dataclass(frozen=True)
class Floor:
    """One lower bound on the number of files, with the arithmetic that gives it."""

    name: Literal["memory", "steps"]
    files: int
    formula: str


@dataclasses.dataclass(frozen=True)
class DatasetSize:
    """A data set as the rules demand it at least.

    ``minimum_files``: the higher floor, named by ``binding``. ``files``: the next multiple of the processes, which DLIO
    needs (an uneven rest is an index error there). Bytes: ``total_bytes`` = ``files`` × samples × record, rounded to a
    whole byte where a record is not whole; ``minimum_bytes`` the same of ``minimum_files``.
    """

    floors: tuple[Floor, ...]
    binding: Literal["memory", "steps"]
    minimum_files: int
    files: int
    record_bytes: int | float
    file_bytes: int
    minimum_bytes: int
    total_bytes: int
    subfolders: int


@dataclasses.dataclass(frozen=True)
class RunMinimum:
    """The validator's floor for a finished run; ``accepted_files`` is what passes, below ``required_files`` by the tolerance."""

    floors: tuple[Floor, ...]
    binding: Literal["memory", "steps"]
    required_files: int
    accepted_files: int
    required_bytes: int


def record_bytes(dataset: Mapping[str, Any]) -> int | float:
    """Bytes of one sample from the ``dataset`` group of the official parameters.

    ``record_length_bytes`` or ``record_length``; else the sum over ``parquet.columns`` of size × width by the official rule
    (8 bytes for float64 and int64, 1 for uint8 and bool, else 4; ``count`` equal columns). Raises ConfigurationError
    where there is none.
    """
    for key in ("record_length_bytes", "record_length"):
        value = dataset.get(key)
        if value:
            return _positive(f"dataset.{key}", value)
    columns = (dataset.get("parquet") or {}).get("columns") or ()
    total = sum(int(c.get("size", 1)) * int(c.get("count", 1)) * _COLUMN_BYTES.get(c.get("dtype"), _OTHER_COLUMN_BYTES) for c in columns)
    if not total:
        raise ConfigurationError(
            "the size of a record is not known",
            details={"looked for": "dataset.record_length_bytes, dataset.record_length, dataset.parquet.columns"},
            suggestion="set dataset.record_length_bytes",
            code="MLPS-E112",
        )
    return total


def training_dataset_size(
    *,
    edition: Edition,
    record_bytes: int | float,
    samples_per_file: int,
    batch_size: int,
    num_processes: int,
    host_memory_bytes: Sequence[int | float],
    total_training_steps: int | None = None,
) -> DatasetSize:
    """Compute the least data set of a run (§4.1 with ceil, §4.2 with floor division) and the file count to use.

    ``host_memory_bytes``: memory of each client host. ``num_processes``: simulated accelerators of all hosts.
    ``total_training_steps`` counts only in an edition whose tool let it replace the 500 steps (1.0). A count or size that
    is not positive raises ConfigurationError.
    """
    rules = edition.training.sizing
    floors = _floors(rules, record_bytes, samples_per_file, batch_size, num_processes, host_memory_bytes, total_training_steps)
    highest = _highest(floors)
    files = max(1, -(-highest.files // num_processes)) * num_processes
    exact = _exact(record_bytes) * samples_per_file
    return DatasetSize(
        floors=floors,
        binding=highest.name,
        minimum_files=highest.files,
        files=files,
        record_bytes=record_bytes,
        file_bytes=round(exact),
        minimum_bytes=round(exact * highest.files),
        total_bytes=round(exact * files),
        subfolders=rules.subfolders,
    )


def minimum_files_for_run(
    *,
    edition: Edition,
    record_bytes: int | float,
    samples_per_file: int,
    batch_size: int,
    num_accelerators: int,
    host_memory_bytes: Sequence[int | float],
    total_training_steps: int | None = None,
) -> RunMinimum:
    """Compute the floor that a finished run is judged by (3.1.2; V2 check_num_files_train; V1-8, V1-9), from the run's own records.

    The rule's `max(500, files*samples // (batch*accelerators))` steps can never make a data set fail, so 500 decides.
    Edition 1.0 floors the memory of each host to whole GiB; edition 2.0 accepts 99 %. Raises as ``training_dataset_size``.
    """
    rules = edition.training.sizing
    if rules.whole_gib_per_host:
        host_memory_bytes = [math.floor(round(m) / GIB) * GIB for m in host_memory_bytes]
    floors = _floors(rules, record_bytes, samples_per_file, batch_size, num_accelerators, host_memory_bytes, total_training_steps)
    highest = _highest(floors)
    return RunMinimum(
        floors=floors,
        binding=highest.name,
        required_files=highest.files,
        accepted_files=math.ceil(highest.files * _exact(rules.accepted_fraction)),
        required_bytes=round(_exact(record_bytes) * samples_per_file * highest.files),
    )


def expected_compute_seconds(
    *,
    files: int,
    samples_per_file: int,
    batch_size: int,
    num_processes: int,
    computation_time_seconds: float,
    epochs: int,
) -> float:
    """Time that the emulated accelerators compute in a run (§4.2: samples / batch / accelerators × computation time × epochs)."""
    return files * samples_per_file / batch_size / num_processes * computation_time_seconds * epochs


def _exact(number: int | float) -> Fraction:
    # A float is the decimal that was written (114660.07), not the binary number nearest to it.
    return Fraction(str(number)) if isinstance(number, float) else Fraction(number)


def _positive(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigurationError(f"{name} must be a positive number, given {value!r}", code="MLPS-E111")
    return value


def _floors(
    rules: SizingRules,
    record: int | float,
    samples_per_file: int,
    batch_size: int,
    num_processes: int,
    host_memory_bytes: Sequence[int | float],
    total_training_steps: int | None,
) -> tuple[Floor, Floor]:
    counts = {"samples_per_file": samples_per_file, "batch_size": batch_size, "num_processes": num_processes}
    for name, value in {"record_bytes": record, **counts}.items():
        _positive(name, value)
    if not host_memory_bytes:
        raise ConfigurationError("the memory of no client host is known", suggestion="declare cluster.memory_per_host", code="MLPS-E112")
    for memory in host_memory_bytes:
        _positive("the memory of a host", memory)
    # Memory is whole kB; rounding takes back what a float of GiB added.
    memory_bytes = sum(round(m) for m in host_memory_bytes)
    steps = rules.minimum_steps
    if rules.config_steps and total_training_steps is not None and total_training_steps > 0:
        steps = total_training_steps
    whole = math.ceil if rules.rounding == "ceil" else math.floor
    by_memory = whole(rules.memory_multiple * memory_bytes / (_exact(record) * samples_per_file))
    by_steps = whole(Fraction(steps * num_processes * batch_size, samples_per_file))
    samples = f"{samples_per_file} samples/file"
    return (
        Floor(
            "memory",
            by_memory,
            f"{rules.rounding}({rules.memory_multiple} × {memory_bytes} B of memory of all hosts / ({samples} × {record} B))",
        ),
        Floor("steps", by_steps, f"{rules.rounding}({steps} steps × {num_processes} accelerators × batch {batch_size} / {samples})"),
    )


def _highest(floors: tuple[Floor, ...]) -> Floor:
    return max(floors, key=lambda floor: floor.files)
