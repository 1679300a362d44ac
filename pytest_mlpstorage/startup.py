"""What happens before the first item: read the user's input, check it, lock what a second start must not touch."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import ExitStack
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlpstorage.comparing import comparer_of, prepare_comparison
from pytest_mlpstorage.errors import ConfigurationError, MLPStorageError
from pytest_mlpstorage.options import config_dirs, empty_suites, suites_asked
from pytest_mlpstorage.report_files import report_path, unwritable_reports
from pytest_mlpstorage.stash import LOCKS, PROFILE, SESSION, TREE, TREE_ROOT
from pytest_mlpstorage.tree_given import tree_given

if TYPE_CHECKING:
    from pytest_mlpstorage.rules import Profile

_HOSTS_SHOWN = 8
_ORIGINS_SHOWN = 2
"""At this verbosity (``-vv``) the header says where settings came from."""

__all__ = ["configure", "describe_system", "explain", "header", "lock", "report", "show_config"]


def _given(config: pytest.Config) -> dict[str, object]:
    """Options that set a key of the configuration, by that key."""
    found = {"results_dir": config.getoption("mlps_results_dir"), "data_dir": config.getoption("mlps_data_dir")}
    return {key: value for key, value in found.items() if value is not None}


def configure(config: pytest.Config, asked: frozenset[str]) -> None:
    """Load the configuration and find the tree, or raise pytest.UsageError with all that is wrong."""
    if config.getoption("help") or config.getoption("version"):
        return
    unwritable = [str(ConfigurationError(line, code="MLPS-E134")) for line in unwritable_reports(config)] if asked else []
    try:
        _configure(config, asked)
    except MLPStorageError as error:
        raise pytest.UsageError("\n".join([str(error), *unwritable])) from error
    if unwritable:
        raise pytest.UsageError("\n".join(unwritable))


def _configure(config: pytest.Config, asked: frozenset[str]) -> None:
    for suite in empty_suites(config):
        raise ConfigurationError(
            f"pytest_mlpstorage.suites.{suite} is filled only in an installed wheel; in a clone: pytest {suite}/", code="MLPS-E133"
        )
    _check_rerun(config)
    name = config.getoption("mlps_config")
    if name is not None:
        if "benchmarks" in asked and not sys.platform.startswith("linux"):
            raise ConfigurationError(f"benchmarks/ runs on Linux only, this is {sys.platform}; rules/ works here", code="MLPS-E133")
        config.stash[SESSION] = _benchmark_session(config, name)
        for text in config.stash[SESSION].config.warnings:
            warnings.warn(pytest.PytestConfigWarning(text), stacklevel=2)
    elif "benchmarks" in asked:
        raise ConfigurationError(
            "benchmarks/ needs a configuration: pytest benchmarks/ --mlps-config=quick.yaml (or closed.yaml, open.yaml, your own)",
            code="MLPS-E131",
        )
    for option in ("--mlps-set", "--mlps-dry-run", "--mlps-show-config", "--mlps-describe-system", "--mlps-data-dir", "--mlps-rerun"):
        if name is None and config.getoption(option.removeprefix("--").replace("-", "_")):
            raise ConfigurationError(f"{option} needs --mlps-config=FILE", code="MLPS-E131")
    tree = config.getoption("mlps_results_dir")
    config.stash[PROFILE] = _profile(config)
    _check_edition(config)
    if tree is not None and name is None:
        config.stash[TREE_ROOT] = _tree_root(config, tree)
    elif name is not None:
        config.stash[TREE_ROOT] = config.stash[SESSION].config.results_dir
    elif "rules" in asked:
        raise ConfigurationError("rules/ needs a results tree: pytest rules/ --results-dir=DIR", code="MLPS-E131")
    if "rules" in asked and name is not None:
        _tree_root(config, str(config.stash[TREE_ROOT]))
    for option in ("--mlps-edition", "--mlps-profile"):
        if TREE not in config.stash and config.getoption(option.removeprefix("--").replace("-", "_")):
            raise ConfigurationError(f"{option} is for rules/: pytest rules/ --results-dir=DIR {option}=…", code="MLPS-E131")
    prepare_comparison(config)


def _check_rerun(config: pytest.Config) -> None:
    given = config.getoption("mlps_rerun")
    if given is None:
        return
    from pytest_mlpstorage.config import did_you_mean
    from pytest_mlpstorage.workloads.resume import RERUN

    if given not in RERUN:
        # Without "=" the option takes the word after it, which is then no path to collect.
        path = (config.invocation_params.dir / given.split("::", 1)[0]).exists()
        hint = f"; {given} is a path: write --mlps-rerun=run, or the path first" if given and path else did_you_mean(given, RERUN)
        raise ConfigurationError(f"--mlps-rerun={given}: allowed {', '.join(RERUN)}{hint}", code="MLPS-E130")


def _profile(config: pytest.Config) -> Profile:
    given = config.getoption("mlps_profile")
    if given is None:
        return "strict"
    from pytest_mlpstorage.config import did_you_mean
    from pytest_mlpstorage.rules import PROFILES

    for profile in PROFILES:
        if given == profile:
            return profile
    raise ConfigurationError(f"--mlps-profile={given}: allowed {', '.join(PROFILES)}{did_you_mean(given, PROFILES)}", code="MLPS-E130")


def _check_edition(config: pytest.Config) -> None:
    given = config.getoption("mlps_edition")
    if given is None:
        return
    from pytest_mlpstorage.config import did_you_mean
    from pytest_mlpstorage.editions import edition_names

    if given not in edition_names():
        # People write 3 and v3.0 for what is named 3.0.
        word = given.lower().removeprefix("v")
        near = did_you_mean(word if "." in word else f"{word}.0", edition_names())
        raise ConfigurationError(f"--mlps-edition={given}: allowed {', '.join(edition_names())}{near}", code="MLPS-E130")


def _tree_root(config: pytest.Config, given: str) -> Path:
    tree = config.stash[TREE] = tree_given(config, "--results-dir", given)
    return tree.root


def _benchmark_session(config: pytest.Config, name: str) -> Any:
    from pytest_mlpstorage.config import find_config, load_config
    from pytest_mlpstorage.editions import edition_names
    from pytest_mlpstorage.launch.detect import launcher_names
    from pytest_mlpstorage.session import BenchmarkSession
    from pytest_mlpstorage.workloads.registry import load_workloads

    workloads = load_workloads()
    where = config.invocation_params.dir
    path = find_config(name, invocation_dir=where, config_dirs=config_dirs())
    suite = load_config(
        path,
        families=[workload.schema() for workload in workloads.values()],
        options=_given(config),
        assignments=config.getoption("mlps_set"),
        environ=os.environ,
        editions=edition_names(),
        launchers=launcher_names(),
        invocation_dir=where,
    )
    session = BenchmarkSession(
        suite,
        workloads,
        dry_run=config.getoption("mlps_dry_run"),
        strict=config.getoption("mlps_strict"),
        rerun=config.getoption("mlps_rerun") or "",
    )
    for family in suite.families:
        session.cases(family)  # what a family refuses only here is the user's input too, and must not wait for collection
    return session


def report(config: pytest.Config) -> None:
    """Register the reports of this session, where one of our suites can run in it."""
    if TREE_ROOT not in config.stash or hasattr(config, "workerinput") or config.option.collectonly:
        return
    from pytest_mlpstorage.history.again import again_shown
    from pytest_mlpstorage.report.dry import DryRunReport
    from pytest_mlpstorage.report.hooks import register

    root, session = config.stash[TREE_ROOT], config.stash.get(SESSION, None)
    output = config.getoption("mlps_output")
    register(
        config,
        results_dir=root,
        tree=config.stash.get(TREE, None),
        profile=config.stash[PROFILE],
        whatif=session is not None and session.config.division.value == "whatif",
        output_dir=report_path(config, output) if output is not None else None,
        comparer=comparer_of(config),
        again=partial(again_shown, results_dir=root),
    )
    if session is not None and session.dry_run:
        config.pluginmanager.register(DryRunReport(shown=config.getoption("capture") == "no"), "mlpstorage-dry-run")


def show_config(config: pytest.Config) -> list[str]:
    """The lines of ``--mlps-show-config``; raises pytest.UsageError as any start does."""
    config._do_configure()
    try:
        return list(config.stash[SESSION].show())
    except MLPStorageError as error:
        raise pytest.UsageError(str(error)) from error
    finally:
        config._ensure_unconfigure()


def describe_system(config: pytest.Config) -> list[str]:
    """Draft the description of the system and give the lines of ``--mlps-describe-system``; raises pytest.UsageError."""
    from pytest_mlpstorage.describe import describe_system as draft

    config._do_configure()
    try:
        return draft(config.stash[SESSION])
    except MLPStorageError as error:
        raise pytest.UsageError(str(error)) from error
    finally:
        config._ensure_unconfigure()


def explain(code: str) -> str:
    """The page of ``--mlps-explain``; raises pytest.UsageError for what is no code."""
    from pytest_mlpstorage.error_codes import explain as page_of

    try:
        return page_of(code)
    except MLPStorageError as error:
        raise pytest.UsageError(str(error)) from error


def lock(config: pytest.Config) -> None:
    """Lock the results tree and the data folder against a second start; clear away what a killed one left half-made."""
    session = config.stash.get(SESSION, None)
    if session is None or session.dry_run or config.option.collectonly or "benchmarks" not in suites_asked(config):
        return
    if session.config.blanks():
        return  # nothing will be run, and a folder named "<…>" is nobody's wish
    from pytest_mlpstorage.results.lock import data_lock, results_lock
    from pytest_mlpstorage.results.sweep import sweep_stale

    locks = config.stash[LOCKS] = ExitStack()
    try:
        results = locks.enter_context(results_lock(session.config.results_dir))
        data = [locks.enter_context(data_lock(folder)) for folder in session.config.storage_dirs]
        for text in (results.warning, *(lock.warning for lock in data)):
            if text:
                warnings.warn(pytest.PytestConfigWarning(text), stacklevel=2)
        swept = sweep_stale(session.config.results_dir, results)
    except MLPStorageError as error:
        locks.close()
        raise pytest.UsageError(str(error)) from error
    for path in swept:
        warnings.warn(pytest.PytestConfigWarning(f"an earlier start ended without finishing; its evidence is in {path}"), stacklevel=2)


def header(config: pytest.Config, package_version: str) -> list[str]:
    """The header lines: what is run or judged, with which engine and MPI."""
    session = config.stash.get(SESSION, None)
    if session is None:
        root = config.stash.get(TREE_ROOT, None)
        if not root:
            return []
        edition = config.getoption("mlps_edition") or "that each submission declares or its layout shows"
        return [f"mlpstorage {package_version}: judging {root}", f"mlpstorage profile: {config.stash[PROFILE]}; edition: {edition}"]
    suite = session.config
    mark = " -- NOT FOR SUBMISSION" if suite.division.value == "whatif" else ""
    lines = [
        f"mlpstorage {package_version}: edition {suite.edition}, division {suite.division.value}{mark}, from {suite.path}",
        f"mlpstorage results: {suite.results_dir}; data: {suite.data_dir}",
    ]
    if config.get_verbosity() >= _ORIGINS_SHOWN and not hasattr(config, "workerinput"):
        lines += [f"mlpstorage setting: {line}" for line in session.origins()]
    if not config.option.collectonly:
        lines += [f"mlpstorage engines: {_dlio()}; {_mpi(session)}", f"mlpstorage hosts: {_hosts(suite)}"]
    return lines


def _dlio() -> str:
    try:
        return f"DLIO {version('dlio_benchmark')}"
    except PackageNotFoundError:
        return "DLIO is not installed"


def _mpi(session: Any) -> str:
    try:
        return str(session.detection())
    except MLPStorageError as error:
        return error.message


def _hosts(suite: Any) -> str:
    """The hosts and who named them, and how to have all of an allocation where it is used in part by nobody's wish."""
    from pytest_mlpstorage.config import find_allocation
    from pytest_mlpstorage.launch.job import is_local

    named = [f"{host.name}:{host.slots}" if host.slots else host.name for host in suite.cluster.hosts]
    shown = ", ".join(named if len(named) <= _HOSTS_SHOWN else [*named[: _HOSTS_SHOWN - 1], "…", named[-1]])
    origin, allocation = suite.origin("cluster.hosts"), find_allocation(os.environ)
    text = f"{len(named)} ({shown}), {'by default' if origin.kind == 'default' else f'from {origin}'}"
    if allocation is not None and allocation.node_count > 1 and len(named) == 1 and is_local(suite.cluster.hosts[0].name):
        text += f"; the {allocation} has {allocation.node_count}, and cluster.hosts: allocation uses them all"
    return text
