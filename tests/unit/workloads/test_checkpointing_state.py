"""What stands in the tree and what a reading run needs: checkpoints, a run that wrote them, and no more time than 30 s."""

from __future__ import annotations

import dataclasses
import os
import re
from datetime import datetime, timedelta

import checkpointing_cases as cases
import pytest

from pytest_mlpstorage.dlio.capabilities import Capabilities
from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, FileSystemError
from pytest_mlpstorage.results.layout import metadata_name
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.workloads import checkpointing_sizing
from pytest_mlpstorage.workloads.checkpointing import WORKLOAD
from pytest_mlpstorage.workloads.checkpointing_state import found, require
from pytest_mlpstorage.workloads.series import Resumption

TINY = f"model: llama3-8b, accelerator: b200, accelerators: 2, {cases.TINY}, checkpoint.num_checkpoints_write: 2, checkpoint.num_checkpoints_read: 2"
NOW = datetime(2026, 1, 1)


@pytest.fixture(autouse=True)
def no_dlio(monkeypatch):
    monkeypatch.setattr(checkpointing_sizing, "probe", lambda: Capabilities(installed=False))


def plan_of(folder, *, division="closed", command="", entry=TINY, separate=True):
    section = ("invocations: separate\n" if separate else "") + (f"between_command: {command}\n" if command else "")
    return cases.plan_of(folder, entry, division=division, section=section)


def write_leaf(plan, step, *, ended=None, **changes):
    """A finished run in the tree, as execute leaves it."""
    writer = LeafWriter.create_next(plan.config.results_dir, plan.leaf_parent(step), run_id="r")
    ended = ended or datetime.now()
    metadata = dataclasses.replace(
        plan.metadata(step, writer.final), invocation_start_time=ended - timedelta(seconds=60), invocation_end_time=ended, **changes
    )
    writer.write_json(metadata_name("checkpointing", writer.final.name), metadata.to_json())
    return writer.commit()


def write_checkpoints(plan, *, numbers=(1, 2)):
    for number in numbers:
        folder = plan.folder / f"global_epoch1_step{number}"
        folder.mkdir(parents=True)
        for rank in (0, 1):
            for name, size in (("optim", 35418624), ("model", 5900544)):
                with (folder / f"zero_pp_rank_{rank}_mp_rank_0_{name}_states.pt").open("wb") as file:
                    file.truncate(size)


# -- found -----------------------------------------------------------------------------------------------------------------


def test_nothing_is_found_in_an_empty_tree(tmp_path):
    plan = plan_of(tmp_path)
    assert [found(plan, step) for step in plan.case.steps] == [None, None]


def test_a_finished_run_is_found_and_the_missing_one_is_not(tmp_path):
    plan = plan_of(tmp_path)
    leaf = write_leaf(plan, plan.case.steps[0])
    relpath = leaf.relative_to(plan.config.results_dir).as_posix()
    assert [found(plan, step) for step in plan.case.steps] == [relpath, None]
    write_leaf(plan, plan.case.steps[1])
    assert found(plan, plan.case.steps[1]) is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_processes": 4}, "num_processes: 4 in the tree, 2 planned"),
        ({"accelerator": "mi355"}, "accelerator: mi355 in the tree, b200 planned"),
        ({"parameters": {"model": {"num_layers": 5}}}, "model.num_layers: 5 in the tree, 4 planned"),
    ],
)
def test_a_run_with_other_parameters_is_refused_with_the_differences(tmp_path, changes, words):
    plan = plan_of(tmp_path)
    write_leaf(plan, plan.case.steps[0], **changes)
    with pytest.raises(FileSystemError, match="was made with other parameters") as caught:
        found(plan, plan.case.steps[0])
    assert words in caught.value.details["differences"]


def test_a_run_that_also_read_is_no_writing_run(tmp_path):
    together = plan_of(tmp_path, separate=False)
    write_leaf(together, together.case.steps[0])
    plan = plan_of(tmp_path)
    with pytest.raises(FileSystemError, match="other parameters") as caught:
        found(plan, plan.case.steps[0])
    assert "checkpoint.num_checkpoints_read: 2 in the tree, 0 planned" in caught.value.details["differences"]


def test_another_folder_is_no_difference(tmp_path):
    plan = plan_of(tmp_path)
    write_leaf(plan, plan.case.steps[0])
    moved = plan_of(tmp_path, entry=f"{TINY}, checkpoint.checkpoint_folder: /mnt/other")
    assert found(moved, moved.case.steps[0]) is not None


# -- the gap ---------------------------------------------------------------------------------------------------------------


def resumed(plan, **given):
    """What a second start would do: the plan of the runs."""
    resumption = Resumption(WORKLOAD, plan, plan.config, **given)
    return resumption, resumption._runs(plan.case.steps[0])


LEFT = ("0_output.json", "0_per_epoch_stats.json", "checkpointing_run.stdout.log", "checkpointing_run.stderr.log", "dlio.log")
CONFIG = tuple(f"dlio_config/{name}.yaml" for name in ("config", "hydra", "overrides"))


def summary_of(leaf):
    """What a finished run leaves beside its metadata, as far as resuming looks at it."""
    (leaf / "dlio_config").mkdir()
    for name in ("summary.json", *LEFT, *CONFIG):
        (leaf / name).write_text("{}")
    return leaf


def test_both_runs_are_kept_however_long_ago_they_were(tmp_path):
    plan = plan_of(tmp_path)
    for step, seconds in zip(plan.case.steps, (0, 90), strict=True):
        summary_of(write_leaf(plan, step, ended=NOW + timedelta(seconds=seconds)))
    assert resumed(plan)[1].complete
    assert resumed(plan)[1].aside == ()


def test_a_pair_that_lies_too_far_apart_is_done_anew(tmp_path):
    plan = plan_of(tmp_path)
    for step, seconds in zip(plan.case.steps, (0, 91), strict=True):
        summary_of(write_leaf(plan, step, ended=NOW + timedelta(seconds=seconds)))
    _, series = resumed(plan)
    assert series.todo == ("write", "read")
    assert len(series.aside) == 2
    assert "it began 31.0 s after its checkpoints were written, and 30 s may pass (4.7.1)" in series.why


def test_a_run_that_read_what_is_gone_never_stands_for_one_that_wrote(tmp_path):
    plan = plan_of(tmp_path)
    summary_of(write_leaf(plan, plan.case.steps[1]))
    _, series = resumed(plan)
    assert series.todo == ("write", "read")
    assert series.aside[0].reason == "the run that wrote what it read is not there"


def test_a_writing_run_that_was_never_read_in_time_is_set_aside_and_written_anew(tmp_path):
    plan = plan_of(tmp_path)
    leaf = summary_of(write_leaf(plan, plan.case.steps[0], ended=datetime.now() - timedelta(seconds=31)))
    resumption, series = resumed(plan)
    assert series.todo == ("write", "read")
    assert leaf.is_dir()  # looking changes nothing: a dry run looks too
    (said,) = resumption.clear(plan.case.steps[0])
    assert "would break 4.7.1, which allows less than 30.0 s" in said
    assert not leaf.exists()
    (kept,) = (plan.config.results_dir / ".mlps/superseded").iterdir()
    assert (kept / leaf.relative_to(plan.config.results_dir) / "summary.json").is_file()


def test_one_that_was_written_just_now_is_kept_and_only_read(tmp_path):
    plan = plan_of(tmp_path)
    summary_of(write_leaf(plan, plan.case.steps[0], ended=datetime.now() - timedelta(seconds=10)))
    assert resumed(plan)[1].todo == ("read",)


def test_a_clock_that_was_set_back_after_writing_makes_no_pair(tmp_path):
    """The rules order runs by their starts, so a read dated before its write would be a result that no later start could mend."""
    plan = plan_of(tmp_path)
    write = summary_of(write_leaf(plan, plan.case.steps[0], ended=datetime.now() + timedelta(hours=1)))
    _, series = resumed(plan)
    assert series.todo == ("write", "read")
    assert f"by the clock of this host {write.name} lies in the future" in series.why


def test_a_pair_whose_read_is_dated_before_its_write_is_done_anew(tmp_path):
    plan = plan_of(tmp_path)
    for step, seconds in zip(plan.case.steps, (0, -3600), strict=True):
        summary_of(write_leaf(plan, step, ended=NOW + timedelta(seconds=seconds)))
    _, series = resumed(plan)
    assert series.todo == ("write", "read")
    assert len(series.aside) == 2
    assert "by the clock it began before the run that wrote what it read" in series.why


def test_a_clock_that_was_set_back_by_less_than_a_run_is_no_reason(tmp_path):
    plan = plan_of(tmp_path)
    summary_of(write_leaf(plan, plan.case.steps[0], ended=datetime.now() + timedelta(seconds=20)))
    assert resumed(plan)[1].todo == ("read",)


def test_a_leaf_without_a_summary_does_not_count(tmp_path):
    plan = plan_of(tmp_path, separate=False)
    write_leaf(plan, plan.case.steps[0])
    _, series = resumed(plan)
    assert series.todo == ("both",)
    assert "its summary cannot be read" in series.why


@pytest.mark.parametrize(("name", "rule"), [*((name, "2.1.25") for name in LEFT), *((name, "2.1.26") for name in CONFIG)])
def test_a_run_that_lacks_a_file_of_the_rule_book_does_not_count(tmp_path, name, rule):
    plan = plan_of(tmp_path, separate=False)
    (summary_of(write_leaf(plan, plan.case.steps[0])) / name).unlink()
    _, series = resumed(plan)
    assert series.todo == ("both",)
    assert f"({rule})" in series.why


def test_what_a_new_run_would_break_in_the_same_way_is_no_reason_to_do_it_again(tmp_path):
    plan = plan_of(tmp_path, separate=False)
    leaf = summary_of(write_leaf(plan, plan.case.steps[0]))
    (leaf / ".mlps-code-image").write_text("none")
    assert resumed(plan)[1].complete


def test_all_is_done_again_where_that_is_asked_for_and_its_row_is_withdrawn(tmp_path):
    plan = plan_of(tmp_path, separate=False, division="whatif")
    leaf = summary_of(write_leaf(plan, plan.case.steps[0]))
    WORKLOAD.judge(plan)
    table = plan.config.results_dir / "whatif/acme/results/results.json"
    assert table.is_file()
    resumption, series = resumed(plan, rerun="run")
    assert series.todo == ("both",)
    resumption.clear(plan.case.steps[0])
    assert not leaf.exists()
    assert not table.exists()


def test_in_whatif_any_time_may_pass(tmp_path):
    plan = plan_of(tmp_path, division="whatif")
    write_leaf(plan, plan.case.steps[0], ended=NOW)
    write_checkpoints(plan)
    assert found(plan, plan.case.steps[0]) is not None
    require(plan, plan.case.steps[1])
    assert plan.handovers["read"].written == NOW


def test_reading_too_late_is_refused_and_the_command_is_not_run(tmp_path):
    plan = plan_of(tmp_path, command=f"[touch, {tmp_path}/ran]")
    write_leaf(plan, plan.case.steps[0], ended=datetime.now() - timedelta(seconds=60))
    write_checkpoints(plan)
    with pytest.raises(BenchmarkExecutionError, match=r"were written 1 min 00 s ago, and 30 s may pass \(4\.7\.1\)"):
        require(plan, plan.case.steps[1])
    assert not (tmp_path / "ran").exists()


def test_a_command_that_takes_too_long_for_the_rule_leaves_nothing_to_read(tmp_path):
    plan = plan_of(tmp_path, command="[sleep, 1]")
    write_leaf(plan, plan.case.steps[0], ended=datetime.now() - timedelta(seconds=29.3))
    write_checkpoints(plan)
    with pytest.raises(BenchmarkExecutionError) as refused:
        require(plan, plan.case.steps[1])
    told = re.search(r"took ([\d.]+) s: ([\d.]+) s passed since the writing run ended, and 30 s may pass", str(refused.value))
    assert told is not None, refused.value
    # No less than the second that was slept; more where the machine has other work.
    took, passed = map(float, told.groups())
    assert took >= 1.0
    assert passed >= 29.3 + took - 0.1
    assert plan.handovers == {}


# -- what a run needs ------------------------------------------------------------------------------------------------------


def test_reading_needs_a_writing_run(tmp_path):
    plan = plan_of(tmp_path)
    with pytest.raises(FileSystemError, match="no run that wrote the checkpoints of llama3-8b-b200 is in the results tree"):
        require(plan, plan.case.steps[1])


def test_reading_needs_every_file_with_its_bytes(tmp_path):
    plan = plan_of(tmp_path)
    write_leaf(plan, plan.case.steps[0])
    write_checkpoints(plan, numbers=(1,))
    with pytest.raises(FileSystemError, match=r"checkpoint 2 of llama3-8b-b200 is not complete: .*step2/zero_pp_rank_0.* is not there"):
        require(plan, plan.case.steps[1])
    write_checkpoints(plan, numbers=(2,))
    require(plan, plan.case.steps[1])
    os.truncate(plan.folder / "global_epoch1_step2/zero_pp_rank_1_mp_rank_0_model_states.pt", 5)
    with pytest.raises(FileSystemError, match="has 5 bytes instead of 5900544"):
        require(plan, plan.case.steps[1])


def test_a_checkpoint_that_cannot_be_looked_at_is_told_by_its_path(tmp_path):
    plan = plan_of(tmp_path)
    write_leaf(plan, plan.case.steps[0])
    plan.folder.mkdir(parents=True)
    (plan.folder / "global_epoch1_step1").write_text("no directory")
    with pytest.raises(FileSystemError, match=r"a checkpoint cannot be looked at(?s:.*)global_epoch1_step1/zero_pp_rank_0"):
        require(plan, plan.case.steps[1])


def test_a_run_that_reads_what_is_there_already_needs_it_too(tmp_path):
    plan = plan_of(tmp_path, division="whatif", separate=False, entry=f"{TINY.replace('write: 2', 'write: 0')}")
    (step,) = plan.case.steps
    with pytest.raises(FileSystemError, match="checkpoint 1 of llama3-8b-b200 is not complete"):
        require(plan, step)
    write_checkpoints(plan)
    require(plan, step)


def test_writing_needs_nothing_but_a_size(tmp_path):
    plan = plan_of(tmp_path)
    require(plan, plan.case.steps[0])
    with pytest.raises(ConfigurationError, match="cannot run: 3 copies"):
        require(dataclasses.replace(plan, size=None, size_problem="3 copies"), plan.case.steps[0])


def test_the_command_gets_to_know_what_lies_where_and_its_output_is_kept(tmp_path):
    plan = plan_of(tmp_path, command="[sh, -c, 'echo $MLPS_CHECKPOINT_FOLDER $MLPS_MODEL $MLPS_HOSTS']")
    write_leaf(plan, plan.case.steps[0])
    write_checkpoints(plan)
    require(plan, plan.case.steps[1])
    assert plan.handovers["read"].output == (f"{plan.folder} llama3-8b localhost",)
