"""Rules on what the runs of a vector database measured (section 5.3), and how long (RC-VDB)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.base import Unknown
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, VectorDatabaseResult
from pytest_mlpstorage.results.vector_records import CONFIG, MEAN_RECALL, RECALL, VERDICT, Given, ResultVerdict, recall_fraction
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_metadata
from pytest_mlpstorage.rules.vector_runs import absent, at_least, run_recall, run_records, vector_book, vector_files
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity, amounts

__all__: list[str] = []


def _unpublished(message: str, measured: str | int | float | None, given: Given) -> Finding:
    return Finding(
        message, severity=Severity.INFO, category=Category.CLOSED, measured=measured, file=given.file.rpartition("/")[0], field=given.field
    )


@rule("5.3.1", "vdbRunCount", subject=VectorDatabaseResult, editions=("3.0",), preflight=True)
def run_count(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """There are exactly as many runs as the edition demands. Every directory in ``run/`` counts that does not begin with a dot.

    One that is not named as a timestamp is no run and fails: nobody reads it.
    """
    place = f"{result.relpath}/run"
    names = [name for name in result.run_listing.directories if not name.startswith(".") and not is_noise(name)]
    pattern = re.compile(edition.timestamp_pattern, re.ASCII)
    strange = [name for name in names if not pattern.fullmatch(name)]
    for name in strange:
        yield Finding("a directory in run/ is not named as a timestamp", measured=name, required="YYYYMMDD_HHMMSS", file=f"{place}/{name}")
    required = vector_book(edition).runs
    if len(names) != required:
        yield Finding("run/ does not hold the runs of a complete result", measured=len(names), required=required, file=place)
    elif not strange:
        yield Met(f"{len(names)} runs", f"exactly {required} runs, named YYYYMMDD_HHMMSS")


@rule("5.3.2", "vdbRecallReported", subject=VectorDatabaseResult, editions=("3.0",))
def recall_reported(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run says how many of the exact neighbours it found, as a fraction above 0 and at most 1.

    It stands in the summary or in ``recall_stats.json``. One that cannot be read as a number is no evidence. The least recall
    was never published: while it is unknown any passes, and the finding says which it was.
    """
    vectors = vector_book(edition)
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        given = run_recall(result, *run)
        if isinstance(given, NoEvidence):
            yield given
            continue
        recall = recall_fraction(given.raw, vectors.recall_keys)
        # The official code looks at the highest recall of any query first, which serves to see that one was found at all.
        # What a minimum would be held against, and what the table shows, is the mean.
        average = recall_fraction(given.raw, MEAN_RECALL)
        least = vectors.minimum_recall
        if given.raw is None:
            yield absent(given, "a run reports no recall", f"in its summary or in {RECALL}")
        elif recall is None:
            yield NoEvidence("the recall is no number", given.file)
        elif not 0 < recall <= 1:
            yield Finding(
                "the recall of a run is no fraction of the neighbours that it had to find",
                measured=recall,
                required="above 0 and at most 1",
                file=given.file,
                field=given.field,
            )
        elif isinstance(least, Unknown):
            yield _unpublished(f"the recall cannot be judged: {least.unknown}", average, given)
            yield Met(amounts(recall, None)[0], "a highest recall above 0 and at most 1")
            yield Met("not told" if average is None else amounts(average, None)[0], "any mean: no minimum was published")
        elif average is None or average < least:
            yield Finding("the recall of a run is below the minimum", measured=average, required=least, file=given.file, field=given.field)
        else:
            yield at_least(average, least, "a mean recall of at least")


@rule("5.3.3", "vdbQueryCountMinimum", subject=VectorDatabaseResult, editions=("3.0",))
def query_count(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run says how many queries it made: as a count, or as a rate with the time that it lasted.

    The least number was never published: while it is unknown any passes, and the finding says which it was.
    """
    vectors = vector_book(edition)
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        _leaf, record = run
        counted, rate, seconds = (record.given(key) for key in ("query_count", "throughput_qps", "total_time_seconds"))
        queries = counted.number
        if counted.raw is None and rate.number is not None and seconds.number is not None and rate.number > 0:
            queries = number(rate.number * seconds.number)  # two numbers whose product is beyond any say nothing
        least = vectors.minimum_queries
        if queries is None or queries <= 0:
            yield absent(counted, "a run does not say how many queries it made", "query_count, or throughput_qps and total_time_seconds")
        elif isinstance(least, Unknown):
            yield _unpublished(f"the number of queries cannot be judged: {least.unknown}", round(queries), counted)
            yield Met(f"{queries:.10g} queries", "a count above 0 (no minimum was published)")
        elif queries < least:
            yield Finding("a run made too few queries", measured=queries, required=least, file=counted.file, field=counted.field)
        else:
            yield at_least(queries, least, "a number of queries of at least")


@rule("5.3.4", "vdbMetricsReported", subject=VectorDatabaseResult, editions=("3.0",))
def metrics_reported(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run reports its rate and its latencies, each a number above 0.

    A key that holds no number reports nothing, and neither a rate nor a latency of a run that was made is 0 or less.
    """
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        _leaf, record = run
        for key in vector_book(edition).required_metrics:
            given = record.given(key)
            if given.number is None or given.number <= 0:
                yield absent(given, f"a run does not report {key}", "a number above 0")
            else:
                unit = key.rpartition("_")[2]
                yield Met(f"{amounts(given.number, None)[0]} {unit}", f"figures in {unit} above 0")


@rule("5.3.5", "vdbGroundTruthIntegrity", subject=VectorDatabaseResult, editions=("3.0",))
def ground_truth(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The exact answers that every run was compared with were complete: ``result_verdict.json`` says so.

    The verdict in that file is not asked, only how the exact answers came about. A file without such a part is a warning.
    """
    least = vector_book(edition).ground_truth_coverage
    if not result.runs:
        yield NoEvidence("there is no run", f"{result.relpath}/run")
    for leaf in result.runs:
        files = vector_files(result, leaf)
        side = files.side[VERDICT]
        if VERDICT in leaf.pruned:
            yield NoEvidence(f"{VERDICT} could not be read (pruned by its publisher)", side.path)
        elif VERDICT not in leaf.files:
            yield Finding(f"a run has no {VERDICT}", required=VERDICT, file=leaf.relpath, part="missing-file")
        elif side.raw is None:
            why = next((p.message for p in files.problems if p.file == side.path), "could not be read")
            yield Finding(f"a file {why}", file=side.path)
        else:
            yield from _ground_truth(ResultVerdict.from_json(side.raw, side.path), least)


def _ground_truth(verdict: ResultVerdict, least: float) -> Iterator[Finding | Met]:
    if not verdict.flat_setup:
        yield Finding(
            "a run does not say how its exact answers came about",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            required="flat_setup",
            file=verdict.path,
            field="flat_setup",
        )
        return
    # A missing ok is let pass, as by the official code; one that is there must be true.
    if verdict.ok_given is not None and verdict.ok is not True:
        why = f": {verdict.reason}" if verdict.reason else ""
        yield Finding(
            f"the exact answers of a run could not be made{why}",
            measured=shown(verdict.ok_given),
            required="true",
            file=verdict.path,
            field="flat_setup.ok",
        )
    else:
        yield Met("not given" if verdict.ok_given is None else "true", "flat_setup.ok: true or not given")
    coverage = verdict.coverage.number
    if coverage is None or coverage < least:
        yield Finding(
            "the exact answers of a run do not cover the whole collection",
            measured=shown(verdict.coverage.raw),
            required=least,
            file=verdict.path,
            field="flat_setup.coverage",
        )
    else:
        yield at_least(coverage, least, "a coverage of at least")


@rule("RC-VDB-1", "check_benchmark_type", subject=VectorDatabaseResult, editions=("3.0",), preflight=True)
def benchmark_type(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run was one of the vector database benchmark by its own metadata."""
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        # The command line calls the benchmark vectordb; the record falls back to that where the metadata names none.
        if metadata.benchmark_type not in (result.benchmark, "vectordb"):
            yield Finding(
                "a run is of another benchmark than its place says",
                measured=shown(metadata.benchmark_type),
                required=result.benchmark,
                file=metadata.path or leaf.relpath,
                field="benchmark_type",
            )
        else:
            yield Met(str(shown(metadata.benchmark_type)), f"{result.benchmark} or vectordb")


@rule("RC-VDB-2", "check_runtime", subject=VectorDatabaseResult, editions=("3.0",), preflight=True)
def minimum_runtime(result: VectorDatabaseResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run that ended by time was asked to last as long as the edition demands.

    A run that says nothing of it ran as long as the tool does by default; one that ended by a number of queries has no such time.
    """
    vectors = vector_book(edition)
    least = vectors.minimum_runtime_seconds
    asked = f"at least {least} seconds, of a run that ends by time"
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        given = _runtime(result, *run)
        if given is None:
            by_count = number(run[1].args.get("queries")) is not None
            yield Met("ends by queries" if by_count else f"no time given (default {vectors.default_runtime_seconds} seconds)", asked)
        elif given.number is None or given.number < least:
            yield Finding(
                "a run was asked to last too short a time",
                measured=shown(given.raw) if given.number is None else f"{given.number:.10g} seconds",
                required=f"at least {least} seconds",
                file=given.file,
                field=given.field,
            )
        else:
            yield Met(f"{given.number:.10g} seconds", asked)


def _runtime(result: VectorDatabaseResult, leaf: Leaf, metadata: LeafMetadata) -> Given | None:
    """Seconds that a run was asked to last: by its command line, else by the configuration that it wrote; None where by neither."""
    file = metadata.path or leaf.relpath
    if number(metadata.args.get("queries")) is not None and metadata.args.get("runtime") is None:
        return None
    if metadata.args.get("runtime") is not None:
        return Given(metadata.args["runtime"], file, "args.runtime")
    configured = vector_files(result, leaf).side[CONFIG].given("runtime_seconds")
    return configured if configured.raw is not None else None
