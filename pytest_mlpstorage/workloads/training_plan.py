"""The plan of one training case: parameters, sizes, memory and expected time, before anything is launched."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage import __version__
from pytest_mlpstorage.config import SuiteConfig
from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.core_config import core_config_hash
from pytest_mlpstorage.editions.models import WorkloadTemplate
from pytest_mlpstorage.editions.sizing import DatasetSize, expected_compute_seconds
from pytest_mlpstorage.nested import overlay, value_at
from pytest_mlpstorage.results.layout import result_path
from pytest_mlpstorage.results.planned import planned_result
from pytest_mlpstorage.results.records import LeafMetadata, Summary, TrainingResult
from pytest_mlpstorage.units import GIB, MIB, format_bytes, format_seconds
from pytest_mlpstorage.workloads.base import Case, Step

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.dlio.capabilities import Capabilities

__all__ = ["DATAGEN_BYTES_PER_SECOND", "RANK_BYTES", "READER_BYTES", "TrainingPlan"]

RANK_BYTES = 110 * MIB
"""Proportional memory of one DLIO rank with torch loaded (measured; a process shares most of its libraries)."""

READER_BYTES = 60 * MIB
"""Proportional memory of one read worker, before its batches (measured)."""

PREFETCHED_BATCHES = 2
"""Batches that torch's loader keeps ready per read worker."""

DATAGEN_BYTES_PER_SECOND = 50 * MIB
"""Assumed speed of data generation per rank, only for the deadline; it is printed as an assumption."""

STARTUP_SECONDS = 10.0
"""mpirun, Python, torch and the first workers, measured at 3 to 8 s on two cores."""


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """Everything known of a training case before launch.

    ``parameters`` are the nested official parameters in effect, ``overrides`` the dotted ones that differ from the
    edition's template because a user or this tool set them. Counts: ``files`` of ``size.record_bytes`` × samples.
    """

    case: Case
    config: SuiteConfig
    edition: Edition
    template: WorkloadTemplate
    cluster: ClusterFacts
    ranks: int
    accelerator: str
    parameters: Mapping[str, Any]
    overrides: Mapping[str, Any]
    size: DatasetSize
    files: int
    capabilities: Capabilities | None = None

    # -- what follows from the parameters ---------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """The edition's model name."""
        return self.case.model

    @property
    def warmup_runs(self) -> int:
        """Runs of this case that do not count."""
        return sum(step.name.startswith("warmup") for step in self.case.steps)

    @property
    def batch_size(self) -> int:
        """Samples a rank and step."""
        return int(value_at(self.parameters, "reader.batch_size"))

    @property
    def read_threads(self) -> int:
        """Read workers a rank."""
        return int(value_at(self.parameters, "reader.read_threads", 1))

    @property
    def epochs(self) -> int:
        """Passes over the data set a run."""
        return int(value_at(self.parameters, "train.epochs"))

    @property
    def samples_per_file(self) -> int:
        """Samples in each file."""
        return int(value_at(self.parameters, "dataset.num_samples_per_file", 1))

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches that every rank reads in an epoch (training.md §4); the remainder is never read."""
        steps = self.files * self.samples_per_file // self.batch_size // self.ranks
        limit = int(value_at(self.parameters, "train.total_training_steps", -1))
        return min(steps, limit) if limit > 0 else steps

    @property
    def data_folder(self) -> Path:
        """Where DLIO finds ``train/`` (rules.md §1: the data directory has one folder a model)."""
        return self.config.data_dir / self.model

    @property
    def dataset_bytes(self) -> int:
        """Nominal bytes of the data set: files × samples × record."""
        return self.files * self.size.file_bytes

    @property
    def samples_per_epoch(self) -> int:
        """Samples that the ranks together read in one epoch: whole batches only."""
        return self.steps_per_epoch * self.batch_size * self.ranks

    @property
    def read_bytes_per_sample(self) -> float:
        """Bytes that a sample asks of the storage: the record, of a parquet row the columns that are read."""
        parquet = value_at(self.parameters, "dataset.parquet")
        if self.file_suffix != "parquet" or not parquet:
            return float(self.size.record_bytes)
        from pytest_mlpstorage.dlio.parquet_schema import columns, row_bytes, selected

        return float(row_bytes(selected(parquet, columns(parquet, record_bytes=round(self.size.record_bytes)))))

    @property
    def epoch_bytes(self) -> int:
        """Bytes that the ranks together ask for in one epoch."""
        return int(self.samples_per_epoch * self.read_bytes_per_sample)

    @property
    def rank_memory_bytes(self) -> int:
        """Estimate for one rank with its read workers: fixed parts, one file a worker, and the batches kept ready."""
        sample = int(value_at(self.parameters, "dataset.record_length_bytes_resize") or self.size.record_bytes)
        worker = READER_BYTES + self.size.file_bytes + PREFETCHED_BATCHES * self.batch_size * sample
        return RANK_BYTES + self.read_threads * worker + self.batch_size * sample

    @property
    def file_suffix(self) -> str:
        """Suffix of the data files, which DLIO takes from the format."""
        return str(value_at(self.parameters, "dataset.format"))

    @property
    def has_spread(self) -> bool:
        """Whether the sizes of the files vary by design."""
        return float(value_at(self.parameters, "dataset.record_length_bytes_stdev", 0) or 0) > 0

    @property
    def dataset_parameters(self) -> Mapping[str, Any]:
        """What decides whether a data set on disk is the one that this plan needs."""
        names = ("format", "num_samples_per_file", "record_length_bytes", "record_length_bytes_stdev", "num_subfolders_train")
        found = {f"dataset.{name}": value_at(self.parameters, f"dataset.{name}") for name in names}
        return {key: value for key, value in found.items() if value is not None}

    # -- the Plan protocol --------------------------------------------------------------------------------------------

    def bytes_to_write(self, step: Step) -> int:
        """Bytes put on the storage under test: the data set at datagen, nothing in a run."""
        return self.dataset_bytes if step.phase == "datagen" else 0

    def bytes_to_read(self, step: Step) -> int:
        """Bytes read from the storage under test."""
        return self.epoch_bytes * self.epochs if step.phase == "run" else 0

    def expected_seconds(self, step: Step) -> float:
        """Expected wall time: of a run the compute time at the AU limit, of datagen the bytes at an assumed speed."""
        if step.phase == "datagen":
            return STARTUP_SECONDS + self.dataset_bytes / (DATAGEN_BYTES_PER_SECOND * self.ranks)
        compute = expected_compute_seconds(
            files=self.files,
            samples_per_file=self.samples_per_file,
            batch_size=self.batch_size,
            num_processes=self.ranks,
            computation_time_seconds=float(value_at(self.parameters, "train.computation_time")),
            epochs=self.epochs,
        )
        return STARTUP_SECONDS + compute / self.edition.training.au_minimum.get(self.model, 0.9)

    def lines(self) -> Sequence[str]:
        """The plan for people, one fact a line."""
        floors = [
            f"  floor by {f.name}: {f.files} files{' (binds)' if f.name == self.size.binding else ''} = {f.formula}"
            for f in self.size.floors
        ]
        scaled = "" if self.files >= self.size.minimum_files else " -- BELOW the floor: scaled down, not for submission"
        run = Step("1", "run")
        return [
            f"{self.case.id}: {self.ranks} simulated accelerators on {len(self.cluster.hosts)} host(s) "
            f"with {format_bytes(self.cluster.total_memory_bytes)} of memory together",
            *floors,
            f"  data set: {self.files} files × {format_bytes(self.size.file_bytes)} = {format_bytes(self.dataset_bytes)} "
            f"({self.dataset_bytes} bytes) in {self.data_folder}{scaled}",
            f"  a run: {self.epochs} epochs × {self.steps_per_epoch} steps, reads {format_bytes(self.bytes_to_read(run))}, "
            f"about {format_seconds(self.expected_seconds(run))}",
            f"  memory: about {format_bytes(self.rank_memory_bytes)} a rank, "
            f"{format_bytes(self.rank_memory_bytes * self.ranks_on_fullest_host)} on the fullest host",
            f"  core-config-v1 hash: {core_config_hash(self.parameters, 'training')}",
        ]

    @property
    def ranks_on_fullest_host(self) -> int:
        """Ranks on the host that gets most of them (spread evenly, remainder to the first)."""
        return -(-self.ranks // len(self.cluster.hosts))

    def leaf_parent(self, step: Step) -> Path:
        """The phase directory of the step."""
        return self.result_dir() / step.phase

    def result_dir(self) -> Path:
        """The workload directory: one result."""
        c = self.config
        return result_path(c.results_dir, c.division, c.submitter, c.system, "training", self.model)

    def metadata_parameters(self, phase: str) -> dict[str, Any]:
        """The nested parameters that a leaf of this phase records."""
        if phase == "datagen":
            template = self.edition.training.datagen_parameters(self.model)
            return overlay(
                overlay(self.parameters, template), {"workflow.generate_data": True, "workflow.train": False, "workflow.checkpoint": False}
            )
        if phase == "datasize":
            return overlay(self.parameters, {"dataset.total_disk_bytes": self.dataset_bytes})
        return overlay(self.parameters, {})

    def metadata(self, step: Step, leaf: Path) -> LeafMetadata:
        """The metadata record of a leaf, in the edition's vocabulary; what only we know goes under ``mlps``."""
        parameters = self.metadata_parameters(step.phase)
        overrides: dict[str, Any] = dict(self.overrides)
        if step.phase == "datasize":
            overrides["dataset.total_disk_bytes"] = self.dataset_bytes
        c = self.config
        return LeafMetadata(
            benchmark_type="training",
            model=self.model,
            command=step.phase,
            run_datetime=leaf.name,
            num_processes=self.ranks,
            accelerator=self.accelerator,
            result_dir=str(leaf),
            parameters=parameters,
            override_parameters=overrides,
            args={
                "mode": c.division.value,
                "benchmark": "training",
                "command": step.phase,
                "model": self.model,
                "hosts": [host.name for host in c.cluster.hosts],
                "num_processes": self.ranks,
                "num_accelerators": self.ranks,
                "max_accelerators": self.ranks,
                "accelerator_type": self.accelerator,
                "num_client_hosts": len(self.cluster.hosts),
                "client_host_memory_in_gb": round(self.cluster.total_memory_bytes / len(self.cluster.hosts) / GIB, 3),
                "data_dir": str(c.data_dir),
                "results_dir": str(c.results_dir),
                "orgname": c.submitter,
                "systemname": c.system,
                "params": [f"{key}={value}" for key, value in sorted(self.overrides.items())],
            },
            system_info=self.cluster.system_info(),
            verification=None if c.division.value == "whatif" else c.division.value.upper(),
            mlps={
                "tool": {"name": "pytest-mlpstorage", "version": __version__},
                "rules_edition": self.edition.name,
                "not_for_submission": c.division.value == "whatif",
                "step": step.name,
                "python": sys.version.split()[0],
                **self._engine(),
                "dataset": {
                    "floors": [dataclasses.asdict(f) for f in self.size.floors],
                    "binding": self.size.binding,
                    "minimum_files": self.size.minimum_files,
                    "files": self.files,
                    "bytes": self.dataset_bytes,
                },
            },
        )

    def _engine(self) -> dict[str, Any]:
        """What will measure, where it was asked; a finished leaf says what did."""
        if self.capabilities is None or not self.capabilities.usable:
            return {}
        from pytest_mlpstorage.dlio.engine import choose

        parts = choose(self.parameters, flavour=self.capabilities.flavour, reader="auto", generator="auto")
        found = {"version": self.capabilities.version, "flavour": self.capabilities.flavour, "commit": self.capabilities.commit}
        return {"engine": {"name": "dlio", **found, "reader": parts.reader, "generator": parts.generator, "builtin": parts.builtin}}

    def planned_result(self) -> TrainingResult:
        """The result as the preflight rules see it: this plan's records, and a summary that holds no metric yet."""
        c = self.config
        step = Step("1", "run")
        summary = Summary(
            num_accelerators=self.ranks,
            num_hosts=len(self.cluster.hosts),
            host_memory_gib=tuple(host.memory_bytes / GIB for host in self.cluster.hosts),
            num_files_train=self.files,
            num_files_eval=0,
            num_samples_per_file=self.samples_per_file,
            epochs=self.epochs,
        )
        return planned_result(
            root=c.results_dir,
            division=c.division,
            submitter=c.submitter,
            system=c.system,
            edition=self.edition.name,
            metadata=self.metadata(step, self.leaf_parent(step) / "planned"),
            summary=summary,
            runs=1,
        )
