"""How items are dealt to xdist's workers: one benchmark at a time, the rules on one subject together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.labels import subject_of

if TYPE_CHECKING:
    import pytest

__all__ = ["make_scheduler", "scope_of"]


def scope_of(nodeid: str) -> str:
    """The group of an item: items of one group run on one worker, one after another.

    A rule item belongs to its subject, so that one worker parses a subject's files once and no other parses them. Everything
    else is a benchmark (ours, or a user's own on the ``mpi_launcher`` fixture) and shares one group, whatever its root: node
    ids of ``--pyargs`` suites begin with any path.
    """
    if "::test_rule[" in nodeid:
        return f"rules on {subject_of(nodeid)}"
    return "benchmarks"


def make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A scheduler for this session, or None (xdist's own choice) where neither suite is run.

    Built on a public hook and not on ``--dist=loadgroup``: its marks are not read with pytest 9.2 (pytest-xdist#1386),
    and the safety of a measurement must not hang on them.
    """
    if not (config.getoption("mlps_config") or config.getoption("mlps_results_dir")):
        return None
    from xdist.scheduler import LoadScopeScheduling

    class OneBenchmarkAtATime(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        """xdist's scope scheduling with our scopes."""

        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return OneBenchmarkAtATime(config, log)
