"""A writer killed at any instant leaves a complete leaf or none, and the next start finds the rest."""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.lock import results_lock
from pytest_mlpstorage.results.sweep import UNFINISHED, sweep_stale
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.writer import LeafWriter

RUN = Path("closed/acme/results/fastfs/training/unet3d/run")
FILES = ["a.json", "b.json", "dlio_config/config.json", "summary.json"]

# Forks one writer after the other, each into a results directory of its own; the n-th ends itself by SIGKILL at its n-th
# call that changes the filesystem, until one comes through. Prints how many it took.
KILLED_AT_EACH_CALL = """
import os, signal, sys
from pathlib import Path
from pytest_mlpstorage.results.writer import LeafWriter

base, when, final, files = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
left = 0

def counting(real):
    def call(*args, **kwargs):
        global left
        left -= 1
        mine = left
        if mine == 0 and when != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return real(*args, **kwargs)
        finally:
            if mine == 0 and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
    return call

def write(results):
    for name in ("mkdir", "open", "write", "replace", "rename", "rmdir", "unlink", "fsync"):
        setattr(os, name, counting(getattr(os, name)))
    leaf = LeafWriter.create(results, results / final, run_id="r1")
    for name in files:
        leaf.write_json(name, {"name": name})
    if when == "fail":
        leaf.fail("asked to")
    else:
        leaf.commit()

for number in range(1, 1000):
    child = os.fork()
    if child == 0:
        left = number
        write(base / str(number))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status != signal.SIGKILL:
        break
print(number, status)
"""


def killed_at_each_call(base, when):
    """The results directories after a kill at each call, in order; the last writer was not killed."""
    command = [sys.executable, "-c", KILLED_AT_EACH_CALL, str(base), when, f"{RUN}/20261125_001000", *FILES]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=120)
    count, status = map(int, outcome.stdout.split())
    assert status == 0, outcome.stderr
    assert count > 20
    return [base / str(number) for number in range(1, count + 1)]


ENDLESS = """
import itertools, sys
from pathlib import Path
from pytest_mlpstorage.results.writer import LeafWriter

results = Path(sys.argv[1])
for number in itertools.count():
    leaf = LeafWriter.create_next(results, results / sys.argv[3], run_id=f"{sys.argv[2]}-{number}")
    for name in sys.argv[4:]:
        leaf.write_json(name, {"name": name})
    leaf.commit()
    print(number, flush=True)
"""


def leaves(results):
    found = read_tree(results).results
    return found[0].runs if found else ()


def require_whole(results):
    for leaf in leaves(results):
        assert leaf.files == set(FILES)
        assert all(json.loads((leaf.path / name).read_text()) == {"name": name} for name in FILES)


@pytest.mark.fault
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_writer_killed_at_each_call_leaves_the_whole_leaf_or_none(tmp_path, when):
    ends = []
    for results in killed_at_each_call(tmp_path, when):
        require_whole(results)
        with results_lock(results) as lock:
            swept = sweep_stale(results, lock)
        require_whole(results)
        ends.append((len(leaves(results)), len(swept)))
        assert list((results / ".mlps").glob("claims/*")) == list((results / ".mlps").glob("staging/*")) == []
        for evidence in swept:
            assert json.loads((evidence / "reason.json").read_text())["reason"] == UNFINISHED
        # The place is free again, or the leaf is there.
        if not leaves(results):
            LeafWriter.create(results, results / RUN / "20261125_001000", run_id="r1").commit()
    # Killed before a file was there, while there were some, and after the leaf was in its place: never both kinds at once.
    assert [end for end, _ in itertools.groupby(ends)] == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.fault
def test_a_writer_killed_while_it_keeps_failed_evidence_loses_none_of_it(tmp_path):
    reasons = set()
    for results in killed_at_each_call(tmp_path, "fail"):
        written = list(results.rglob("summary.json"))
        with results_lock(results) as lock:
            swept = sweep_stale(results, lock)
        assert leaves(results) == ()
        assert len(list((results / ".mlps" / "failed").rglob("summary.json"))) == len(written)
        for evidence in swept:
            reasons.add(json.loads((evidence / "reason.json").read_text())["details"].get("reason given"))
    assert reasons == {None, "asked to"}


@pytest.mark.fault
def test_two_writers_killed_at_random_many_times_leave_only_whole_leaves(tmp_path):
    committed = 0
    for number in range(12):
        command = [sys.executable, "-c", ENDLESS, str(tmp_path)]
        writers = [subprocess.Popen([*command, f"{name}{number}", str(RUN), *FILES], stdout=subprocess.PIPE, text=True) for name in "ab"]
        for writer in writers:
            writer.stdout.readline()  # it has begun
        time.sleep(0.0137 * number)
        for writer in writers:
            writer.kill()
        told = [writer.communicate()[0] for writer in writers]
        committed += sum(text.count("\n") + 1 for text in told)
        require_whole(tmp_path)
        with results_lock(tmp_path) as lock:
            sweep_stale(tmp_path, lock)
    require_whole(tmp_path)
    assert len(leaves(tmp_path)) >= committed
    assert list((tmp_path / ".mlps" / "staging").iterdir()) == []


def owner_of(leaf, **changes):
    path = leaf.home / "owner.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_leaf_of_a_living_writer_is_never_swept(tmp_path):
    leaf = LeafWriter.create(tmp_path, tmp_path / RUN / "20261125_001000", run_id="r1")
    leaf.write_json("a.json", {})
    with results_lock(tmp_path) as lock:
        assert sweep_stale(tmp_path, lock) == ()
    with pytest.raises(FileSystemError, match="another writer has staged this leaf"):
        LeafWriter.create(tmp_path, tmp_path / RUN / "20261125_001000", run_id="r2")
    assert leaf.commit().is_dir()


def test_what_dead_starts_left_to_work_with_goes_and_that_of_a_living_writer_stays(tmp_path):
    leaf = LeafWriter.create(tmp_path, tmp_path / RUN / "20261125_001000", run_id="r1")
    scratch = tmp_path / ".mlps/scratch"
    for name in ("r1", "r2"):
        (scratch / name / "configs").mkdir(parents=True)
        (scratch / name / "configs/job.json").write_text("{}")
    (scratch / "elsewhere").symlink_to(tmp_path / "closed", target_is_directory=True)
    lock = results_lock(tmp_path)
    sweep_stale(tmp_path, lock)
    assert sorted(path.name for path in scratch.iterdir()) == ["elsewhere", "r1", "r2"], "without the lock nothing is known"
    with lock:
        sweep_stale(tmp_path, lock)
    assert [path.name for path in scratch.iterdir() if not path.is_symlink()] == ["r1"]
    assert (scratch / "r1/configs/job.json").is_file()
    leaf.write_json("a.json", {})
    assert leaf.commit().is_dir()


def test_a_process_that_got_the_pid_of_a_dead_writer_is_not_taken_for_it(tmp_path):
    leaf = LeafWriter.create(tmp_path, tmp_path / RUN / "20261125_001000", run_id="r1")
    leaf.write_json("a.json", {})
    owner_of(leaf, start_ticks=1)
    with results_lock(tmp_path) as lock:
        (evidence,) = sweep_stale(tmp_path, lock)
    reason = json.loads((evidence / "reason.json").read_text())
    assert reason["intended"] == f"{RUN}/20261125_001000"
    assert reason["details"]["writer"].startswith("pid ")
    assert evidence.name.endswith("-run-unet3d-r1")


def test_a_writer_of_another_host_is_swept_only_by_who_holds_the_lock(tmp_path):
    leaf = LeafWriter.create(tmp_path, tmp_path / RUN / "20261125_001000", run_id="r1")
    leaf.write_json("a.json", {})
    owner_of(leaf, host="elsewhere")
    lock = results_lock(tmp_path)
    assert sweep_stale(tmp_path, lock) == ()
    with lock:
        assert len(sweep_stale(tmp_path, lock)) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "final": 3}'], ids=repr)
def test_a_staged_leaf_whose_owner_cannot_be_read_is_kept_as_evidence(tmp_path, content):
    leaf = LeafWriter.create(tmp_path, tmp_path / RUN / "20261125_001000", run_id="r1")
    leaf.write_json("a.json", {})
    (leaf.home / "owner.json").write_text(content)
    with results_lock(tmp_path) as lock:
        (evidence,) = sweep_stale(tmp_path, lock)
    assert (evidence / "a.json").exists()


def test_sweeping_a_directory_without_staging_does_nothing(tmp_path):
    assert sweep_stale(tmp_path, results_lock(tmp_path)) == ()
    assert list(tmp_path.iterdir()) == []
