"""Checkpoints really written and read through our items, in one run and in two, and each way in which that fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_suite import finish

from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape, checkpoint_size
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import evaluate

pytestmark = [pytest.mark.real]

RULES = Path(__file__).parents[2] / "rules"
RANK_BYTES = 5900544 + 35418624
"""The tiny model of training.md §5 on 2 ranks; DLIO itself wrote as much."""

ENTRY = """
    - model: llama3-8b
      accelerator: b200
      accelerators: 2
      model.num_layers: 4
      model.transformer: {vocab_size: 4096, hidden_size: 256, ffn_hidden_size: 1024, num_attention_heads: 8, num_kv_heads: 2}
      checkpoint: {num_checkpoints_write: 2, num_checkpoints_read: 2, time_between_checkpoints: 0s}
"""


class Checkpoints:
    """The small suite with a checkpointing section."""

    def __init__(self, suite):
        self.suite = suite
        self.result = suite.results / "whatif/test/results/small/checkpointing/llama3-8b"
        self.folder = suite.folder / "mlps-data/llama3-8b"
        self.write()

    def write(self, section="", entry=ENTRY, top=""):
        head = f"division: whatif\nsubmitter: test\nsystem: small\n{top}checkpointing:\n"
        (self.suite.folder / "suite.yaml").write_text(f"{head}{section}  workloads:{entry}")

    def run(self, *arguments):
        return self.suite.run(*arguments)

    @property
    def leaves(self):
        return sorted(self.result.glob("2*"))

    def metadata(self, number):
        leaf = self.leaves[number]
        return json.loads((leaf / f"checkpointing_{leaf.name}_metadata.json").read_text())

    def ranks(self):
        """Rank → pid of the programs that are running here."""
        found = {}
        for pid in self.suite.processes():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                environ = dict(pair.split(b"=", 1) for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in pair)
            except OSError:
                continue
            if b"pytest_mlpstorage.checkpointing" in words and b"guard" not in words and b"OMPI_COMM_WORLD_RANK" in environ:
                found[int(environ[b"OMPI_COMM_WORLD_RANK"])] = pid
        return found


@pytest.fixture
def checkpoints(suite):
    return Checkpoints(suite)


def passes(ended):
    assert ended.code == 0, ended.text


def files_of(folder):
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def fails_with(ended, *texts):
    assert ended.code == 1, ended.text
    assert [text for text in texts if text not in ended.text] == [], ended.text
    assert "Traceback (most recent call last)" not in ended.text.split("last lines of stderr")[0]


def test_one_run_writes_and_reads_and_is_judged(checkpoints):
    ended = checkpoints.run()
    assert ended.code == 0, ended.text
    assert "4 passed" in ended.text
    names = [f"zero_pp_rank_{rank}_mp_rank_0_{what}_states.pt" for rank in (0, 1) for what in ("model", "optim")]
    sizes = {name: 5900544 if "model" in name else 35418624 for name in names}
    assert files_of(checkpoints.folder) == {f"global_epoch1_step{n}/{name}": size for n in (1, 2) for name, size in sizes.items()}
    (leaf,) = checkpoints.leaves
    recorded = checkpoints.metadata(0)
    shape = CheckpointShape.from_parameters(recorded["parameters"])
    assert checkpoint_size(shape, processes=2).total_bytes == 2 * RANK_BYTES == recorded["mlps"]["checkpoint"]["bytes"]
    assert recorded["mlps"]["files"] == {
        "files": 8, "bytes_on_disk": 4 * RANK_BYTES, "bytes_by_formula": 4 * RANK_BYTES, "gib": 4 * RANK_BYTES / 2**30,
    }  # fmt: skip
    assert recorded["mlps"]["engine"]["name"] == "mlpstorage"
    summary = json.loads((leaf / "summary.json").read_text())
    assert summary["metric"]["checkpoint_size_GB"] == 2 * RANK_BYTES / 2**30
    cold = json.loads((leaf / "page_cache.json").read_text())
    assert cold["resident_bytes_before"] > 0
    assert cold["resident_bytes_after"] == 0


def test_the_result_breaks_only_what_its_scale_breaks(checkpoints):
    passes(checkpoints.run())
    tree = read_tree(checkpoints.suite.results)
    place = tree.place(checkpoints.result.relative_to(checkpoints.suite.results).as_posix())
    found = {e.rule.id for e in evaluate(tree.load(place)) if any(f.severity.value == "error" for f in e.findings)}
    # The scaled-down model, its ranks and counts, and one disk for data and results.
    assert found == {"4.4.2", "4.6.1", "4.6.2", "4.6.3", "4.7.1", "SUB-CKP-1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(RULES), f"--results-dir={checkpoints.suite.results}", "-q", "-p", "no:cacheprovider"],
        capture_output=True, text=True, cwd=checkpoints.suite.folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    row = json.loads((checkpoints.suite.results / "whatif/test/results/results.json").read_text())[0]
    assert row["Checkpointing - Write B/W (GiB/s)"] > 0
    assert row["Checkpointing - Read B/W (GiB/s)"] > 0


def test_a_second_start_finds_what_is_done(checkpoints):
    passes(checkpoints.run())
    before = files_of(checkpoints.result)
    ended = checkpoints.run("-s")
    assert ended.code == 0, ended.text
    assert "both: found, not repeated" in ended.text
    assert files_of(checkpoints.result) == before


def test_two_runs_with_a_command_between_them(checkpoints):
    command = f"[sh, -c, 'ls $MLPS_CHECKPOINT_FOLDER | tee {checkpoints.suite.folder}/seen; sleep 1']"
    checkpoints.write(section=f"  invocations: separate\n  between_command: {command}\n")
    ended = checkpoints.run("-s")
    assert ended.code == 0, ended.text
    assert "5 passed" in ended.text
    assert "of 30 s allowed (4.7.1)" in ended.text
    assert (checkpoints.suite.folder / "seen").read_text().split() == ["global_epoch1_step1", "global_epoch1_step2"]
    assert len(checkpoints.leaves) == 2
    handover = checkpoints.metadata(1)["mlps"]["handover"]
    assert handover["command_seconds"] >= 1
    assert handover["command_seconds"] < handover["gap_seconds"] < 20
    assert handover["command_output"] == ["global_epoch1_step1", "global_epoch1_step2"]
    write, read = (json.loads((leaf / "summary.json").read_text())["metric"] for leaf in checkpoints.leaves)
    assert "load_checkpoint_io_mean_GB_per_second" not in write
    assert "save_checkpoint_io_mean_GB_per_second" not in read


def test_a_command_that_fails_ends_it_and_the_next_start_reads(checkpoints):
    flag = checkpoints.suite.folder / "repaired"
    checkpoints.write(section=f"  invocations: separate\n  between_command: [sh, -c, 'echo no path to it; test -e {flag}']\n")
    ended = checkpoints.run()
    fails_with(ended, "the command between writing and reading ended with exit 1", "no path to it", "nothing was read")
    assert "3 passed" in ended.text
    assert len(checkpoints.leaves) == 1
    flag.touch()
    ended = checkpoints.run("-s")
    assert ended.code == 0, ended.text
    assert "write: found, not repeated" in ended.text
    assert len(checkpoints.leaves) == 2


def test_without_the_drop_the_record_shows_that_reads_came_from_memory(checkpoints):
    checkpoints.write(section="  drop_caches: false\n")
    passes(checkpoints.run("-k", "test_run"))
    cold = json.loads((checkpoints.leaves[0] / "page_cache.json").read_text())
    assert cold["resident_bytes_after"] == cold["resident_bytes_before"] > 0


def test_one_item_alone_is_chosen_by_its_name(checkpoints):
    checkpoints.write(section="  invocations: separate\n")
    ended = checkpoints.run("-k", "test_run and write")
    assert ended.code == 0, ended.text
    assert "1 passed, 4 deselected" in ended.text
    assert len(checkpoints.leaves) == 1


def test_a_dry_run_shows_the_launch_and_writes_nothing(checkpoints):
    ended = checkpoints.run("--mlps-dry-run")
    assert ended.code == 0, ended.text
    assert "-m pytest_mlpstorage.checkpointing" in ended.text
    assert "a checkpoint: 78.81 MiB (82638336 bytes" in ended.text
    assert sorted(path.name for path in checkpoints.suite.folder.iterdir()) == ["suite.yaml"]


def test_a_checkpoint_that_went_missing_is_no_checkpoint_to_read(checkpoints):
    checkpoints.write(section="  invocations: separate\n")
    passes(checkpoints.run("-k", "test_run and write"))
    victim = checkpoints.folder / "global_epoch1_step2/zero_pp_rank_1_mp_rank_0_optim_states.pt"
    victim.unlink()
    fails_with(checkpoints.run("-k", "test_run and read"), "checkpoint 2 of llama3-8b-b200 is not complete", victim.name, "is not there")
    assert len(checkpoints.leaves) == 1


@pytest.mark.fault
def test_a_killed_rank_is_named_and_leaves_its_evidence(checkpoints):
    checkpoints.write(entry=ENTRY.replace("checkpoints: 0s", "checkpoints: 5s"))
    process = checkpoints.suite.start("-k", "test_run")
    checkpoints.suite.wait_for(lambda: len(checkpoints.ranks()) == 2 and checkpoints.folder.is_dir())
    time.sleep(1)  # both sleep before their first checkpoint
    begun = time.monotonic()
    os.kill(checkpoints.ranks()[1], signal.SIGKILL)
    ended = finish(process)
    assert time.monotonic() - begun < 30
    fails_with(ended, "rank 1", "SIGKILL", ".mlps/failed/")
    assert checkpoints.leaves == []
    (reason,) = checkpoints.suite.evidence()
    assert "SIGKILL" in str(reason)
    checkpoints.write()
    passes(checkpoints.run("-k", "test_run"))
    assert len(checkpoints.leaves) == 1


@pytest.fixture
def small_disk(small_filesystem):
    """A checkpoint fits, two do not."""
    return small_filesystem(100)


@pytest.mark.fault
def test_a_disk_that_fills_up_in_mid_write_is_one_clear_failure_and_the_next_start_works(checkpoints, small_disk):
    checkpoints.write(entry=ENTRY + f"      checkpoint.checkpoint_folder: {small_disk}\n")
    fails_with(checkpoints.run("-k", "test_preflight"), "MLPS-PATH-1", "MLPS-SPACE-1")
    ended = checkpoints.run("-k", "test_run")
    fails_with(ended, "No space left on device", "global_epoch1_step2", ".mlps/failed/")
    assert "1 failed" in ended.text
    assert checkpoints.leaves == []
    (reason,) = checkpoints.suite.evidence()
    assert "No space left on device" in str(reason)
    (evidence,) = (checkpoints.suite.results / ".mlps/failed").iterdir()
    assert (evidence / "checkpointing_run.stderr.log").read_text()
    assert {path.name for path in small_disk.iterdir()} <= {"llama3-8b", ".mlps-lock"}
    subprocess.run(["mount", "-o", "remount,size=300m", str(small_disk)], check=True)
    ended = checkpoints.run("-k", "test_run")
    assert ended.code == 0, ended.text
    assert len(checkpoints.leaves) == 1
