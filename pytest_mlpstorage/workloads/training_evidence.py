"""What a run's leaf holds from before the launch, for the rules to see afterwards what it read and where that lay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.state import LEAF_MANIFEST, Complete, read_dataset_state
from pytest_mlpstorage.workloads.separation import write_separation

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["write_run_evidence"]


def write_run_evidence(plan: TrainingPlan, staged: Path) -> None:
    """Write the manifest of the data set (3.3.1) and the probe of the filesystems (3.4.2) into a run's leaf.

    Raises FileSystemError where there is no complete data set, or nothing can be found out of the filesystems: better
    now than after the run.
    """
    # Whether its files are all there was looked at before this leaf was begun; millions of them take their time.
    state = read_dataset_state(plan.config.data_dir, plan.model)
    if not isinstance(state, Complete):
        raise FileSystemError(f"no complete data set in {plan.data_folder}", suggestion="run the datagen item first", code="MLPS-E430")
    write_json(staged / LEAF_MANIFEST, state.manifest.to_json())
    write_separation(plan.config, plan.config.data_dir, staged)
