"""A second start on a results tree: what is whole stays, what is missing is done, and the tree is one that the rules accept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from small_suite import CONFIG, REPO, finish

pytestmark = [pytest.mark.real, pytest.mark.fault]

SIX = ("--mlps-set", "training.warmup_runs=1", "--mlps-set", "training.measured_runs=5")
TWO = ("--mlps-set", "training.warmup_runs=1", "--mlps-set", "training.measured_runs=1")
BUSY = ("--mlps-set", "train.epochs=1", "--mlps-set", "train.computation_time=1s")
"""Runs of 2 s: an epoch of the small suite lasts 0.1 s, and whoever looks at a busy machine does not see it."""


def written(suite, division="whatif"):
    """Run leaves by name, each with what cannot stay the same if it is done again."""
    leaves = sorted(suite.results.glob(f"{division}/test/results/small/training/unet3d/run/2*"))
    return {leaf.name: (leaf.stat().st_ino, (leaf / "summary.json").read_text()) for leaf in leaves}


def superseded(suite):
    return sorted(path.name for path in suite.results.glob(".mlps/superseded/*/*/test/results/small/training/unet3d/*/2*"))


def judged(suite, *arguments):
    """What the rules say of the tree: exit code and text."""
    command = [sys.executable, "-m", "pytest", str(REPO / "rules"), f"--results-dir={suite.results}", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=suite.folder, capture_output=True, text=True, timeout=120)
    return SimpleNamespace(code=done.returncode, text=done.stdout + done.stderr)


def interrupted_in_the_fourth_run(suite, number, *arguments, seconds=120.0, division="whatif"):
    process = suite.start("-k", "test_run", *arguments)
    suite.wait_for(lambda: len(written(suite, division)) == 3 and suite.training(), seconds)
    before = written(suite, division)
    os.kill(process.pid, number)
    finish(process)
    suite.wait_for(lambda: suite.processes() == [], 20)
    assert written(suite, division) == before
    return before


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["KILL", "INT"])
def test_interrupted_after_three_of_six_runs_the_series_goes_on_and_no_run_is_repeated(ready, number):
    six = (*SIX, *BUSY)
    before = interrupted_in_the_fourth_run(ready, number, *six)
    again = ready.run(*six, "-k", "test_run or test_result")
    assert again.code == 0, again.text
    after = written(ready)
    assert len(after) == 6
    assert {name: after.get(name) for name in before} == before
    assert list(after)[:3] == list(before)
    assert "unet3d-b200: found, not repeated: warmup, 1, 2" in again.text
    assert "unet3d-b200: done in this start: 3, 4, 5: missing" in again.text
    assert len(ready.evidence()) == 1, "the run that was interrupted is kept as evidence"
    assert list((ready.results / ".mlps/staging").glob("*")) == []
    rules = judged(ready, "-rA", "-k", "2.1.17 or 2.1.19 or 2.1.20")
    assert rules.code == 0, rules.text
    assert "2.1.17" in rules.text
    assert "would be INVALID" not in rules.text
    found = ready.run(*six)
    assert found.code == 0, found.text
    assert written(ready) == after


@pytest.mark.full
def test_in_open_a_series_goes_on_where_the_gap_keeps_2_1_18(ready):
    """Runs of 50 s, so that a start on a busy machine fits into the time that the rule leaves between two of them."""
    (ready.folder / "suite.yaml").write_text(CONFIG.replace("whatif", "open"))
    long = (*SIX, "--mlps-set", "train.epochs=1", "--mlps-set", "train.computation_time=25s")
    before = interrupted_in_the_fourth_run(ready, signal.SIGINT, *long, seconds=400.0, division="open")
    again = finish(ready.start("-k", "test_run", *long), 600.0)
    assert again.code == 0, again.text
    after = written(ready, "open")
    assert len(after) == 6, again.text
    assert list(after)[:3] == list(before), again.text
    assert {name: after[name] for name in before} == before
    rules = judged(ready, "-rA", "-k", "2.1.17 or 2.1.18 or 2.1.19 or 2.1.20")
    assert rules.code == 0, rules.text
    assert "PASSED" in rules.text
    assert "2.1.18" in rules.text


@pytest.mark.full
def test_in_open_a_gap_begins_a_new_series_and_the_old_runs_are_kept_with_the_reason(ready):
    (ready.folder / "suite.yaml").write_text(CONFIG.replace("whatif", "open"))
    busy = (*TWO, *BUSY)
    first = ready.run("-k", "test_run and warmup", *busy)
    assert first.code == 0, first.text
    before = written(ready, "open")
    alone = ready.run("-k", "test_run and b200-1", *busy)
    assert alone.code == 1
    assert "run 1 of unet3d-b200 cannot be done before run warmup" in alone.text
    assert written(ready, "open") == before
    assert superseded(ready) == []
    again = ready.run("-k", "test_run", *busy)
    assert again.code == 0, again.text
    assert "would break 2.1.18" in again.text
    assert len(written(ready, "open")) == 2
    assert not set(before) & set(written(ready, "open"))
    assert superseded(ready) == list(before)
    (kept,) = ready.results.glob(".mlps/superseded/*")
    reasons = json.loads((kept / "reason.json").read_text())["leaves"]
    assert "would break 2.1.18" in reasons[0]["reason"]
    assert str(kept) in again.text
    manifest = (ready.results / "open/test/submission.yaml").read_text()
    assert [name in manifest for name in (*before, *written(ready, "open"))] == [False, True, True]


@pytest.mark.full
def test_a_damaged_run_is_done_again_and_no_other(ready):
    first = ready.run("-k", "test_run", *SIX)
    assert first.code == 0, first.text
    before = written(ready)
    damaged = list(before)[4]
    (next(ready.results.glob(f"**/run/{damaged}/summary.json"))).write_text('{"start": ')
    dry = ready.run("-k", "test_run", *SIX, "--mlps-dry-run")
    assert f"would set aside whatif/test/results/small/training/unet3d/run/{damaged}" in dry.text
    assert superseded(ready) == []
    again = ready.run("-k", "test_run", *SIX)
    assert again.code == 0, again.text
    after = written(ready)
    assert {name: after.get(name) for name in before if name != damaged} == {n: v for n, v in before.items() if n != damaged}
    assert (len(after), damaged in after, superseded(ready)) == (6, False, [damaged])
    assert f"{damaged} does not count: its summary cannot be read" in " ".join(again.text.split())


def test_a_changed_parameter_is_named_and_forcing_sets_the_old_run_aside(ready):
    assert ready.run("-k", "test_run or test_result").code == 0
    before = written(ready)
    changed = ("--mlps-set", "reader.read_threads=2")
    refused = ready.run("-k", "test_run", *changed)
    assert refused.code == 1
    for words in ("reader.read_threads: 1 in the tree, 2 planned", "--mlps-set system=NAME", "--mlps-rerun=run", "nothing was done"):
        assert words in refused.text
    assert written(ready) == before
    forced = ready.run("--mlps-rerun", "-k", "test_run or test_result", *changed)
    assert forced.code == 0, forced.text
    assert (superseded(ready), len(written(ready))) == (list(before), 1)
    assert not set(before) & set(written(ready))
    assert "done in this start: 1: --mlps-rerun=run" in forced.text
    found = ready.run("-k", "test_run", *changed)
    assert "found, not repeated: 1" in found.text, found.text


@pytest.mark.full
def test_forcing_data_generation_makes_the_data_set_and_its_runs_anew(suite):
    assert suite.run().code == 0
    before = written(suite)
    marks = [(suite.train.parent / ".mlps-datagen-manifest.json").read_text()]
    forced = suite.run("--mlps-rerun=datagen")
    assert forced.code == 0, forced.text
    marks.append((suite.train.parent / ".mlps-datagen-manifest.json").read_text())
    assert marks[0] != marks[1]
    assert len(suite.leaves("datagen")) == len(suite.leaves("datasize")) == len(written(suite)) == 1
    assert set(before) < set(superseded(suite))
    assert len(superseded(suite)) == 2
    rules = judged(suite)
    assert rules.code == 0, rules.text


def test_a_data_set_of_another_results_directory_is_told_before_anything_is_measured(ready):
    (ready.folder / "suite.yaml").write_text(CONFIG.replace("whatif", "open"))
    told = ready.run("-k", "test_preflight", "-rA")
    assert "was generated under another results directory, so this result has no datagen leaf" in told.text
    assert "--mlps-rerun=datagen" in told.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mlps-rerun=runs",), "--mlps-rerun=runs: allowed run, datagen, all; did you mean 'run'?"),
        (("--mlps-rerun", "."), "is a path: write --mlps-rerun=run, or the path first"),
    ],
)
def test_a_wrong_value_is_refused_with_the_right_ones(suite, arguments, words):
    refused = suite.run(*arguments)
    assert refused.code == 4
    assert words in refused.text
