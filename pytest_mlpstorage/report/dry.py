"""The section of a dry run: what each item would have done."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.report.text import plain

__all__ = ["DryRunReport"]


class DryRunReport:
    """Prints what the items wrote; with ``-s`` they have printed it themselves."""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the plan of each item, in the order in which they ran."""
        reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind) if report.when == "call"]
        texts = [report.capstdout for report in reports if report.capstdout.strip()]
        if not texts:
            return
        terminalreporter.section("dry run: nothing was started or written")
        for text in texts:
            for line in text.rstrip("\n").split("\n"):
                terminalreporter.write_line(plain(line, longest=20_000))
