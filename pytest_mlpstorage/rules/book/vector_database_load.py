"""Rules on what was loaded into a vector database, and whether the runs searched just that (sections 5.1 and 5.2)."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.base import Unknown
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.records import VectorDatabaseResult
from pytest_mlpstorage.results.vector_records import Given, VectorRecord
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.vector_runs import absent, given_by, load_records, run_records, vector_book
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_POSITIVE = "a whole number above 0"


@rule("5.1.1", "vdbDatasetScale", subject=VectorDatabaseResult, editions=("3.0",))
def dataset_scale(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run says how many vectors of how many dimensions it searched, and that is one of the edition's scales.

    The table of scales was never published: while it is unknown any scale passes, and the finding says which it was.
    """
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        _leaf, record = run
        sizes = [record.given(key) for key in ("num_vectors", "dimension")]
        wrong = [size for size in sizes if not _positive(size.integer)]
        for size in wrong:
            yield absent(size, f"a run has no usable {size.field.rpartition('.')[2]}", _POSITIVE)
        if not wrong:
            yield from _scale(record, edition)


def _positive(value: int | None) -> bool:
    return value is not None and value > 0


def _scale(record: VectorRecord, edition: Edition) -> Iterator[Finding | Met]:
    vectors, dimension = (record.given(key) for key in ("num_vectors", "dimension"))
    measured = f"{vectors.integer} × {dimension.integer}"
    scales = vector_book(edition).scales
    if isinstance(scales, Unknown):
        yield Finding(
            f"the scale of the data set cannot be judged: {scales.unknown}",
            severity=Severity.INFO,
            category=Category.CLOSED,
            measured=measured,
            file=vectors.file,
            field=vectors.field,
        )
        yield Met(f"{shown(vectors.integer)} vectors of {shown(dimension.integer)} dimensions", "both above 0 (no scales were published)")
    elif (vectors.integer, dimension.integer) not in scales:
        yield Finding(
            "the data set has none of the edition's scales",
            measured=measured,
            required=" or ".join(f"{n} × {d}" for n, d in scales),
            file=vectors.file,
            field=vectors.field,
        )
    else:
        yield Met(
            f"{shown(vectors.integer)} vectors of {shown(dimension.integer)} dimensions", f"one of the edition's {len(scales)} scales"
        )


@rule("5.1.2", "vdbDimensionConsistency", subject=VectorDatabaseResult, editions=("3.0",))
def dimension_consistency(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The vectors that were loaded have as many dimensions as those that every run searched."""
    loaded = yield from _loaded(result, "dimension")
    for given in given_by(run_records(result), "dimension"):
        if isinstance(given, NoEvidence):
            yield given
            continue
        other = next((load for load in loaded if load.integer != given.integer), None)
        if given.integer is None or other is not None:
            yield Finding(
                "a run searched vectors of another dimension than were loaded",
                measured=shown(given.raw),
                required=shown(other.raw) if other else "a whole number",
                file=given.file,
                field=given.field,
            )
        elif loaded:
            yield Met(f"{shown(given.integer)} dimensions searched", f"{shown(given.integer)} dimensions, as were loaded")


def _loaded(result: VectorDatabaseResult, key: str) -> Generator[NoEvidence, None, list[Given]]:
    """One value of every load; those that lack it are yielded as no evidence."""
    found: list[Given] = []
    for given in given_by(load_records(result), key):
        if isinstance(given, NoEvidence):
            yield given
        else:
            found.append(given)
    return found


@rule("5.2.1", "vdbCollectionPopulated", subject=VectorDatabaseResult, editions=("3.0",))
def collection_populated(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """As many vectors were inserted as were declared. Fewer fail; more are a warning.

    A load that left no summary says only how many were asked for, which is no evidence that they arrived.
    """
    for load in load_records(result):
        if isinstance(load, NoEvidence):
            yield load
            continue
        leaf, record = load
        if record.form == "metadata":
            yield NoEvidence("no summary says how many vectors were inserted", leaf.relpath)
            continue
        inserted, declared = (record.given(key) for key in ("inserted_vectors", "num_vectors"))
        wrong = [given for given in (inserted, declared) if not _positive(given.integer)]
        for given in wrong:
            yield absent(given, f"a load has no usable {given.field}", _POSITIVE)
        if not wrong:
            yield from _populated(inserted, declared)


def _populated(inserted: Given, declared: Given) -> Iterator[Finding | Met]:
    count, wanted = inserted.integer or 0, declared.integer or 0
    if count < wanted:
        yield Finding(
            "fewer vectors were inserted than declared", measured=count, required=wanted, file=inserted.file, field=inserted.field
        )
    elif count > wanted:
        # The text says equal, the official code accepts more. More rows make the search no easier, and a load that went on
        # after a fault counts the rows that it sent twice: worth a look, no verdict.
        yield Finding(
            "more vectors were inserted than declared",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            measured=count,
            required=wanted,
            file=inserted.file,
            field=inserted.field,
        )
    else:
        yield Met(f"{shown(count)} vectors inserted", f"{shown(wanted)} vectors, as declared")


@rule("5.2.2", "vdbIndexBuildCompleted", subject=VectorDatabaseResult, editions=("3.0",))
def index_build_completed(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The load names the index that it built, and every run searched that one.

    The text also asks for a record of the compaction, of which no form was ever published; it is not looked for. A load that
    left no summary says only what was asked for, which is no evidence that the index was built.
    """
    built: list[Given] = []
    for load in load_records(result):
        if isinstance(load, NoEvidence):
            yield load
        elif load[1].form == "metadata":
            yield NoEvidence("no summary says that the index was built", load[0].relpath)
        elif (index := load[1].given("index_type")).text is None:
            yield absent(index, "a load does not name the index that it built", "an index type")
        else:
            built.append(index)
    for given in given_by(run_records(result), "index_type"):
        if isinstance(given, NoEvidence):
            yield given
            continue
        other = next((index.text for index in built if index.text != given.raw), None)
        if other is not None:
            yield Finding(
                "a run searched another index than was built", measured=shown(given.raw), required=other, file=given.file, field=given.field
            )
        elif built:
            yield Met(f"{shown(given.raw)} searched", f"{built[0].text}, as was built")
