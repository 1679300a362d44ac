"""A history for people and machines: the table, one entry in full, and the objects of ``--json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.history.again import again
from pytest_mlpstorage.history.entries import Entry
from pytest_mlpstorage.report.compare import shown
from pytest_mlpstorage.report.figures import official_beside
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.results.history import last_run
from pytest_mlpstorage.rules.headlines import HEADLINES, OFFICIAL, headline_of

__all__ = ["details", "objects", "table"]

_HEADER: Final = ("id", "measured", "verdict", "family", "on", "system", "headlines")
_SHOWN: Final = 3
_REASONS: Final = 8


def _figures(entry: Entry) -> list[tuple[str, str, str]]:
    """Label, value with its spread, unit, in the order of the headlines; with the unit stands what the official formula says."""
    found = []
    beside = official_beside({name: figure.value for name, figure in entry.figures.items()}, entry.result.edition)
    for name, figure in entry.figures.items():
        known = headline_of(name)
        if known is not None:
            headline, part = known
            formula = f" ({beside[name]})" if name in beside else f" {OFFICIAL}" if headline.official else ""
            found.append((HEADLINES.index(headline), f"{headline.short} {part}".rstrip(), shown(figure), headline.unit + formula))
    return [row[1:] for row in sorted(found, key=lambda row: row[0])]


def table(entries: Sequence[Entry], root: Path) -> Iterator[str]:
    """One line a result, newest first."""
    if not entries:
        yield f"no result in {root} is asked for"
        return
    rows = [
        (
            entry.id,
            entry.when.isoformat(sep=" ", timespec="seconds") if entry.when is not None else "not known",
            entry.verdict or "-",
            entry.result.benchmark,
            entry.result.accelerator or "",
            entry.result.system,
            _few(_figures(entry)),
        )
        for entry in entries
    ]
    cells = [tuple(map(plain, row)) for row in (_HEADER, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADER))]
    yield from ("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def _few(figures: Sequence[tuple[str, str, str]]) -> str:
    listed = [f"{label} {value.partition(' (')[0]} {unit}".rstrip() for label, value, unit in figures[:_SHOWN]]
    return ", ".join([*listed, *([f"… {len(figures) - _SHOWN} more"] if len(figures) > _SHOWN else [])])


def details(entry: Entry, root: Path) -> Iterator[str]:
    """Everything that is told of one result, and the command that measures it again."""
    result, leaf = entry.result, last_run(entry.result)
    yield f"{plain(entry.id)}: {result.benchmark} {plain(result.model)}" + (
        f" on {plain(result.accelerator)}" if result.accelerator else ""
    )
    metadata = leaf.metadata if leaf is not None else None
    facts = {
        "where": entry.past.where,
        "measured": entry.when.isoformat(sep=" ", timespec="seconds") if entry.when is not None else "not known",
        "runs": str(len(result.runs)),
        "ranks": str(metadata.num_processes) if metadata is not None and metadata.num_processes is not None else "not recorded",
        "edition": result.edition,
        "verdict": entry.verdict or "not judged",
    }
    yield from (f"  {key:<9} {plain(text)}" for key, text in facts.items())
    yield from (f"    {plain(reason)}" for reason in entry.reasons[:_REASONS])
    if len(entry.reasons) > _REASONS:
        yield f"    … and {len(entry.reasons) - _REASONS} more"
    figures = _figures(entry)
    width = max((len(label) for label, _, _ in figures), default=0)
    yield from (f"  {plain(label):<{width}}  {value} {unit}".rstrip() for label, value, unit in figures)
    try:
        command = again(entry, root).shown()
    except ConfigurationError as error:
        command = error.message
    yield f"  again     {plain(command)}"


def objects(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """One object a result, with every headline and the single values behind it."""
    return [
        {
            "id": entry.id,
            "path": entry.past.where,
            "measured": entry.when.isoformat() if entry.when is not None else None,
            "verdict": entry.verdict or None,
            "benchmark_type": entry.result.benchmark,
            "model": entry.result.model,
            "accelerator": entry.result.accelerator,
            "submitter": entry.result.submitter,
            "system": entry.result.system,
            "edition": entry.result.edition,
            "metrics": {name: {"value": figure.value, "values": list(figure.values)} for name, figure in entry.figures.items()},
        }
        for entry in entries
    ]
