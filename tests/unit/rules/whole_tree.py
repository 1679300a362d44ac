"""A complete package that no rule finds anything against: each family's valid result under one system, described and packed."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from checkpointing_tree import CheckpointingTree
from kv_cache_tree import KVCacheTree
from package_tree import PackageTree
from system_tree import SystemTree
from training_tree import TrainingTree
from vector_database_tree import VectorDatabaseTree

from pytest_mlpstorage.verdict import Division

_SCRATCH = tempfile.TemporaryDirectory(prefix="mlps-whole-trees-")
_WRITTEN: dict[str, Path] = {}
FAMILIES = (TrainingTree, CheckpointingTree, VectorDatabaseTree, KVCacheTree)


def write_package(root: Path, *, division: str = "closed") -> PackageTree:
    """Write the package; it is made once a session and copied."""
    if division not in _WRITTEN:
        _WRITTEN[division] = Path(_SCRATCH.name) / division
        _write(_WRITTEN[division], division)
    shutil.copytree(_WRITTEN[division], root, dirs_exist_ok=True, symlinks=True)
    return PackageTree(root, Division(division), "package")


def _write(root: Path, division: str) -> None:
    tree = PackageTree(root, Division(division), "package")
    for family in FAMILIES:
        family.write(root, division=division)
    shutil.rmtree(root / ".mlps", ignore_errors=True)
    for leaf in tree.all_leaves:
        tree._mark(leaf)
    tree._pool()
    described = SystemTree.write(Path(_SCRATCH.name) / f"described-{division}")
    described.set("clients.0.quantity", 1)
    described.set("clients.0.chassis.memory_capacity", 256)
    for leaf in tree.leaves("checkpointing"):
        tree.edit(leaf / "summary.json", lambda s: s.update(host_memory_GB=[256.0]))
    systems = tree.submission / "systems"
    systems.mkdir(exist_ok=True)
    shutil.copy(described.path, systems / "fastfs.yaml")
    (systems / "fastfs.pdf").write_bytes(b"%PDF-1.4\n")
    for path in (tree.system / "training/unet3d/run", tree.system / "checkpointing/llama3-8b", tree.submission / "results"):
        (path / "results.json").write_text(json.dumps([]))
    tree._manifest()
