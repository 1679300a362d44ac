"""Passes that wait for one another outside of the tree, and the one leaf that they become: resumed, never mixed, whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from kv_cache_cases import SMALL, Ranks, do, plan_of

from pytest_mlpstorage.errors import BenchmarkExecutionError, FileSystemError
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import evaluate
from pytest_mlpstorage.workloads import kv_cache_series
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD
from pytest_mlpstorage.workloads.kv_cache_series import passes, publish, standing_run
from pytest_mlpstorage.workloads.series import Resumption

FOUR = ["option1-trial0", "option1-trial1", "option2-trial0", "option2-trial1"]


@pytest.fixture
def ranks(monkeypatch):
    return Ranks(monkeypatch)


@pytest.fixture
def plan(tmp_path, ranks):
    return plan_of(tmp_path, SMALL, division="whatif")


def runs(plan):
    return sorted((plan.result_dir() / "run").glob("*")) if plan.result_dir().is_dir() else []


def found(plan):
    return [WORKLOAD.found(plan, step) for step in plan.case.steps]


def test_a_finished_pass_waits_outside_of_the_tree_and_is_found(plan):
    (done,) = do(plan, "option1-trial1")
    assert done.leaf.parent == plan.series_dir
    assert sorted(p.name for p in (done.leaf / "option_1" / "trial_1").iterdir()) == ["kv_cache_job.json", "rank_0", "rank_1"]
    assert found(plan) == [None, done.leaf.relative_to(plan.config.results_dir).as_posix(), None, None]
    assert not plan.result_dir().exists()
    assert not (plan.config.results_dir / "code-images").exists(), "an image belongs to a leaf of the tree"


def test_a_pass_tells_both_views_and_the_factor_between_them(plan):
    (done,) = do(plan, "option1-trial0")
    metrics = done.collected.metrics
    assert metrics["read_gib_per_second"] > 0
    assert metrics["official_over_window_read"] == pytest.approx(metrics["official_read_gib_per_second"] / metrics["read_gib_per_second"])
    assert [part.split()[0] for part in done.collected.headline.split(", ")] == ["read", "write"]
    assert any("the official tool would have said" in note for note in done.collected.notes)
    assert "not to be compared with figures of the official tool: direct path" in done.collected.notes


def test_a_part_of_a_run_is_no_result_and_says_what_is_missing(plan):
    do(plan, *FOUR[:3])
    with pytest.raises(FileSystemError, match="3 of 4 passes") as caught:
        WORKLOAD.judge(plan)
    assert caught.value.details["missing"] == "option2-trial1"
    assert sorted(passes(plan)) == FOUR[:3]


def test_nothing_at_all_is_no_error_of_the_result(plan):
    assert WORKLOAD.judge(plan) is None


def test_a_whole_series_becomes_one_leaf_with_the_summary_and_every_log(plan):
    do(plan)
    leaf = publish(plan, WORKLOAD)
    assert runs(plan) == [leaf]
    assert not plan.series_dir.exists()
    names = {p.relative_to(leaf).as_posix() for p in leaf.rglob("*") if p.is_file()}
    for option in (1, 2):
        for trial in (0, 1):
            assert {f"kvcache_opt{option}_trial{trial}_{leaf.name}.{s}.log" for s in ("stdout", "stderr")} <= names
            of_ranks = [Path(name).name for name in names if name.startswith(f"option_{option}/trial_{trial}/rank_")]
            assert sorted(name.partition("_results")[0] for name in of_ranks) == ["evidence.json"] * 2 + ["kvcache"] * 2
    assert {"summary.json", "fs_separation.json", "provenance.json", ".mlps-code-image", f"kv_cache_{leaf.name}_metadata.json"} <= names
    summary = json.loads((leaf / "summary.json").read_text())
    assert (summary["partial_failure"], sorted(summary["options"]), summary["total_ranks"]) == (False, ["1", "2"], 2)
    metadata = json.loads((leaf / f"kv_cache_{leaf.name}_metadata.json").read_text())
    assert [entry["step"] for entry in metadata["mlps"]["passes"]] == FOUR
    assert metadata["mlps"]["series"] == plan.fingerprint
    assert len(metadata["command_output_files"]) == 4
    assert all((leaf / Path(entry["stdout"]).name).is_file() for entry in metadata["command_output_files"])


def test_the_rules_recompute_what_the_leaf_says(plan):
    do(plan)
    publish(plan, WORKLOAD)
    (result,) = read_tree(plan.config.results_dir).results
    asked = {e.rule.id: [f.line() for f in e.findings if f.severity.value == "error"] for e in evaluate(result)}
    assert {"6.3.3.1", "6.3.3.2", "6.3.3.3", "6.3.4.1", "6.3.4.2", "6.3.4.3", "REP-KVC-1", "MLPS-FILES-1"} <= asked.keys()
    about_figures = {rule: lines for rule, lines in asked.items() if rule.startswith(("6.3.3", "6.3.4", "REP-KVC", "MLPS-FILES")) and lines}
    assert about_figures == {}


def test_the_judged_result_has_the_verdict_and_both_views(plan):
    do(plan)
    judged = WORKLOAD.judge(plan)
    assert judged.relpath == "whatif/acme/results/box/kv_cache/llama3.1-8b"
    assert judged.metrics["option 1 read_gib_per_second"] > 0
    assert judged.metrics["option 2 official_write_gib_per_second"] > 0
    assert "option 1: read" in judged.measured
    assert any(f.rule == "MLPS-ENGINE-1" for f in judged.judgement.own)


def test_the_judged_result_has_its_pictures_and_says_where_its_passes_are_now(plan):
    waiting = [done.leaf.relative_to(plan.config.results_dir).as_posix() for done in do(plan)]
    judged = WORKLOAD.judge(plan)
    (leaf,) = runs(plan)
    run = leaf.relative_to(plan.config.results_dir).as_posix()
    places = [f"{run}/option_{option}/trial_{trial}" for option in (1, 2) for trial in (0, 1)]
    assert judged.moved == dict(zip(waiting, places, strict=True))
    assert all((plan.config.results_dir / place).is_dir() for place in places)
    shown = [picture for picture in judged.pictures if not picture.folded]
    assert [picture.title for picture in shown] == ["option 1: Max Storage Stress", "option 2: Storage Throughput"]
    assert [len(picture.panels) for picture in shown] == [2, 2]
    factor = judged.metrics["option 1 official_over_window_read"]
    assert f"(official × {factor:.2f})" in judged.measured
    assert f"({factor:.2f} × the true rate)" in " ".join(judged.pictures[0].says)
    assert WORKLOAD.judge(plan).moved == judged.moved, "judged again it says the same"


def test_the_row_of_the_table_holds_what_the_rules_recompute(plan):
    do(plan)
    judged = WORKLOAD.judge(plan)
    (row,) = json.loads((plan.config.results_dir / "whatif/acme/results/results.json").read_text())
    assert (row["Benchmark Type"], row["Model"], row["Name"]) == ("kv_cache", "llama3.1-8b", "box")
    assert row["KVCache - Logs"] == {"text": "Logs", "href": judged.relpath}
    assert row["KVCache - # Client Nodes"] == 1
    for column in ("Read B/W (GiB/s)", "Write B/W (GiB/s)", "Throughput (tok/s)", "P95 Read Latency (ms)"):
        name = f"KVCache llama3.1-8b Storage Only - {column}"
        assert row[name] == judged.metrics[name] > 0
    assert row["KVCache llama3.1-70b Storage Only - Read B/W (GiB/s)"] == "", "that option was not run"
    assert "KVCache llama3.1-8b Storage Only - storage throughput (tok/s)" not in row
    assert not [f for f in judged.judgement.findings if f.rule == "MLPS-TABLE-1"]


def test_every_pass_of_a_run_in_the_tree_is_found_there(plan):
    do(plan)
    leaf = publish(plan, WORKLOAD)
    assert found(plan) == [leaf.relative_to(plan.config.results_dir).as_posix()] * 4
    assert publish(plan, WORKLOAD) is None, "nothing waits"


def test_other_parameters_have_another_series_and_a_run_of_them_in_the_tree_is_refused(tmp_path, plan):
    do(plan, FOUR[0])
    other = plan_of(tmp_path, SMALL.replace("num_users: 4", "num_users: 5"), division="whatif")
    assert found(other) == [None] * 4
    do(plan, *FOUR[1:])
    publish(plan, WORKLOAD)
    with pytest.raises(FileSystemError, match="made with other parameters"):
        WORKLOAD.found(other, other.case.steps[0])


def test_a_pass_whose_ranks_did_other_work_than_the_trial_before_is_no_measurement(plan, ranks):
    do(plan, FOUR[0])

    def change(job, rank, content):
        if rank == 1:
            content["mlps"]["schedule_sha256"] = "cd" * 32

    ranks.change = change
    with pytest.raises(BenchmarkExecutionError, match="rank 1 did other work in trial 1 than in option1-trial0"):
        do(plan, FOUR[1])
    (evidence,) = (plan.config.results_dir / ".mlps" / "failed").iterdir()
    assert "other work" in json.loads((evidence / "reason.json").read_text())["reason"]
    assert sorted(passes(plan)) == [FOUR[0]]


def test_a_rank_that_left_no_file_fails_its_pass(plan, ranks):
    ranks.lose = (1,)
    with pytest.raises(BenchmarkExecutionError, match="rank 1 left no file of results"):
        do(plan, FOUR[0])


def test_a_rank_that_read_what_it_had_not_written_fails_its_pass(plan, ranks):
    ranks.change = lambda _job, _rank, content: content["mlps"].update(verify_errors=3)
    with pytest.raises(BenchmarkExecutionError, match="rank 0 read 3 sectors that were not what it had written"):
        do(plan, FOUR[0])


def test_a_client_that_was_the_limit_is_told(plan, ranks):
    ranks.change = lambda _job, _rank, content: content["mlps"].update(client_bound=True)
    client = {"cpu_share": 0.1, "content_share": 0.1, "percentiles_are_client_side": True}
    ranks.prove = lambda _job, _rank, evidence: evidence.update(client=client)
    (done,) = do(plan, FOUR[0])
    assert any("percentiles are the client's as much as the storage's" in note for note in done.collected.notes)
    assert not any("was the limit" in note for note in done.collected.notes)
    client["cpu_share"] = 0.9
    (done,) = do(plan, FOUR[1])
    assert any("The client limited the rate, and storage may give a higher one: up to 90.0 %" in note for note in done.collected.notes)


def test_a_start_that_ends_while_the_leaf_is_made_loses_no_pass(plan, monkeypatch):
    do(plan)
    with monkeypatch.context() as broken:
        broken.setattr(kv_cache_series, "stamp_leaf", lambda *_args, **_kw: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish(plan, WORKLOAD)
    assert runs(plan) == []
    assert sorted(passes(plan)) == FOUR
    assert publish(plan, WORKLOAD) is not None


def test_where_there_are_no_hard_links_passes_are_copied(plan, monkeypatch):
    do(plan)
    monkeypatch.setattr(kv_cache_series.os, "link", lambda *_args: (_ for _ in ()).throw(OSError("none here")))
    assert len(list(publish(plan, WORKLOAD).glob("option_*/trial_*/rank_*/kvcache_results_*.json"))) == 8


def test_a_pass_of_other_code_does_not_count_is_done_again_and_set_aside(plan):
    do(plan)
    old = passes(plan)["option2-trial0"]
    pointer = old / ".mlps-code-image"
    text = pointer.read_text()
    digits = text.strip().rpartition(":")[2]
    pointer.write_text(text.replace(digits, digits[::-1]))
    assert [one is None for one in found(plan)] == [False, False, True, False]
    step = plan.case.steps[2]
    assert WORKLOAD.prepare(plan, step, run_id="x") == (
        f"option2-trial0: {old.name} was measured by other code than runs now, and does not count",
    )
    do(plan, "option2-trial0")
    assert WORKLOAD.prepare(plan, step, run_id="x") == ()
    leaf = publish(plan, WORKLOAD)
    metadata = json.loads((leaf / f"kv_cache_{leaf.name}_metadata.json").read_text())
    assert old.name not in [entry["staged_as"] for entry in metadata["mlps"]["passes"]]
    assert list((plan.config.results_dir / ".mlps" / "superseded").glob(f"**/{old.name}"))


def test_passes_that_are_all_of_other_code_are_no_nothing(plan, monkeypatch):
    do(plan)
    monkeypatch.setattr(kv_cache_series, "code_now", lambda _workload, _config: "0" * 32)
    with pytest.raises(FileSystemError, match="4 finished passes wait that were measured by other code than runs now") as told:
        publish(plan, WORKLOAD)
    assert "start again" in told.value.suggestion


def test_code_that_is_changed_while_it_runs_makes_no_leaf(plan, monkeypatch):
    do(plan)
    waiting = passes(plan)
    monkeypatch.setattr(kv_cache_series, "passes", lambda _plan: waiting)
    monkeypatch.setattr(kv_cache_series, "code_now", lambda _workload, _config: "0" * 32)
    with pytest.raises(FileSystemError, match="the code was changed while this process ran"):
        publish(plan, WORKLOAD)


def test_a_pass_without_readable_metadata_is_done_again(plan):
    do(plan, FOUR[0])
    (record,) = passes(plan)[FOUR[0]].glob("*_metadata.json")
    record.write_text("{")
    assert found(plan)[0] is None


def test_a_rerun_makes_every_pass_anew_and_sets_the_older_run_aside_when_it_is_whole(plan):
    do(plan)
    old = publish(plan, WORKLOAD)
    again = Resumption(WORKLOAD, plan, plan.config, rerun="run")
    assert [again.found(step) for step in plan.case.steps] == [None] * 4
    do(plan, FOUR[0])
    assert standing_run(plan) == old.relative_to(plan.config.results_dir).as_posix(), "the older one counts until the new one is whole"
    assert found(plan)[1:] == [None] * 3, "passes of two series are not mixed"
    do(plan, *FOUR[1:])
    new = publish(plan, WORKLOAD)
    assert runs(plan) == [new]
    assert list((plan.config.results_dir / ".mlps" / "superseded").glob(f"*/whatif/**/run/{old.name}"))


def test_missing_passes_are_done_in_any_order(plan):
    resumption = Resumption(WORKLOAD, plan, plan.config)
    for name in reversed(FOUR):
        step = next(step for step in plan.case.steps if step.name == name)
        resumption.refuse(step)
        resumption.done(step, do(plan, name)[0].leaf)
    assert publish(plan, WORKLOAD) is not None


def test_a_place_that_cannot_be_written_is_told(plan, monkeypatch):
    do(plan)
    monkeypatch.setattr(kv_cache_series.shutil, "copytree", lambda *_a, **_k: (_ for _ in ()).throw(shutil.Error("full")))
    with pytest.raises(FileSystemError, match="cannot put a pass into the leaf"):
        publish(plan, WORKLOAD)
