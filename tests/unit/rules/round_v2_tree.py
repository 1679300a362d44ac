"""A complete, valid result of edition 2.0, written by the package's own writer in that edition's words, and the ways to break it."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import json
import shutil
import tempfile
from pathlib import Path

import yaml

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.nested import dotted, overlay
from pytest_mlpstorage.results.layout import leaf_path, result_path
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.reader import read_checkpointing, read_training
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.verdict import Division

RANKS, FILES, HOST_GIB, RUN_SECONDS, PERIOD_SECONDS = 8, 28_000, 256.0, 240, 300
IO_MIB = 2_000.0
START = dt.datetime(2025, 6, 19, 8, 0, 0)

_SCRATCH = tempfile.TemporaryDirectory(prefix="mlps-round-v2-trees-")
_WRITTEN: dict[str, Path] = {}


@dataclasses.dataclass(frozen=True)
class RoundTree:
    """One result on disk. Methods that take ``run`` change that run, or all of them. ``counts``: (writes, reads) of each run."""

    root: Path
    family: str
    model: str
    division: Division = Division.CLOSED
    accelerator: str | None = "a100"
    counts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def training(cls, root: Path, *, model="unet3d", runs=5) -> RoundTree:
        """Training runs that end a minute before the next one starts."""
        return cls(root, "training", model, counts=((0, 0),) * runs)._stored()

    @classmethod
    def checkpointing(cls, root: Path, *, model="llama3-8b", counts=((10, 0), (0, 10))) -> RoundTree:
        """A run that only writes and one that only reads, unless other counts are given."""
        return cls(root, "checkpointing", model, accelerator=None, counts=tuple(map(tuple, counts)))._stored()

    def _stored(self) -> RoundTree:
        # The writer forces every file to disk; a tree is written once a session and copied for each test.
        key = json.dumps([self.family, self.model, self.counts])
        if key not in _WRITTEN:
            _WRITTEN[key] = Path(_SCRATCH.name) / str(len(_WRITTEN))
            _WRITTEN[key].mkdir()
            dataclasses.replace(self, root=_WRITTEN[key])._write()
        shutil.copytree(_WRITTEN[key], self.root, dirs_exist_ok=True)
        return self

    # -- reading back -------------------------------------------------------------------------------------------------

    @property
    def result_dir(self) -> Path:
        return result_path(self.root, self.division, "acme", "fastfs", self.family, self.model)

    def read(self):
        relpath = self.result_dir.relative_to(self.root).as_posix()
        names = {"submitter": "acme", "system": "fastfs", "model": self.model}
        place = SubjectPlace(self.family, relpath, self.division, "2.0", "2.0", **names)
        return (read_training if self.family == "training" else read_checkpointing)(place, root=self.root)

    @property
    def run_dir(self) -> Path:
        return self.result_dir / "run" if self.family == "training" else self.result_dir

    @property
    def runs(self) -> list[Path]:
        return sorted(path for path in self.run_dir.iterdir() if path.is_dir())

    # -- breaking it --------------------------------------------------------------------------------------------------

    def to(self, division: str) -> None:
        """Move the result to another division."""
        old = self.result_dir
        object.__setattr__(self, "division", Division(division))
        self.result_dir.parent.mkdir(parents=True)
        old.rename(self.result_dir)

    def chosen(self, run: int | None) -> list[Path]:
        return self.runs if run is None else [self.runs[run]]

    def metadata_of(self, leaf: Path) -> Path:
        return leaf / f"{self.family}_{leaf.name}_metadata.json"

    def edit(self, path: Path, change) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def summary(self, *, run: int | None = None, **values) -> None:
        """Set fields of the summary; None takes one away."""
        for leaf in self.chosen(run):
            self.edit(leaf / "summary.json", lambda summary: _update(summary, values))

    def metric(self, *, run: int | None = None, **values) -> None:
        for leaf in self.chosen(run):
            self.edit(leaf / "summary.json", lambda summary: _update(summary["metric"], values))

    def metadata(self, change, *, run: int | None = None) -> None:
        for leaf in self.chosen(run):
            self.edit(self.metadata_of(leaf), change)

    def config(self, *, run: int | None = None, **values) -> None:
        """Set what DLIO resolved, dotted keys written with ``__``; None takes a key away."""
        for leaf in self.chosen(run):
            path = leaf / "dlio_config" / "config.yaml"
            workload = yaml.safe_load(path.read_text())["workload"]
            for key, value in values.items():
                *groups, last = key.split("__")
                at = workload
                for group in groups:
                    at = at.setdefault(group, {})
                _update(at, {last: value})
            path.write_text(yaml.safe_dump({"workload": workload}))

    def parameter(self, key: str, value, *, run: int | None = None) -> None:
        """Set a parameter everywhere it is recorded."""
        self.config(run=run, **{key.replace(".", "__"): value})
        self.metadata(lambda m: m.update(combined_params=overlay(m["combined_params"], {key: value})), run=run)
        self.metadata(lambda m: m["params_dict"].update({key: value}), run=run)

    def override(self, key: str, value, *, run: int | None = None) -> None:
        """Record one more override, in the tool's metadata alone."""
        self.metadata(lambda m: m["params_dict"].update({key: value}), run=run)

    def given(self, line: str, *, run: int | None = None) -> None:
        """Give DLIO one more override, which the tool did not record."""
        for leaf in self.chosen(run):
            path = leaf / "dlio_config" / "overrides.yaml"
            path.write_text(yaml.safe_dump([*yaml.safe_load(path.read_text()), line]))

    def without_config(self, *, run: int | None = None) -> None:
        for leaf in self.chosen(run):
            shutil.rmtree(leaf / "dlio_config")

    def without_metadata(self, *, run: int | None = None) -> None:
        for leaf in self.chosen(run):
            self.metadata_of(leaf).unlink()

    def crash(self, run: int) -> None:
        (self.runs[run] / "summary.json").unlink()

    def add_run(self, *, like: int = -1, name: str = "20250619_235959") -> Path:
        """One more run, a copy of another under another name."""
        new, old = self.run_dir / name, self.runs[like]
        shutil.copytree(old, new)
        (new / f"{self.family}_{old.name}_metadata.json").rename(self.metadata_of(new))
        return new

    def move(self, run: int, seconds: float) -> None:
        """Let a run start and end later."""

        def later(summary):
            for key in ("start", "end"):
                summary[key] = (dt.datetime.fromisoformat(summary[key]) + dt.timedelta(seconds=seconds)).isoformat()

        self.edit(self.runs[run] / "summary.json", later)

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        for number, (writes, reads) in enumerate(self.counts):
            start = START + dt.timedelta(seconds=PERIOD_SECONDS * number)
            name = start.strftime("%Y%m%d_%H%M%S")
            phase = "run" if self.family == "training" else None
            final = leaf_path(self.root, self.division, "acme", "fastfs", self.family, self.model, phase, name)
            with LeafWriter.create(self.root, final, run_id=name) as writer:
                overrides = self._overrides(writes, reads)
                writer.write_json(f"{self.family}_{name}_metadata.json", self._metadata(name, overrides))
                writer.write_json("summary.json", self._summary(start))
                (writer.path / "dlio_config").mkdir()
                lines = [f"++workload.{key}={value}" for key, value in overrides.items()]
                workload = overlay(self._template(), overrides)
                for file, document in (
                    ("config.yaml", {"workload": workload}),
                    ("hydra.yaml", {}),
                    ("overrides.yaml", [f"workload={self._workload}", *lines]),
                ):
                    (writer.path / "dlio_config" / file).write_text(yaml.safe_dump(document))
                writer.commit()

    @property
    def _workload(self) -> str:
        return f"{self.model}_{self.accelerator}" if self.accelerator else self.model.replace("-", "_")

    def _template(self) -> dict:
        return edition("2.0").template_parameters(self._workload if self.accelerator else self.model, self.family)

    def _overrides(self, writes: int, reads: int) -> dict:
        if self.family == "training":
            return {"dataset.num_files_train": str(FILES), "dataset.data_folder": f"/data/{self.model}"}
        return {
            "checkpoint.num_checkpoints_read": reads,
            "checkpoint.num_checkpoints_write": writes,
            "checkpoint.checkpoint_folder": f"/data/{self.model}",
        }

    def _metadata(self, name: str, overrides: dict) -> dict:
        """As that round's tool wrote it: training folds overrides into the parameters, checkpointing does not."""
        asked = {key.rpartition(".")[2]: value for key, value in overrides.items() if "num_checkpoints" in key}
        record = LeafMetadata(
            benchmark_type=self.family,
            model=self.model,
            command="run",
            run_datetime=name,
            parameters=overlay(self._template(), overrides) if self.family == "training" else self._template(),
            override_parameters=overrides,
            args={"program": self.family, "command": "run", "model": self.model, "num_processes": RANKS, "hosts": ["127.0.0.1"], **asked},
            verification="closed",
        ).to_json()
        written = {key: record[key] for key in ("benchmark_type", "run_datetime", "verification", "executed_command", "args")}
        if self.accelerator:
            written["args"]["accelerator_type"] = self.accelerator
        return copy.deepcopy(
            {
                **written,
                "params_dict": record["override_parameters"],
                "combined_params": record["parameters"],
                "cluster_information": "<mlpstorage.rules.ClusterInformation object at 0x7dae12345678>",
            }
        )

    def _summary(self, start: dt.datetime) -> dict:
        if self.family == "training":
            metric = {
                "train_au_percentage": [97.0] * 5,
                "train_au_mean_percentage": 97.0,
                "train_au_meet_expectation": "success",
                "train_io_mean_MB_per_second": IO_MIB,
            }
        else:
            metric = {"checkpoint_size_GB": edition("2.0").checkpointing.models[self.model].derived.total_gib}
        return {
            "start": start.isoformat(),
            "end": (start + dt.timedelta(seconds=RUN_SECONDS)).isoformat(),
            "num_accelerators": RANKS,
            "num_hosts": 1,
            "hostname": "h",
            "host_memory_GB": [HOST_GIB],
            "host_meminfo": {"Cached": "1048576 kB", "MemTotal": "268435456 kB"},
            "metric": metric,
        }


def _update(at: dict, values: dict) -> None:
    for key, value in values.items():
        if value is None:
            at.pop(key, None)
        else:
            at[key] = value


def flat(tree: RoundTree, run: int = 0) -> dict:
    """What DLIO resolved for a run, with dotted keys."""
    return dict(dotted(yaml.safe_load((tree.runs[run] / "dlio_config" / "config.yaml").read_text())["workload"]))
