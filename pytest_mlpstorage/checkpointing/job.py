"""What one launch of the checkpoint engine is to do, as a JSON file that every rank reads."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import plain
from pytest_mlpstorage.ranks.job_file import fields_of, read_job
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.units import KIB, MIB

__all__ = ["ALIGNMENT", "ENGINE", "CheckpointJob"]

ENGINE: Final = "mlpstorage"
"""Name of this engine in ``summary.json`` and in the metadata of a leaf."""

ALIGNMENT: Final = 4 * KIB
"""What O_DIRECT wants offsets, lengths and memory to be a multiple of, at most, on the block devices of today."""

_WHAT: Final = "checkpoint job"
_LARGEST_CHUNK: Final = 64 * MIB
# Two buffers of it and the interpreter with MPI must stay within 256 MiB a rank.
_LARGEST_COUNT: Final = 1_000_000


@dataclasses.dataclass(frozen=True)
class CheckpointJob:
    """One job of ``processes`` ranks: checkpoints to write, then checkpoints to read, of one model in one folder.

    ``parameters`` are nested official parameters that hold the SHAPE_KEYS of ``editions.checkpoint_sizing``; ``data_parallel``
    is ``model.parallelism.data`` of a subset run, else None. ``folder`` is the model's checkpoint folder, the same path on
    all hosts; files stand in ``global_epoch1_step<i>/`` below it. Reading begins with step 1, and with no ``writes`` it
    reads what an earlier job left. ``output_dir`` gets the files that the rules read; it is the staged leaf, seen by rank 0 at least.
    ConfigurationError names the field where a value cannot be.
    """

    parameters: Mapping[str, Any]
    processes: int
    data_parallel: int | None
    folder: str
    writes: int
    reads: int
    fsync: bool = True
    direct: bool = False
    drop_caches: bool = True
    rank_sync: bool = False
    seconds_between: float = 0.0
    chunk_bytes: int = 32 * MIB
    output_dir: str = ""
    run_id: str = ""
    page_cache_budget_seconds: float = 5.0

    def __post_init__(self) -> None:
        if not isinstance(self.parameters, Mapping):
            raise _wrong("parameters", "a mapping", self.parameters)
        for name, least in (("processes", 1), ("writes", 0), ("reads", 0)):
            _whole(name, getattr(self, name), least)
        if self.data_parallel is not None:
            _whole("data_parallel", self.data_parallel, 1)
        for name in ("fsync", "direct", "drop_caches", "rank_sync"):
            if not isinstance(getattr(self, name), bool):
                raise _wrong(name, "true or false", getattr(self, name))
        for name in ("folder", "output_dir", "run_id"):
            if not isinstance(getattr(self, name), str):
                raise _wrong(name, "a text", getattr(self, name))
        if not self.folder:
            raise _wrong("folder", "a path", self.folder)
        for name in ("seconds_between", "page_cache_budget_seconds"):
            _seconds(name, getattr(self, name))
        _whole("chunk_bytes", self.chunk_bytes, ALIGNMENT)
        if self.chunk_bytes % ALIGNMENT or self.chunk_bytes > _LARGEST_CHUNK:
            raise _wrong("chunk_bytes", f"a multiple of {ALIGNMENT} of at most {_LARGEST_CHUNK}", self.chunk_bytes)
        if self.writes == self.reads == 0:
            raise ConfigurationError("a checkpoint job that neither writes nor reads has nothing to do", code="MLPS-E170")
        # DLIO's own rule: where a job writes, it reads no more than it wrote.
        if 0 < self.writes < self.reads:
            raise ConfigurationError(
                "a job that writes checkpoints cannot read more of them than it writes",
                details={"reads": self.reads, "writes": self.writes},
                suggestion="read fewer, or read in a job of its own",
                code="MLPS-E170",
            )

    def step_folder(self, step: int) -> Path:
        """Where one checkpoint stands; steps count from 1."""
        return Path(self.folder) / f"global_epoch1_step{step}"

    def to_json(self) -> dict[str, Any]:
        """Write as a JSON object, every field by its name."""
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, raw: object) -> CheckpointJob:
        """From what ``to_json`` wrote; ConfigurationError for what is no such job."""
        return cls(**fields_of(cls, raw, _WHAT))

    def write(self, path: Path) -> None:
        """Write the file that the ranks load."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> CheckpointJob:
        """Read a file that ``write`` made; ConfigurationError where it is not there or no job."""
        return cls.from_json(read_job(path, _WHAT))


def _wrong(name: str, wanted: str, given: object) -> ConfigurationError:
    return ConfigurationError(f"{name} of a checkpoint job must be {wanted}, given {repr(given)[:60]}", code="MLPS-E170")


def _whole(name: str, value: object, least: int) -> None:
    most = math.inf if name == "chunk_bytes" else _LARGEST_COUNT
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(name, f"a whole number of at least {least}", value)


def _seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise _wrong(name, "a number of seconds", value)
