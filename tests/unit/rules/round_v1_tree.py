"""A complete, valid result of round 1.0, its runs written by the package's own writer, and the ways to break it in one place."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import statistics
import tempfile
from pathlib import Path

import yaml

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.nested import overlay, value_at
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.writer import LeafWriter

RANKS, FILES, HOST_GIB, CPUS, RUN_SECONDS, PERIOD_SECONDS = 8, 28_000, 256, 64, 240, 300
START = dt.datetime(2024, 8, 20, 8, 0, 0)
LAUNCHER = {"workflow.generate_data": False, "workflow.train": True, "workflow.profiling": False, "profiling.profiler": "none"}

DESCRIPTION = {
    "networks": [{"network_name": "client", "network_type": "Ethernet", "bitrate": 200, "protocols": ["NFS"]}],
    "nodes": [
        {
            "node_type_name": "client",
            "config_options": ["quiet"],
            "CPU": {"vendor_and_model_name": "a CPU", "socket_count": 2, "base_frequency": 2.5},
            "DRAM": {"capacity_MiB": 262_144, "class": "DDR5"},
            "accelerators": [{"vendor_and_model": "an accelerator", "count_of_this_type": 8}],
            "nic_ports": [{"network_name": "client", "bitrate": 200, "count_of_this_type": 2, "protocols": ["NFS"]}],
            "drives": [{"drive_type": "SSD", "capacity_GiB": 3576.27, "interface": "NVMe", "count_of_this_type": 24, "purpose": ["data"]}],
        }
    ],
    "benchmark_hosts": [{"node_name": "one", "node_type_name": "client", "benchmark_instances": [{"mapping_type": "native"}]}],
    "storage_system": {
        "vendor_name": "acme", "solution_name": "fast", "model_name": "fast", "version": "1", "software_defined": "yes",
        "hyperconverged": "no", "solution_type": "NAS - parallel", "client_mount_options": [], "usable_capacity_GiB": 1000.5,
        "raw_capacity_GiB": 2000,
        "software_components": [
            {"component_name": "server", "description": "serves", "runnable_node_type_name": ["client"], "connecting_components": []}
        ],
    },
}  # fmt: skip

# The writer forces every file to disk; a tree is written once a session and copied for each test.
_SCRATCH = tempfile.TemporaryDirectory(prefix="mlps-round-v1-trees-")
_WRITTEN: dict[str, Path] = {}


@dataclasses.dataclass(frozen=True)
class RoundV1Tree:
    """One result on disk. Methods that take ``run`` change that run, or all of them. ``client``: a level between a run and its files."""

    root: Path
    division: str = "Closed"
    workload: str = "unet3d_h100"
    group: str = "unet3d-h100"
    client: str = ""

    @classmethod
    def write(cls, root: Path, *, runs=5, **kwargs) -> RoundV1Tree:
        tree = cls(root, **kwargs)
        key = json.dumps([runs, kwargs])
        if key not in _WRITTEN:
            _WRITTEN[key] = Path(_SCRATCH.name) / str(len(_WRITTEN))
            _WRITTEN[key].mkdir()
            dataclasses.replace(tree, root=_WRITTEN[key])._write(runs)
        shutil.copytree(_WRITTEN[key], root, dirs_exist_ok=True)
        return tree

    # -- reading back -------------------------------------------------------------------------------------------------

    @property
    def submission(self) -> Path:
        return self.root / self.division / "acme"

    @property
    def result_dir(self) -> Path:
        return self.submission / "results" / "fastfs" / self.group

    @property
    def relpath(self) -> str:
        return self.result_dir.relative_to(self.root).as_posix()

    @property
    def runs(self) -> list[Path]:
        return sorted(p for p in self.result_dir.iterdir() if p.is_dir() and p.name.startswith("run"))

    def read(self):
        tree = read_tree(self.root)
        return tree.load(tree.place(self.relpath))

    # -- breaking it --------------------------------------------------------------------------------------------------

    def _chosen(self, run: int | None) -> list[Path]:
        return [path / self.client for path in (self.runs if run is None else [self.runs[run]])]

    def edit(self, path: Path, change) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def summary(self, change=None, *, run: int | None = None, **values) -> None:
        for path in self._chosen(run):
            self.edit(path / "summary.json", change or (lambda s: s.update(values)))

    def metric(self, *, run: int | None = None, **values) -> None:
        self.summary(lambda s: s["metric"].update(values), run=run)

    def without(self, key: str, *, run: int | None = None) -> None:
        self.summary(lambda s: s.pop(key), run=run)

    def config(self, changes=None, *, drop=(), run: int | None = None) -> None:
        """Change dotted keys of the workload in config.yaml, and drop others."""
        for path in self._chosen(run):
            file = path / "configs" / "config.yaml"
            workload = overlay(yaml.safe_load(file.read_text())["workload"], changes or {})
            for key in drop:
                group, _, name = key.rpartition(".")
                (value_at(workload, group) if group else workload).pop(name)
            file.write_text(yaml.safe_dump({"workload": workload}))

    def override(self, *entries: str, run: int | None = None) -> None:
        """Add entries to overrides.yaml."""
        self.overrides(lambda given: given + list(entries), run=run)

    def overrides(self, change, *, run: int | None = None) -> None:
        for path in self._chosen(run):
            file = path / "configs" / "overrides.yaml"
            file.write_text(yaml.safe_dump(change(yaml.safe_load(file.read_text()))))

    def put(self, name: str, content: str, *, run: int | None = None) -> None:
        for path in self._chosen(run):
            (path / name).write_text(content)

    def remove(self, name: str, *, run: int = 0) -> None:
        path = self._chosen(run)[0] / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def report(self, change) -> None:
        self.edit(self.result_dir / "mlperf_storage_report.json", change)

    @property
    def description(self) -> Path:
        return self.submission / "systems" / "fastfs.json"

    def describe(self, change) -> None:
        self.edit(self.description, change)

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write(self, runs: int) -> None:
        systems = self.submission / "systems"
        systems.mkdir(parents=True)
        (systems / "fastfs.json").write_text(json.dumps(DESCRIPTION))
        (systems / "fastfs.pdf").write_bytes(b"%PDF-1.4\n")
        (self.submission / "code").mkdir()
        summaries = {f"run{number + 1}": self._run(number) for number in range(runs)}
        (self.result_dir / "mlperf_storage_report.json").write_text(json.dumps(self._report(summaries)))

    @property
    def _parameters(self) -> dict:
        return edition("1.0").training.template(*self.workload.split("_")).copy_parameters()

    def _run(self, number: int) -> dict:
        name = f"run{number + 1}"
        summary = self._summary(number)
        given = {**LAUNCHER, "dataset.num_files_train": FILES, "dataset.data_folder": "/data"}
        with LeafWriter.create(self.root, self.result_dir / name, run_id=name) as writer:
            folder = writer.path / self.client
            writer.write_json(str(Path(self.client) / "summary.json"), summary)
            writer.write_json(str(Path(self.client) / "per_epoch_stats.json"), {})
            (folder / "dlp.log").write_text("")
            (folder / "configs").mkdir()
            (folder / "configs" / "config.yaml").write_text(yaml.safe_dump({"workload": overlay(self._parameters, given)}))
            (folder / "configs" / "hydra.yaml").write_text("{}\n")
            entries = [f"workload={self.workload}", *(f"++workload.{key}={value}" for key, value in given.items())]
            (folder / "configs" / "overrides.yaml").write_text(yaml.safe_dump(entries))
            writer.commit()
        return summary

    def _summary(self, number: int) -> dict:
        start = START + dt.timedelta(seconds=PERIOD_SECONDS * number)
        rate = 100.0 + number
        return {
            "start": start.isoformat() + ".000001",
            "end": (start + dt.timedelta(seconds=RUN_SECONDS)).isoformat() + ".000001",
            "num_accelerators": RANKS,
            "num_hosts": 1,
            "hostname": "one",
            "num_files_train": FILES,
            "num_files_eval": 0,
            "num_samples_per_file": self._parameters["dataset"]["num_samples_per_file"],
            "host_cpu_count": [CPUS],
            "host_memory_GB": [float(HOST_GIB)],
            "host_meminfo": {"MemTotal": f"{HOST_GIB * 1024**2} kB"},
            "epochs": 5,
            "metric": {
                "train_au_percentage": [95.5] * 5,
                "train_au_mean_percentage": 95.5,
                "train_au_meet_expectation": "success",
                "train_au_stdev_percentage": 0.0,
                "train_throughput_samples_per_second": [rate] * 5,
                "train_throughput_mean_samples_per_second": rate,
                "train_throughput_stdev_samples_per_second": 0.0,
                "train_io_mean_MB_per_second": rate * self._parameters["dataset"]["record_length"] / 1024**2,
                "train_io_stdev_MB_per_second": 0.0,
            },
        }

    def _report(self, summaries: dict) -> dict:
        model, accelerator = self.workload.split("_")
        runs, rates = {}, {"samples": [], "MB": []}
        for name, summary in summaries.items():
            metric = summary["metric"]
            rates["samples"].append(metric["train_throughput_mean_samples_per_second"])
            rates["MB"].append(metric["train_io_mean_MB_per_second"])
            runs[name] = {
                "train_throughput_samples_per_second": rates["samples"][-1],
                "train_throughput_MB_per_second": rates["MB"][-1],
                "train_num_accelerators": str(RANKS),
                "model": model,
                "accelerator": accelerator,
                "num_files_train": FILES,
                "num_samples_per_file": summary["num_samples_per_file"],
            }
        figures = {"mean": statistics.fmean, "stdev": statistics.pstdev}
        overall = {
            "model": model,
            "accelerator": accelerator,
            "num_benchmark_runs": len(runs),
            "train_num_accelerators": str(RANKS),
            "num_files_train": FILES,
            "num_samples_per_file": runs["run1"]["num_samples_per_file"],
            **{f"train_throughput_{name}_{unit}_per_second": f(values) for unit, values in rates.items() for name, f in figures.items()},
        }
        return {"overall": overall, "runs": runs}
