"""Workloads by entry point: ours and those of any package installed beside us."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.workloads.base import Workload

__all__ = ["GROUP", "load_workloads"]

GROUP = "pytest_mlpstorage.workloads"


def load_workloads() -> Mapping[str, Workload]:
    """Every registered workload by family name, ours first, then in order of name.

    Raises DependencyError if an entry point cannot be loaded or two packages claim one family.
    """
    found: dict[str, Workload] = {}
    owners: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (not p.value.startswith("pytest_mlpstorage."), p.name)):
        try:
            workload: Workload = point.load()
        except (ImportError, AttributeError) as error:
            raise DependencyError(
                f"the workload {point.name!r} cannot be loaded",
                details={"entry point": f"{point.name} = {point.value}", "package": point.dist.name if point.dist else "unknown"},
                suggestion="repair or uninstall that package",
                cause=error,
                code="MLPS-E211",
            ) from error
        if workload.family in found and owners[workload.family].value != point.value:
            raise DependencyError(
                f"two packages register a workload of the family {workload.family!r}",
                details={"first": owners[workload.family].value, "second": point.value},
                suggestion="uninstall one of them",
                code="MLPS-E211",
            )
        found[workload.family] = workload
        owners[workload.family] = point
    return found
