"""Rules on where a vector database kept its vectors (sections 5.4 and 5.5)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.records import LeafMetadata, VectorDatabaseResult
from pytest_mlpstorage.rules.filesystems import filesystem_findings, uses_object_storage
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_metadata
from pytest_mlpstorage.rules.vector_runs import absent, run_records, vector_book
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []

_DATA_ARGUMENTS = ("storage_root", "data_dir", "vdb_data_path")
"""Arguments that name the directory of the database, in the order in which the official code looks for them."""

_LOGS = ("vdb_run.stdout.log", "vector_database_run.stdout.log")
"""Log of a run: as the rule names it, and as every leaf of the round that could be seen has it."""


def _data_argument(metadata: LeafMetadata) -> str:
    return next((key for key in _DATA_ARGUMENTS if metadata.args.get(key)), _DATA_ARGUMENTS[0])


@rule("5.4.1", "vdbPathArgs", subject=VectorDatabaseResult, editions=("3.0",), preflight=True)
def path_arguments(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The directory of the database and the results directory are both given and are not the same.

    A database on object storage has no such directory. Two spellings of one path are the same directory.
    """
    if uses_object_storage(result):
        yield NotAsked("object storage", "asked where data lie on a filesystem")
        return
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        file = metadata.path or leaf.relpath
        argument = _data_argument(metadata)
        data, results = (value if isinstance(value := metadata.args.get(key), str) else "" for key in (argument, "results_dir"))
        if not data:
            named = ", ".join(f"args.{key}" for key in _DATA_ARGUMENTS)
            yield Finding("the command line gave no directory of the database", required=f"one of {named}", file=file, field="args")
        if not results:
            yield Finding("the command line gave no results_dir", required="args.results_dir", file=file, field="args.results_dir")
        if data and results and posixpath.normpath(data) == posixpath.normpath(results):
            yield Finding(
                "database and results are in one directory",
                measured=shown(data),
                required="two directories",
                file=file,
                field="args.results_dir",
            )
        elif data and results:
            yield Met(f"{argument} and results_dir differ", "two directories, both given")


@rule("5.4.2", "vdbFilesystemCheck", subject=VectorDatabaseResult, editions=("3.0",))
def filesystem_check(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The database lay on another filesystem than the results, by what every run itself recorded.

    That is ``fs_separation.json``, or a listing of ``df`` in the run's log. A database on object storage has no filesystem.
    """
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        log = next((name for name in _LOGS if name in leaf.files), _LOGS[0])
        yield from filesystem_findings(result, leaf, metadata, folder=_data_argument(metadata), log=log)


@rule("5.5.1", "vdbObjectStorageBackend", subject=VectorDatabaseResult, editions=("3.0",))
def object_storage_backend(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A database that its system description puts on object storage says in every run which kind it used, and the edition knows it."""
    if not uses_object_storage(result):
        yield NotAsked("no object storage described", "asked of a database on object storage")
        return
    vectors = vector_book(edition)
    known = " or ".join((*vectors.object_backends, *(f"{prefix}*" for prefix in vectors.object_backend_prefixes)))
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        given = run[1].given("database.storage_backend")
        named = (given.text or "").lower()
        if named not in vectors.object_backends and not named.startswith(vectors.object_backend_prefixes):
            yield absent(given, "a run names no kind of object storage as its backend", known)
        else:
            yield Met(str(shown(given.raw)), known)
