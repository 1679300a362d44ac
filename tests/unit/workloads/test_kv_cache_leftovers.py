"""After a pass that ended badly nothing of it is left in the cache, here or on another host, and what cannot be removed is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from kv_cache_cases import SMALL, Ranks, do, plan_of

from pytest_mlpstorage.errors import BenchmarkExecutionError, FileSystemError, MPIError
from pytest_mlpstorage.kvcache import leftovers as engine
from pytest_mlpstorage.kvcache.leftovers import remove_leftovers
from pytest_mlpstorage.kvcache.rank_directory import TOKEN_NAME, RankDirectory
from pytest_mlpstorage.launch.supervisor import Outcome
from pytest_mlpstorage.workloads import kv_cache_leftovers
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD
from pytest_mlpstorage.workloads.kv_cache_leftovers import clean_up


@pytest.fixture
def ranks(monkeypatch):
    monkeypatch.setattr(kv_cache_leftovers, "_PAUSE_SECONDS", 0.0)
    return Ranks(monkeypatch)


@pytest.fixture
def plan(tmp_path, ranks):
    return plan_of(tmp_path, SMALL, division="whatif")


def killed(cache, rank):
    """The folder of a rank that was killed: marked, with an entry, and held by nobody."""
    folder = RankDirectory(cache, rank)
    folder.prepare()
    (folder.path / "ab" / "cd").mkdir(parents=True)
    (folder.path / "ab" / "cd" / "kv_0.npy").write_text("data")
    folder._release()
    return folder.path


def in_cache(plan):
    return sorted(path.relative_to(plan.cache_dir).as_posix() for path in plan.cache_dir.rglob("*"))


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, BenchmarkExecutionError("rank 1 was killed")], ids=["Ctrl-C", "end", "failure"]
)
def test_however_a_pass_ends_badly_folders_of_killed_ranks_are_removed(plan, ranks, error):
    def change(_job, rank, _content):
        killed(plan.cache_dir, rank)
        if rank:
            raise error

    ranks.change = change
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - it is compared below
        do(plan, "option1-trial0")
    assert raised.type is (error if isinstance(error, type) else type(error))
    assert in_cache(plan) == []
    assert list((plan.config.results_dir / ".mlps" / "failed").iterdir()), "evidence is kept"


def test_a_pass_that_left_no_measurement_is_cleaned_up_after_too(plan, ranks):
    ranks.change = lambda _job, rank, content: (killed(plan.cache_dir, rank), content["mlps"].update(verify_errors=1))
    with pytest.raises(BenchmarkExecutionError):
        do(plan, "option1-trial0")
    assert in_cache(plan) == []


def test_a_folder_that_is_not_ours_or_that_somebody_holds_stays_and_is_told(plan, ranks):
    foreign = plan.cache_dir / "rank_1"
    foreign.mkdir(parents=True)
    (foreign / "thesis.txt").write_text("mine")
    held = RankDirectory(plan.cache_dir, 0)
    held.prepare()

    def change(*_):
        raise BenchmarkExecutionError("no")

    ranks.change = change
    with pytest.raises(BenchmarkExecutionError) as failure:
        do(plan, "option1-trial0")
    assert "rank_0 is in use by another run" in failure.value.details["left behind"]
    assert "evidence" in failure.value.details
    assert in_cache(plan) == ["rank_0", f"rank_0/{TOKEN_NAME}", "rank_1", "rank_1/thesis.txt"]
    held.remove()


def test_what_fails_while_cleaning_up_hides_nothing_that_failed_before(plan, ranks, monkeypatch):
    monkeypatch.setattr(kv_cache_leftovers, "remove_leftovers", lambda *_: (_ for _ in ()).throw(FileSystemError("the disk is gone")))

    def change(*_):
        raise BenchmarkExecutionError("the first fault")

    ranks.change = change
    with pytest.raises(BenchmarkExecutionError, match="the first fault") as failure:
        do(plan, "option1-trial0")
    assert "the disk is gone" in failure.value.details["left behind"]


@pytest.mark.parametrize(
    "error", [MPIError("no rank could be started"), FileSystemError("the job cannot be written")], ids=["no rank", "no job"]
)
def test_where_no_rank_began_no_host_is_asked(plan, ranks, monkeypatch, error):
    asked = []
    monkeypatch.setattr(kv_cache_leftovers, "remove_leftovers", lambda *_: asked.append(1) or [])

    def change(*_):
        raise error

    if isinstance(error, MPIError):
        ranks.change = change
    else:
        monkeypatch.setattr("pytest_mlpstorage.workloads.kv_cache_job.make_job", lambda *_a, **_k: change())
    with pytest.raises(type(error)):
        do(plan, "option1-trial0")
    assert asked == []


def test_a_folder_that_cannot_be_looked_at_is_told(tmp_path, monkeypatch):
    killed(tmp_path, 0)
    monkeypatch.setattr(engine.Path, "is_file", lambda _self: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    (line,) = remove_leftovers(tmp_path, 1)
    assert line == f"nobody can see what is in {tmp_path / 'rank_0'}: Input/output error"


class FarHosts:
    """Stands in for the launch: ``bad`` hosts are not reached, the others say their line."""

    def __init__(self, monkeypatch, *bad):
        self.bad, self.asked = bad, []
        monkeypatch.setattr(kv_cache_leftovers, "run_job", self.run_job)

    def run_job(self, launcher, job, *, stdout, stderr, deadline_seconds):
        self.asked.append((launcher, job, deadline_seconds))
        names = [host.name for host in job.hosts]
        bad = [name for name in names if name in self.bad]
        stdout.write_text("".join(f"{name}: rank_5 is in use by another run\n" for name in names if name not in bad))
        cause = f"no word from rank 1 on {bad[0]} for 10 s: the host or its network is down" if bad else ""
        return Outcome(125 if bad else 0, None, 1.0, None, None, cause, (), ("mpirun",), "x", (), None, None)


def plan_of_three(tmp_path):
    return plan_of(tmp_path, SMALL, division="whatif", names="localhost, far1, far2", hosts=(256, 256, 256))


def test_other_hosts_are_cleaned_by_one_process_on_each(tmp_path, ranks, monkeypatch):
    plan, far = plan_of_three(tmp_path), FarHosts(monkeypatch)
    assert clean_up(plan, scratch=tmp_path, launcher="ours") == [f"far{n}: rank_5 is in use by another run" for n in (1, 2)]
    ((launcher, job, _),) = far.asked
    assert (launcher, job.ranks) == ("ours", 2)
    assert [(host.name, host.slots) for host in job.hosts] == [("far1", 1), ("far2", 1)]
    assert job.program == ("-m", "pytest_mlpstorage.kvcache.leftovers", str(plan.cache_dir), "6")


def test_one_host_of_several_that_is_not_reached_is_told_and_the_others_are_cleaned(tmp_path, ranks, monkeypatch):
    plan, far = plan_of_three(tmp_path), FarHosts(monkeypatch, "far2")
    assert clean_up(plan, scratch=tmp_path, launcher="ours") == [
        "far1: rank_5 is in use by another run",
        f"{plan.cache_dir} on far2 may hold files of ranks that were killed: "
        "no word from rank 1 on far2 for 10 s: the host or its network is down",
    ]
    assert [[host.name for host in job.hosts] for _, job, _ in far.asked] == [["far1", "far2"], ["far1"]]
    assert far.asked[1][2] < far.asked[0][2]


def test_the_only_other_host_is_asked_once(tmp_path, ranks, monkeypatch):
    plan, far = plan_of(tmp_path, SMALL, division="whatif", names="localhost, far1", hosts=(256, 256)), FarHosts(monkeypatch, "far1")
    (line,) = clean_up(plan, scratch=tmp_path, launcher="ours")
    assert (line.startswith(f"{plan.cache_dir} on far1 may hold"), len(far.asked)) == (True, 1)


def test_a_process_cleans_the_host_that_it_runs_on_and_says_what_stays(tmp_path):
    killed(tmp_path, 0)
    killed(tmp_path, 2)
    command = [sys.executable, "-m", "pytest_mlpstorage.kvcache.leftovers", str(tmp_path), "2"]
    environment = {key: value for key, value in os.environ.items() if "COV" not in key}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["rank_2"]
    with RankDirectory(tmp_path, 1):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, done.stdout.count("\n"), "rank_1 is in use" in done.stdout) == (0, 1, True)


def test_a_family_without_anything_to_clean_need_not_say_so():
    from pytest_mlpstorage.workloads.base import CleaningWorkload

    assert isinstance(WORKLOAD, CleaningWorkload)
    assert not isinstance(object(), CleaningWorkload)
