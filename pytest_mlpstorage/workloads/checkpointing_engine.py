"""What writes and reads checkpoints: DLIO where the installed one can, else our rank program."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pytest_mlpstorage import __version__
from pytest_mlpstorage.dlio.capabilities import Capabilities
from pytest_mlpstorage.editions.checkpoint_sizing import SHAPE_KEYS
from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.units import MIB

__all__ = ["CheckpointEngine", "choose_engine"]

OWN_RANK_BYTES: Final = 256 * MIB
"""What a rank of our program may take: the interpreter with MPI, and two buffers."""

DLIO_RANK_BYTES: Final = 400 * MIB
"""A rank of DLIO with torch and the chunks that it streams."""

_STREAMING: Final = "checkpointing/simple_streaming_checkpointing.py"
"""The module of a DLIO that streams checkpoints; one without holds all tensors of a rank in memory (training.md §5)."""

_SERVED: Final = frozenset(
    {
        *SHAPE_KEYS,
        "framework",
        "model.name",
        "model.type",
        "model.parallelism.data",
        "checkpoint.checkpoint_folder",
        "checkpoint.num_checkpoints_write",
        "checkpoint.num_checkpoints_read",
        "checkpoint.time_between_checkpoints",
        "checkpoint.fsync",
        "checkpoint.rank_sync",
        "checkpoint.mode",
    }
)
"""Official parameters that our program carries out."""


@dataclasses.dataclass(frozen=True)
class CheckpointEngine:
    """One of the two engines. ``capabilities`` are those of the DLIO that was asked, whichever measures; None: none was asked."""

    name: Literal["dlio", "mlpstorage"]
    capabilities: Capabilities | None = None

    @property
    def is_own(self) -> bool:
        """Whether our rank program measures."""
        return self.name == "mlpstorage"

    @property
    def holds_tensors(self) -> bool:
        """Whether a rank keeps its whole checkpoint in memory."""
        found = self.capabilities
        return not self.is_own and found is not None and not (Path(found.folder) / _STREAMING).is_file()

    def rank_memory_bytes(self, checkpoint_bytes: int) -> int:
        """Memory of a rank that writes so many bytes of a checkpoint."""
        if self.is_own:
            return OWN_RANK_BYTES
        return DLIO_RANK_BYTES + (checkpoint_bytes if self.holds_tensors else 0)

    def describe(self) -> str:
        """Name it for people."""
        found = self.capabilities
        return "our own checkpoint program (not DLIO)" if self.is_own or found is None else f"DLIO {found.version} ({found.flavour})"

    def record(self) -> dict[str, Any]:
        """What ``mlps.engine`` of a leaf says."""
        found = self.capabilities
        if self.is_own or found is None:
            return {"name": "mlpstorage", "version": __version__}
        kind = {"name": "dlio", "version": found.version, "flavour": found.flavour, "commit": found.commit}
        return {**kind, "reader": "builtin", "generator": "builtin"}

    def ignored(self, given: Mapping[str, Any]) -> Iterator[str]:
        """Keys among those that a user gave which our program would take no notice of."""
        yield from (key for key in given if self.is_own and key not in _SERVED)


def choose_engine(wanted: Literal["auto", "dlio", "mlpstorage"], capabilities: Capabilities, *, subset: bool) -> CheckpointEngine:
    """DLIO where it was asked for, or where the installed one writes and reads checkpoints of these models; else our program.

    Raises DependencyError where DLIO was asked for and cannot.
    """
    able = capabilities.usable and capabilities.llm_checkpoint and (capabilities.subset or not subset)
    if wanted == "dlio" and not able:
        what = f"DLIO {capabilities.version} ({capabilities.flavour})" if capabilities.installed else "no DLIO"
        raise DependencyError(
            "checkpointing.engine: given dlio, and the installed DLIO does not write and read checkpoints of these models",
            details={"installed": what},
            suggestion="install the MLCommons fork, or leave the key out: our own program then measures, and the result is OPEN at best",
            code="MLPS-E220",
        )
    return CheckpointEngine("dlio" if able and wanted != "mlpstorage" else "mlpstorage", capabilities)
