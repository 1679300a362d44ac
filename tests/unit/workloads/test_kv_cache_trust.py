"""What the ranks' own evidence says of a pass is acted upon: errors fail it with their figures, and nothing else is lost."""

from __future__ import annotations

import json

import pytest
from kv_cache_cases import SMALL, Ranks, do, plan_of
from kv_ranks import sound_evidence

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD
from pytest_mlpstorage.workloads.kv_cache_series import passes
from pytest_mlpstorage.workloads.kv_cache_trust import trust_of

WARM = "93.0% of what was read lay in this host's memory before it was read: those reads were not of storage"
UNCOUNTED = "/proc/self/io counted 12 bytes read where 4096 were asked (0.00 of them; 0.98 to 1.1 wanted)"


@pytest.fixture
def ranks(monkeypatch):
    return Ranks(monkeypatch)


@pytest.fixture
def plan(tmp_path, ranks):
    return plan_of(tmp_path, SMALL, division="whatif")


def says(check, level, message, *, rank=None):
    def prove(_job, number, evidence):
        if rank in (None, number):
            evidence["notes"].append({"check": check, "level": level, "message": message})

    return prove


@pytest.mark.parametrize(("check", "message"), [("residency", WARM), ("kernel_bytes", UNCOUNTED)], ids=["warm", "not counted"])
def test_an_error_of_one_rank_fails_the_pass_with_its_figures(plan, ranks, check, message):
    ranks.prove = says(check, "error", message, rank=1)
    with pytest.raises(BenchmarkExecutionError) as failure:
        do(plan, "option1-trial0")
    assert f"option1-trial0 is no measurement: rank 1: {message}" in failure.value.message
    assert passes(plan) == {}
    (kept,) = (plan.config.results_dir / ".mlps" / "failed").iterdir()
    assert message in json.loads((kept / "reason.json").read_text())["reason"]
    assert list(kept.glob("option_1/trial_0/rank_1/evidence.json")), "evidence is kept"


LESS_THAN_ERRORS = [
    ("interposers", "warning", "/opt/libshim.so answers fsync in place of the C library"),
    ("client_bound", "warning", "this rank used 97% of its 2 cores (85% at most): start more ranks or hosts"),
    ("kernel_bytes", "warning", "that the page cache was bypassed is not proved: tmpfs has no storage below it"),
    ("start", "warning", "this rank began 12.0 ms late, 0.2% of the window: its host is overloaded"),
    ("affinity", "warning", "this rank may run on 1 cores, where its share of the host is 4: start it unbound"),
    ("kernel_bytes", "info", "this rank says nothing of storage: nothing was asked of the storage"),
]


@pytest.mark.parametrize(("check", "level", "message"), LESS_THAN_ERRORS, ids=["shim", "cpu", "unproved", "late", "bound", "memory"])
def test_what_is_less_than_an_error_goes_with_the_pass_word_by_word(plan, ranks, check, level, message):
    ranks.prove = says(check, level, message)
    (done,) = do(plan, "option1-trial0")
    assert f"{level}: ranks 0, 1: {message}" in done.collected.notes
    assert done.collected.mlps["trust"] == [{"check": check, "level": level, "message": message, "ranks": [0, 1]}]
    metadata = json.loads((done.leaf / f"kvcache_{done.leaf.name}_metadata.json").read_text())
    assert metadata["mlps"]["trust"] == done.collected.mlps["trust"]


def test_the_run_keeps_what_was_said_of_each_of_its_passes(plan, ranks):
    ranks.prove = says("client_bound", "warning", "busy", rank=0)
    do(plan)
    judged = WORKLOAD.judge(plan)
    (leaf,) = (plan.config.results_dir / judged.relpath / "run").iterdir()
    told = json.loads((leaf / f"kv_cache_{leaf.name}_metadata.json").read_text())["mlps"]["passes"]
    assert [entry["trust"] for entry in told] == [[{"check": "client_bound", "level": "warning", "message": "busy", "ranks": [0]}]] * 4
    assert len(list(leaf.glob("option_*/trial_*/rank_*/evidence.json"))) == 8


NO_EVIDENCE = {
    "lost": ({}, "it is not there"),
    "without notes": ({"notes": None}, "its notes cannot be read"),
    "a level that there is not": ({"notes": [{"check": "x", "level": "grave", "message": "?"}]}, "its notes cannot be read"),
    "no list": ({"notes": "none"}, "its notes cannot be read"),
    "no note": ({"notes": [None]}, "its notes cannot be read"),
}


@pytest.mark.parametrize("damage", NO_EVIDENCE)
def test_a_rank_of_ours_whose_evidence_is_lost_or_damaged_proved_nothing(plan, ranks, damage):
    bend, words = NO_EVIDENCE[damage]
    ranks.prove = lambda _job, rank, evidence: None if not rank else evidence.update(bend) if bend else False
    with pytest.raises(BenchmarkExecutionError, match=f"rank 1: evidence.json proves nothing: {words}"):
        do(plan, "option1-trial0")


def test_another_engine_need_not_leave_evidence_but_what_it_leaves_counts(plan, ranks):
    ranks.change = lambda _job, _rank, content: content["mlps"].update(engine="another")
    ranks.prove = lambda *_: False
    (done,) = do(plan, "option1-trial0")
    assert done.collected.mlps["trust"] == []
    ranks.prove = says("interposers", "error", "/x.so answers fsync in place of the C library")
    with pytest.raises(BenchmarkExecutionError, match="answers fsync"):
        do(plan, "option1-trial1")


def test_ranks_that_hardly_measured_together_are_no_measurement(plan, ranks):
    ranks.prove = lambda _job, rank, evidence: evidence.update(window_overlap=0.9899 if rank else 0.99)
    with pytest.raises(BenchmarkExecutionError, match=r"together for 99\.0% of the window only \(99% wanted\)"):
        do(plan, "option1-trial0")
    ranks.prove = lambda _job, _rank, evidence: evidence.update(window_overlap=0.99)
    assert do(plan, "option1-trial0")


def test_of_many_ranks_the_first_are_told_and_the_others_counted(tmp_path):
    for rank in range(40):
        folder = tmp_path / f"option_1/trial_0/rank_{rank}"
        folder.mkdir(parents=True)
        (folder / "evidence.json").write_text(json.dumps(sound_evidence(("client_bound", "warning", f"at {min(rank, 9)}"))))
    trust = trust_of(tmp_path, 1, 0, 40)
    assert trust.problems == ()
    assert trust.notes == ("warning: rank 0: at 0; rank 1: at 1; rank 2: at 2; and 37 more rank(s), see their evidence.json",)
    assert (len(trust.record), trust.record[-1]["ranks"]) == (10, list(range(9, 40)))
    (tmp_path / "option_1/trial_0/rank_0/evidence.json").write_text(json.dumps(sound_evidence(("client_bound", "warning", "at 9"))))
    assert trust_of(tmp_path, 1, 0, 40).notes[0].startswith("warning: 32 ranks (first 0): at 9; rank 1: at 1")
    (tmp_path / "option_1/trial_0/rank_0/evidence.json").write_text("{")
    assert trust_of(tmp_path, 1, 0, 40).problems == ("rank 0: evidence.json proves nothing: it cannot be read",)
