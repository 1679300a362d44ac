"""A plan in the record of a run."""

from pathlib import Path

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.layout import is_timestamp
from pytest_mlpstorage.results.planned import planned_result
from pytest_mlpstorage.results.records import LeafMetadata, Summary
from pytest_mlpstorage.verdict import Division

RUN = LeafMetadata(model="unet3d", command="run", accelerator="b200", override_parameters={"reader.read_threads": 4})
PREDICTED = Summary(num_accelerators=8, num_hosts=1, num_files_train=4000)


def plan(**changes):
    given = {
        "root": Path("/r"), "division": Division.CLOSED, "submitter": "acme", "system": "fastfs", "edition": "3.0",
        "metadata": RUN, "summary": PREDICTED, "runs": 6,
    }  # fmt: skip
    return planned_result(**{**given, **changes})


def test_a_plan_is_a_result_with_its_runs_and_without_files():
    result = plan(datasize=LeafMetadata(command="datasize"), datagen=LeafMetadata(command="datagen"))
    assert result.planned
    assert result.relpath == "closed/acme/results/fastfs/training/unet3d"
    assert (result.model, result.accelerator, result.accelerators) == ("unet3d", "b200", ("b200",))
    assert len(result.runs) == 6
    assert all(leaf.planned and leaf.files == frozenset() and leaf.summary is PREDICTED for leaf in result.runs)
    assert all(leaf.metadata is RUN and is_timestamp(leaf.name) for leaf in result.runs)
    assert len(set(result.run_listing.directories)) == 6
    assert result.run_listing.files == ("results.json",)
    assert [leaf.metadata.command for leaf in result.datasize + result.datagen] == ["datasize", "datagen"]
    assert result.entries.names == ("datagen", "datasize", "run")
    assert result.all_problems == ()


def test_phases_that_are_not_planned_are_not_there():
    assert plan().leaves == plan().runs
    assert plan().entries.names == ("run",)


def test_a_plan_for_an_impossible_path_is_refused():
    with pytest.raises(ConfigurationError, match="system '<system-name>' cannot be a directory of a submission"):
        plan(system="<system-name>")
    with pytest.raises(ConfigurationError, match="model '' cannot be"):
        plan(metadata=LeafMetadata())
