"""What CI systems read: the JUnit file with file and line of each item and the verdicts of the suite, and the step summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_mlpstorage.report.collector import JudgedResult
from pytest_mlpstorage.report.pictures import SENTENCES, untold
from pytest_mlpstorage.report.text import number, plain
from pytest_mlpstorage.results.atomic import file_system_error

__all__ = ["add_suite_properties", "prefer_xunit1", "write_step_summary"]


def prefer_xunit1(config: pytest.Config) -> None:
    """Make the JUnit file carry file and line, which CI viewers link, unless the user chose a family.

    The one place that touches pytest's JUnit writer: it has no public way to be reached from another plugin.
    """
    from _pytest.junitxml import xml_key

    writer = config.stash.get(xml_key, None)
    chosen = "junit_family" in getattr(config, "_inicfg", {})
    if writer is not None and not chosen:
        writer.family = "xunit1"


def add_suite_properties(config: pytest.Config, judged: Sequence[JudgedResult]) -> None:
    """State each verdict as a property of the whole JUnit suite (the fixture for it loses them under xdist)."""
    from _pytest.junitxml import xml_key

    writer = config.stash.get(xml_key, None)
    if writer is not None:
        for result in judged:
            writer.add_global_property(f"mlps_verdict {plain(result.path)}", result.headline)


def write_step_summary(path: Path, judged: Sequence[JudgedResult]) -> None:
    """Add the verdicts as a Markdown table to the file of ``$GITHUB_STEP_SUMMARY``; raises FileSystemError where that cannot be."""
    rows = ["### MLPerf Storage", "", "| verdict | result | metrics |", "| --- | --- | --- |"]
    for result in judged:
        shown = untold(result.written.get("metrics", {}), result.pictures)
        figures = [f"{name} {number(value, 3)}" for name, value in shown.items()]
        told = [f"{picture.title}: {' '.join(picture.says[:SENTENCES])}" for picture in result.pictures if not picture.folded]
        texts = (result.headline, result.path, "; ".join(filter(None, (", ".join(figures), *told))))
        rows.append("| " + " | ".join(map(_markdown, texts)) + " |")
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n".join(rows) + "\n\n")
    except OSError as error:
        raise file_system_error("cannot add to the step summary", path, error) from error


def _markdown(text: str) -> str:
    """Text of a table cell that makes neither markup nor another cell."""
    safe = plain(text)
    for character in "\\`*_[]<>|":
        safe = safe.replace(character, f"&#{ord(character)};")
    return safe
