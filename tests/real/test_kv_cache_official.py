"""The official KV cache program launched through our items: stand-ins of both kinds of wrapper and of the program alone, and a real copy.

A real copy is used where ``MLPS_OFFICIAL_KVCACHE`` names its folder, with the interpreter that ``MLPS_OFFICIAL_PYTHON`` names.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from small_suite import finish

from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import evaluate

sys.path.append(str(Path(__file__).parents[1] / "unit" / "kvcache"))
from official_stand_in import write_copy

pytestmark = [pytest.mark.real]

HEAD = "division: whatif\nsubmitter: test\nsystem: small\nkvcache:\n  engine: official\n  trials: 1\n  inter_option_delay: 0s\n"
SHORT = "  start_delay: 0s\n  end_delay: 0s\n  duration: 2s\n  num_users: 3\n  clients_per_host: 2\n"
OPTIONS = "  options:\n    - option: 1\n    - option: 2\n    - option: 3\n"
OF_CACHE = ("6.3.3", "6.3.4", "REP-KVC", "MLPS-FILES", "MLPS-ENGINE")


class Official:
    """The small suite with a copy of the official program."""

    def __init__(self, suite, monkeypatch):
        self.suite = suite
        self.copy = suite.folder / "copy"
        self.patch = monkeypatch
        self.told()

    def told(self, words="", seconds="1"):
        self.patch.setenv("STAND_IN", words)
        self.patch.setenv("STAND_IN_SECONDS", seconds)

    def write(self, form="program", section=SHORT, options=OPTIONS, *, delays=True):
        write_copy(self.copy, form, delays=delays)
        (self.suite.folder / "suite.yaml").write_text(f"{HEAD}  official_path: {self.copy}\n{section}{options}")

    @property
    def result(self):
        return self.suite.results / "whatif/test/results/small/kv_cache/llama3.1-8b"

    @property
    def leaf(self):
        (leaf,) = (self.result / "run").glob("2*")
        return leaf

    def left(self):
        return sorted(path for path in (self.suite.folder / "mlps-data").glob("kv_cache/**/*") if path.is_file())

    def programs(self):
        """Pids of the official program that run here."""
        found = []
        for pid in self.suite.processes():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.endswith(b"kv-cache.py") for word in words[:2]):
                found.append(pid)
        return found


@pytest.fixture
def official(suite, monkeypatch):
    return Official(suite, monkeypatch)


@pytest.mark.parametrize("form", ["wrapper", pytest.param("program", marks=pytest.mark.full)])
def test_two_clients_by_the_official_program_become_one_run_that_the_same_rules_read(form, official):
    official.write(form)
    ended = official.suite.run("-s", "-v")
    assert ended.code == 0, ended.text
    assert official.left() == []
    summary = json.loads((official.leaf / "summary.json").read_text())
    assert summary["total_ranks"] == 2
    for option in ("1", "2", "3"):
        entry = summary["options"][option]
        assert entry["aggregated_read_bandwidth_gbps"] > 0
        assert entry["mlps"]["engine"] == "official"
        files = sorted(path.name for path in official.leaf.glob(f"option_{option}/trial_0/rank_1/*"))
        assert [name.partition("_results")[0] for name in files] == ["evidence.json", "kvcache"]
    seeds = [json.loads(path.read_text())["seed"] for path in sorted(official.leaf.glob("option_3/trial_0/rank_*/kvcache_results_*"))]
    assert seeds == [42, 43]
    (result,) = read_tree(official.suite.results).results
    said = {e.rule.id: [f.line() for f in e.findings] for e in evaluate(result) if e.rule.id.startswith(OF_CACHE)}
    assert said
    assert not any(said.values()), said
    assert "by the official formula" in " ".join(ended.text.split())


@pytest.mark.full
def test_the_older_wrapper_takes_the_options_from_its_own_table(official):
    official.write("table", "", "  options:\n    - option: 2\n")
    ended = official.suite.run("-s")
    assert ended.code == 0, ended.text
    (file,) = official.leaf.glob("option_2/trial_0/rank_0/kvcache_results_*.json")
    content = json.loads(file.read_text())
    assert (content["asked"]["num_users"], content["asked"]["cpu_mem_gb"]) == (100, 4.0)
    # The stand-in worked a second, which the clock shows.
    evidence = json.loads(file.with_name("evidence.json").read_text())
    assert any(note["check"] == "idle" for note in evidence["notes"])


def test_a_copy_without_the_program_and_an_interpreter_without_its_packages_are_told_before_anything_runs(official):
    official.write()
    (official.copy / "kv-cache.py").unlink()
    ended = official.suite.run()
    assert ended.code != 0
    assert f"{official.copy} holds no kv-cache.py" in ended.text
    official.write()
    bare = official.suite.folder / "python"
    bare.write_text("#!/bin/sh\necho 'No module named yaml' >&2\nexit 1\n")
    bare.chmod(0o755)
    ended = official.suite.run("--mlps-set", f"kvcache.official_python={bare}")
    assert ended.code != 0
    assert "cannot import numpy and yaml, which the official program needs: No module named yaml" in ended.text


@pytest.mark.fault
def test_a_program_that_fails_is_one_failure_with_its_last_words_and_nothing_is_left(official):
    official.write("wrapper", options="  options:\n    - option: 1\n")
    official.told("fails")
    ended = official.suite.run()
    assert ended.code == 1
    assert "ended with exit code 1: No space left on the pretended device" in ended.text
    assert official.left() == []
    official.told()
    assert official.suite.run().code == 0


@pytest.mark.full
@pytest.mark.fault
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_program_that_is_killed_and_a_pass_that_is_interrupted_leave_neither_processes_nor_files(number, official):
    official.write("wrapper", options="  options:\n    - option: 1\n")
    official.told("hangs")
    process = official.suite.start("-k", "test_run")
    official.suite.wait_for(lambda: len(official.programs()) == 2 and len([p for p in official.left() if p.suffix == ".npy"]) == 2)
    if number == signal.SIGKILL:
        os.kill(official.programs()[0], number)
    else:
        os.killpg(process.pid, number)
    ended = finish(process)
    assert ended.code == (1 if number == signal.SIGKILL else 2), ended.text
    if number == signal.SIGKILL:
        assert "mlperf_wrapper.py ended with exit code" in ended.text
    official.suite.wait_for(lambda: not official.programs(), 20)
    official.suite.wait_for(lambda: not official.left(), 20)


def test_a_closed_dry_run_shows_nine_passes_of_the_edition_and_what_they_take(official):
    official.write("wrapper")
    text = (official.suite.folder / "suite.yaml").read_text()
    closed = f"division: closed\nsubmitter: test\nsystem: small\nkvcache:\n  engine: official\n  official_path: {official.copy}\n{OPTIONS}"
    for content in (closed, closed.replace("  engine: official\n", "").replace(f"  official_path: {official.copy}\n", "")):
        assert content != text
        (official.suite.folder / "suite.yaml").write_text(content)
        ended = official.suite.run("--mlps-dry-run", "-s")
        for option, trials in ((1, 3), (2, 3), (3, 3)):
            for trial in range(trials):
                assert f"option{option}-trial{trial}: dry run" in ended.text
        for words in (
            "option 1 (Max Storage Stress): llama3.1-8b, 200 users a client, 300 s, 0 B + 0 B of memory before storage, at most 16 writes",
            "option 2 (Storage Throughput): llama3.1-8b, 100 users a client, 300 s, 0 B + 4.00 GiB of memory before storage, at most 16 writes",
            "option 3 (Large Model (70B)): llama3.1-70b-instruct, 70 users a client, 300 s, 0 B + 0 B of memory before storage, at most 4 writes",
            "at once, generation none",
            "9 passes (3 options × 3 trials), seed 42 + rank: 4500 s",
            "plus up to 2 s × (users + 1) a pass, so at most 1 h 52 min",
        ):
            assert words in ended.text
        assert not official.suite.results.exists()


def test_a_real_copy_runs_for_ten_seconds(official):
    folder = os.environ.get("MLPS_OFFICIAL_KVCACHE")
    if not folder:
        pytest.skip("MLPS_OFFICIAL_KVCACHE names no copy of the official program")
    python = os.environ.get("MLPS_OFFICIAL_PYTHON")
    keys = "  model: tiny-1b\n  duration: 10s\n  num_users: 4\n  start_delay: 0s\n  end_delay: 0s\n"
    keys += f"  official_python: {python}\n" if python else ""
    (official.suite.folder / "suite.yaml").write_text(f"{HEAD}  official_path: {folder}\n{keys}  options:\n    - option: 1\n")
    process = official.suite.start("-s")
    ended = finish(process, 600.0)
    assert ended.code == 0, ended.text
    (file,) = official.leaf.glob("option_1/trial_0/rank_0/kvcache_results_*.json")
    assert json.loads(file.read_text())["mlps"]["engine"] == "official"
    assert official.left() == []
