"""What dead writers left in staging becomes failed evidence at the next start."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import SCRATCH, STAGING
from pytest_mlpstorage.results.lock import TreeLock
from pytest_mlpstorage.results.processes import Holder
from pytest_mlpstorage.results.writer import OWNER, REASON, move_to_failed, remove_home

__all__ = ["UNFINISHED", "sweep_stale"]

UNFINISHED: Final = "the writer ended without finishing"
"""The reason in the evidence of a leaf whose writer died."""


def sweep_stale(results_dir: Path, lock: TreeLock) -> tuple[Path, ...]:
    """Move the staged leaves of dead writers to the failed evidence; returns where they are now.

    To be called at a start, with the lock of this results directory: without holding it nothing of another host is touched,
    because nobody can tell whether its writer lives. A writer that still runs on this host is never touched (the worker of
    a killed controller may live a moment longer).
    """
    base = results_dir / STAGING
    files = TreeFiles(results_dir)
    moved: list[Path] = []
    # Listed before the owners: a writer's owner file is there before its claim, so a claim of a live writer is recognised.
    claims = files.listing(base / "claims").files
    claimed: set[object] = set()
    alive: set[str] = set()
    for name in files.listing(base / "staging").directories:
        home = base / "staging" / name
        owner = _owner(files, home)
        holder = Holder.from_json(owner)
        if holder.alive if holder.on_this_host else not lock.held:
            claimed.add(owner.get("claim"))
            alive.add(name)
            continue
        for staged in (home / inner for inner in files.listing(home).directories):
            if any(files.listing(staged).names):
                details = {"writer": str(holder), **_reason_given(files, staged)}
                moved.append(move_to_failed(results_dir, staged, str(owner.get("final") or ""), name, UNFINISHED, details))
        remove_home(home)
    for name in claims:
        if name not in claimed:
            (base / "claims" / name).unlink(missing_ok=True)
    if lock.held:
        # What a step works with stands beside its staged leaf, under the same name, and is no evidence.
        for name in set(files.listing(base / SCRATCH).directories) - alive:
            shutil.rmtree(base / SCRATCH / name, ignore_errors=True)
    return tuple(moved)


def _owner(files: TreeFiles, home: Path) -> JSONObject:
    return (files.json_object(home / OWNER) or {}) if (home / OWNER).exists() else {}


def _reason_given(files: TreeFiles, staged: Path) -> dict[str, object]:
    """Keep the reason of a writer that died while it moved its evidence."""
    given = files.json_object(staged / REASON) if (staged / REASON).exists() else None
    return {"reason given": given.get("reason")} if given else {}
