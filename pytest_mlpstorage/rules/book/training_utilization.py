"""Rules on what the runs of training measured: utilization of the accelerators, and figures that can be reduced (3.3.2, 3.3.8)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.records import Summary, TrainingResult
from pytest_mlpstorage.rules.aggregate import aggregate_training
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import is_warmup, of_division, required_utilization_percent, with_summary
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity, amounts

__all__: list[str] = []


@rule("3.3.2", "trainingAcceleratorUtilizationCheck", subject=TrainingResult, editions=("3.0",))
def accelerator_utilization(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run, the warm-up too, kept its emulated accelerators as busy as the edition demands of the model.

    The emulator's own verdict is ``success``, and the mean utilization is not below the minimum, compared as recorded and
    never rounded. For a model without a minimum the emulator's verdict decides alone. A utilization that is missing, no
    number, below 0 or above 100 % is no measurement and fails.
    """
    required_percent = required_utilization_percent(edition, result.model)
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        # Conflict C-17: the warm-up does not enter the result, but the text speaks of every run and the package holds six.
        # It fails here as the text stands; only the relaxed profile of the round makes it a warning.
        warmup = is_warmup(result, leaf, edition)
        who = "the warm-up run" if warmup else "a measured run"
        for said in (
            *_utilization_mean(summary, who, required_percent),
            *_utilization_verdict(summary, who),
            *_utilization_epochs(summary),
        ):
            if isinstance(said, Met):
                yield said
            else:
                yield dataclasses.replace(of_division(said, result), part="warm-up" if warmup else "")


def _metric(summary: Summary, key: str) -> object:
    metric = summary.raw.get("metric")
    return metric.get(key) if isinstance(metric, Mapping) else None


def _utilization_mean(summary: Summary, who: str, required_percent: float | None) -> Iterator[Finding | Met]:
    field = "metric.train_au_mean_percentage"
    mean = summary.metric.au_mean_percent
    if mean is None:
        given = _metric(summary, "train_au_mean_percentage")
        yield Finding(
            f"{who} has no accelerator utilization", measured=shown(given), required=required_percent, file=summary.path, field=field
        )
    elif not 0 <= mean <= 100:
        yield Finding(
            f"the accelerator utilization of {who} is no percentage", measured=mean, required="0 to 100", file=summary.path, field=field
        )
    elif required_percent is not None and mean < required_percent:
        yield Finding(
            f"the accelerator utilization of {who} is below the minimum",
            measured=mean,
            required=required_percent,
            file=summary.path,
            field=field,
        )
    elif required_percent is None:
        yield Met(_percent(mean, 0), "0 to 100 % mean utilization, no minimum in force")
    else:
        yield Met(_percent(mean, required_percent), f"at least {required_percent:g} % mean utilization")


def _percent(value: float, limit: float) -> str:
    """A percentage with no more digits than people read, unless they would put it onto a limit that it is not on."""
    return f"{amounts(value, limit)[0]} %"


def _utilization_verdict(summary: Summary, who: str) -> Iterator[Finding | Met]:
    said = summary.metric.au_meets_expectation
    if said != "success":
        yield Finding(
            f"the emulator's own verdict on the utilization of {who} is not success",
            measured=said if said is not None else "missing",
            required="success",
            file=summary.path,
            field="metric.train_au_meet_expectation",
        )
    else:
        yield Met("success", "the emulator's verdict: success")


def _utilization_epochs(summary: Summary) -> Iterator[Finding | Met]:
    field = "metric.train_au_percentage"
    values = summary.metric.au_percent
    if values is None:
        if _metric(summary, "train_au_percentage") is not None:
            yield Finding(
                "the accelerator utilization of an epoch is no number",
                measured=shown(_metric(summary, "train_au_percentage")),
                file=summary.path,
                field=field,
            )
        return
    for value in values:
        if value < 0:
            yield Finding(
                "the accelerator utilization of an epoch is negative", measured=value, required="0 to 100", file=summary.path, field=field
            )
        elif value > 100:
            # One epoch may exceed 100 by the resolution of a clock; the mean, which is judged, may not.
            yield Finding(
                "the accelerator utilization of an epoch is above 100 %",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=value,
                required="0 to 100",
                file=summary.path,
                field=field,
            )
        else:
            yield Met(_percent(value, 100), "0 to 100 % in every epoch")


@rule("3.3.8", "trainingResultAggregation", subject=TrainingResult, editions=("3.0",))
def result_aggregation(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The measured runs can be reduced to one figure: each has its values of every epoch, and their means are numbers.

    Where the number of runs leaves open which of them are measured, or none is, no figure can be formed. That the number is wrong
    is what the rule on the directories finds; here it is no evidence.
    """
    lacking = [run for run in with_summary(result) if isinstance(run, NoEvidence)]
    yield from lacking
    aggregate = aggregate_training(result, edition)
    for problem in aggregate.problems:
        yield Finding(problem.message, file=problem.file, field=problem.field)
    if aggregate.problems or lacking:
        return
    beyond = [name for name, value in aggregate.metrics.items() if not math.isfinite(value)]
    for name in beyond:
        yield Finding(f"the measured runs give no finite {name}", file=f"{result.relpath}/run")
    if not aggregate.metrics:
        made, wanted = len(result.runs), edition.training.run_directories
        why = f"with {made} runs instead of {wanted} it is not known which of them count"
        why = why if aggregate.leaves else "there is no measured run"
        yield NoEvidence(f"the runs are reduced to no figure: {why}", f"{result.relpath}/run")
    elif not beyond:
        yield Met(f"{len(aggregate.leaves)} measured runs with both", "utilization and throughput per epoch in each measured run")
