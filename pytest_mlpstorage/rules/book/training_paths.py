"""Rules on where the data and the results of training lie (section 3.4)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.layout import output_name
from pytest_mlpstorage.results.records import TrainingResult
from pytest_mlpstorage.rules.filesystems import filesystem_findings
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_metadata
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []


@rule("3.4.1", "trainingMlpstoragePathArgs", subject=TrainingResult, editions=("3.0",), preflight=True)
def path_arguments(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Data directory and results directory are both given and are not the same.

    Two spellings of one path (``/data`` and ``/data/``) are the same directory.
    """
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        file = metadata.path or leaf.relpath
        data, results = (value if isinstance(value := metadata.args.get(key), str) else "" for key in ("data_dir", "results_dir"))
        for key, value in (("data_dir", data), ("results_dir", results)):
            if not value:
                yield Finding(f"the command line gave no {key}", required=f"args.{key}", file=file, field=f"args.{key}")
        if data and results and posixpath.normpath(data) == posixpath.normpath(results):
            yield Finding(
                "data and results are in one directory",
                measured=shown(data),
                required="two directories",
                file=file,
                field="args.results_dir",
            )
        elif data and results:
            yield Met(f"data in {shown(data)}", "a data directory")
            yield Met(f"results in {shown(results)}", "another directory for results")


@rule("3.4.2", "trainingMlpstorageFilesystemCheck", subject=TrainingResult, editions=("3.0",))
def separate_filesystems(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run shows that its data and its results lie on different filesystems.

    The evidence is a record of a probe with hard links, or the listing of ``df`` that older tools left in the log. Object
    storage has no filesystem and is exempt, where the system description says that the benchmark used it.
    """
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
        else:
            leaf, metadata = run
            log = output_name("training", "run", "stdout")
            yield from filesystem_findings(result, leaf, metadata, folder="data_dir", log=log)
