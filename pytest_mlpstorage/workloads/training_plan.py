"""The plan of one training case: parameters, sizes, memory and expected time, before anything is launched."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.config import SuiteConfig
from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.core_config import core_config_hash
from pytest_mlpstorage.editions.models import WorkloadTemplate
from pytest_mlpstorage.editions.sizing import DatasetSize, expected_compute_seconds
from pytest_mlpstorage.launch.job import placed
from pytest_mlpstorage.nested import value_at
from pytest_mlpstorage.results.layout import result_path
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.units import MIB, format_bytes
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.base import Case, Step
from pytest_mlpstorage.workloads.foreseen import Foreseen, Space

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
    def drops_caches(self) -> bool:
        """Whether the data set is dropped from memory before it is read."""
        return bool(getattr(self.config.families[self.case.family].own, "drop_caches", True))

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

    def foreseen(self, step: Step) -> Foreseen:
        """What is known of a step: its bytes, and how long the accelerators compute in a run."""
        memory, space = self.rank_memory_bytes, None
        least, most, because = 0.0, None, {"takes": "how fast this storage takes the files is not known"}
        if step.phase == "datagen":
            from pytest_mlpstorage.workloads.training_state import space_bytes

            space = Space(self.config.data_dir, f"training:{self.model}", space_bytes(self))
        else:
            epochs, steps, each = self.epochs, self.steps_per_epoch, float(value_at(self.parameters, "train.computation_time"))
            least = epochs * steps * each
            because["takes"] = f"{epochs} epochs × {steps} steps × {each:g} s of emulated computing is the least"
            minimum = self.edition.training.au_minimum.get(self.model)
            if minimum and self.config.division is not Division.WHATIF:
                most = least / minimum
                because["takes"] += f", and at the lowest valid AU of {minimum * 100:g} % the most; the start comes on top"
        estimate = f"estimate of {self.ranks} rank(s) with {self.read_threads} read workers each"
        return Foreseen(
            self.bytes_to_write(step),
            self.bytes_to_read(step),
            least,
            most,
            rank_memory_bytes=memory,
            host_memory_bytes=memory * self.ranks_on_fullest_host,
            ranks=self.ranks,
            space=space,
            because={"memory": estimate, **because},
        )

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
            f"takes {self.foreseen(run).time()} and the start of its ranks",
            f"  memory: about {format_bytes(self.rank_memory_bytes)} a rank, "
            f"{format_bytes(self.rank_memory_bytes * self.ranks_on_fullest_host)} on the fullest host",
            f"  core-config-v1 hash: {core_config_hash(self.parameters, 'training')}",
        ]

    @property
    def placement(self) -> tuple[int, ...]:
        """Ranks of each host that gets any, in order, as the launcher will be told."""
        return tuple(count for _, count in placed(self.ranks, self.config.cluster.hosts))

    @property
    def ranks_on_fullest_host(self) -> int:
        """Ranks on the host that gets most of them."""
        return max(self.placement)

    def leaf_parent(self, step: Step) -> Path:
        """The phase directory of the step."""
        return self.result_dir() / step.phase

    def result_dir(self) -> Path:
        """The workload directory: one result."""
        c = self.config
        return result_path(c.results_dir, c.division, c.submitter, c.system, "training", self.model)

    @property
    def datagen_changes(self) -> Mapping[str, Any]:
        """Dotted parameters of the edition's datagen template that differ from a run's; what the user set stays."""
        template = self.edition.training.datagen_parameters(self.model)
        return {key: value for key, value in template.items() if key not in self.overrides and not key.startswith("workflow.")}

    def metadata(self, step: Step, leaf: Path) -> LeafMetadata:
        """The metadata record of a leaf, in the edition's vocabulary."""
        from pytest_mlpstorage.workloads.training_records import leaf_metadata

        return leaf_metadata(self, step, leaf)
