"""A complete, valid checkpointing result, written by the package's own writer, and the ways to break it in one place."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import tempfile
from pathlib import Path

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape, checkpoint_size
from pytest_mlpstorage.nested import overlay
from pytest_mlpstorage.results.layout import leaf_path
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.verdict import Division

ENGINE = {
    "name": "dlio",
    "flavour": "mlcommons",
    "version": "3.0.2",
    "commit": edition("3.0").dlio_revisions[1].commit,
    "reader": "builtin",
    "generator": "builtin",
}
START = dt.datetime(2026, 7, 21, 0, 4, 24)
# An invocation takes as long as this; the summary's times lie the margin inside of it.
INVOCATION_SECONDS, MARGIN_SECONDS, GAP_SECONDS = 240, 6, 10
SAVE_SECONDS, LOAD_SECONDS = 6.5, 8.0
HOST_GIB = 24.0
COMBINED, SPLIT = ((10, 10),), ((10, 0), (0, 10))

_SCRATCH = tempfile.TemporaryDirectory(prefix="mlps-checkpointing-trees-")
_WRITTEN: dict[str, Path] = {}


def checkpoint_times(count: int, seconds: float) -> list[float]:
    """Durations that differ, so that a mean of rates is not a rate of means."""
    return [seconds + 0.125 * number for number in range(count)]


@dataclasses.dataclass(frozen=True)
class CheckpointingTree:
    """One result on disk. Methods that take ``run`` change that run, or all of them."""

    root: Path
    division: Division
    submitter: str
    system: str
    model: str

    @classmethod
    def write(
        cls,
        root: Path,
        *,
        division="closed",
        submitter="acme",
        system="fastfs",
        model="llama3-8b",
        invocations=COMBINED,
        processes=8,
        hosts=1,
        accelerator="b200",
        overrides=None,
    ) -> CheckpointingTree:
        tree = cls(root, Division(division), submitter, system, model)
        values = [[list(pair) for pair in invocations], processes, hosts, accelerator, overrides or {}]
        key = json.dumps([division, submitter, system, model, *values])
        if key not in _WRITTEN:
            _WRITTEN[key] = Path(_SCRATCH.name) / str(len(_WRITTEN))
            dataclasses.replace(tree, root=_WRITTEN[key])._write(*values)
        shutil.copytree(_WRITTEN[key], root, dirs_exist_ok=True)
        return tree

    # -- reading back -------------------------------------------------------------------------------------------------

    @property
    def result_dir(self) -> Path:
        return self.root / self.division.value / self.submitter / "results" / self.system / "checkpointing" / self.model

    @property
    def relpath(self) -> str:
        return self.result_dir.relative_to(self.root).as_posix()

    @property
    def description(self) -> Path:
        return self.root / self.division.value / self.submitter / "systems" / f"{self.system}.yaml"

    @property
    def runs(self) -> list[Path]:
        return sorted(p for p in self.result_dir.iterdir() if p.is_dir())

    def read(self):
        tree = read_tree(self.root)
        return tree.load(tree.place(self.relpath))

    # -- breaking it --------------------------------------------------------------------------------------------------

    def edit(self, path: Path, change) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def _chosen(self, run: int | None) -> list[Path]:
        return self.runs if run is None else [self.runs[run]]

    def edit_summary(self, change, *, run: int | None = None) -> None:
        for leaf in self._chosen(run):
            self.edit(leaf / "summary.json", change)

    def summary(self, *, run: int | None = None, **values) -> None:
        self.edit_summary(lambda s: s.update(values), run=run)

    def metric(self, *, run: int | None = None, **values) -> None:
        self.edit_summary(lambda s: s["metric"].update(values), run=run)

    def edit_metadata(self, change, *, run: int | None = None) -> None:
        for leaf in self._chosen(run):
            self.edit(leaf / f"checkpointing_{leaf.name}_metadata.json", change)

    def metadata(self, *, run: int | None = None, **values) -> None:
        self.edit_metadata(lambda m: m.update(values), run=run)

    def args(self, *, run: int | None = None, **values) -> None:
        self.edit_metadata(lambda m: m["args"].update(values), run=run)

    def parameter(self, key: str, value, *, run: int | None = None) -> None:
        """Set a dotted parameter."""
        self.edit_metadata(lambda m: m.update(parameters=overlay(m["parameters"], {key: value})), run=run)

    def override(self, key: str, value, *, run: int | None = None) -> None:
        self.edit_metadata(lambda m: m["override_parameters"].update({key: value}), run=run)

    def stats(self, change, *, rank: int = 0, run: int = 0) -> None:
        """Change the times of one rank; ``change`` gets those of the only epoch."""
        self.edit(self.runs[run] / f"{rank}_per_epoch_stats.json", lambda s: change(s["1"]))

    def capability(self, **values) -> None:
        self.edit(self.description, lambda d: d["system_under_test"]["solution"]["capabilities"].update(values))

    def remove(self, name: str, *, run: int = 0) -> None:
        path = self.runs[run] / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def remove_metadata(self, *, run: int = 0) -> None:
        self.remove(f"checkpointing_{self.runs[run].name}_metadata.json", run=run)

    def move(self, seconds: float, *, run: int) -> None:
        """Let an invocation begin and end later, by its own clock and by its summary's."""
        self.edit_metadata(lambda m: _later(m, seconds, "invocation_start_time", "invocation_end_time"), run=run)
        self.edit_summary(lambda s: _later(s, seconds, "start", "end"), run=run)

    def forget_clock(self, *, run: int | None = None, fields=("invocation_start_time", "invocation_end_time")) -> None:
        """Take an invocation's own times away, as older builds never wrote them."""
        self.edit_metadata(lambda m: [m.pop(field, None) for field in fields], run=run)

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write(self, invocations, processes, hosts, accelerator, overrides) -> None:
        self.root.mkdir(parents=True)
        begin = START
        for number, (writes, reads) in enumerate(invocations):
            self._leaf(begin, writes, reads, processes, hosts, accelerator, overrides)
            begin += dt.timedelta(seconds=INVOCATION_SECONDS + GAP_SECONDS)
            assert number < 9
        (self.result_dir / "results.json").write_text("[]")
        self.description.parent.mkdir(parents=True)
        capabilities = {"multi_host": True, "simultaneous_write": True, "simultaneous_read": True, "remap_time_in_seconds": 0}
        solution = {"submission_name": self.system, "architecture": {"benchmark_API": "file"}, "capabilities": capabilities}
        self.description.write_text(json.dumps({"system_under_test": {"solution": solution}}))

    def _leaf(self, begin, writes, reads, processes, hosts, accelerator, overrides) -> None:
        name = begin.strftime("%Y%m%d_%H%M%S")
        final = leaf_path(self.root, self.division, self.submitter, self.system, "checkpointing", self.model, None, name)
        changed = {
            "checkpoint.num_checkpoints_write": writes,
            "checkpoint.num_checkpoints_read": reads,
            "checkpoint.checkpoint_folder": f"/mnt/fast/{self.model}",
            **overrides,
        }
        parameters = overlay(edition("3.0").template_parameters(self.model, "checkpointing"), changed)
        end = begin + dt.timedelta(seconds=INVOCATION_SECONDS)
        metadata = LeafMetadata(
            benchmark_type="checkpointing",
            model=self.model,
            command="run",
            run_datetime=name,
            num_processes=processes,
            accelerator=accelerator,
            result_dir=str(final),
            parameters=parameters,
            override_parameters=changed,
            invocation_start_time=begin,
            invocation_end_time=end,
            args={
                "model": self.model,
                "hosts": [f"node{number}" for number in range(hosts)],
                "num_processes": processes,
                "checkpoint_folder": "/mnt/fast",
                "results_dir": "/results",
                "num_checkpoints_write": writes,
                "num_checkpoints_read": reads,
            },
            verification=None if self.division is Division.WHATIF else self.division.value.upper(),
            mlps={"engine": ENGINE},
        )
        with LeafWriter.create(self.root, final, run_id=f"run-{name}") as writer:
            writer.write_json(f"checkpointing_{name}_metadata.json", metadata.to_json())
            for file in ("checkpointing_run.stdout.log", "checkpointing_run.stderr.log", "dlio.log"):
                (writer.path / file).write_text("a line\n")
            (writer.path / "dlio_config").mkdir()
            for file in ("config.yaml", "hydra.yaml", "overrides.yaml"):
                (writer.path / "dlio_config" / file).write_text("{}\n")
            writer.write_json("fs_separation.json", {"version": 1, "same_filesystem": False})
            self._measured(writer, begin, end, writes, reads, processes, hosts, changed)
            writer.commit()

    def _measured(self, writer, begin, end, writes, reads, processes, hosts, changed) -> None:
        """What the ranks left: files of the first eight of them, and a summary that rank 0's times give."""
        shape = CheckpointShape.from_parameters(edition("3.0").template_parameters(self.model, "checkpointing"))
        copies = changed.get("model.parallelism.data")
        size_gib = checkpoint_size(shape, processes=processes, data_parallel=copies).total_gib
        metric: dict = {"checkpoint_size_GB": size_gib}
        phases = {"save": checkpoint_times(writes, SAVE_SECONDS), "load": checkpoint_times(reads, LOAD_SECONDS)}
        for phase, times in phases.items():
            if times:
                metric[f"{phase}_checkpoint_io_mean_GB_per_second"] = sum(size_gib / t for t in times) / len(times)
                metric[f"{phase}_checkpoint_duration_mean_seconds"] = sum(times) / len(times)
        first = begin + dt.timedelta(seconds=MARGIN_SECONDS)
        for rank in range(min(processes, 8)):
            writer.write_json(f"{rank}_output.json", {"hostname": "node0", "1": {}})
            now, epoch = first, {"start": first.isoformat()}
            for phase, times in phases.items():
                for number, seconds in enumerate(times, 1):
                    # The later the rank, the later it begins and the longer it takes.
                    started, took = now + dt.timedelta(seconds=0.25 * rank), seconds + 0.5 * rank
                    ended = started + dt.timedelta(seconds=took)
                    record = {"start": started.isoformat(), "end": ended.isoformat(), "duration": took, "throughput": size_gib / took}
                    epoch[f"{phase}_ckpt{number}"] = record
                    now += dt.timedelta(seconds=seconds + 1)
            writer.write_json(f"{rank}_per_epoch_stats.json", {"1": {**epoch, "end": now.isoformat()}})
        writer.write_json(
            "summary.json",
            {
                "start": first.isoformat() + ".000001",
                "end": (end - dt.timedelta(seconds=MARGIN_SECONDS)).isoformat() + ".000001",
                "num_accelerators": processes,
                "num_hosts": hosts,
                "hostname": "node0",
                "metric": metric,
                "num_files_train": 8,
                "num_files_eval": 0,
                "num_samples_per_file": 1,
                "host_memory_GB": [HOST_GIB] * hosts,
                "epochs": 0,
            },
        )


def _later(content: dict, seconds: float, *fields: str) -> None:
    for field in fields:
        if content.get(field):
            content[field] = (dt.datetime.fromisoformat(content[field]) + dt.timedelta(seconds=seconds)).isoformat()
