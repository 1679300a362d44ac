"""The pytest plugin: a table of contents. Options, hooks and fixtures are here by name; the work is in the rooms below."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_mlpstorage import __version__
from pytest_mlpstorage.fixtures import cluster, mlps, mpi_launcher
from pytest_mlpstorage.options import add_options, suites_asked
from pytest_mlpstorage.stash import LOCKS, SESSION, TREE

__all__ = ["cluster", "mlps", "mpi_launcher"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the group MLPerf Storage."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read and check everything a user wrote; raises pytest.UsageError (exit 4) with all that is wrong."""
    config.addinivalue_line("markers", "rule(id, name, severity, kind): the rule that an item of rules/ evaluates")
    from pytest_mlpstorage import startup

    asked = suites_asked(config)
    if asked:
        # Both suites have files of equal names and no packages; this must hold outside this repository's ini too.
        config.option.importmode = "importlib"
    startup.configure(config, asked)
    startup.report(config)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With ``--mlps-show-config``, ``--mlps-describe-system``, ``--mlps-explain`` or ``--mlps-list-rules``: print that and end."""
    if config.getoption("mlps_list_rules"):
        from pytest_mlpstorage.rules.listing import rules_page

        sys.stdout.write(rules_page())
        return 0
    if (code := config.getoption("mlps_explain")) is not None:
        from pytest_mlpstorage import startup

        sys.stdout.write(startup.explain(code))
        return 0
    describe = config.getoption("mlps_describe_system")
    if not describe and not config.getoption("mlps_show_config"):
        return None
    from pytest_mlpstorage import startup

    lines = startup.describe_system(config) if describe else startup.show_config(config)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Lock the results tree and the data folder, on the controller only."""
    if hasattr(session.config, "workerinput"):
        return
    from pytest_mlpstorage import startup

    startup.lock(session.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Release the locks, and give back what judging changed."""
    if TREE in config.stash:
        from pytest_mlpstorage.checks import spare_collector

        spare_collector(done=True)
    locks: ExitStack | None = config.stash.get(LOCKS, None)
    if locks is not None:
        locks.close()


@pytest.hookimpl(trylast=True)
def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is run or judged, with what."""
    from pytest_mlpstorage import startup

    return startup.header(config, __version__)


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, obj: object) -> list[pytest.Item] | None:
    """Leave out a class of ``benchmarks/`` whose family is not configured."""
    from pytest_mlpstorage import collection

    return [] if collection.has_no_case(collector, obj) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make the items: case × phase in ``benchmarks/``, rule × subject in ``rules/``."""
    from pytest_mlpstorage import collection

    collection.parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the phases of one case together and in order."""
    from pytest_mlpstorage import collection

    collection.order(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the hosts what is to run; where a tree is judged, make nine thousand items cost no more than their rules."""
    if SESSION in session.config.stash:
        from pytest_mlpstorage import collection

        session.config.stash[SESSION].hosts.select(collection.selected_cases(session.items))
    if TREE in session.config.stash:
        from pytest_mlpstorage.checks import spare_collector

        spare_collector()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Never let two benchmarks overlap under xdist."""
    from pytest_mlpstorage.scheduling import make_scheduler

    return make_scheduler(config, log)
