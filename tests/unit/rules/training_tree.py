"""A complete, valid training result, written by the package's own writer, and the ways to break it in one place."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import tempfile
from pathlib import Path

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.layout import leaf_path
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.reader import read_training_result
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.verdict import Division

ACCEPTED_ENGINE = {
    "name": "dlio",
    "flavour": "mlcommons",
    "version": "3.0.2",
    "commit": edition("3.0").dlio_revisions[1].commit,
    "reader": "builtin",
    "generator": "builtin",
}
RANKS, EPOCHS, STEPS, WALL_SECONDS, FIRST_STEP_SECONDS = 8, 5, 4, 0.7, 0.2
COMPUTE_SECONDS = 0.162
FILES = 28_000  # the step floor of 8 accelerators: 500 × 7 × 8
HOST_GIB = 256.0

# The writer forces every file to disk; a tree is written once a session and copied for each test.
_SCRATCH = tempfile.TemporaryDirectory(prefix="mlps-rule-trees-")
_WRITTEN: dict[str, Path] = {}


@dataclasses.dataclass(frozen=True)
class TrainingTree:
    """One result on disk. Methods that take ``run`` change that run, or all of them."""

    root: Path
    division: Division
    submitter: str
    system: str
    model: str
    accelerator: str

    @classmethod
    def write(
        cls,
        root: Path,
        *,
        division="closed",
        submitter="acme",
        system="fastfs",
        model="unet3d",
        accelerator="b200",
        runs=6,
        engine=None,
        overrides=None,
    ) -> TrainingTree:
        key = json.dumps([division, submitter, system, model, accelerator, runs, engine, overrides])
        tree = cls(root, Division(division), submitter, system, model, accelerator)
        if key not in _WRITTEN:
            _WRITTEN[key] = Path(_SCRATCH.name) / str(len(_WRITTEN))
            dataclasses.replace(tree, root=_WRITTEN[key])._write(runs, ACCEPTED_ENGINE if engine is None else engine, overrides or {})
        shutil.copytree(_WRITTEN[key], root, dirs_exist_ok=True)
        return tree

    def _write(self, runs: int, engine: dict, overrides: dict) -> None:
        self.root.mkdir(parents=True)
        start = dt.datetime(2026, 7, 13, 8, 0, 0)
        self._leaf("datasize", start, engine, overrides)
        self._leaf("datagen", start + dt.timedelta(minutes=1), engine, overrides)
        for number in range(runs):
            self._leaf("run", start + dt.timedelta(minutes=10 + 5 * number), engine, overrides)
        (self.result_dir / "run" / "results.json").write_text("[]")

    # -- reading back -------------------------------------------------------------------------------------------------

    @property
    def result_dir(self) -> Path:
        return self.root / self.division.value / self.submitter / "results" / self.system / "training" / self.model

    @property
    def relpath(self) -> str:
        return self.result_dir.relative_to(self.root).as_posix()

    def read(self):
        if (self.root / self.division.value / self.submitter / "systems").is_dir():
            tree = read_tree(self.root)
            return tree.load(tree.place(self.relpath))
        return read_training_result(self.result_dir, root=self.root)

    @property
    def runs(self) -> list[Path]:
        return self.leaves("run")

    def leaves(self, phase: str) -> list[Path]:
        return sorted(p for p in (self.result_dir / phase).iterdir() if p.is_dir())

    # -- breaking it --------------------------------------------------------------------------------------------------

    def edit(self, path: Path, change) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def edit_summary(self, change, *, run: int | None = None) -> None:
        for leaf in self.runs if run is None else [self.runs[run]]:
            self.edit(leaf / "summary.json", change)

    def edit_metric(self, *, run: int | None = None, **values) -> None:
        self.edit_summary(lambda summary: summary["metric"].update(values), run=run)

    def edit_metadata(self, change, *, run: int | None = None) -> None:
        for leaf in self.runs if run is None else [self.runs[run]]:
            self.edit(leaf / f"training_{leaf.name}_metadata.json", change)

    def edit_leaf(self, phase: str, change, *, number: int = 0) -> None:
        """Change the metadata of one datasize or datagen leaf."""
        leaf = self.leaves(phase)[number]
        self.edit(next(leaf.glob("*_metadata.json")), change)

    def second(self, phase: str, name: str, change=lambda _: None) -> None:
        """Put a second leaf beside the first one of a phase, with its metadata changed."""
        leaf = self.result_dir / phase / name
        shutil.copytree(self.leaves(phase)[0], leaf)
        self.edit(next(leaf.glob("*_metadata.json")), change)

    def rename_run(self, run: int, name: str) -> None:
        self.runs[run].rename(self.result_dir / "run" / name)

    def describe(self, **architecture) -> None:
        """Write a system description that holds no more than its architecture."""
        systems = self.root / self.division.value / self.submitter / "systems"
        systems.mkdir()
        document = {"system_under_test": {"solution": {"architecture": architecture}}}
        (systems / f"{self.system}.yaml").write_text(json.dumps(document))

    def override(self, **values) -> None:
        """Override dotted keys, written with double underscores: ``reader__read_threads=8``."""
        self.edit_metadata(lambda m: m["override_parameters"].update({k.replace("__", "."): v for k, v in values.items()}))

    def parameter(self, group: str, key: str, value, *, run: int | None = None) -> None:
        self.edit_metadata(lambda m: m["parameters"][group].update({key: value}), run=run)

    def remove(self, name: str, *, run: int = 0) -> None:
        path = self.runs[run] / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    # -- writing ------------------------------------------------------------------------------------------------------

    def _leaf(self, phase: str, start: dt.datetime, engine: dict, overrides: dict) -> None:
        name = start.strftime("%Y%m%d_%H%M%S")
        final = leaf_path(self.root, self.division, self.submitter, self.system, "training", self.model, phase, name)
        with LeafWriter.create(self.root, final, run_id=f"{phase}-{name}") as writer:
            writer.write_json(f"training_{name}_metadata.json", self._metadata(phase, final, engine, overrides).to_json())
            if phase != "datasize":
                for file in (f"training_{phase}.stdout.log", f"training_{phase}.stderr.log", "dlio.log"):
                    (writer.path / file).write_text("a line\n")
                for file in ("config.yaml", "hydra.yaml", "overrides.yaml"):
                    (writer.path / "dlio_config").mkdir(exist_ok=True)
                    (writer.path / "dlio_config" / file).write_text("{}\n")
            if phase == "run":
                self._run_files(writer, start)
                writer.write_json("fs_separation.json", {"version": 1, "method": "link_exdev", "same_filesystem": False})
            writer.commit()

    def _metadata(self, phase: str, final: Path, engine: dict, overrides: dict) -> LeafMetadata:
        parameters = edition("3.0").training.template(self.model, self.accelerator).copy_parameters()
        changed = {
            "dataset.num_files_train": FILES,
            "dataset.num_subfolders_train": 0,
            "dataset.data_folder": f"/data/{self.model}",
            **overrides,
        }
        if phase == "datasize":
            changed["dataset.total_disk_bytes"] = FILES * parameters["dataset"]["record_length_bytes"]
        for key, value in changed.items():
            group, _, field = key.partition(".")
            parameters.setdefault(group, {})[field] = value
        return LeafMetadata(
            benchmark_type="training",
            model=self.model,
            command=phase,
            run_datetime=final.name,
            num_processes=RANKS,
            accelerator=self.accelerator,
            result_dir=str(final),
            parameters=parameters,
            override_parameters=changed,
            args={"hosts": ["127.0.0.1"], "data_dir": "/data", "results_dir": "/results", "num_processes": RANKS},
            verification=None if self.division is Division.WHATIF else self.division.value.upper(),
            mlps={"engine": engine, "step": self._step(phase, final)},
        )

    def _step(self, phase: str, final: Path) -> str:
        """The step's name as the workload gives it: the first run is the warm-up."""
        if phase != "run":
            return phase
        done = len(list(final.parent.iterdir())) if final.parent.is_dir() else 0
        return str(done) if done else "warmup"

    def _run_files(self, writer: LeafWriter, start: dt.datetime) -> None:
        """Rank files, and a summary that they give: utilization 97.2 %, first step not counted."""
        window = WALL_SECONDS - FIRST_STEP_SECONDS
        au = 100 * (STEPS - 1) * COMPUTE_SECONDS / window
        rate = (STEPS - 1) * 7 / window
        later = window / (STEPS - 1)
        record_bytes = edition("3.0").training.template(self.model, self.accelerator).parameters["dataset"]["record_length_bytes"]
        for rank in range(RANKS):
            epoch = {
                "load": {"block1": [0.05] * STEPS},
                "proc": {"block1": [FIRST_STEP_SECONDS] + [later] * (STEPS - 1)},
                "compute": {"block1": [COMPUTE_SECONDS] * STEPS},
                "au": {"block1": au},
                "throughput": {"block1": rate},
            }
            writer.write_json(f"{rank}_output.json", {"hostname": "h", **{str(e): epoch for e in range(1, EPOCHS + 1)}})
            spans = {}
            for number in range(1, EPOCHS + 1):
                begun = start + dt.timedelta(seconds=number)
                span = {"start": begun.isoformat(timespec="microseconds"), "end": (begun + dt.timedelta(seconds=WALL_SECONDS)).isoformat()}
                spans[str(number)] = {**span, "duration": f"{WALL_SECONDS:.2f}", "block1": {**span, "duration": f"{WALL_SECONDS:.2f}"}}
            writer.write_json(f"{rank}_per_epoch_stats.json", spans)
        total = rate * RANKS
        writer.write_json(
            "summary.json",
            {
                "start": start.isoformat() + ".000001",
                "end": (start + dt.timedelta(seconds=240)).isoformat() + ".000001",
                "num_accelerators": RANKS,
                "num_hosts": 1,
                "hostname": "h",
                "num_files_train": FILES,
                "num_files_eval": 0,
                "num_samples_per_file": 1,
                "host_memory_GB": [HOST_GIB],
                "epochs": EPOCHS,
                "metric": {
                    "train_au_percentage": [au] * EPOCHS,
                    "train_au_mean_percentage": au,
                    "train_au_stdev_percentage": 0.0,
                    "train_au_meet_expectation": "success",
                    "train_throughput_samples_per_second": [total] * EPOCHS,
                    "train_throughput_mean_samples_per_second": total,
                    "train_throughput_stdev_samples_per_second": 0.0,
                    "train_io_mean_MB_per_second": total * record_bytes / 1024**2,
                    "train_io_stdev_MB_per_second": 0.0,
                },
            },
        )
