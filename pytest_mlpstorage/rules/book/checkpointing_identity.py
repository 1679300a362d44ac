"""Rules on what a checkpointing result says it is: benchmark and model (4.3.3, RC-CKP)."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.rules.checkpoints import checkpointing_of, model_of, recorded_model
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_metadata
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []


@rule("4.3.3", "checkpointModelConfigurationReq", subject=CheckpointingResult, editions=("3.0",), preflight=True)
def model_configuration(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The model that a run was asked for is of one of the edition's sizes, and it is the one that its directory is named after."""
    # RC-CKP-2 asks the first half of the same record, before the run starts.
    models = checkpointing_of(edition).models
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        name = model_of(metadata, edition)
        if name == result.model:
            yield Met(shown(recorded_model(metadata)) or name, f"the directory's name: {result.model}")
            continue
        yield Finding(
            "the run was asked for a model that the checkpointing benchmark does not have"
            if name is None
            else "the run was asked for another model than its directory is named after",
            measured=shown(recorded_model(metadata)) or "missing",
            required=", ".join(models) if name is None else shown(result.model),
            file=metadata.path or leaf.relpath,
            field="args.model",
        )


@rule("RC-CKP-1", "check_benchmark_type", subject=CheckpointingResult, editions=("3.0",), preflight=True)
def benchmark_type(result: CheckpointingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run of a checkpointing result is one of the checkpointing benchmark."""
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        if (metadata.benchmark_type or "").strip().lower() != result.benchmark:
            yield Finding(
                "the run does not say that it is a checkpointing run",
                measured=shown(metadata.benchmark_type) or "missing",
                required=result.benchmark,
                file=metadata.path or leaf.relpath,
                field="benchmark_type",
            )
        else:
            yield Met(f"benchmark_type {(metadata.benchmark_type or '').strip()}", f"benchmark_type {result.benchmark}")
