"""``--mlps-compare`` and ``--mlps-fail-if``: what the user wrote becomes what compares the results of this session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.config import did_you_mean
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.stash import COMPARER, TREE, TREE_ROOT
from pytest_mlpstorage.tree_given import tree_given

if TYPE_CHECKING:
    import pytest

    from pytest_mlpstorage.report.compare_with import Comparer

__all__ = ["comparer_of", "prepare_comparison"]

_OPTION = "--mlps-compare"


def prepare_comparison(config: pytest.Config) -> None:
    """Read both options, once the results directory is known; raises ConfigurationError with what is wrong."""
    given, conditions = config.getoption("mlps_compare"), config.getoption("mlps_fail_if")
    if given is None:
        if conditions:
            raise ConfigurationError(f"--mlps-fail-if needs {_OPTION}=DIR, or {_OPTION}=last for the result before", code="MLPS-E131")
        return
    if TREE_ROOT not in config.stash:
        ways = f"pytest benchmarks/ --mlps-config=FILE {_OPTION}={given}, or pytest rules/ --results-dir=DIR {_OPTION}={given}"
        raise ConfigurationError(f"{_OPTION} compares results: {ways}", code="MLPS-E131")
    from pytest_mlpstorage.report.compare_limits import read_limits
    from pytest_mlpstorage.report.compare_with import LAST, Comparer

    root = config.stash[TREE_ROOT]
    limits = read_limits(conditions)
    other = None if given == LAST else _other(config, given, root)
    config.stash[COMPARER] = Comparer(root, other, limits, config.getoption("mlps_edition"), config.stash.get(TREE, None))


def _other(config: pytest.Config, given: str, root: Path) -> Path | None:
    """The root of the other tree; None for that of this session, in which the earlier result is the last one."""
    if not given:
        raise ConfigurationError(f"{_OPTION}= is empty; allowed last, or the directory of other results", code="MLPS-E130")
    try:
        found = tree_given(config, _OPTION, given).root
    except ConfigurationError as error:
        error.message += did_you_mean(given, ["last"])
        raise
    return None if found == root.resolve() else found


def comparer_of(config: pytest.Config) -> Comparer | None:
    """What compares the results of this session, None where nobody asked."""
    return config.stash.get(COMPARER, None)
