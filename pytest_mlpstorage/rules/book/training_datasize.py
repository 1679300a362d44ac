"""The rule that ties the data of every run to the record of its size, its generation and its manifest (3.3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.records import Leaf, TrainingResult
from pytest_mlpstorage.rules.datasize_records import DatasizeRecord, data_directory, datasize_records, paired
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import Run, runs_of
from pytest_mlpstorage.rules.training_manifest import manifest_findings
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []


def _said(token: str, message: str, *, file: str, field: str = "", measured: object = None, required: object = None) -> Finding:
    return Finding(f"{token}: {message}", measured=shown(measured), required=shown(required), file=file, field=field, part=token)


def _warned(token: str, message: str, *, file: str, field: str) -> Finding:
    return Finding(f"{token}: {message}", severity=Severity.WARNING, category=Category.CLOSED, file=file, field=field, part=token)


@rule("3.3.1", "trainingRunDataMatchesDatasize", subject=TrainingResult, editions=("3.0",))
def run_data_matches_datasize(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The data that every run read are those that were sized and generated for it.

    There is a datasize record that tells files, folders and bytes, one for each data directory, and a data generation. A run
    has no fewer files than the record that it is paired with, and no more than the latest generation made. A run that says it
    took over a manifest of its data names a generation of this workload in it, with that generation's number of files.
    """
    records = datasize_records(result)
    yield from _datasize_leaves(result, records)
    if not result.datagen:
        yield _said("DATAGEN-MISSING", "the workload has no data generation", required="one in datagen/", file=result.relpath)
    yield from _reused(records)
    for run in runs_of(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        yield from _against_datasize(run, records)
        yield from _against_datagen(run, result.datagen)
        if run.summary.num_files_eval is None:
            yield _warned("EVAL-FIELD-MISSING", "the summary has no num_files_eval", file=run.summary_file, field="num_files_eval")
        yield from manifest_findings(result, run)


def _datasize_leaves(result: TrainingResult, records: Sequence[DatasizeRecord]) -> Iterator[Finding | NoEvidence]:
    if not result.datasize:
        yield _said("DATASIZE-MISSING", "the workload has no record of a datasize", required="one in datasize/", file=result.relpath)
    read = {record.leaf.name for record in records}
    for leaf in result.datasize:
        if leaf.name in read:
            continue
        if any("metadata" in name for name in leaf.pruned):
            yield NoEvidence("metadata could not be read (pruned by its publisher)", leaf.relpath)
            continue
        damage = next((f": a file {p.message}" for p in leaf.problems if "metadata" in p.file.rpartition("/")[2]), "")
        yield _said("DATASIZE-MALFORMED", f"a datasize record has no metadata that can be read{damage}", file=leaf.relpath)
    for record in records:
        assert record.leaf.metadata is not None
        for key in record.missing:
            yield _said(
                "DATASIZE-MALFORMED",
                f"a datasize record does not tell {key}",
                measured=record.leaf.metadata.parameter(f"dataset.{key}"),
                required="a whole number",
                file=record.leaf.metadata.path or record.leaf.relpath,
                field=f"parameters.dataset.{key}",
            )


def _reused(records: Sequence[DatasizeRecord]) -> Iterator[Finding]:
    first: dict[str, DatasizeRecord] = {}
    for record in records:
        if record.data_dir is None:
            continue
        if record.data_dir in first:
            yield _said(
                "DATASIZE-REUSED",
                f"two datasize records name one data directory; the other is {first[record.data_dir].leaf.name}",
                measured=record.data_dir,
                required="a data directory of its own",
                file=record.leaf.relpath,
                field="args.data_dir",
            )
        first.setdefault(record.data_dir, record)


def _against_datasize(run: Run, records: Sequence[DatasizeRecord]) -> Iterator[Finding | NoEvidence | Met]:
    if not records:
        return
    directory = data_directory(run.metadata)
    record = paired(records, data_dir=directory, run=run.leaf.name)
    if record is None and directory is None:
        yield NoEvidence("the run names no data directory, and the datasize records name several", run.metadata_file)
    elif record is None:
        yield _said(
            "DATADIR-MISMATCH",
            "no datasize record names the data directory of a run",
            measured=directory,
            required=" or ".join(sorted({r.data_dir for r in records if r.data_dir is not None})),
            file=run.metadata_file,
            field="args.data_dir",
        )
    elif run.summary.num_files_train is None:
        yield NoEvidence("the summary has no num_files_train", run.summary_file)
    elif record.files is not None and run.summary.num_files_train < record.files:
        yield _said(
            "DATASIZE-UNDERRUN",
            "a run read fewer files than its datasize record demands",
            measured=run.summary.num_files_train,
            required=f"at least {record.files}",
            file=run.summary_file,
            field="num_files_train",
        )
    elif record.files is not None:
        yield Met(f"{run.summary.num_files_train} files", f"at least {record.files} files, as sized")


def _against_datagen(run: Run, generations: Sequence[Leaf]) -> Iterator[Finding | NoEvidence | Met]:
    if not generations:
        return
    latest = max(generations, key=lambda leaf: leaf.name)
    made = None if latest.metadata is None else integer(latest.metadata.parameter("dataset.num_files_train"))
    if made is None:
        yield NoEvidence("the latest data generation does not record how many files it made", latest.relpath)
    elif run.summary.num_files_train is None:
        yield NoEvidence("the summary has no num_files_train", run.summary_file)
    elif run.summary.num_files_train > made:
        yield _said(
            "DATAGEN-OVERRUN",
            "a run read more files than the latest data generation made",
            measured=run.summary.num_files_train,
            required=f"at most {made}",
            file=run.summary_file,
            field="num_files_train",
        )
    else:
        yield Met(f"{run.summary.num_files_train} files", f"at most {made} files, as generated")
