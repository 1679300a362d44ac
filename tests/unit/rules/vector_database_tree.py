"""A complete, valid vector database result, written by the package's own writer, and the ways to break it in one place."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import tempfile
from pathlib import Path

from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.verdict import Division

VECTORS, DIMENSION, QUERIES, SECONDS = 1_000_000, 1536, 8594, 60.0
LATENCIES = {"mean_latency_ms": 6.9, "p95_latency_ms": 7.4, "p99_latency_ms": 7.9, "p999_latency_ms": 12.9}
START = dt.datetime(2026, 7, 21, 10, 0, 0)

# The writer forces every file to disk; a tree is written once a session and copied for each test.
_SCRATCH = tempfile.TemporaryDirectory(prefix="mlps-vector-trees-")
_WRITTEN: dict[str, Path] = {}


@dataclasses.dataclass(frozen=True)
class VectorDatabaseTree:
    """One result on disk: one load and five runs. Methods that take ``run`` change that run, or all of them.

    ``form`` is ``summary``, or ``single-node`` for the files that the official tool leaves on one node.
    """

    root: Path
    division: Division
    form: str
    place: str  # milvus/DISKANN

    @classmethod
    def write(cls, root: Path, *, division="closed", form="summary", place="milvus/DISKANN", database="milvus", runs=5, api="file"):
        tree = cls(root, Division(division), form, place)
        key = json.dumps([division, form, place, database, runs, api])
        if key not in _WRITTEN:
            _WRITTEN[key] = Path(_SCRATCH.name) / str(len(_WRITTEN))
            dataclasses.replace(tree, root=_WRITTEN[key])._write(database, runs, api)
        shutil.copytree(_WRITTEN[key], root, dirs_exist_ok=True)
        return tree

    # -- reading back -------------------------------------------------------------------------------------------------

    @property
    def submission(self) -> Path:
        return self.root / self.division.value / "acme"

    @property
    def result_dir(self) -> Path:
        return self.submission / "results" / "fastfs" / "vector_database" / self.place

    def read(self):
        (result,) = read_tree(self.root).results
        return result

    @property
    def runs(self) -> list[Path]:
        return sorted(p for p in (self.result_dir / "run").iterdir() if p.is_dir())

    @property
    def load(self) -> Path:
        (leaf,) = (self.result_dir / "datagen").iterdir()
        return leaf

    # -- breaking it --------------------------------------------------------------------------------------------------

    def edit(self, name: str, change, *, run: int | None = None) -> None:
        """Change the object in one file of the runs."""
        for leaf in self.runs if run is None else [self.runs[run]]:
            _edit(leaf / name, change)

    def edit_metadata(self, change, *, run: int | None = None) -> None:
        for leaf in self.runs if run is None else [self.runs[run]]:
            _edit(leaf / f"vector_database_{leaf.name}_metadata.json", change)

    def edit_load(self, change) -> None:
        _edit(self.load / "summary.json", change)

    def edit_load_metadata(self, change) -> None:
        _edit(self.load / f"vector_database_{self.load.name}_metadata.json", change)

    def args(self, *, run: int | None = None, **values) -> None:
        self.edit_metadata(lambda m: m["args"].update(values), run=run)

    def summary(self, *, run: int | None = 0, **values) -> None:
        self.edit("summary.json", lambda s: s.update(values), run=run)

    def override(self, *, run: int | None = 0, **values) -> None:
        """Override dotted keys, written with double underscores: ``index__M=32``."""
        named = {k.replace("__", "."): v for k, v in values.items()}
        self.edit_metadata(lambda m: m["override_parameters"].update(named), run=run)

    def text(self, name: str, content: str, *, run: int = 0) -> None:
        (self.runs[run] / name).write_text(content)

    def remove(self, name: str, *, run: int = 0) -> None:
        (self.runs[run] / name).unlink()

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write(self, database: str, runs: int, api: str) -> None:
        (self.submission / "systems").mkdir(parents=True)
        architecture = {"system_under_test": {"solution": {"architecture": {"benchmark_API": api}}}}
        (self.submission / "systems" / "fastfs.yaml").write_text(json.dumps(architecture))
        self._leaf("datagen", START, database)
        for number in range(runs):
            self._leaf("run", START + dt.timedelta(minutes=10 + 5 * number), database)

    def _leaf(self, phase: str, start: dt.datetime, database: str) -> None:
        name = start.strftime("%Y%m%d_%H%M%S")
        final = self.result_dir / phase / name
        index = self.result_dir.name
        metadata = LeafMetadata(
            benchmark_type="vector_database",
            model=f"{database}_{index}",
            command=phase,
            run_datetime=name,
            result_dir=str(final),
            args={
                "benchmark": "vectordb", "vdb_engine": database, "vdb_index": index, "index_type": index, "dimension": DIMENSION,
                "num_vectors": VECTORS, "runtime": 60, "queries": None, "distributed": self.form == "summary",
                "storage_root": "/data/vectors", "results_dir": "/results",
            },
        ).to_json()  # fmt: skip
        with LeafWriter.create(self.root, final, run_id=f"{phase}-{name}") as writer:
            writer.write_json(f"vector_database_{name}_metadata.json", metadata)
            for file, value in self._files(phase, index, database).items():
                writer.write_json(file, value)
            writer.commit()

    def _files(self, phase: str, index: str, database: str) -> dict[str, dict]:
        measured = {"throughput_qps": QUERIES / SECONDS, "total_time_seconds": SECONDS, **LATENCIES}
        setup = {"ok": True, "coverage": 1.0, "total_vectors": VECTORS, "copied_vectors": VECTORS, "reason": "", "reused": False}
        recall = {"recall_at_k": 0.5, "min_recall": 0.0, "max_recall": 0.9, "mean_recall": 0.5}
        run = {
            "result_verdict.json": {"result": "valid", "valid": True, "flat_setup": setup},
            "recall_stats.json": recall,
            "fs_separation.json": {"same_filesystem": False},
        }
        what = {"num_vectors": VECTORS, "dimension": DIMENSION, "index_type": index, "database": {"database": database}}
        if self.form == "single-node":
            statistics = {"total_queries": QUERIES, **measured, "recall": recall, "disk_io": {"total_bytes_read_per_sec": 2**29}}
            config = {"vector_dim": DIMENSION, "index_type": index, "runtime_seconds": 60}
            return {"statistics.json": statistics, "config.json": config, **run} if phase == "run" else {}
        if phase == "datagen":
            return {"summary.json": {**what, "inserted_vectors": VECTORS}}
        what["database"]["storage_backend"] = "s3"
        disk = {"total_bytes_read_per_sec": 2**29, "host_count": 1}
        return {"summary.json": {**what, "query_count": QUERIES, **measured, "recall": 0.5, "disk_io": disk}, **run}


def _edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
