"""Checkpoints as DLIO recorded them: the figures of ``summary.json``, and each checkpoint of a rank's epoch statistics."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from pytest_mlpstorage.results.coerce import Reading
from pytest_mlpstorage.results.summary import EpochStats, Span, Summary

__all__ = ["PHASES", "CheckpointMetric", "CheckpointPhase", "PhaseMetric", "RankCheckpoint", "checkpoints_of_rank"]

CheckpointPhase: TypeAlias = Literal["save", "load"]
"""Writing or reading, in the words of DLIO's files."""

PHASES: Final[tuple[CheckpointPhase, ...]] = ("save", "load")

_CHECKPOINT: Final = re.compile(r"(save|load)_ckpt(\d{1,7})\Z", re.ASCII)


@dataclasses.dataclass(frozen=True)
class PhaseMetric:
    """The means of the checkpoints that one run wrote, or read. The files say GB: they are GiB (conflict C-10)."""

    phase: CheckpointPhase
    gib_per_second: float | None = None
    duration_seconds: float | None = None

    @property
    def rate_field(self) -> str:
        """Where the summary has the rate."""
        return f"metric.{self.phase}_checkpoint_io_mean_GB_per_second"

    @property
    def duration_field(self) -> str:
        """Where the summary has the duration."""
        return f"metric.{self.phase}_checkpoint_duration_mean_seconds"


@dataclasses.dataclass(frozen=True)
class CheckpointMetric:
    """``metric`` of a checkpointing summary. A value that is missing or no finite number is None, never 0."""

    size_gib: float | None = None
    save: PhaseMetric = PhaseMetric("save")
    load: PhaseMetric = PhaseMetric("load")

    @classmethod
    def of(cls, summary: Summary) -> CheckpointMetric:
        """From a summary of any edition."""
        metric = summary.raw.get("metric")
        fields = Reading(metric if isinstance(metric, Mapping) else {})

        def phase(name: CheckpointPhase) -> PhaseMetric:
            return PhaseMetric(
                name,
                fields.number(f"{name}_checkpoint_io_mean_GB_per_second"),
                fields.number(f"{name}_checkpoint_duration_mean_seconds"),
            )

        return cls(fields.number("checkpoint_size_GB"), phase("save"), phase("load"))

    def phase(self, name: CheckpointPhase) -> PhaseMetric:
        """The figures of one phase."""
        return self.save if name == "save" else self.load


@dataclasses.dataclass(frozen=True)
class RankCheckpoint:
    """One checkpoint as one rank timed it; ``field`` is its place in that rank's statistics (``1.save_ckpt3``)."""

    phase: CheckpointPhase
    epoch: int
    number: int
    field: str
    span: Span
    gib_per_second: float | None = None


def checkpoints_of_rank(stats: EpochStats, phase: CheckpointPhase) -> tuple[RankCheckpoint, ...]:
    """Each checkpoint of a phase in the order in which it was made."""
    found: dict[tuple[int, int], RankCheckpoint] = {}
    for key, raw in stats.raw.items():
        spans = stats.parts.get(int(key), {}) if key.isdecimal() and len(key) < 9 and isinstance(raw, Mapping) else {}
        for name, span in spans.items():
            match, part = _CHECKPOINT.match(name), raw.get(name)
            if match and match[1] == phase and isinstance(part, Mapping):
                place = (int(key), int(match[2]))
                found[place] = RankCheckpoint(phase, *place, f"{key}.{name}", span, Reading(part).number("throughput"))
    return tuple(found[place] for place in sorted(found))
