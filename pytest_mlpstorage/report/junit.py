"""What we make of pytest's JUnit file: file and line of each item, one sentence a failure, and the verdicts of the suite.

The one place that touches pytest's JUnit writer: it has no public way to be reached from another plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest

from pytest_mlpstorage.report.collector import JudgedResult
from pytest_mlpstorage.report.junit_cases import Budget, legal, tidy_case
from pytest_mlpstorage.report.text import plain

__all__ = ["add_suite_properties", "prefer_xunit1", "tidy_cases"]


_SUITE: Final = "MLPerf Storage"
"""As the section on the terminal is named; viewers put it over the items, and of several files only it tells which is which."""


def prefer_xunit1(config: pytest.Config) -> None:
    """Make the JUnit file carry file and line, which CI viewers link, and a name that tells it from those of other tests.

    What the user chose for either stays.
    """
    from _pytest.junitxml import xml_key

    writer = config.stash.get(xml_key, None)
    chosen = getattr(config, "_inicfg", {})
    if writer is not None and "junit_family" not in chosen:
        writer.family = "xunit1"
    if writer is not None and "junit_suite_name" not in chosen:
        writer.suite_name = _SUITE


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
        _order_as_collected(config, writer)
        budget = Budget()
        for reporter in writer.node_reporters_ordered:
            # Once an item has ended its reporter gives the same element each time; one that has not ended stays as pytest has it.
            tidy_case(reporter.to_xml(), budget, strict=writer.family == "xunit2")


def _order_as_collected(config: pytest.Config, writer: Any) -> None:
    """Put the items of one result together, as they were collected: workers end them in turns, and viewers keep the file's order."""
    from _pytest.junitxml import bin_xml_escape, mangle_test_address

    scheduler = getattr(config.pluginmanager.getplugin("dsession"), "sched", None)
    places: dict[tuple[str, str], int] = {}
    for place, nodeid in enumerate(getattr(scheduler, "collection", None) or ()):
        *classes, name = mangle_test_address(nodeid)
        places[".".join([writer.prefix, *classes] if writer.prefix else classes), bin_xml_escape(name)] = place

    def place_of(reporter: Any) -> int:
        case = reporter.to_xml()
        return places.get((case.get("classname", ""), case.get("name", "")), -1)

    if places:
        writer.node_reporters_ordered.sort(key=place_of)
