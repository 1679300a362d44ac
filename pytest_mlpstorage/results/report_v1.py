"""``mlperf_storage_report.json`` of round 1.0: where it stands for a group of runs, and what it says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.records import ReadProblem, StoredResult
from pytest_mlpstorage.results.run_folders import RunFolders

__all__ = ["REPORT", "RunReport", "find_report", "read_report"]

REPORT: Final = "mlperf_storage_report.json"
"""Name of the report that the tool of round 1.0 made of a group of runs."""


@dataclasses.dataclass(frozen=True)
class RunReport:
    """The report of one group. ``path`` is relative to the tree; a part that is no object is empty."""

    path: str
    overall: JSONObject
    runs: Mapping[str, JSONObject]


def find_report(result: StoredResult) -> Path | None:
    """The report of a group of runs: in its folder, in one beside the runs, or further up as long as no other group is there."""
    folders = RunFolders(TreeFiles(result.root))
    path = result.root / result.relpath
    while True:
        beside = [folder for folder in folders.inside(path) if folder.name not in folders.runs(path)]
        for folder in (path, *beside):
            found = _report_in(folders, folder)
            if found is not None:
                return found
        parent = path.parent
        top = path in (result.root, parent) or parent == result.root or "result" in parent.name.lower()
        if top or folders.groups(parent, []) != [result.root / result.relpath]:
            return None
        path = parent


def _report_in(folders: RunFolders, folder: Path) -> Path | None:
    names = [name for name in folders.listing(folder).files if not is_noise(name)]
    exact = [name for name in names if name.lower() == REPORT]
    longer = [name for name in names if name.lower().startswith(REPORT.removesuffix(".json")) and name.lower().endswith(".json")]
    return folder / (exact or longer)[0] if exact or longer else None


def read_report(path: Path, *, root: Path) -> tuple[RunReport | None, tuple[ReadProblem, ...]]:
    """Read a report; None where it is pruned or, with a problem, where it is damaged."""
    files = TreeFiles(root)
    raw = files.json_object(path)
    if raw is None:
        return None, tuple(files.problems)
    runs = {str(name): _object(entry) for name, entry in _object(raw.get("runs")).items()}
    return RunReport(files.relative(path), _object(raw.get("overall")), runs), tuple(files.problems)


def _object(value: Any) -> JSONObject:
    return value if isinstance(value, Mapping) else {}
