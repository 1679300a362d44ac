"""A finished run is checked count by count and byte by byte, and its rates are formed both ways."""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import checkpointing_cases as cases
import pytest

from pytest_mlpstorage.dlio.capabilities import Capabilities
from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.results.checkpoint_tables import checkpoint_row, write_checkpoint_table
from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.results.layout import metadata_name
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.rules import metrics_of
from pytest_mlpstorage.workloads import checkpointing_sizing
from pytest_mlpstorage.workloads.checkpointing import WORKLOAD
from pytest_mlpstorage.workloads.checkpointing_engine import CheckpointEngine
from pytest_mlpstorage.workloads.checkpointing_handover import Handover
from pytest_mlpstorage.workloads.checkpointing_state import read_result

TINY = f"model: llama3-8b, accelerator: b200, accelerators: 2, {cases.TINY}, checkpoint.num_checkpoints_write: 2, checkpoint.num_checkpoints_read: 1"
SIZE_GIB = 2 * (5900544 + 35418624) / 2**30
BEGAN = datetime(2026, 1, 1)


@pytest.fixture(autouse=True)
def no_dlio(monkeypatch):
    monkeypatch.setattr(checkpointing_sizing, "probe", lambda: Capabilities(installed=False))


@pytest.fixture
def plan(tmp_path):
    return cases.plan_of(tmp_path, TINY, division="whatif")


def span(start, seconds):
    begin = BEGAN + timedelta(seconds=start)
    end = begin + timedelta(seconds=seconds)
    return {"start": begin.isoformat(), "end": end.isoformat(), "duration": seconds, "throughput": SIZE_GIB / seconds}


def write_run(plan, folder, *, writes=2, reads=1):
    """What the ranks leave: rank 0 takes 1 s and 2 s to write and 4 s to read; rank 1 begins later and ends later."""
    folder.mkdir(exist_ok=True)
    for rank in (0, 1):
        late = 0.5 * rank
        epoch = {f"save_ckpt{n}": span(10 * n + late, float(n)) for n in range(1, writes + 1)}
        epoch |= {f"load_ckpt{n}": span(100 + 10 * n + late, 4.0) for n in range(1, reads + 1)}
        (folder / f"{rank}_per_epoch_stats.json").write_text(json.dumps({"1": epoch}))
        (folder / f"{rank}_output.json").write_text(json.dumps({"hostname": "n", "1": {}}))
    metric = {"checkpoint_size_GB": SIZE_GIB}
    if writes:
        metric |= {
            "save_checkpoint_io_mean_GB_per_second": (SIZE_GIB + SIZE_GIB / 2) / 2,
            "save_checkpoint_duration_mean_seconds": 1.5,
        }
    if reads:
        metric |= {"load_checkpoint_io_mean_GB_per_second": SIZE_GIB / 4, "load_checkpoint_duration_mean_seconds": 4.0}
    (folder / "summary.json").write_text(json.dumps({"num_accelerators": 2, "num_hosts": 1, "metric": metric}))
    for number in (1, 2):
        checkpoint = plan.folder / f"global_epoch1_step{number}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        for rank in (0, 1):
            for name, size in (("optim", 35418624), ("model", 5900544)):
                with (checkpoint / f"zero_pp_rank_{rank}_mp_rank_0_{name}_states.pt").open("wb") as file:
                    file.truncate(size)


def collect(plan, folder, step=0, **outcome):
    ended = SimpleNamespace(elapsed_seconds=12.5, started=BEGAN.replace(tzinfo=timezone.utc), **outcome)
    return WORKLOAD.collect(plan, plan.case.steps[step], staged=folder, scratch=folder.parent, outcome=ended)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_the_rates_are_formed_both_ways(plan, tmp_path):
    write_run(plan, tmp_path / "leaf")
    done = collect(plan, tmp_path / "leaf")
    assert done.metrics == pytest.approx(
        {
            "checkpoint_size_GiB": SIZE_GIB,
            "launch_seconds": 12.5,
            "save_checkpoint_io_mean_GiB_per_second": SIZE_GIB * 0.75,
            "save_checkpoint_all_ranks_GiB_per_second": (SIZE_GIB / 1.5 + SIZE_GIB / 2.5) / 2,
            "save_checkpoint_duration_mean_seconds": 1.5,
            "load_checkpoint_io_mean_GiB_per_second": SIZE_GIB / 4,
            "load_checkpoint_all_ranks_GiB_per_second": SIZE_GIB / 4.5,
            "load_checkpoint_duration_mean_seconds": 4.0,
            "bytes_on_disk": 2 * 2 * (5900544 + 35418624),
        }
    )
    assert done.headline == f"write {SIZE_GIB * 0.75:.3g} GiB/s, read {SIZE_GIB / 4:.3g} GiB/s"
    assert done.mlps["engine"]["name"] == "mlpstorage"
    assert done.mlps["files"]["files"] == 8
    assert len(done.notes) == 2
    assert "rank 0 alone gives" in done.notes[0]


def test_ranks_that_agree_need_no_word(plan, tmp_path):
    write_run(plan, tmp_path / "leaf")
    zero = (tmp_path / "leaf/0_per_epoch_stats.json").read_text()
    (tmp_path / "leaf/1_per_epoch_stats.json").write_text(zero)
    assert collect(plan, tmp_path / "leaf").notes == ()


def remove(name):
    return lambda leaf: (leaf / name).unlink()


def change(name, how):
    return lambda leaf: edit(leaf / name, how)


BROKEN = {
    "the ended run left no summary": (remove("summary.json"), "left no usable summary.json: it is missing"),
    "the summary is damaged": (lambda leaf: (leaf / "summary.json").write_text("{"), "left no usable summary.json: .*summary.json"),
    "other ranks ran": (change("summary.json", lambda s: s.update(num_accelerators=1)), "another number of ranks than asked"),
    "no size": (change("summary.json", lambda s: s["metric"].pop("checkpoint_size_GB")), "another size than planned"),
    "another size": (
        change("summary.json", lambda s: s["metric"].update(checkpoint_size_GB=SIZE_GIB * 1.00001)),
        "another size than planned",
    ),
    "no output of a rank": (remove("1_output.json"), "rank 1 of 2 left no readable file of its output"),
    "no times of a rank": (remove("0_per_epoch_stats.json"), "rank 0 of 2 left no readable file of its times"),
    "one checkpoint too few": (
        change("1_per_epoch_stats.json", lambda s: s["1"].pop("save_ckpt2")),
        "rank 1 wrote 1 checkpoints instead of 2",
    ),
    "one read too few": (change("0_per_epoch_stats.json", lambda s: s["1"].pop("load_ckpt1")), "rank 0 read 0 checkpoints instead of 1"),
    "one read too many": (
        change("1_per_epoch_stats.json", lambda s: s["1"].update(load_ckpt2=span(0, 1.0))),
        "rank 1 read 2 checkpoints instead of 1",
    ),
    "no end": (change("1_per_epoch_stats.json", lambda s: s["1"]["save_ckpt1"].pop("end")), "rank 1 left no usable times of 1.save_ckpt1"),
    "no duration": (
        change("0_per_epoch_stats.json", lambda s: s["1"]["load_ckpt1"].update(duration=0)),
        "rank 0 left no usable times of 1.load_ckpt1",
    ),
    "a mean that the checkpoints do not give": (
        change("summary.json", lambda s: s["metric"].update(save_checkpoint_io_mean_GB_per_second=SIZE_GIB)),
        "metric.save_checkpoint_io_mean_GB_per_second of summary.json is not what rank 0's checkpoints give",
    ),
    "no mean": (
        change("summary.json", lambda s: s["metric"].pop("load_checkpoint_io_mean_GB_per_second")),
        "metric.load_checkpoint_io_mean_GB_per_second of summary.json is not what",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_run_that_is_not_whole_is_an_error(plan, tmp_path, what):
    bend, words = BROKEN[what]
    write_run(plan, tmp_path / "leaf")
    bend(tmp_path / "leaf")
    with pytest.raises(BenchmarkExecutionError, match=words):
        collect(plan, tmp_path / "leaf")


def test_clocks_by_which_a_checkpoint_ended_before_it_began(plan, tmp_path):
    write_run(plan, tmp_path / "leaf")
    late = (BEGAN + timedelta(days=1)).isoformat()
    for rank in (0, 1):
        edit(tmp_path / f"leaf/{rank}_per_epoch_stats.json", lambda s: s["1"]["load_ckpt1"].update(start=late))
    with pytest.raises(BenchmarkExecutionError, match="ended before it began by the clocks of the ranks: load"):
        collect(plan, tmp_path / "leaf")


def test_a_file_that_is_missing_or_short(plan, tmp_path):
    write_run(plan, tmp_path / "leaf")
    victim = plan.folder / "global_epoch1_step2/zero_pp_rank_1_mp_rank_0_optim_states.pt"
    os.truncate(victim, 35418623)
    with pytest.raises(BenchmarkExecutionError, match="a file of checkpoint 2 has other bytes than the formula gives") as caught:
        collect(plan, tmp_path / "leaf")
    assert (caught.value.details["given"], caught.value.details["wanted"]) == (35418623, 35418624)
    victim.unlink()
    with pytest.raises(BenchmarkExecutionError, match="checkpoint 2 lacks a file"):
        collect(plan, tmp_path / "leaf")


def test_of_dlio_a_file_may_be_larger_by_its_header(plan, tmp_path):
    write_run(plan, tmp_path / "leaf")
    os.truncate(plan.folder / "global_epoch1_step1/zero_pp_rank_0_mp_rank_0_model_states.pt", 5908114)
    with pytest.raises(BenchmarkExecutionError, match="has other bytes"):
        collect(plan, tmp_path / "leaf")
    other = dataclasses.replace(plan, engine=CheckpointEngine("dlio", Capabilities(installed=True)))
    (tmp_path / "evidence").mkdir()
    for rank in (0, 1):
        effective = {"dlio_version": "3.0.2", "flavour": "mlcommons", "dlio_commit": "abc", "engine": {"reader": "builtin"}}
        effective |= {"translated": {}, "translated_from": {}, "ignored": [], "stand_ins": [], "size": 2, "host": "a"}
        (tmp_path / f"evidence/{rank}_effective.json").write_text(json.dumps(effective))
        (tmp_path / f"evidence/{rank}_end.json").write_text("{}")
    done = collect(other, tmp_path / "leaf")
    assert done.metrics["bytes_on_disk"] == 2 * 2 * (5900544 + 35418624) + 5908114 - 5900544
    assert (done.mlps["engine"]["name"], done.mlps["engine"]["commit"]) == ("dlio", "abc")
    (tmp_path / "evidence/1_end.json").unlink()
    with pytest.raises(BenchmarkExecutionError, match="rank 1 of 2 left no end mark"):
        collect(other, tmp_path / "leaf")


def test_checkpoints_that_lie_on_other_hosts_are_not_counted_here(plan, tmp_path):
    write_run(plan, tmp_path / "leaf")
    far = dataclasses.replace(plan, placement=(1, 1), base_folder=Path("/nowhere"))
    assert "files" not in collect(far, tmp_path / "leaf").mlps


def test_the_gap_between_two_runs_is_measured_and_recorded(tmp_path):
    plan = cases.plan_of(tmp_path, TINY, division="whatif", section="invocations: separate\nbetween_command: [flush]")
    write_run(plan, tmp_path / "leaf", writes=0)
    plan.handovers["read"] = Handover(BEGAN - timedelta(seconds=4), ("flush",), 2.0)
    done = collect(plan, tmp_path / "leaf", step=1)
    assert done.mlps["handover"]["gap_seconds"] == done.metrics["write_to_read_gap_seconds"] == 4.0
    assert "4.0 s passed between the run that wrote and this one, of 30 s allowed (4.7.1)" in done.notes
    plan.handovers["read"] = Handover(BEGAN - timedelta(seconds=31))
    assert (
        "31.0 s passed between the run that wrote and this one, and 30 s are allowed (4.7.1)"
        in collect(plan, tmp_path / "leaf", step=1).notes
    )
    assert done.headline.startswith("read ")


def test_the_tables_of_a_result(plan, tmp_path):
    step = plan.case.steps[0]
    writer = LeafWriter.create_next(plan.config.results_dir, plan.leaf_parent(step), run_id="r")
    write_run(plan, writer.path)
    writer.write_json(metadata_name("checkpointing", writer.final.name), plan.metadata(step, writer.final).to_json())
    leaf = writer.commit()
    result = read_result(plan)
    (row,) = json.loads(write_checkpoint_table(result).read_text())
    assert (row["run_id"], row["model"], row["num_processes"]) == (result.relpath + f"/{leaf.name}", "llama3-8b", 2)
    assert row["metrics"]["load_checkpoint_duration_mean_seconds"] == 4.0
    assert row["metrics"]["num_hosts"] == 1
    assert "hosts" not in row["system_info"]
    table = checkpoint_row(result, metrics_of(result, plan.edition))
    assert list(table) == list(COLUMNS)
    filled = {key: value for key, value in table.items() if key.startswith("Checkpointing - ") and value != ""}
    assert filled.pop("Checkpointing - Logs") == {"text": "Logs", "href": result.relpath}
    assert filled == pytest.approx(
        {
            "Checkpointing - Checkpoint Mode": "Full",
            "Checkpointing - # Client Nodes": 1,
            "Checkpointing - DP Instances": 1,
            "Checkpointing - Write B/W (GiB/s)": SIZE_GIB * 0.75,
            "Checkpointing - Write Duration (secs)": 1.5,
            "Checkpointing - Read B/W (GiB/s)": SIZE_GIB / 4,
            "Checkpointing - Read Duration (secs)": 4.0,
        }
    )


def test_judging_before_the_first_run_gives_nothing(plan):
    assert WORKLOAD.judge(plan) is None


def test_a_result_is_judged_with_its_figures(plan):
    step = plan.case.steps[0]
    writer = LeafWriter.create_next(plan.config.results_dir, plan.leaf_parent(step), run_id="r")
    write_run(plan, writer.path)
    writer.write_json(metadata_name("checkpointing", writer.final.name), plan.metadata(step, writer.final).to_json())
    writer.commit()
    judged = WORKLOAD.judge(plan)
    assert judged.measured == f"write {SIZE_GIB * 0.75:.3g} GiB/s, read {SIZE_GIB / 4:.3g} GiB/s"
    assert judged.judgement.verdict.value == "WHATIF"
    assert (plan.config.results_dir / "whatif/acme/results/results.csv").is_file()
