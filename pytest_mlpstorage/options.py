"""Command-line options, and which of our suites a command line asks for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_mlpstorage.completion import codes, comparable, completed, configurations, directories, editions, profiles

__all__ = ["add_options", "config_dirs", "empty_suites", "suite_dirs", "suites_asked"]

PACKAGE = Path(__file__).resolve().parent
SUITES = ("benchmarks", "rules")


def add_options(parser: pytest.Parser) -> None:
    """Our options, in a group of their own."""
    group = parser.getgroup("mlpstorage", "MLPerf Storage")
    of = completed
    group.addoption(
        "--mlps-config",
        action=of(configurations),
        metavar="FILE",
        help="configuration of the benchmarks: a YAML file, or the name of one in configs/",
    )
    group.addoption(
        "--results-dir",
        action=of(directories),
        dest="mlps_results_dir",
        metavar="DIR",
        help="results tree: benchmarks/ writes it, rules/ judges it and must be given one (default: that of the configuration)",
    )
    group.addoption(
        "--mlps-data-dir",
        action=of(directories),
        metavar="DIR",
        help="folder of the data sets, on the storage under test (default: that of the configuration)",
    )
    group.addoption(
        "--mlps-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set one key of the configuration, such as training.reader.read_threads=8; may be repeated",
    )
    group.addoption(
        "--mlps-dry-run",
        action="store_true",
        help="show of each step the command, bytes, memory a rank and a host, what is known of its time, and its deadline, then the totals "
        "and the free space; write nothing, "
        "and start nothing but two ranks that try the MPI and, where there are other hosts, one on each that says what it is",
    )
    group.addoption(
        "--mlps-rerun",
        nargs="?",
        const="run",
        metavar="PHASE",
        help="do again what stands finished in the results tree: run (where nothing is said), datagen (data set and runs), or all "
        "(datasize too); "
        "the old leaves are kept in .mlps/superseded",
    )
    group.addoption("--mlps-show-config", action="store_true", help="show every effective value with where it came from, and end")
    group.addoption(
        "--mlps-describe-system", action="store_true", help="ask the hosts, draft systems/<system>.yaml for a person to fill, and end"
    )
    group.addoption("--mlps-strict", action="store_true", help="warnings fail too")
    group.addoption(
        "--mlps-output",
        action=of(directories),
        metavar="DIR",
        help="write verdicts.json, verdicts.csv, submissions.json and comparison.json into this folder",
    )
    group.addoption(
        "--mlps-compare",
        action=of(comparable),
        metavar="DIR|last",
        help="show each headline of each result against an earlier one of the same workload: in another results tree, or the last "
        "before it in this one (set aside by --mlps-rerun, or under another system name)",
    )
    group.addoption(
        "--mlps-fail-if",
        action="append",
        default=[],
        metavar="METRIC<-N%",
        help="with --mlps-compare fail where a headline fell (<-2%%) or rose (>+5%%) by more than that, or by more than an amount with its "
        "unit (>+5ms, <-1pp); may be repeated",
    )
    group.addoption(
        "--mlps-edition",
        action=of(editions),
        metavar="X.Y",
        help="edition of rules/ for what neither declares one nor shows one by its layout "
        "(default: 3.0 below closed/ and open/, 2.0 below Closed/ and Open/)",
    )
    group.addoption(
        "--mlps-profile",
        action=of(profiles),
        metavar="NAME",
        help="strict (the rules as they stand), or v3.0-round (with what was relaxed while that round ran) (default: strict)",
    )
    group.addoption(
        "--mlps-explain",
        action=of(codes),
        metavar="CODE",
        help="show what an error code such as MLPS-E320 means and what to do, or all, and end",
    )
    group.addoption("--mlps-list-rules", action="store_true", help="show every rule with scope, editions, severity and kind, and end")


def suite_dirs(suite: str) -> list[Path]:
    """Folders that hold a suite, named without links: of an installed wheel, of a clone."""
    return [folder.resolve() for folder in (PACKAGE / "suites" / suite, PACKAGE.parent / suite) if folder.is_dir()]


def config_dirs() -> list[Path]:
    """Folders of the shipped configurations."""
    return suite_dirs("configs")


def empty_suites(config: pytest.Config) -> list[str]:
    """Suites that are asked for by module where the module holds no test: a clone has them at its top."""
    asked = [suite for suite in SUITES for argument in config.args if argument.startswith(f"pytest_mlpstorage.suites.{suite}")]
    return [suite for suite in asked if not any((PACKAGE / "suites" / suite).glob("test_*.py"))]


def suites_asked(config: pytest.Config) -> frozenset[str]:
    """Our suites that the command line names, by path or with ``--pyargs`` by module."""
    asked = set()
    for argument in config.args:
        name = argument.split("::", 1)[0]
        path = Path(os.path.realpath(config.invocation_params.dir / name))
        for suite in SUITES:
            module = f"pytest_mlpstorage.suites.{suite}"
            if (
                name == module
                or name.startswith(module + ".")
                or any(path == folder or folder in path.parents for folder in suite_dirs(suite))
            ):
                asked.add(suite)
    return frozenset(asked)
