"""Rules of round 1.0 on what accompanies the runs: the description of the system and the report (rules.md §2.10)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import integer, number
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.layout_recognition import systems_folders
from pytest_mlpstorage.results.records import Leaf, Summary, SystemDescription, TrainingResult
from pytest_mlpstorage.results.report_v1 import REPORT, RunReport, find_report, read_report
from pytest_mlpstorage.rules.aggregate_v1 import overall_metrics
from pytest_mlpstorage.rules.description_checks import mistakes
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_summary
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []

_EXACT = 1e-6
"""Relative difference of figures that were summed in another order, or written with fewer digits."""

_OF_MEAN = 1e-9
"""The same for a deviation, as a part of the mean that it is the deviation from."""


@rule("V1-13", "systemDescription", subject=TrainingResult, editions=("1.0",))
def system_description(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The system of a result is described: a JSON file of its name that meets the published structure, and a PDF of its name."""
    folders = list(_description_folders(result))
    if not folders and not any("result" in part.lower() for part in Path(result.relpath).parts[:-1]):
        yield NoEvidence("the folder with the descriptions of systems lies outside the tree", result.relpath)
        return
    place = folders[0][0] if folders else result.relpath
    if result.description is None:
        yield Finding("the system has no description under its name", required=f"{result.system}.json", file=place)
    else:
        yield from _structure(result.description, edition)
    beside = [Path(name) for _, names in folders for name in names]
    documents = [name.name for name in beside if name.stem == result.system and name.suffix.lower() == ".pdf"]
    if documents:
        yield Met(f"{shown(documents[0])}", "a PDF of its name")
    else:
        yield Finding("the system has no PDF under its name", required=f"{result.system}.pdf", file=place)


def _description_folders(result: TrainingResult) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Folders named ``systems`` on the way up from a result, nearest first, with the names in them."""
    files = TreeFiles(result.root)
    path = result.root / result.relpath
    for parent in (path, *path.parents):
        for name in systems_folders(files.listing(parent)):
            yield files.relative(parent / name), tuple(n for n in files.listing(parent / name).files if not is_noise(n))
        if parent == result.root:
            return


def _structure(described: SystemDescription, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    if described.document is None:
        for problem in described.problems:
            yield Finding(f"the system description {problem.message}", file=problem.file)
        if not described.problems:
            yield NoEvidence("the system description was removed by its publisher", described.relpath, withheld=True)
        return
    if edition.description_structure is not None:
        wrong = list(mistakes(described.document, edition.description_structure))
        if not wrong:
            yield Met(f"{shown(Path(described.relpath).name)}, no mistake", "a JSON file of its name, by the published schema")
        for found in wrong:
            yield Finding(
                f"the system description is not as the published schema wants it: {found.message}",
                measured=found.measured,
                required=found.required,
                file=described.relpath,
                field=found.path,
            )


@rule("V1-14", "reportAgreement", subject=TrainingResult, editions=("1.0",))
def report_agreement(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The report of a result says what its runs give: overall, and for each run.

    Its entries may carry the names that run folders had before: each run has one entry with its values, whatever it is called.
    Counts may stand there as text.
    """
    path = find_report(result)
    if path is None:
        yield Finding("a result has no report of its runs", required=REPORT, file=result.relpath)
        return
    report, problems = read_report(path, root=result.root)
    if report is None:
        yield from (Finding(f"the report {problem.message}", file=problem.file) for problem in problems)
        if not problems:
            yield NoEvidence("the report was removed by its publisher", TreeFiles(result.root).relative(path), withheld=True)
        return
    runs: list[tuple[Leaf, Summary]] = []
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
        else:
            runs.append(run)
    if runs and len(runs) == len(result.runs):
        yield from _overall(report, runs)
        yield from _runs(report, runs)


def _identity(leaf: Leaf, summary: Summary) -> dict[str, object]:
    asked = leaf.metadata
    return {
        "model": asked.model if asked is not None else None,
        "accelerator": asked.accelerator if asked is not None else None,
        "train_num_accelerators": summary.num_accelerators,
        "num_files_train": summary.num_files_train,
        "num_samples_per_file": summary.num_samples_per_file,
    }


def _overall(report: RunReport, runs: Sequence[tuple[Leaf, Summary]]) -> Iterator[Finding | Met]:
    metrics = overall_metrics([summary for _, summary in runs])
    expected: dict[str, object] = {"num_benchmark_runs": len(runs), **_identity(*runs[0]), **metrics}
    near = {key: _OF_MEAN * abs(metrics[key.replace("stdev", "mean")]) for key in metrics if "stdev" in key}
    differing = _differences(report.overall, expected, near)
    if not differing:
        told = sum(value is not None for value in expected.values())
        yield Met(f"{told} overall values equal", "what the runs give, but for rounding")
    for key, value in differing:
        yield _wrong(report, f"overall.{key}", report.overall.get(key), value)


def _runs(report: RunReport, runs: Sequence[tuple[Leaf, Summary]]) -> Iterator[Finding | Met]:
    """Give each run the entry of its name, else any with its values; what is left over on either side disagrees."""
    wanted = {leaf.name: {**_identity(leaf, summary), **_rates(summary)} for leaf, summary in runs}
    left = dict(report.runs)
    for run in list(wanted):
        if run in left and not _differences(left[run], wanted[run]):
            del left[run], wanted[run]
    for run in list(wanted):
        other = next((name for name, entry in left.items() if not _differences(entry, wanted[run])), None)
        if other is not None:
            del left[other], wanted[run]
    if not wanted and not left:
        yield Met(f"{len(report.runs)} entries", f"one with the values of each of {len(runs)} runs")
    for run, expected in wanted.items():
        entry = left.pop(run, None)
        if entry is None:
            yield Finding("the report has no entry with the values of a run", measured=run, file=report.path, field="runs")
            continue
        for key, value in _differences(entry, expected):
            yield _wrong(report, f"runs.{run}.{key}", entry.get(key), value)
    for name in left:
        yield Finding("the report has an entry that is none of the runs", measured=shown(name), file=report.path, field="runs")


def _rates(summary: Summary) -> dict[str, object]:
    metric = summary.metric
    return {
        "train_throughput_samples_per_second": metric.mean_samples_per_second,
        "train_throughput_MB_per_second": metric.io_mean_mib_per_second,
    }


def _differences(
    entry: Mapping[str, object], expected: Mapping[str, object], near: Mapping[str, float] | None = None
) -> list[tuple[str, object]]:
    """Keys whose value is not the expected one; what the runs themselves do not tell is not compared."""
    slack = near or {}
    return [
        (key, value) for key, value in expected.items() if value is not None and not _agrees(entry.get(key), value, slack.get(key, 0.0))
    ]


def _agrees(reported: object, expected: object, near: float) -> bool:
    if isinstance(expected, float):
        figure = number(reported)
        return figure is not None and math.isclose(figure, expected, rel_tol=_EXACT, abs_tol=near)
    if isinstance(expected, int):
        return integer(reported) == expected
    return reported == expected


def _wrong(report: RunReport, field: str, reported: object, expected: object) -> Finding:
    return Finding(
        "the report does not say what the runs give",
        measured=shown(reported) if reported is not None else "missing",
        required=expected if isinstance(expected, (int, float)) else shown(expected),
        file=report.path,
        field=field,
    )
