"""Rules of edition 2.0 on each run of training, as its checker was coded (section 2.10)."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.sizing import minimum_files_for_run, record_bytes
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.records import Summary, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.round_v2_runs import Override, RoundRun, measured_runs
from pytest_mlpstorage.rules.runs import of_division, required_utilization_percent
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

# What a tool believed when it started (`verification`) is not asked; the division of a result is its directory, and what
# is in none is held to the closed rules, as the round's checker did.


@rule("V2-TRN-check_benchmark_type", "check_benchmark_type", subject=TrainingResult, editions=("2.0",))
def benchmark_type(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run of a training result is a training run."""
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        recorded = run.metadata.benchmark_type if run.metadata is not None else None
        if recorded is not None:
            wrong, field = recorded.lower() != result.benchmark, "benchmark_type"
            file = run.metadata.path if run.metadata is not None else ""
        else:
            # The round's checker knew a training run by its workflow.
            recorded, field, file = run.parameter("workflow.train"), "workflow.train", run.origin("workflow.train")
            wrong = recorded is not True
        if recorded is None:
            yield NoEvidence("nothing says of which benchmark the run is", run.leaf.relpath)
        elif wrong:
            yield Finding("a run is none of training", measured=shown(recorded), required=result.benchmark, file=file, field=field)
        else:
            yield Met(f"{field} {shown(recorded)}", "a training run")


_SIZE_KEYS = ("dataset.num_files_train", "dataset.num_samples_per_file", "reader.batch_size")


@rule("V2-TRN-check_num_files_train", "check_num_files_train", subject=TrainingResult, editions=("2.0",))
def number_of_files(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The data set of every run has the files that the edition demands for its steps and its hosts' memory, nearly.

    The checker of the round let pass what comes as near to the floor as the edition's accepted fraction says; an older one did
    not. Hosts and accelerators are those of the summary, because this edition records no hosts elsewhere.
    """
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
        elif not run.has_parameters or run.summary is None:
            yield NoEvidence("nothing says with what parameters the run ran", run.leaf.relpath)
        else:
            yield from _number_of_files(run, run.summary, edition)


def _number_of_files(run: RoundRun, summary: Summary, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    memory_gib, accelerators = summary.total_host_memory_gib, summary.num_accelerators
    if memory_gib is None or accelerators is None:
        yield NoEvidence(f"the summary has no {'host_memory_GB' if memory_gib is None else 'num_accelerators'}", run.summary_file)
        return
    values = {key: integer(run.parameter(key)) for key in _SIZE_KEYS}
    for key, value in values.items():
        if value is None:
            yield Finding(
                f"a run has no usable {key}", measured=shown(run.parameter(key)), required="a whole number", file=run.origin(key), field=key
            )
    files, samples, batch = (values[key] for key in _SIZE_KEYS)
    if files is None or samples is None or batch is None:
        return
    record_key = f"dataset.{edition.training.record_key}"
    try:
        floor = minimum_files_for_run(
            edition=edition,
            record_bytes=record_bytes({edition.training.record_key: run.parameter(record_key)}),
            samples_per_file=samples,
            batch_size=batch,
            num_accelerators=accelerators,
            # Only the sum is reliable: the emulator may put a host's memory into another's slot, or twice and none.
            host_memory_bytes=[memory_gib * GIB],
        )
    except ConfigurationError as error:
        yield Finding(f"the least data set cannot be computed: {error.message}", file=run.origin(record_key), field="dataset")
        return
    if files < floor.accepted_files:
        formula = next(f.formula for f in floor.floors if f.name == floor.binding)
        yield Finding(
            f"the data set has too few files; the floor by {floor.binding} is {formula} = {floor.required_files}",
            measured=files,
            required=f"at least {floor.accepted_files}",
            file=run.origin("dataset.num_files_train"),
            field="dataset.num_files_train",
        )
    else:
        percent = f"{100 * edition.training.sizing.accepted_fraction:g} %"
        yield Met(f"{files} files", f"at least {floor.accepted_files} files, {percent} of the floor by {floor.binding}")


@rule("V2-TRN-check_allowed_params", "check_allowed_params", subject=TrainingResult, editions=("2.0",))
def allowed_parameters(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A run overrides only parameters of the closed list, or in the open division of the open list too.

    Keys that begin with ``workflow`` are not judged. One that only the open division allows makes a closed result invalid; it
    would be OPEN under ``open/``. Overrides are those that the tool recorded and those that DLIO was given.
    """
    lists = "closed and open list" if result.division is Division.OPEN else "closed list"
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
        elif run.overrides is None:
            yield NoEvidence("nothing says which parameters were overridden", run.leaf.relpath)
        else:
            found = list(_overrides(run.overrides, edition, result.division))
            yield from found
            if all(finding.severity is Severity.INFO for finding in found):
                yield Met(f"{len(run.overrides)} overrides", f"only keys of the {lists} or workflow")


def _overrides(given: tuple[Override, ...], edition: Edition, division: Division) -> Iterator[Finding]:
    for override in given:
        category = edition.training.key_category(override.key)
        if category is Category.CLOSED:
            continue
        allowed = category is Category.OPEN and division is Division.OPEN
        if allowed:
            said = "is set, which only the open division allows"
        elif category is Category.OPEN:
            said = "is allowed only in the open division: under open/ the result would be OPEN"
        else:
            said = "is in no list of parameters that a submission may set"
        yield Finding(
            f"{override.key} {said}",
            severity=Severity.INFO if allowed else Severity.ERROR,
            category=Category.OPEN if allowed else Category.INVALID,
            measured=shown(override.value),
            file=override.file,
            field=override.field,
        )


@rule("V2-TRN-check_workflow_parameters", "check_workflow_parameters", subject=TrainingResult, editions=("2.0",))
def workflow_parameters(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A run of a model that writes checkpoints while it trains does write them: its ``workflow.checkpoint`` is true."""
    # The code asks whether the command is `run_benchmark`, and real metadata says `run`; but the round's checker made its own
    # word for it from the workflow that DLIO resolved, so every measured training run is meant. The same way decides where
    # metadata and DLIO's configuration differ: what ran is asked.
    models = edition.training.checkpoint_required_models
    if result.model not in models:
        yield NotAsked(f"{shown(result.model)}", f"asked only of {', '.join(models)}")
        return
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        key = "workflow.checkpoint"
        value = run.parameter(key)
        if value is None:
            yield NoEvidence(f"nothing says {key}", run.leaf.relpath)
        elif value is not True:
            yield Finding(
                f"a run of {result.model} wrote no checkpoints", measured=shown(value), required="true", file=run.origin(key), field=key
            )
        else:
            yield Met(f"{key} true", f"true in each run of {result.model}")


@rule("V2-TRN-check_odirect_supported_model", "check_odirect_supported_model", subject=TrainingResult, editions=("2.0",))
def odirect_model(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Only a model that supports it reads past the page cache (``reader.odirect``)."""
    key, models = "reader.odirect", edition.training.odirect_models
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
        elif not run.has_parameters:
            yield NoEvidence("nothing says with what parameters the run ran", run.leaf.relpath)
        elif run.parameter(key) and result.model not in models:
            yield Finding(
                f"{result.model} does not support {key}",
                measured=shown(run.parameter(key)),
                required=f"only for {', '.join(models)}",
                file=run.origin(key),
                field=key,
            )
        else:
            yield Met(f"{shown(result.model)}, {key} {'on' if run.parameter(key) else 'off'}", f"on only for {', '.join(models)}")


@rule("V2-TRN-check_au_success", "check_au_success", subject=TrainingResult, editions=("2.0",))
def utilization(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The mean accelerator utilization of every run is not below the edition's minimum for the model, compared as recorded.

    One that is missing, no number, or no percentage is no measurement and fails. The emulator's own verdict is not asked.
    """
    required_percent, field = required_utilization_percent(edition, result.model), "metric.train_au_mean_percentage"
    if required_percent is None:
        models = ", ".join(edition.training.au_minimum)
        yield Finding("the edition has no such model", measured=shown(result.model), required=f"one of {models}", file=result.relpath)
        return
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        mean = run.summary.metric.au_mean_percent if run.summary is not None else None
        if mean is None:
            message = "a run has no accelerator utilization"
        elif not 0 <= mean <= 100:
            message = "the accelerator utilization of a run is no percentage"
        elif mean < required_percent:
            message = "the accelerator utilization of a run is below the minimum"
        else:
            yield Met(f"{mean} %", f"at least {required_percent:g} %")
            continue
        yield of_division(Finding(message, measured=mean, required=required_percent, file=run.summary_file, field=field), result)
