"""What we make of pytest's JUnit file: file and line of each item, one sentence a failure, and the verdicts of the suite.

The one place that touches pytest's JUnit writer: it has no public way to be reached from another plugin.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_mlpstorage.report.collector import JudgedResult
from pytest_mlpstorage.report.junit_cases import Budget, legal, tidy_case
from pytest_mlpstorage.report.text import plain

__all__ = ["add_suite_properties", "prefer_xunit1", "tidy_cases"]


def prefer_xunit1(config: pytest.Config) -> None:
    """Make the JUnit file carry file and line, which CI viewers link, unless the user chose a family."""
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
            writer.add_global_property(legal(f"mlps_verdict {plain(result.path)}"), result.headline)


def tidy_cases(config: pytest.Config) -> None:
    """Make our testcases what CI viewers show well, before the file is written: see :mod:`.junit_cases`."""
    from _pytest.junitxml import xml_key

    writer = config.stash.get(xml_key, None)
    if writer is not None:
        budget = Budget()
        for reporter in writer.node_reporters_ordered:
            # Once an item has ended its reporter gives the same element each time; one that has not ended stays as pytest has it.
            tidy_case(reporter.to_xml(), budget, strict=writer.family == "xunit2")
