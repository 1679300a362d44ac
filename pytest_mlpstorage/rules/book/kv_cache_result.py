"""Rules on a KV cache result as a whole: which run it publishes, its files, its engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.edition import RequiredFiles
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.records import KVCacheResult
from pytest_mlpstorage.rules.kv_cache_runs import faults, older_summary, published, summary_of, with_metadata
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_OFFICIAL_ENGINE = "official"
_OFFICIAL_WORK = "mlc-v3"
_SUMMARY = "summary.json"


@rule("REP-KVC-1", "latestErrorFreeRun", subject=KVCacheResult, editions=("3.0",))
def published_run(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A result has a run that is free of errors, and publishes the latest such.

    A run with a part that failed, a trial that ended with an error, missing files or no summary is not free of errors. The other
    rules on a KV cache judge the run that is published; every other one is told here.
    """
    leaf = published(result)
    if leaf is None:
        yield NoEvidence("there is no run", f"{result.relpath}/run")
        return
    wrong = faults(summary_of(result, leaf).record)
    if wrong:
        yield Finding(f"no run is free of errors; of the latest: {'; '.join(wrong)}", required="a run free of errors", file=leaf.relpath)
    else:
        yield Met(f"{shown(leaf.name)} (runs in all: {len(result.runs)})", "the latest run that is free of errors")
    for other in result.runs:
        if other is not leaf:
            why = "; ".join(faults(summary_of(result, other).record)) or "a later one is"
            yield Finding(
                f"a run is not published, nor judged by the rules on its figures: {why}",
                severity=Severity.INFO,
                category=Category.CLOSED,
                file=other.relpath,
            )


@rule("MLPS-FILES-1", "requiredFiles", subject=KVCacheResult, editions=("3.0",))
def required_files(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The published run holds the files that the edition demands of it, and its summary and metadata can be read.

    A file that the publisher emptied of its content counts as present. A summary under its older name counts as present with a
    warning. What is missing or unreadable here is no evidence for the other rules.
    """
    leaf = published(result)
    if leaf is None:
        yield NoEvidence("there is no run", f"{result.relpath}/run")
        return
    required, older = edition.required_files.get("kv_cache/run"), older_summary(leaf)
    for pattern in required.any_of if isinstance(required, RequiredFiles) else ():
        present = any(re.search(pattern, name) for name in leaf.files if ("/" in name) == ("/" in pattern))
        if not present and not (older is not None and re.search(pattern, _SUMMARY)):
            yield Finding("a run lacks a file", required=_shape(pattern), file=leaf.relpath)
        else:
            yield Met(_shape(pattern), "each kind of file that the edition demands")
    if older is not None and _SUMMARY not in leaf.files:
        # The text of the rules itself says kvcache_run_summary.json; the edition's table, and the official report, summary.json.
        yield Finding(
            "the summary of a run has its older name, by which the official report does not find it",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            measured=older,
            required=_SUMMARY,
            file=f"{leaf.relpath}/{older}",
        )
    lost = [*leaf.problems, *summary_of(result, leaf).problems]
    for problem in lost:
        name = problem.file.rpartition("/")[2]
        if (summary_of(result, leaf).record is None and "summary" in name) or (leaf.metadata is None and "metadata" in name):
            yield Finding(f"a file {problem.message}", file=problem.file)
    for what, record in (("summary", summary_of(result, leaf).record), ("metadata", leaf.metadata)):
        if record is not None:
            yield Met(f"{what} read", "readable where they are there")


def _shape(pattern: str) -> str:
    """Write a pattern of the edition as people write file names."""
    return pattern.replace(r"\d+", "*").replace(r"\.", ".").replace(".*", "*").removesuffix("$")


@rule("MLPS-ENGINE-1", "acceptedEngine", subject=KVCacheResult, editions=("3.0",), severity=Severity.INFO, preflight=True)
def accepted_engine(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """What measured is the official program, whose code image a closed submission demands.

    A native engine is a fair measurement of the same work by another program, so the result is OPEN at best. A profile that is other
    work than the book's is never CLOSED either, whatever measured. A leaf of another tool does not say what measured, and nothing is
    said of it.
    """
    run = with_metadata(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, metadata = run
    file = metadata.path or leaf.relpath
    engine = metadata.mlps.get("engine")
    name = engine.get("name") if isinstance(engine, Mapping) else engine
    if not metadata.mlps:
        yield NotAsked("a run of another tool", "asked of runs of this suite")
        return
    profile = engine.get("profile") if isinstance(engine, Mapping) else None
    other_work = profile not in (None, "", _OFFICIAL_WORK)
    if name == _OFFICIAL_ENGINE:
        if not other_work:
            yield Met(f"engine {_OFFICIAL_ENGINE}", f"engine {_OFFICIAL_ENGINE}")
    elif not isinstance(name, str) or not name:
        if leaf.planned:
            yield NoEvidence("the plan does not say which engine will measure", file)
        else:
            yield _open("the metadata does not say which engine measured", None, file)
    else:
        yield _open("a native engine measured; CLOSED needs the official code image", name[:80], file)
    if other_work:
        yield _open(
            "the profile is other work than the rule book's, so its figures compare with none of it", shown(profile), file, _OFFICIAL_WORK
        )


def _open(message: str, measured: str | None, file: str, required: str = _OFFICIAL_ENGINE) -> Finding:
    return Finding(
        message,
        severity=Severity.INFO,
        category=Category.OPEN,
        measured=measured,
        required=required,
        file=file,
        field="mlps.engine",
    )
