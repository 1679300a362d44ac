"""One step from an empty leaf to a leaf in its place, with a workload that only calculates."""

from __future__ import annotations

import dataclasses
import errno
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pytest_mlpstorage.config import Given, LaunchConfig
from pytest_mlpstorage.errors import BenchmarkExecutionError, FileSystemError, MPIError
from pytest_mlpstorage.results import writer
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads import execute as execute_module
from pytest_mlpstorage.workloads.base import Case, Step
from pytest_mlpstorage.workloads.execute import Voice, execute
from pytest_mlpstorage.workloads.series import failures_in

CASE = Case("training", "unet3d-b200", "unet3d", None, ())


@dataclasses.dataclass(frozen=True)
class Config:
    results_dir: Path
    edition: str = "3.0"
    division: Division = Division.WHATIF
    launch: LaunchConfig = dataclasses.field(default_factory=LaunchConfig)
    path: Path | None = None
    data_dir: Path = Path("/data")
    storage_dirs: tuple[Path, ...] = ()
    given: Given = dataclasses.field(default_factory=Given)


@dataclasses.dataclass(frozen=True)
class Plan:
    parent: Path
    case: Case = CASE

    def leaf_parent(self, _step):
        return self.parent

    def metadata(self, _step, leaf):
        return LeafMetadata(benchmark_type="training", model="unet3d", command="datasize", result_dir=str(leaf))

    def expected_seconds(self, _step):
        return 1.0


class Calculation:
    family = "training"

    def __init__(self, wrong="", error=None):
        self.wrong = error or (BenchmarkExecutionError(wrong) if wrong else None)

    def job(self, _plan, _step, **_options):
        return None

    def prepare(self, _plan, _step, *, run_id):
        if self.wrong:
            raise self.wrong
        return ()

    def finish(self, _plan, _step, **_options):
        pass


@pytest.fixture
def step(tmp_path):
    """Carry out a step beside a leaf that is dated so many seconds from now."""
    parent = tmp_path / "results" / "whatif" / "acme" / "results" / "box" / "training" / "unet3d" / "datasize"

    def step(*, earlier_seconds=-60, wrong="", error=None):
        earlier = (datetime.now() + timedelta(seconds=earlier_seconds)).strftime("%Y%m%d_%H%M%S")
        (parent / earlier).mkdir(parents=True)
        config = Config(tmp_path / "results")
        done = execute(Calculation(wrong, error), Plan(parent), Step("datasize", "datasize"), config=config, launcher=None, voice=Voice())
        (record,) = done.leaf.glob("*_metadata.json")
        return earlier, done, json.loads(record.read_text())

    return step


def test_a_leaf_dated_in_the_future_pushes_the_next_name_forward_and_that_is_said(step):
    earlier, done, record = step(earlier_seconds=86_400)
    (note,) = done.collected.notes
    assert f"named {done.leaf.name}, which is " in note
    assert " h " in note
    assert f"{earlier} is dated in the future" in note
    assert "the clock of this host" in note
    assert record["mlps"]["notes"] == [note]
    assert done.leaf.name > earlier


@pytest.mark.parametrize("earlier_seconds", [-86_400, -1, 0, 1])
def test_a_name_of_the_present_is_not_worth_a_word(step, earlier_seconds):
    _, done, record = step(earlier_seconds=earlier_seconds)
    assert done.collected.notes == ()
    assert record["mlps"]["notes"] == []


def test_a_step_that_fails_keeps_its_evidence_and_names_it(step, tmp_path):
    with pytest.raises(BenchmarkExecutionError) as caught:
        step(earlier_seconds=-60, wrong="no such data")
    (evidence,) = (tmp_path / "results" / ".mlps" / "failed").iterdir()
    assert caught.value.details["evidence"] == str(evidence)
    assert json.loads((evidence / "reason.json").read_text())["reason"] == "no such data"
    assert not (tmp_path / "results" / ".mlps" / "scratch").exists() or not list((tmp_path / "results" / ".mlps" / "scratch").iterdir())


@pytest.mark.parametrize(
    ("launched", "error", "began"),
    [
        (False, FileSystemError("no room"), False),  # while it was prepared
        (True, MPIError("no rank was started"), False),
        (True, BenchmarkExecutionError("rank 3 was killed"), True),
        (True, KeyboardInterrupt(), True),
    ],
)
def test_the_evidence_says_whether_a_rank_had_begun(tmp_path, monkeypatch, launched, error, began):
    class Launching(Calculation):
        diagnose = None

        def job(self, *_, **__):
            return "a job" if launched else None

    def raising(*_, **__):
        raise error

    monkeypatch.setattr(execute_module, "run_job", raising)
    workload = Launching(error=None if launched else error)
    parent = tmp_path / "results" / "whatif" / "acme" / "results" / "box" / "training" / "unet3d" / "run"
    with pytest.raises(type(error)):
        execute(workload, Plan(parent), Step("1", "run"), config=Config(tmp_path / "results"), launcher=None, voice=Voice())
    (evidence,) = (tmp_path / "results" / ".mlps" / "failed").iterdir()
    assert json.loads((evidence / "reason.json").read_text())["details"]["began"] is began
    counted = failures_in(tmp_path / "results", "whatif/acme/results/box/training/unet3d/run")
    assert bool(counted) is (began and not isinstance(error, KeyboardInterrupt))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BenchmarkExecutionError("rank 3 was killed"), ValueError("odd")])
def test_evidence_that_cannot_be_kept_hides_neither_ctrl_c_nor_the_cause(step, monkeypatch, tmp_path, error):
    def full(path, *_, **__):
        raise FileSystemError(f"cannot write {path.name}", cause=OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr(writer, "write_json", lambda path, *more: full(path) if path.name == "reason.json" else write_json(path, *more))
    with pytest.raises(type(error)) as caught:
        step(error=error)
    assert caught.value is error
    if isinstance(error, BenchmarkExecutionError):
        assert "No space left on device" in str(error)
        assert str(tmp_path / "results/.mlps/staging") in error.details["evidence"]


def test_a_disk_that_is_full_before_the_step_begins_is_told_and_leaves_nothing_reserved(step, tmp_path):
    (tmp_path / "results" / ".mlps").mkdir(parents=True)
    (tmp_path / "results" / ".mlps" / "scratch").write_text("no directory can be made here")
    with pytest.raises(FileSystemError, match="cannot make the folder that a step works in"):
        step()
    assert list((tmp_path / "results" / ".mlps" / "claims").iterdir()) == []
    assert len(list((tmp_path / "results" / ".mlps" / "failed").iterdir())) == 1
