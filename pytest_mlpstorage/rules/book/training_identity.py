"""Rules on what a training result says it is: benchmark, model, accelerator (RC-TRN, ACC-TRN), and that its runs agree (SUB-2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.base import nearest
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import boolean, number
from pytest_mlpstorage.results.records import LeafMetadata, StoredResult, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_metadata
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Division, Finding, NoEvidence

__all__: list[str] = []


def _same(one: str, other: str) -> bool:
    return one.strip().lower() == other.strip().lower()


@rule("RC-TRN-1", "check_benchmark_type", subject=TrainingResult, editions=("3.0",), preflight=True)
def benchmark_type(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run says of itself that it is a run of the training benchmark."""
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        if metadata.benchmark_type is None or not _same(metadata.benchmark_type, result.benchmark):
            yield Finding(
                "a run does not say that it is a training run",
                measured=shown(metadata.benchmark_type),
                required=result.benchmark,
                file=metadata.path or leaf.relpath,
                field="benchmark_type",
            )
        else:
            yield Met(f"benchmark {shown(metadata.benchmark_type.strip())}", f"benchmark {result.benchmark}")


@rule("RC-TRN-2", "check_model_recognized", subject=TrainingResult, editions=("3.0",), preflight=True)
def model_recognized(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run and data generation names a model that its division accepts, and it is the one that its directory is named for."""
    # DG-TRN-1 asks the same of data generations.
    yield from (run for run in with_metadata(result) if isinstance(run, NoEvidence))
    for leaf in (*result.datagen, *result.runs):
        if leaf.metadata is None:
            continue
        finding = _unaccepted(leaf.metadata.model, result, edition)
        if finding is not None:
            yield dataclasses.replace(finding, file=leaf.metadata.path or leaf.relpath, field="model")
        else:
            required = f"{shown(result.model)}, as the directory, and accepted in {result.division.value}"
            yield Met(f"model {shown(str(leaf.metadata.model).strip())}", required)


def _unaccepted(model: str | None, result: TrainingResult, edition: Edition) -> Finding | None:
    accepted = edition.training.models_for(result.division)
    required = " or ".join(accepted)
    if model is None:
        return Finding("the metadata names no model", required=required)
    if model.strip().lower() not in accepted:
        elsewhere = [d.value for d in Division if model.strip().lower() in edition.training.models_for(d)]
        where = f"only division {' or '.join(elsewhere)} accepts it" if elsewhere else nearest(model, accepted)
        return Finding(
            f"the model is none that division {result.division.value} accepts; {where}", measured=shown(model), required=required
        )
    if not _same(model, result.model):
        return Finding("the metadata names another model than the directory", measured=shown(model), required=shown(result.model))
    return None


@rule("RC-TRN-6", "check_odirect_supported_model", subject=TrainingResult, editions=("3.0",), preflight=True)
def odirect_supported(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Direct I/O is switched on only for models whose reader can do it."""
    able = edition.training.odirect_models
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        value = metadata.parameter("reader.odirect")
        on, model = _switched_on(value), metadata.model or result.model
        if on and not any(_same(model, other) for other in able):
            yield Finding(
                "direct I/O is switched on for a model that is not allowed it",
                measured=shown(value),
                required=f"off, or {' or '.join(able)}",
                file=metadata.path or leaf.relpath,
                field="parameters.reader.odirect",
            )
        else:
            yield Met(f"direct I/O on, {shown(model.strip())}" if on else "direct I/O off", f"direct I/O off, or model {' or '.join(able)}")


def _switched_on(value: object) -> bool:
    """Whether a switch of a workload is on: neither absent, false in any spelling, empty nor zero."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return False
    return boolean(value) is not False and number(value) != 0


@rule("ACC-TRN", "acceptedAccelerator", subject=TrainingResult, editions=("3.0",), preflight=True)
def accepted_accelerator(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run emulates an accelerator that its division accepts."""
    accepted = edition.training.accelerators_for(result.division)
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        name = metadata.accelerator
        if name is None or name.strip().lower() not in accepted:
            yield Finding(
                "a run does not say which accelerator it emulated"
                if name is None
                else f"a run emulated an accelerator that division {result.division.value} does not accept; {nearest(name, accepted)}",
                measured=shown(name),
                required=" or ".join(accepted),
                file=metadata.path or leaf.relpath,
                field="accelerator",
            )
        else:
            yield Met(str(shown(name.strip())), f"in {result.division.value}: {' or '.join(accepted)}")


@rule("SUB-2", "check_run_consistency", subject=StoredResult, editions=("3.0",), preflight=True)
def run_consistency(result: StoredResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """All runs of a result have the same model, and emulate the same accelerator where they emulate one.

    A result is one row of the table: one workload on one emulated accelerator. Runs that differ are two incomplete results.
    """
    # GEN-11 and rule 1.3 make the accelerator part of a result's identity. Checkpointing of the round recorded none, so a
    # run without a name agrees with every other; that a training run must have one is ACC-TRN.
    read: list[LeafMetadata] = []
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
        else:
            read.append(run[1])
    for field in ("model", "accelerator"):
        named = [(str(name).strip(), metadata) for metadata in read if (name := getattr(metadata, field)) is not None]
        other = next((metadata for name, metadata in named if not _same(name, named[0][0])), None)
        if other is not None:
            names = sorted({name.lower() for name, _ in named})
            yield Finding(
                f"the runs of one result differ in their {field}",
                measured=", ".join(names)[:200],
                required=f"one {field}",
                file=other.path or result.relpath,
                field=field,
            )
        elif named:
            yield Met(f"{field} {shown(named[0][0])} in {len(named)} run{'s' if len(named) != 1 else ''}", f"one {field}")
        elif read:
            yield Met(f"no {field} recorded", f"one {field}, where runs name it")
