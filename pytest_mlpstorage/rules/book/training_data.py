"""Rules on the size of a training result's data: recorded, large enough, and generated in full (3.1.1, 3.1.2, 3.2.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.sizing import minimum_files_for_run, record_bytes
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.records import LeafMetadata, TrainingResult
from pytest_mlpstorage.rules.record_size import record_keys
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import Run, runs_of, with_metadata
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_SIZE_KEYS = ("dataset.num_files_train", "dataset.num_samples_per_file", "reader.batch_size")


@rule("3.1.1", "trainingVerifyDatasizeUsage", subject=TrainingResult, editions=("3.0",), preflight=True)
def datasize_usage(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run records how it was called and what data set it was given, so that it can be held against its datasize record.

    That there is such a record is asked by the rule on datasize records.
    """
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        file, dataset = metadata.path or leaf.relpath, metadata.parameters.get("dataset")
        if not metadata.args:
            yield Finding("the metadata does not record the command line", required="args", file=file, field="args")
        else:
            yield Met(f"{len(metadata.args)} arguments", "a recorded command line")
        flat = sum(str(key).startswith("dataset.") for key in metadata.parameters)
        nested = len(dataset) if isinstance(dataset, Mapping) else 0
        if not flat and not nested:
            yield Finding(
                "the metadata does not record the data set's parameters",
                measured=shown(dataset),
                required="parameters.dataset",
                file=file,
                field="parameters.dataset",
            )
        else:
            yield Met(f"{flat + nested} parameters", "recorded parameters of the data set")


@rule("3.1.2", "trainingRecalculateDatasetSize", subject=TrainingResult, editions=("3.0",), preflight=True)
def dataset_size(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The data set of every run is large enough for the steps and the client memory that the edition demands.

    The floor is computed anew from what the run itself recorded: accelerators and host memory of its summary, batch size,
    samples a file and record size of its metadata. It is a floor: more files are fine. A run without a record size fails.
    """
    for run in runs_of(result):
        if isinstance(run, NoEvidence):
            yield run
        else:
            yield from _dataset_size(run, edition)


def _dataset_size(run: Run, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    memory_gib, accelerators = run.summary.total_host_memory_gib, run.summary.num_accelerators
    if memory_gib is None or accelerators is None:
        yield NoEvidence(f"the summary has no {'host_memory_GB' if memory_gib is None else 'num_accelerators'}", run.summary_file)
        return
    values = {key: integer(run.metadata.parameter(key)) for key in _SIZE_KEYS}
    for key, value in values.items():
        if value is None:
            given = run.metadata.parameter(key)
            yield Finding(
                f"the metadata has no usable {key}",
                measured=shown(given),
                required="a whole number",
                file=run.metadata_file,
                field=f"parameters.{key}",
            )
    files, samples, batch = (values[key] for key in _SIZE_KEYS)
    if files is None or samples is None or batch is None:
        return
    try:
        floor = minimum_files_for_run(
            edition=edition,
            record_bytes=record_bytes(record_keys(run.metadata)),
            samples_per_file=samples,
            batch_size=batch,
            num_accelerators=accelerators,
            # Only the sum is reliable: the emulator may put a host's memory into another's slot, or twice and none.
            host_memory_bytes=[memory_gib * GIB],
        )
    except ConfigurationError as error:
        yield Finding(f"the least data set cannot be computed: {error.message}", file=run.metadata_file, field="parameters.dataset")
        return
    # While the round ran, a data set that lacked one file was let pass (the tool rounded down where the rule rounds up).
    tolerated = edition.profile.missing_files if edition.profile is not None else 0
    least = floor.accepted_files - tolerated
    if files < least:
        formula = next(f.formula for f in floor.floors if f.name == floor.binding)
        yield Finding(
            f"the data set has too few files; the floor by {floor.binding} is {formula}",
            measured=files,
            required=floor.required_files,
            file=run.metadata_file,
            field="parameters.dataset.num_files_train",
        )
    else:
        below = f", {tolerated} fewer tolerated" if tolerated else ""
        yield Met(f"{files} files", f"at least {least} files, the floor by {floor.binding}{below}")


@rule("3.2.1", "trainingDatagenMinimumSize", subject=TrainingResult, editions=("3.0",))
def datagen_size(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every data generation made at least as many bytes of data as the first run reads: files × samples a file × record.

    A workload without a data generation is only warned of here.
    """
    if not result.datagen:
        yield Finding(
            "there is no data generation to compare the runs with",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            file=f"{result.relpath}/datagen",
        )
        return
    first = next(iter(with_metadata(result)))
    if isinstance(first, NoEvidence):
        yield first
        return
    leaf, metadata = first
    needed = _data_bytes(metadata)
    if needed is None:
        yield NoEvidence("the first run does not record the size of its data", metadata.path or leaf.relpath)
        return
    for generation in result.datagen:
        if generation.metadata is None:
            yield NoEvidence("metadata could not be read", generation.relpath)
            continue
        made = _data_bytes(generation.metadata)
        if made is None or made < needed:
            yield Finding(
                "a data generation made less data than the first run reads"
                if made is not None
                else "a data generation does not record how much data it made",
                measured=None if made is None else f"{math.floor(made)} bytes",
                required=f"at least {math.ceil(needed)} bytes",
                file=generation.metadata.path or generation.relpath,
                field="parameters.dataset",
            )
        else:
            # Both rounded the same way, so that what is enough never looks like less.
            yield Met(f"{math.ceil(made)} bytes", f"at least {math.ceil(needed)} bytes, as the first run reads")


def _data_bytes(metadata: LeafMetadata) -> Fraction | None:
    files, samples = (integer(metadata.parameter(f"dataset.{key}")) for key in ("num_files_train", "num_samples_per_file"))
    try:
        # A float is the decimal that was written (114660.07), not the binary number nearest to it.
        record = Fraction(str(record_bytes(record_keys(metadata))))
    except ConfigurationError:
        return None
    return None if files is None or samples is None else files * samples * record
