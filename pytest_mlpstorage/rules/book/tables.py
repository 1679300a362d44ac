"""Our rule on the figures that a submission publishes: they are what its runs give."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.results.manifest import CURRENT_LAYOUT
from pytest_mlpstorage.results.records import Leaf, StoredResult
from pytest_mlpstorage.rules.aggregate_v2 import READ_BANDWIDTH_MIB
from pytest_mlpstorage.rules.metrics import Metric, metrics_of
from pytest_mlpstorage.rules.published import ROUNDING, PublishedRow, figure, published_rows, rows_about, unreadable_tables
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.units import GIB, MIB
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity, amounts

__all__: list[str] = []

_EVERY_EDITION = ("1.0", "2.0", "3.0")
_ACCELERATOR = "Training - Accelerator Type"
_READ_BANDWIDTH = "Read B/W (GiB/s)"
_AGREES = Met("a figure", "the same in table and runs")
"""Of one figure; how many there were is told of all together."""


@rule("MLPS-TABLE-1", "tableAgreesWithRuns", subject=StoredResult, editions=_EVERY_EDITION)
def table_agrees_with_runs(result: StoredResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A figure in a table of the tree is the one that the run files give, but for rounding to two decimals.

    Tables are results.json and results.csv in the result's directory, at its submission and at the top of the tree. A row of the
    official table is compared with the metrics of the result, a row on one run with what that run's summary says; a figure that
    this summary lacks, and that of another run has, is none that the run gives. Where there is no table, nothing is published that
    could be wrong. Where the two disagree nobody knows which of them is wrong: a run's files may have been changed as well.
    """
    agreed, differs = 0, False
    for said in _said_of_tables(result, edition):
        if isinstance(said, Met):
            agreed += 1
            continue
        differs = True
        yield said
    if agreed:
        yield Met(f"{agreed} figure{'s' * (agreed > 1)}", f"as the runs give them, within {ROUNDING}")
    elif not differs:
        yield NotAsked("no figure of it in a table", "compared where a table has one")


def _said_of_tables(result: StoredResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    if edition.name != CURRENT_LAYOUT:  # in the current edition RPT-01 and the rules on files speak of it
        for path in unreadable_tables(result):
            yield Finding("a table of results cannot be read", severity=Severity.WARNING, category=Category.CLOSED, file=path)
    leaves = {leaf.name: leaf for leaf in result.runs}
    measured = {name for leaf in result.runs for name in _recorded(leaf) or ()}
    for row in published_rows(result):
        leaf = leaves.get(row.run) if row.inside and row.run else None
        if leaf is not None:
            yield from _of_run(row, leaf, measured)
    metrics: Mapping[str, Metric] | None = None
    for row in rows_about(result):
        metrics = metrics_of(result, edition) if metrics is None else metrics
        yield from _of_result(row, {**_by_column(metrics, result.benchmark), **dict(_unconverted(metrics, row))})


def _by_column(metrics: Mapping[str, Metric], benchmark: str) -> dict[str, tuple[Metric, ...]]:
    return {_column(name, benchmark): (value,) for name, value in metrics.items()}


def _column(metric: str, benchmark: str) -> str:
    """The column of the official table in which a metric stands."""
    column = f"Training - {metric}" if benchmark == "training" else metric
    return column if column in COLUMNS else metric


def _unconverted(metrics: Mapping[str, Metric], row: PublishedRow) -> Iterator[tuple[str, tuple[Metric, ...]]]:
    """The read bandwidth of round 2.0, whose table put MiB/s under a heading that says GiB/s; either is what the runs give.

    Of a model on several accelerators it is that of the row's; a row that names none could mean any of them.
    """
    accelerator = str(row.values.get(_ACCELERATOR, "")).strip().lower()
    for name in (READ_BANDWIDTH_MIB, f"{READ_BANDWIDTH_MIB} on {accelerator}"):
        value = metrics.get(name)
        if isinstance(value, float):
            for column in (f"Training - {_READ_BANDWIDTH}", _READ_BANDWIDTH):
                yield column, (value, value * MIB / GIB)


def _of_result(row: PublishedRow, metrics: Mapping[str, tuple[Metric, ...]]) -> Iterator[Finding | Met]:
    """``metrics``: what the runs give for a column, which one of several ways to write it must agree with."""
    for column in (*COLUMNS, _READ_BANDWIDTH):
        given, recomputed = row.values.get(column), metrics.get(column)
        if recomputed is None or given is None or given == "":
            continue
        first, *others = recomputed
        if isinstance(first, str):
            same = str(given).strip().lower() == first.lower()
            yield _AGREES if same else _differs(row, column, shown(given) or "none", first)
        elif any(isinstance(other, float) and _agrees(given, other) for other in others):
            yield _AGREES
        else:
            yield from _compared(row, column, given, first)


def _recorded(leaf: Leaf) -> Mapping[str, Any] | None:
    """Figures in the summary of a run; None where they cannot be read."""
    recorded = leaf.summary.raw.get("metric") if leaf.summary is not None else None
    return recorded if isinstance(recorded, Mapping) else None


def _of_run(row: PublishedRow, leaf: Leaf, measured: Collection[str]) -> Iterator[Finding | NoEvidence | Met]:
    """``measured``: names of figures that the summaries of the result's runs have."""
    listed = _listed(row)
    if not listed:
        return
    recorded = _recorded(leaf)
    if recorded is None:
        yield NoEvidence("the summary of a run that a table lists could not be read", leaf.relpath)
        return
    for name, given in listed.items():
        original, field = recorded.get(name), f"metrics.{name}"
        if original is None and name in measured and given not in (None, "", []):
            # A table has columns that no summary knows, of which nothing is said.
            yield _differs(row, field, f"{len(given)} values" if isinstance(given, list) else _told(given), "none")
            continue
        pairs: Iterable[tuple[Any, Any]] = [(given, original)]
        if isinstance(given, list) and isinstance(original, list):
            if len(given) != len(original):
                yield _differs(row, field, f"{len(given)} values", f"{len(original)} values")
            pairs = zip(given, original, strict=False)
        for value, other in pairs:
            parsed = figure(other)
            if parsed is not None and value not in (None, ""):
                yield from _compared(row, field, value, parsed)


def _listed(row: PublishedRow) -> Mapping[str, Any]:
    """Figures of a row on one run: JSON nests them, CSV has a column each."""
    nested = row.values.get("metrics")
    if isinstance(nested, Mapping):
        return nested
    return {key.removeprefix("metrics."): value for key, value in row.values.items() if isinstance(key, str) and key.startswith("metrics.")}


def _agrees(given: Any, recomputed: float) -> bool:
    published = figure(given)
    # A hair's breadth more than half of the last digit, for what binary fractions do to decimals.
    return published is not None and abs(published - recomputed) <= ROUNDING * (1 + 1e-9) + abs(recomputed) * 1e-12


def _compared(row: PublishedRow, field: str, given: Any, recomputed: float) -> Iterator[Finding | Met]:
    yield _AGREES if _agrees(given, recomputed) else _differs(row, field, _told(given), recomputed)


def _told(given: Any) -> float | str:
    """What a table says, as a number where it is one."""
    published = figure(given)
    return published if published is not None else repr(given)[:80]


def _differs(row: PublishedRow, field: str, published: float | str, by_the_runs: float | str) -> Finding:
    # Both stand on the measured side: to call one of them the required one would blame the other.
    table, runs = amounts(published, by_the_runs)
    return Finding(
        "a table and the runs disagree on a figure, and either may be wrong",
        measured=f"{table} in the table, {runs} by the runs",
        required="the same in both, but for rounding to two decimals",
        file=row.file,
        field=f"{row.at}, {field}",
    )
