"""The fault matrix as a table at the end of pytest's output: of every cell that ran, how long it took and what was said."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

_HEAD = ("fault", "place", "launcher", "outcome", "seconds", "bound", "cut-off host empty after", "told")


def rows(reports: Iterable[pytest.TestReport]) -> list[tuple[str, ...]]:
    """A row a cell, in the order in which they ran."""
    found = []
    for report in reports:
        told = dict(report.user_properties)
        if report.when == "call" and "fault" in told:
            far = f"{told['cut_off_seconds']} s" if "cut_off_seconds" in told else ""
            words = (
                told["fault"],
                told["place"],
                told["launcher"],
                report.outcome,
                f"{told['seconds']} s",
                f"{told['bound_seconds']} s",
                far,
            )
            found.append((*map(str, words), str(told["cause"])))
    return found


def write(terminal: pytest.TerminalReporter) -> None:
    """Write the table, where a cell ran, as Markdown."""
    found = rows(report for outcome in ("passed", "failed") for report in terminal.stats.get(outcome, []))
    if not found:
        return
    terminal.section("fault matrix")
    for words in (_HEAD, ("---",) * len(_HEAD), *found):
        terminal.write_line(f"| {' | '.join(words)} |")
