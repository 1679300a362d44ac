"""What an item of a result hands over besides its findings: metrics, runs, facts and pictures, from where the result has been read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.report.cold_reads import cold_reads_of
from pytest_mlpstorage.report.headline_text import Spread
from pytest_mlpstorage.report.held_against import AU, AU_RULES, limits_of
from pytest_mlpstorage.report.records import PICTURES, SUBJECT, Property, encode
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.runs import rows_of_result
from pytest_mlpstorage.report.travelling import picture_objects
from pytest_mlpstorage.report.what_ran import what_ran
from pytest_mlpstorage.results.history import last_run
from pytest_mlpstorage.results.records import Leaf, StoredResult, TrainingResult
from pytest_mlpstorage.rules.aggregate import mean, measured_runs
from pytest_mlpstorage.rules.metrics import metrics_of
from pytest_mlpstorage.rules.pictures import pictures_of
from pytest_mlpstorage.rules.repeats import Figure, figures_of
from pytest_mlpstorage.rules.round_v2_runs import complete, finished_by_accelerator, is_round_v2, named
from pytest_mlpstorage.workloads.again import AGAIN

__all__ = ["facts_of", "record_subject"]


def record_subject(properties: list[Property], result: object, edition: Edition, *, page: bool = True) -> None:
    """Add accelerator, metrics, runs, facts and pictures of a result to an item's properties; without a ``page`` those that others show."""
    if isinstance(result, StoredResult):
        rows = [dataclasses.asdict(row) for row in rows_of_result(result, edition)]
        told = facts_of(result, edition).to_json()
        said = {"accelerator": result.accelerator, "metrics": metrics_of(result, edition), "runs": rows, "facts": told}
        properties.append((SUBJECT, encode(said)))
        if pictures := pictures_of(result, edition, page=page):
            properties.append((PICTURES, encode(picture_objects(pictures))))


def facts_of(result: StoredResult, edition: Edition) -> ResultFacts:
    """What the card of a result tells; nothing that stands in the tree makes it raise."""
    figures = figures_of(result, edition)
    if isinstance(result, TrainingResult) and edition.name in AU_RULES:
        figures = {**_utilization(result, edition), **figures}
    leaf = last_run(result)
    metadata = leaf.metadata if leaf is not None else None
    kept = metadata.mlps.get(AGAIN) if metadata is not None else None
    return ResultFacts(
        ran=what_ran(result, edition),
        figures={name: figure.value for name, figure in figures.items()},
        spreads={name: Spread(figure.low, figure.high, len(figure.values), figure.of) for name, figure in figures.items() if figure.values},
        limits=limits_of(result, edition),
        cold_reads=cold_reads_of(result, edition),
        again=kept if isinstance(kept, dict) else None,
        executed=(metadata.executed_command or "") if metadata is not None else "",
    )


def _utilization(result: TrainingResult, edition: Edition) -> dict[str, Figure]:
    """Of the older editions, which have no such figure, the mean of what the runs say; none where one of them says nothing.

    Edition 2.0 has one an accelerator, of the runs that its bandwidth is formed of. Where an edition has the figure and forms none, of a
    closed result with too few runs for example, nobody can tell which of them count.
    """
    if not is_round_v2(edition):
        of_all = _mean_utilization(measured_runs(result, edition))
        return {AU: of_all} if of_all is not None else {}
    groups = finished_by_accelerator(result)
    each = {
        named(AU, accelerator, groups): _mean_utilization([run.leaf for run in group])
        for accelerator, group in groups.items()
        if complete(result, group, edition)
    }
    return {name: figure for name, figure in each.items() if figure is not None}


def _mean_utilization(leaves: Iterable[Leaf]) -> Figure | None:
    each = [leaf.summary.metric.au_mean_percent if leaf.summary is not None else None for leaf in leaves]
    known = tuple(value for value in each if value is not None)
    if not known or len(known) != len(each):
        return None
    utilization = Figure(mean(known), known)
    # The sum of what a foreign summary says may be more than a float holds.
    return utilization if math.isfinite(utilization.value) else None
