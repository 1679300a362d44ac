"""The KV cache really stored and loaded through our items: passes that become one run, interrupted, resumed, and each way to fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kv_cache_suite import SECTION, Cache
from small_suite import finish

from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import evaluate

pytestmark = [pytest.mark.real]

RULES = Path(__file__).parents[2] / "rules"


@pytest.fixture
def cache(suite):
    return Cache(suite)


@pytest.mark.full
def test_three_options_of_two_clients_become_one_run_that_the_rules_read_and_recompute(cache):
    ended = cache.run("-s")
    assert ended.code == 0, ended.text
    assert ended.seconds < 60
    (leaf,) = cache.leaves
    assert cache.waiting == []
    assert cache.left() == []
    summary = json.loads((leaf / "summary.json").read_text())
    assert summary["partial_failure"] is False
    for option in ("1", "2", "3"):
        block = summary["options"][option]["mlps"]
        assert block["storage_write_bandwidth_window_gibps"] > 0
        assert block["verify_errors"] == 0
    for option in ("1", "3"):  # the memory of option 2 may hold what it reads
        assert summary["options"][option]["mlps"]["storage_read_bandwidth_window_gibps"] > 0
    (result,) = read_tree(cache.suite.results).results
    errors = {e.rule.id: [f.line() for f in e.findings if f.severity.value == "error"] for e in evaluate(result)}
    figures = {rule: lines for rule, lines in errors.items() if rule.startswith(("6.3.3", "6.3.4", "REP-KVC", "MLPS-FILES"))}
    assert figures
    assert not any(figures.values()), figures
    command = [sys.executable, "-m", "pytest", str(RULES), f"--results-dir={cache.suite.results}", "-p", "no:cacheprovider"]
    judged = subprocess.run(command, cwd=cache.suite.folder, capture_output=True, text=True, timeout=120)
    assert "WHATIF" in judged.stdout, judged.stdout + judged.stderr


@pytest.mark.full
def test_passes_of_one_option_wait_for_the_others_and_are_not_repeated(cache):
    ended = cache.run("-k", "option2")
    assert ended.code == 0, ended.text
    (first,) = cache.waiting
    ended = cache.run("-k", "test_result")
    assert ended.code == 1
    assert "1 of 3 passes of llama3.1-8b are done" in ended.text
    assert "option1-trial0, option3-trial0" in ended.text
    ended = cache.run("-s")
    assert ended.code == 0, ended.text
    assert f"found, not repeated: .mlps/series/{first.parent.name}/{first.name}" in ended.text
    assert cache.waiting == []
    (leaf,) = cache.leaves
    assert list(leaf.glob(f"option_2/trial_0/rank_0/kvcache_results_{first.name}.json"))
    assert "found, not repeated: whatif/test/results/small/kv_cache" in cache.run("-s").text


@pytest.mark.full
def test_idle_times_are_told_while_they_last(cache):
    cache.write(SECTION.replace("start_delay: 0s", "start_delay: 4s"), "  options:\n    - option: 1\n")
    ended = cache.run("-k", "option1", "--log-cli-level=INFO", "--mlps-set", "launch.heartbeat=1s")
    assert ended.code == 0, ended.text
    assert "idle for 3" in ended.text or "idle for 2" in ended.text


@pytest.mark.full
@pytest.mark.fault
def test_an_interrupted_pass_leaves_nothing_in_the_cache_and_the_next_start_goes_on_with_it(cache):
    ended = cache.run("-k", "option1")
    assert ended.code == 0, ended.text
    process = cache.suite.start("-k", "option2 or option3", "-x")
    cache.suite.wait_for(lambda: len(cache.ranks()) == 2 and cache.left())
    os.killpg(process.pid, signal.SIGINT)
    ended = finish(process)
    assert ended.code == 2, ended.text
    cache.suite.wait_for(lambda: not cache.ranks(), 20)
    assert cache.left() == []
    assert len(cache.waiting) == 1
    ended = cache.run()
    assert ended.code == 0, ended.text
    assert len(cache.leaves) == 1


@pytest.mark.full
@pytest.mark.fault
def test_a_killed_rank_fails_its_pass_by_name_and_the_next_start_makes_the_run_whole(cache):
    process = cache.suite.start("-k", "test_run")
    cache.suite.wait_for(lambda: len(cache.ranks()) == 2 and cache.left())
    os.kill(cache.ranks()[1], signal.SIGKILL)
    ended = finish(process)
    assert ended.code == 1, ended.text
    assert "rank 1" in ended.text
    assert "SIGKILL" in ended.text
    assert cache.waiting == []
    ended = cache.run()
    assert ended.code == 0, ended.text
    assert len(cache.leaves) == 1
    assert cache.left() == []
