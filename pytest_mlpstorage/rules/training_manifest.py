"""The manifest of its data that a run may have taken over: the MANIFEST tokens of rule 3.3.1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.records import Leaf, TrainingResult
from pytest_mlpstorage.results.state import LEAF_MANIFEST
from pytest_mlpstorage.rules.runs import Run
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__ = ["manifest_findings"]

_AGREES: Final = "a manifest, where there is one, that fits its generation"


def manifest_findings(result: TrainingResult, run: Run) -> Iterator[Finding | NoEvidence | Met]:
    """Findings on the manifest that a run's metadata declares; a run that declares none but has provenance is warned of."""
    declared = run.metadata.datagen_manifest_file
    if declared is None:
        if run.metadata.provenance_file is not None:
            yield Finding(
                "MANIFEST-ABSENT: a run with provenance took over no manifest of its data",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                file=run.metadata_file,
                field="datagen_manifest_file",
                part="MANIFEST-ABSENT",
            )
        else:
            yield Met("no manifest", _AGREES)
        return
    # A tool may record the path of its own machine; the file is one of the leaf.
    name = PurePosixPath(declared).name or LEAF_MANIFEST
    if name in run.leaf.pruned:
        yield NoEvidence(f"{name} could not be read (pruned by its publisher)", run.leaf.relpath)
        return
    files = TreeFiles(result.root)
    manifest = files.json_object(run.leaf.path / name) if name in run.leaf.files else None
    if manifest is None:
        why = f"{name} {files.problems[0].message}" if files.problems else f"{name} is not there"
        yield _error("MANIFEST-MISSING", f"the manifest that a run declares cannot be read: {why}", file=run.leaf.relpath)
        return
    place = f"{run.leaf.relpath}/{name}"
    source = manifest.get("source_datagen_result_dir")
    generation = _generation(source, result.datagen, result.model)
    if generation is None:
        yield _error(
            "MANIFEST-LINK",
            "the manifest names a data generation that is none of this workload",
            measured=shown(source),
            required=" or ".join(leaf.name for leaf in result.datagen)[:200] or "a directory in datagen/",
            file=place,
            field="source_datagen_result_dir",
        )
    count = integer(manifest.get("num_files_train"))
    wrong = list(_counts(run, count, manifest.get("num_files_train"), generation, place))
    yield from wrong
    if generation is not None and not wrong:
        yield Met(f"manifest of {count} files", _AGREES)


def _generation(source: object, generations: Sequence[Leaf], model: str) -> Leaf | None:
    """The data generation that a path names. Trees are moved and their upper directories renamed, so its end decides."""
    if not isinstance(source, str):
        return None
    end = PurePosixPath(source).parts[-3:]
    return next((leaf for leaf in generations if (model, leaf.phase, leaf.name)[-len(end) :] == end), None) if end else None


def _counts(run: Run, count: int | None, given: object, generation: Leaf | None, place: str) -> Iterator[Finding | NoEvidence]:
    field = "num_files_train"
    if generation is not None:
        made = None if generation.metadata is None else integer(generation.metadata.parameter("dataset.num_files_train"))
        if made is None:
            yield NoEvidence("the data generation does not record how many files it made", generation.relpath)
        elif count != made:
            yield _error(
                "MANIFEST-COUNT",
                "the manifest has another number of files than the data generation that it names",
                measured=shown(given),
                required=str(made),
                file=place,
                field=field,
            )
    files = run.summary.num_files_train
    if files is not None and count is not None and files > count:
        yield _error(
            "MANIFEST-OVERRUN",
            "a run read more files than its manifest has",
            measured=str(files),
            required=f"at most {count}",
            file=run.summary_file,
            field=field,
        )


def _error(token: str, message: str, *, file: str, field: str = "", measured: str | None = None, required: str | None = None) -> Finding:
    return Finding(f"{token}: {message}", measured=measured, required=required, file=file, field=field, part=token)
