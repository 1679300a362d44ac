"""The page of the tables that are written: the organisation's results, the verdicts, and the course of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pytest_mlpstorage.reference.markdown import code, plain, table
from pytest_mlpstorage.report.verdicts import IDENTITY
from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.rules.headlines import metric_of

__all__ = ["MEANINGS", "VERDICTS", "columns_page", "meaning"]

_SEPARATOR: Final = " - "

MEANINGS: Final[Mapping[str, str]] = {
    "Public ID": "given when a round is published; it stays with its row for ever",
    "Organization": "the submitter, as its directory is named",
    "Division": "CLOSED, OPEN or WHATIF",
    "Benchmark Type": "training, checkpointing, vector_database or kv_cache",
    "Model": "the model as the published tables write it; blank for vector databases",
    "Name": "the system under test, as its directory is named",
    "Description": "friendly_description of the system's description",
    "Type": "shared or failover, where the storage stands, and what it speaks, by the system's description",
    "Access Protocol": "POSIX or S3, by the system's description",
    "Availability": "Available, Preview or RDI, by the system's description",
    "RU's": "rack units of the system, by its description",
    "Integrated Client Storage (TiB)": "by the system's description",
    "Usable Capacity (TiB)": "by the system's description",
    "Accelerator Type": "the accelerator that is emulated",
    "# Client Nodes": "hosts that ran ranks; blank where the runs differ",
    "Code": "where in the package the code image of the result is",
    "Logs": "where in the package the leaves of the result are",
    "# Simulated Accelerators": "ranks of all hosts together",
    "Index Type": "the index that was searched",
    "Storage IOPs": "blank: the benchmark does not measure them",
}
"""What stands in a column that is no metric, by its whole name or by what follows its family."""

VERDICTS: Final[Mapping[str, str]] = {
    "division": "closed, open or whatif: the directory",
    "submitter": "the directory of the organisation",
    "system": "the directory of the system under test",
    "benchmark_type": "training, checkpointing, vector_database or kv_cache",
    "model": "the model; of a vector database the engine and index are in the path",
    "accelerator": "the accelerator that is emulated, where there is one",
    "path": "the result, relative to the results directory",
    "edition": "the edition that judged it",
    "verdict": "CLOSED, OPEN, INVALID, NOT VERIFIED or WHATIF",
    "metrics": "each metric by its official name, with its unit in it; in the CSV a column for each that any result has",
    "findings": "rule, severity, category, message, measured, required, file, field, count; in the CSV one text",
    "errors": "how many errors, equal ones counted (CSV only)",
    "warnings": "how many warnings (CSV only)",
    "infos": "how many pieces of information (CSV only)",
}


def meaning(column: str) -> str:
    """What stands in a column of the organisation's table; KeyError for one that nobody has described."""
    last = column.rpartition(_SEPARATOR)[2]
    metric = metric_of(column) or metric_of(last)
    return (
        MEANINGS[column] if column in MEANINGS else metric[0].definition if metric is not None and last not in MEANINGS else MEANINGS[last]
    )


def columns_page() -> list[str]:
    """The lines of the page, title first."""
    return [
        "Columns of the tables",
        "## `results.json` and `results.csv` of an organisation",
        "",
        "In `<division>/<submitter>/results/`, written by `benchmarks/` when a result is complete: one row a result, the columns of the",
        "other families blank. `python -m pytest_mlpstorage.package` fills what the system's description knows, and where the code is.",
        "How the figures among them are formed says [metrics](metrics.md).",
        "",
        *table(("column", "what stands in it"), ((code(column), plain(meaning(column))) for column in COLUMNS)),
        "",
        "## `verdicts.json` and `verdicts.csv`",
        "",
        "In the folder of `--mlps-output`: an object, or a row, for each result. [Metrics](metrics.md) has the names of the figures.",
        "",
        *table(("key", "what stands in it"), _verdict_rows()),
        "",
        "`submissions.json` beside them has one object a submission: its identity, profile, verdict, the verdict of each result by path,",
        "and what was found outside of results. With `--mlps-compare` there is `comparison.json` too.",
        "",
        "## `time_series.csv`",
        "",
        "In each leaf of a launched run: [what the hosts did meanwhile](time-series.md).",
    ]


def _verdict_rows() -> Iterator[tuple[str, str]]:
    assert set(IDENTITY) <= set(VERDICTS)
    return ((code(key), plain(text)) for key, text in VERDICTS.items())
