"""From an entry of the configuration and the cluster's facts to a plan: how many files, of what size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlpstorage.editions.sizing import record_bytes, training_dataset_size
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import overlay, value_at
from pytest_mlpstorage.workloads.training_plan import TrainingPlan

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.editions import Edition
    from pytest_mlpstorage.workloads.base import Case
    from pytest_mlpstorage.workloads.training_settings import TrainingEntry

__all__ = ["make_plan"]


def make_plan(case: Case, entry: TrainingEntry, config: SuiteConfig, edition: Edition, cluster: ClusterFacts) -> TrainingPlan:
    """Lay the user's parameters over the edition's template and size the data set.

    The number of files is the user's where given, else the edition's floor brought to the next multiple of the ranks.
    Raises ConfigurationError for a number of files that DLIO cannot deal out to the ranks.
    """
    template = edition.training.template(entry.model, entry.accelerator)
    given = {key: setting.value for key, setting in case.item.parameters.items()}
    parameters = overlay(template.parameters, given)
    size = training_dataset_size(
        edition=edition,
        record_bytes=record_bytes(parameters.get("dataset", {})),
        samples_per_file=int(value_at(parameters, "dataset.num_samples_per_file", 1)),
        batch_size=int(value_at(parameters, "reader.batch_size")),
        num_processes=entry.accelerators,
        host_memory_bytes=[host.memory_bytes for host in cluster.hosts],
    )
    files = int(value_at(parameters, "dataset.num_files_train")) if "dataset.num_files_train" in given else size.files
    if files % entry.accelerators:
        setting = case.item.parameters["dataset.num_files_train"]
        above = -(-files // entry.accelerators) * entry.accelerators
        raise ConfigurationError(
            f"dataset.num_files_train: given {files}; it must be a multiple of the {entry.accelerators} accelerators, "
            "or the last rank runs out of files",
            details={"given in": setting.origin, "nearest": " or ".join(str(n) for n in (above - entry.accelerators, above) if n)},
            code="MLPS-E115",
        )
    overrides = {
        **given,
        "dataset.num_files_train": files,
        "dataset.num_subfolders_train": given.get("dataset.num_subfolders_train", 0),
        "dataset.data_folder": str(config.data_dir / entry.model),
    }
    return TrainingPlan(
        case=case,
        config=config,
        edition=edition,
        template=template,
        cluster=cluster,
        ranks=entry.accelerators,
        accelerator=entry.accelerator,
        parameters=overlay(parameters, overrides),
        overrides=overrides,
        size=size,
        files=files,
    )
