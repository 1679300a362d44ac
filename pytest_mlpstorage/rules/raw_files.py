"""Compares a run's summary with the files that its ranks left (rule MLPS-METRIC-1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_mlpstorage.editions.sizing import record_bytes
from pytest_mlpstorage.results.coerce import integer, number
from pytest_mlpstorage.results.reader import read_epoch_stats, read_rank_outputs
from pytest_mlpstorage.results.recompute import EpochValues, compare, epoch_values, reported_values, values_from_times
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, RankOutput, Summary
from pytest_mlpstorage.rules.aggregate import mean
from pytest_mlpstorage.rules.leaf_files import damaged_ranks
from pytest_mlpstorage.units import MIB
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__ = ["check_leaf"]

_EXACT = 1e-6
"""Relative difference that sums in another order may have."""


def check_leaf(leaf: Leaf, metadata: LeafMetadata, *, root: Path) -> Iterator[Finding | NoEvidence]:
    """Compare the summary of a run with its ranks' files, and its means with its own lists."""
    summary = leaf.summary
    if summary is None:
        return
    yield from _means(summary, metadata)
    outputs, problems = read_rank_outputs(leaf, root=root)
    yield from damaged_ranks(problems, outputs)
    ranks = summary.num_accelerators
    there = {output.rank for output in outputs}
    missing = [str(rank) for rank in range(min(ranks or 0, 100_000)) if rank not in there]
    if ranks is None or missing or not outputs:
        damage = f" ({problems[0].file}: {problems[0].message})" if problems else ""
        which = f"of rank {', '.join(missing[:4])}{'…' if len(missing) > 4 else ''}" if missing else "of the ranks"
        pruned = bool(missing) and all(f"{rank}_output.json" in leaf.pruned for rank in missing)
        why = " (pruned by its publisher)" if pruned else damage
        yield NoEvidence(f"no readable output file {which}{why}", leaf.relpath, withheld=pruned)
        return
    reported = {output.rank: reported_values(output) for output in outputs}
    yield from _epochs(summary, [values for rank, values in reported.items() if rank < ranks])
    yield from _clocks(leaf, metadata, outputs, reported, root)


def _close(reported: float, recomputed: float) -> bool:
    return math.isclose(reported, recomputed, rel_tol=_EXACT, abs_tol=_EXACT)


def _means(summary: Summary, metadata: LeafMetadata) -> Iterator[Finding]:
    """The summary's means against its own lists, and its I/O rate against its samples."""
    metric = summary.metric
    pairs: list[tuple[str, float | None, Sequence[float] | None]] = [
        ("metric.train_au_mean_percentage", metric.au_mean_percent, metric.au_percent),
        ("metric.train_throughput_mean_samples_per_second", metric.mean_samples_per_second, metric.samples_per_second),
    ]
    for field, reported, values in pairs:
        if reported is not None and values and not _close(reported, mean(values)):
            yield Finding(
                "a mean of a summary is not that of its epochs", measured=reported, required=mean(values), file=summary.path, field=field
            )
    length = metadata.parameter_number("dataset.record_length_bytes") or metadata.parameter_number("dataset.record_length")
    rate, samples = metric.io_mean_mib_per_second, metric.mean_samples_per_second
    if rate is not None and samples is not None and length and length > 0:
        expected = samples * record_bytes({"record_length_bytes": length}) / MIB
        if not _close(rate, expected):
            yield Finding(
                "the I/O rate of a summary is not its samples times their size",
                measured=rate,
                required=expected,
                file=summary.path,
                field="metric.train_io_mean_MB_per_second",
            )


def _epochs(summary: Summary, ranks: Sequence[Mapping[int, EpochValues]]) -> Iterator[Finding]:
    """The summary's values per epoch against mean and sum over the ranks."""
    aus, rates = summary.metric.au_percent, summary.metric.samples_per_second
    if aus is None or rates is None:
        return
    numbers = sorted(set.intersection(*(set(rank) for rank in ranks))) if ranks else []
    if len(numbers) != len(aus) or len(aus) != len(rates):
        counts = f"{len(aus)} utilizations and {len(rates)} rates"
        yield Finding(
            "a summary has not one value for each epoch of its ranks",
            measured=counts,
            required=f"{len(numbers)} of each",
            file=summary.path,
        )
        return
    told = {number: EpochValues(au, rate) for number, au, rate in zip(numbers, aus, rates, strict=True)}
    recomputed = {number: epoch_values(ranks, number) for number in numbers}
    for found in compare(told, recomputed, from_clocks=False):
        yield Finding(
            f"a value of epoch {found.epoch} is not what the ranks' files give",
            measured=found.reported,
            required=found.recomputed,
            file=summary.path,
            field="metric.train_au_percentage" if found.field == "au" else "metric.train_throughput_samples_per_second",
        )


def _clocks(
    leaf: Leaf, metadata: LeafMetadata, outputs: Sequence[RankOutput], reported: Mapping[int, Mapping[int, EpochValues]], root: Path
) -> Iterator[Finding]:
    """Each rank's values against its block and step times, where both are there."""
    batch_size = integer(metadata.parameter("reader.batch_size"))
    first_step_counts = _first_step_counts(metadata)
    if batch_size is None or number(batch_size) is None or batch_size < 1 or first_step_counts is None:
        return
    stats, problems = read_epoch_stats(leaf, root=root)
    yield from damaged_ranks(problems, stats)
    by_rank = {output.rank: output for output in outputs}
    for part in stats:
        output = by_rank.get(part.rank)
        if output is None:
            continue
        recomputed = values_from_times(part, output, batch_size, first_step_counts=first_step_counts)
        for found in compare(reported[part.rank], recomputed, from_clocks=True):
            yield Finding(
                f"{found.field} of rank {part.rank} in epoch {found.epoch} is not what its own times give",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=found.reported,
                required=found.recomputed,
                file=output.path,
                field=f"{found.epoch}.{found.field}",
            )


def _first_step_counts(metadata: LeafMetadata) -> bool | None:
    """Whether the DLIO that measured counts the first step of a block in samples/s; None where nothing tells.

    Conflict C-5: the rule's wording counts it and the registry's DLIO does; the accepted revisions do not.
    """
    engine = metadata.mlps.get("engine")
    flavour = engine.get("flavour") if isinstance(engine, Mapping) else None
    return None if flavour is None else flavour == "registry"
