"""A complete, valid package of one submission: a result of each family, its pool of code images, its manifest; and ways to break it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import yaml
from checkpointing_tree import CheckpointingTree
from training_tree import TrainingTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.layout import leaf_path
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.verdict import Division

FILES = {"pyproject.toml": b"[project]\n", "src/main.py": b"print('measure')\n"}
DIGEST = hashlib.md5(b"".join(name.encode() + content for name, content in sorted(FILES.items())), usedforsecurity=False).hexdigest()
IMAGE = f"code-{DIGEST[:8]}"
OTHER = "0123456789abcdef0123456789abcdef"
POINTER = f"md5-tree-v2:{DIGEST}"
COMMIT = edition("3.0").dlio_revisions[0].commit
HASHES = {"training": "0d3ad0dec188becd", "checkpointing": "68df04b7240e3fb0"}
RECORD = {
    "hash": DIGEST,
    "algorithm": "md5-tree-v2",
    "captured_at": "2026-07-13T08:32:22Z",
    "mlpstorage_version": "3.0.42",
    "git_sha": "9bbb5de3e014043b76a9af5a17b17947d1fe678d",
}
RESULTS = {
    "training": "training/unet3d",
    "checkpointing": "checkpointing/llama3-8b",
    "vector_database": "vector_database/milvus/DISKANN",
    "kv_cache": "kv_cache/llama3.1-8b",
}

_SCRATCH = tempfile.TemporaryDirectory(prefix="mlps-package-trees-")
_WRITTEN: dict[str, Path] = {}


@dataclasses.dataclass(frozen=True)
class PackageTree:
    """One package on disk. ``subject`` names what ``read`` gives: the package, the submission, or a family of results."""

    root: Path
    division: Division
    subject: str

    @classmethod
    def write(cls, root: Path, *, subject="package", division="closed") -> PackageTree:
        tree = cls(root, Division(division), subject)
        if division not in _WRITTEN:
            _WRITTEN[division] = Path(_SCRATCH.name) / division
            dataclasses.replace(tree, root=_WRITTEN[division])._write()
        shutil.copytree(_WRITTEN[division], root, dirs_exist_ok=True)
        return tree

    # -- reading back -------------------------------------------------------------------------------------------------

    @property
    def submission(self) -> Path:
        return self.root / self.division.value / "acme"

    @property
    def system(self) -> Path:
        return self.submission / "results" / "fastfs"

    @property
    def image(self) -> Path:
        return self.root / "code-images" / IMAGE

    def read(self):
        tree = read_tree(self.root)
        kinds = {place.kind: place for place in reversed(tree.places)}
        return tree.load(kinds[self.subject])

    def leaves(self, family: str, phase: str = "run") -> list[Path]:
        """Leaves of one family; of its run phase where no other is named."""
        result = self.system / RESULTS[family]
        parent = result if family == "checkpointing" else result / phase
        return sorted(path for path in parent.iterdir() if path.is_dir())

    @property
    def run(self) -> Path:
        """The first run of the family that is read, of training where none is."""
        return self.leaves(self.subject if self.subject in RESULTS else "training")[0]

    @property
    def all_leaves(self) -> list[Path]:
        return sorted(path.parent for path in self.system.rglob("*_metadata.json"))

    def relpath(self, leaf: Path) -> str:
        return leaf.relative_to(self.submission).as_posix()

    # -- breaking it --------------------------------------------------------------------------------------------------

    def edit(self, path: Path, change) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def edit_metadata(self, change, leaf: Path | None = None) -> None:
        self.edit(next((leaf or self.run).glob("*_metadata.json")), change)

    def stamp(self, change, leaf: Path | None = None) -> None:
        """Change the provenance record of one leaf, of all runs of the family that is read where none is named."""
        for path in [leaf] if leaf else self.leaves(self.subject if self.subject in RESULTS else "training"):
            self.edit(path / "provenance.json", change)

    def unstamp(self) -> None:
        """Take every provenance record away, and that it was declared."""
        for leaf in self.all_leaves:
            (leaf / "provenance.json").unlink()
            self.edit_metadata(lambda m: m.pop("provenance_file"), leaf)

    def edit_manifest(self, change) -> None:
        path = self.submission / "submission.yaml"
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content))

    def edit_record(self, **values) -> None:
        """Change fields of the code image's record."""
        self.edit(self.image / ".code-hash.json", lambda r: r.update(values))

    def describe(self, key: str, value) -> None:
        """Set one dotted value of the system description."""
        path = self.submission / "systems" / "fastfs.yaml"
        document = yaml.safe_load(path.read_text())
        *groups, last = key.split(".")
        at = document["system_under_test"]
        for group in groups:
            at = at[int(group)] if isinstance(at, list) else at[group]
        at[last] = value
        path.write_text(yaml.safe_dump(document))

    def edit_summary(self, **values) -> None:
        for leaf in self.leaves(self.subject):
            self.edit(leaf / "summary.json", lambda s: s.update(values))

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        TrainingTree.write(self.root, division=self.division.value)
        CheckpointingTree.write(self.root, division=self.division.value)
        for family, phase in (("vector_database", "datagen"), ("vector_database", "run"), ("kv_cache", "run")):
            self._leaf(family, phase)
        shutil.rmtree(self.root / ".mlps", ignore_errors=True)
        for pattern in ("*_output.json", "*_per_epoch_stats.json"):  # the rules on packages read no rank's files
            for path in self.root.rglob(pattern):
                path.unlink()
        for leaf in self.all_leaves:
            self._mark(leaf)
        self._pool()
        self._systems()
        self._tables()
        self._manifest()

    def _leaf(self, family: str, phase: str) -> None:
        model = RESULTS[family].partition("/")[2]
        name = "20260721_102236"
        parent = self.system / RESULTS[family] / phase
        final = leaf_path(self.root, self.division, "acme", "fastfs", family, model.split("/")[0], phase, name)
        metadata = LeafMetadata(benchmark_type=family, model=model.replace("/", "_"), command=phase, run_datetime=name)
        with LeafWriter.create(self.root, final, run_id=f"{family}-{phase}") as writer:
            writer.write_json(f"{family}_{name}_metadata.json", metadata.to_json())
            writer.write_json("summary.json", {})
            writer.commit()
        if final != parent / name:  # the writer knows no level of an engine
            parent.mkdir(parents=True, exist_ok=True)
            final.rename(parent / name)
            final.parent.rmdir()

    def _mark(self, leaf: Path) -> None:
        family = leaf.relative_to(self.system).parts[0]
        (leaf / ".mlps-code-image").write_text(POINTER)
        record = {
            "schema": "mlps-run-provenance/1",
            "rules_edition": "3.0",
            "layout_version": 3,
            "tool": {"name": "mlpstorage", "version": "3.0.42", "git_sha": RECORD["git_sha"], "code_image": POINTER},
            "dlio": {"version": "3.0.4", "source": "git", "commit": COMMIT},
            "core_config": {"algorithm": "core-config-v1", "hash": HASHES.get(family, "unknown")},
        }
        (leaf / "provenance.json").write_text(json.dumps(record))
        self.edit_metadata(lambda m: m.update(provenance_file="provenance.json"), leaf)

    def _pool(self) -> None:
        for name, content in FILES.items():
            (self.image / name).parent.mkdir(parents=True, exist_ok=True)
            (self.image / name).write_bytes(content)
        (self.image / ".code-hash.json").write_text(json.dumps(RECORD))
        (self.root / "code-images" / ".mlps-image-pool").write_text("")

    def _systems(self) -> None:
        systems = self.submission / "systems"
        systems.mkdir(exist_ok=True)
        capabilities = {"multi_host": True, "simultaneous_write": True, "simultaneous_read": True, "remap_time_in_seconds": 0}
        solution = {"submission_name": "fastfs", "architecture": {"benchmark_API": "file"}, "capabilities": capabilities}
        client = {"quantity": 1, "chassis": {"memory_capacity": 256}}
        document = {"system_under_test": {"solution": solution, "clients": [client]}}
        (systems / "fastfs.yaml").write_text(yaml.safe_dump(document))
        (systems / "fastfs.pdf").write_bytes(b"%PDF-1.4\n")

    def _tables(self) -> None:
        training, checkpointing = ({"Public ID": f"v3.0-000{number}"} for number in (1, 2))
        (self.system / "training/unet3d/run/results.json").write_text(json.dumps([training]))
        (self.system / "checkpointing/llama3-8b/results.json").write_text(json.dumps([checkpointing]))
        (self.submission / "results" / "results.json").write_text(json.dumps([training, checkpointing, {"Public ID": ""}, {}]))

    def _manifest(self) -> None:
        leaves = [
            {
                "benchmark": leaf.relative_to(self.system).parts[0],
                "command": leaf.parent.name,
                "stamp": f"{self.relpath(leaf)}/provenance.json",
            }
            for leaf in self.all_leaves
        ]
        manifest = {
            "schema": "mlps-submission-manifest/1",
            "organisation": "acme",
            "rules_edition": "3.0",
            "systems": [{"description": "systems/fastfs.yaml", "pdf": "systems/fastfs.pdf"}],
            "runs": leaves,
            "code_images": [{"hash": DIGEST, "path": f"code-images/{IMAGE}"}],
        }
        (self.submission / "submission.yaml").write_text(yaml.safe_dump(manifest))


LEAF_PASSING = [
    lambda _tree: None,
    lambda tree: tree.edit_metadata(lambda m: m.pop("run_datetime", None)),
    lambda tree: tree.edit_metadata(lambda m: m.update(mlps={"not_for_submission": False})),
    lambda tree: next(tree.run.glob("*_metadata.json")).unlink(),
]
LEAF_FAILING = [
    (
        lambda tree: tree.edit_metadata(lambda m: m.update(run_datetime="20200101_000000")),
        "[MLPS-LEAF-1] the metadata are those of another run than the directory is named after; measured 20200101_000000; required",
    ),
    (
        lambda tree: tree.edit_metadata(lambda m: m.update(mlps={"not_for_submission": True})),
        "[MLPS-LEAF-1] a run that was made as an experiment stands in a submission; measured not for submission; required",
    ),
]
"""Examples of MLPS-LEAF-1, which is asked of the leaves of every family."""
