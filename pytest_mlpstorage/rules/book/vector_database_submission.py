"""Rules on what a submitted vector database result may consist of: database, index, parameters, files (section 5.6)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.edition import RequiredFiles
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import boolean, native
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, VectorDatabaseResult
from pytest_mlpstorage.results.vector_records import CONFIG, STATISTICS, VERDICT
from pytest_mlpstorage.rules.leaf_files import leaf_noun, readable
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.vector_runs import absent, load_records, record_of, run_records, vector_book
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []


@rule("5.6.2", "vdbClosedDatabaseBackend", subject=VectorDatabaseResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,))
def closed_database(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run of a closed result searched the database of the closed division, under just that name."""
    allowed = vector_book(edition).databases_closed
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        given = run[1].given("database.database")
        if given.raw is None:
            yield absent(given, "a closed run does not name its database", " or ".join(allowed))
        elif given.raw not in allowed:
            yield absent(given, "a closed run searched another database: under open/ the result would be OPEN", " or ".join(allowed))
        else:
            yield Met(str(shown(given.raw)), f"the database of the closed division: {' or '.join(allowed)}")


@rule("5.6.3", "vdbClosedIndexTypes", subject=VectorDatabaseResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,))
def closed_index(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed result is of an index of the closed division, which is the name of its directory and that of every run, in upper case."""
    # Conflict C-3: the diagram of the rules puts the index right below vector_database/, the tool puts the engine between.
    # Both are read; the index is the last level of the path in either.
    allowed = vector_book(edition).index_types_closed
    if result.index not in allowed:
        yield Finding(
            "the directory of a closed result is named after no index of the closed division",
            measured=result.index,
            required=" or ".join(allowed),
            file=result.relpath,
        )
    else:
        yield Met(f"directory {result.index}", " or ".join(allowed))
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        given = run[1].given("index_type")
        if given.raw is None:
            yield absent(given, "a closed run does not name the index that it searched", result.index)
        elif given.raw != result.index:
            yield absent(given, "a run searched another index than the directory is named after", result.index)
        else:
            yield Met(f"{shown(given.raw)} searched", "the index of the directory's name")


@rule(
    "5.6.4", "vdbClosedSubmissionParameters", subject=VectorDatabaseResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,)
)
def closed_parameters(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed load or run overrides only parameters of the closed list. Only the keys of the recorded overrides are judged."""
    vectors = vector_book(edition)
    overrides = [*_overrides(result)]
    for override in overrides:
        if isinstance(override, NoEvidence):
            yield override
        elif override.key in vectors.open_keys:
            yield override.refused("is allowed only in the open division: under open/ the result would be OPEN")
        elif override.key not in vectors.closed_keys:
            yield override.refused("is in no list of parameters that a submission may set")
    yield from _within(vectors.closed_keys, overrides, f"only the {len(vectors.closed_keys)} parameters of the closed list")


@rule("5.6.5", "vdbOpenSubmissionParameters", subject=VectorDatabaseResult, editions=("3.0",), preflight=True, divisions=(Division.OPEN,))
def open_parameters(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """An open load or run of the closed division's database overrides only parameters of the closed and the open list.

    Its index is one that the rules name for that database. Another database has parameters and indexes of its own, which no list
    judges; that it is another one is a warning.
    """
    vectors = vector_book(edition)
    foreign = False
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        database, index = (run[1].given(key) for key in ("database.database", "index_type"))
        if database.text is None:
            yield absent(database, "a run does not name its database", " or ".join(vectors.databases_open))
        elif database.text not in vectors.databases_closed:
            foreign = True
            # The text names the databases that it supports, the official code warns of each that is not the closed one. A
            # database that neither knows is what the open division is for: no more than that warning.
            known = "" if database.text in vectors.databases_open else ", one that the rules do not name"
            yield Finding(
                f"a run searched another database than that of the closed division{known}; the list of parameters is not applied",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=shown(database.raw),
                required=" or ".join(vectors.databases_closed),
                file=database.file,
                field=database.field,
            )
        elif index.raw is None:
            yield absent(index, "a run does not name the index that it searched", " or ".join(vectors.index_types_open))
        elif index.raw not in vectors.index_types_open:
            # Only the text limits the indexes; the official code does not look.
            message = f"the index of a run is none that the rules name for {database.text}"
            yield absent(index, message, " or ".join(vectors.index_types_open))
        else:
            yield Met(f"{index.raw} in {database.text}", f"one of the {len(vectors.index_types_open)} indexes named for it")
    if foreign:
        return
    overrides = [*_overrides(result)]
    lists = (*vectors.closed_keys, *vectors.open_keys)
    for override in overrides:
        if isinstance(override, NoEvidence):
            yield override
        elif override.key not in lists:
            yield override.refused("is in no list of parameters that a submission may set, open or closed")
    yield from _within(lists, overrides, f"open division: only the {len(set(lists))} parameters of both lists")


class _Override:
    """One recorded override of one leaf."""

    def __init__(self, leaf: Leaf, metadata: LeafMetadata, key: str, value: object) -> None:
        self.file, self.key, self.value = metadata.path or leaf.relpath, key, value

    def refused(self, why: str) -> Finding:
        return Finding(f"{self.key} {why}", measured=shown(self.value), file=self.file, field=f"override_parameters.{self.key}")


def _within(allowed: Sequence[str], overrides: Sequence[_Override | NoEvidence], required: str) -> Iterator[Met]:
    """How many parameters a result overrides, all its loads and runs together, where it may override each of them."""
    if all(isinstance(one, _Override) and one.key in allowed for one in overrides):
        keys = {one.key for one in overrides if isinstance(one, _Override)}
        yield Met(f"{len(keys)} parameter{'s' if len(keys) > 1 else ''} overridden" if keys else "no parameter overridden", required)


def _overrides(result: VectorDatabaseResult) -> Iterator[_Override | NoEvidence]:
    """Each override of each load and run, sorted by key; a leaf without a record of them is no evidence."""
    if not result.runs:
        yield NoEvidence("there is no run", f"{result.relpath}/run")
    for leaf in result.leaves:
        metadata = leaf.metadata
        if metadata is None:
            # Only runs must have metadata (LEAF-01).
            if leaf.phase == "run":
                yield NoEvidence("metadata could not be read", leaf.relpath)
        elif metadata.raw and not isinstance(metadata.raw.get("override_parameters"), Mapping):
            yield NoEvidence("the metadata has no override_parameters", metadata.path)
        else:
            for key, value in sorted(metadata.override_parameters.items()):
                yield _Override(leaf, metadata, key, native(value))


@rule("MLPS-ENGINE-1", "acceptedEngine", subject=VectorDatabaseResult, editions=("3.0",), severity=Severity.INFO, preflight=True)
def accepted_engine(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """What was measured is the database of the closed division.

    Any other is a fair measurement of something that is not the closed benchmark, so the result is OPEN at best.
    """
    allowed = vector_book(edition).databases_closed
    for item in (*load_records(result), *run_records(result)):
        if isinstance(item, NoEvidence):
            yield item
            continue
        given = item[1].given("database.database")
        if given.text is not None and given.text not in allowed:
            yield Finding(
                "the database that was measured is not that of the closed division",
                severity=Severity.INFO,
                category=Category.OPEN,
                measured=shown(given.raw),
                required=" or ".join(allowed),
                file=given.file,
                field=given.field,
            )
        elif given.text is not None:
            yield Met(given.text, f"the database of the closed division: {' or '.join(allowed)}")
        else:
            yield NotAsked("no database named", "asked where one is named")


@rule("MLPS-FILES-1", "requiredFiles", subject=VectorDatabaseResult, editions=("3.0",))
def required_files(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every load and run holds the files that the edition demands of it, and its summary and metadata can be read.

    A file that the publisher emptied of its content counts as present. The official tool writes no summary where it runs on one
    node, though the rules demand one: that fails as the text stands, and is a warning under the profile of the round, which
    took such results. What is missing or unreadable here is no evidence for the other rules.
    """
    # The rules list these files per leaf without an id of their own; the verdict file has one (5.3.5), the metadata too (LEAF-01).
    whole: Counter[str] = Counter()
    for leaf in result.leaves:
        patterns = _required(leaf, edition)
        lacking = [*_lacking(result, leaf, patterns)]
        yield from lacking
        if not lacking:
            whole[f"{', '.join(map(readable, patterns)) or 'no file'}, no record damaged"] += 1
    for demanded, count in whole.items():
        yield Met(f"{count} loads or runs", demanded)


def _required(leaf: Leaf, edition: Edition) -> list[str]:
    required = edition.required_files.get(f"vector_database/{leaf.phase}")
    patterns = required.any_of if isinstance(required, RequiredFiles) else ()
    return [pattern for pattern in patterns if re.search(pattern, VERDICT) is None]


def _lacking(result: VectorDatabaseResult, leaf: Leaf, patterns: list[str]) -> Iterator[Finding]:
    for pattern in patterns:
        if not any(re.search(pattern, name) for name in leaf.files if "/" not in name):
            yield _missing(result, leaf, pattern)
    for problem in leaf.problems:
        name = problem.file.rpartition("/")[2]
        if (leaf.summary is None and name.endswith("summary.json")) or (leaf.metadata is None and "metadata" in name):
            yield Finding(f"a file {problem.message}", file=problem.file)


def _missing(result: VectorDatabaseResult, leaf: Leaf, pattern: str) -> Finding:
    record = record_of(result, leaf)
    form = None if isinstance(record, NoEvidence) else record.form
    # A load leaves no measurements by which to tell; its metadata says whether it was spread over nodes.
    distributed = leaf.metadata.args.get("distributed") if leaf.metadata is not None else None
    alone = form == "single-node" or (form == "metadata" and boolean(distributed) is False)
    instead = f"; it left {STATISTICS} and {CONFIG} instead, as the official tool does on one node" if alone and leaf.phase == "run" else ""
    return Finding(
        f"{leaf_noun(leaf)} lacks a file{instead}", required=readable(pattern), file=leaf.relpath, part="single-node" if alone else ""
    )
