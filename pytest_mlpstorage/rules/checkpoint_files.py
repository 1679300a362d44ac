"""Compares a checkpointing run's summary with what its first rank timed and with the size of its model (rule MLPS-METRIC-2)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.editions.checkpoint_sizing import SHAPE_KEYS, CheckpointShape, checkpoint_size
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.nested import overlay
from pytest_mlpstorage.results.checkpoint_metric import PHASES, CheckpointMetric, PhaseMetric, RankCheckpoint, checkpoints_of_rank
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.reader import read_epoch_stats
from pytest_mlpstorage.results.recompute import CLOCK_SECONDS
from pytest_mlpstorage.rules.aggregate import mean
from pytest_mlpstorage.rules.checkpoints import checkpoint_count, effective, is_subset
from pytest_mlpstorage.rules.leaf_files import damaged_ranks
from pytest_mlpstorage.rules.runs import Run
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__ = ["check_checkpoint_files"]

_EXACT: Final = 1e-6
"""Relative difference that sums in another order may have. No clock is read between a checkpoint's time and the summary."""

_FIRST_RANK: Final = ("0_per_epoch_stats.json", "per_epoch_stats.json")


def check_checkpoint_files(run: Run, *, root: Path) -> Iterator[Finding | NoEvidence | Met]:
    """Compare the size of a checkpoint with its model, and the summary's means with the first rank's checkpoints."""
    metric = CheckpointMetric.of(run.summary)
    yield from _size(run, metric)
    leaf = run.leaf
    # The other ranks' files enter no figure of this edition, and there may be a thousand.
    own = dataclasses.replace(leaf, files=leaf.files.intersection(_FIRST_RANK))
    stats, problems = read_epoch_stats(own, root=root)
    yield from damaged_ranks(problems, stats)
    if not stats:
        pruned = " (pruned by its publisher)" if leaf.pruned.intersection(_FIRST_RANK) else ""
        damage = f" ({problems[0].file}: {problems[0].message})" if problems else pruned
        yield NoEvidence(f"no readable times of rank 0{damage}", leaf.relpath, withheld=bool(pruned) and not problems)
        return
    for phase in PHASES:
        made = checkpoints_of_rank(stats[0], phase)
        asked = checkpoint_count(run.metadata, phase)
        if asked is not None and asked != len(made):
            yield Finding(
                f"rank 0 timed another number of checkpoints {'written' if phase == 'save' else 'read'} than the run was asked for",
                measured=len(made),
                required=asked,
                file=stats[0].path,
            )
        elif asked:
            yield Met(f"{len(made)} of {asked} {'written' if phase == 'save' else 'read'}", "all that rank 0 was asked for")
        if made:
            yield from _means(run, metric.phase(phase), made, metric.size_gib)
            yield from _clocks(made, metric.size_gib, stats[0].path)


def _close(reported: float, recomputed: float) -> bool:
    return math.isclose(reported, recomputed, rel_tol=_EXACT)


def _size(run: Run, metric: CheckpointMetric) -> Iterator[Finding | NoEvidence | Met]:
    reported, ranks = metric.size_gib, run.summary.num_accelerators
    if reported is None or ranks is None:
        missing = "metric.checkpoint_size_GB" if reported is None else "num_accelerators"
        yield NoEvidence(f"the summary has no {missing}", run.summary_file)
        return
    copies = integer(effective(run.metadata, "model.parallelism.data")) if is_subset(run.metadata) else None
    try:
        shape = CheckpointShape.from_parameters(overlay({}, {key: effective(run.metadata, key) for key in SHAPE_KEYS}))
        size = checkpoint_size(shape, processes=ranks, data_parallel=copies)
    except ConfigurationError as error:
        yield NoEvidence(f"the size of a checkpoint cannot be computed: {error.message}", run.metadata_file)
        return
    if not _close(reported, size.total_gib):
        yield Finding(
            "the size of a checkpoint is not that of the model on these ranks",
            measured=reported,
            required=size.total_gib,
            file=run.summary_file,
            field="metric.checkpoint_size_GB",
        )
    else:
        yield Met(f"{reported:.6g} GiB", f"{size.total_gib:.6g} GiB, this model on {ranks} ranks")


def _seconds(checkpoint: RankCheckpoint) -> float | None:
    written = checkpoint.span.duration_seconds
    return written if written is not None else checkpoint.span.wall_seconds


def _rate(checkpoint: RankCheckpoint, size_gib: float | None) -> float | None:
    seconds = _seconds(checkpoint)
    if checkpoint.gib_per_second is not None:
        return checkpoint.gib_per_second
    return size_gib / seconds if size_gib is not None and seconds is not None and seconds > 0 else None


def _means(run: Run, metric: PhaseMetric, made: Sequence[RankCheckpoint], size_gib: float | None) -> Iterator[Finding | NoEvidence | Met]:
    """The summary's means against those of the first rank's checkpoints, formed as DLIO forms them: a mean of rates."""
    alike: list[str] = []
    for field, unit, reported, values in (
        (metric.rate_field, "GiB/s", metric.gib_per_second, [_rate(checkpoint, size_gib) for checkpoint in made]),
        (metric.duration_field, "s", metric.duration_seconds, [_seconds(checkpoint) for checkpoint in made]),
    ):
        known = [value for value in values if value is not None]
        if len(known) != len(values):
            yield NoEvidence("a checkpoint of rank 0 has no time", run.leaf.relpath)
        elif reported is not None and not _close(reported, mean(known)):
            yield Finding(
                "a mean of a summary is not that of the checkpoints",
                measured=reported,
                required=mean(known),
                file=run.summary_file,
                field=field,
            )
        elif reported is not None:
            alike.append(f"{reported:.5g} {unit}")
    if alike:
        yield Met(f"{'wrote' if metric.phase == 'save' else 'read'} {' in '.join(alike)}", "means of rank 0's checkpoints")


def _clocks(made: Sequence[RankCheckpoint], size_gib: float | None, file: str) -> Iterator[Finding]:
    """Each checkpoint's rate and duration against its start and end, as far as clocks agree."""
    for checkpoint in made:
        wall, seconds = checkpoint.span.wall_seconds, _seconds(checkpoint)
        if wall is not None and seconds is not None and abs(wall - seconds) > CLOCK_SECONDS:
            yield _warning(
                "a checkpoint did not take as long as from its start to its end", seconds, wall, file, f"{checkpoint.field}.duration"
            )
        rate = checkpoint.gib_per_second
        if rate is None or size_gib is None or seconds is None:
            continue
        if seconds <= 0 or not _close(rate, size_gib / seconds):
            recomputed = size_gib / seconds if seconds > 0 else 0.0
            yield _warning(
                "the rate of a checkpoint is not its size over its duration", rate, recomputed, file, f"{checkpoint.field}.throughput"
            )


def _warning(message: str, measured: float, required: float, file: str, field: str) -> Finding:
    return Finding(
        message, severity=Severity.WARNING, category=Category.CLOSED, measured=measured, required=required, file=file, field=field
    )
