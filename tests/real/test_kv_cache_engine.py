"""The KV cache engine as it is launched: two ranks, figures that are known beforehand, memory, start-up, and every way it may end."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.events import NEVER, REQUEST_EVENT_DTYPE, EventLog, read_events
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.leftovers import remove_leftovers
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.official_view import OfficialPass, official_view
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.population import TEMPLATES, population, scaled_contexts
from pytest_mlpstorage.kvcache.rate_limit import RateLimitedTarget
from pytest_mlpstorage.kvcache.run_summary import OptionRun, RunShape, run_summary
from pytest_mlpstorage.kvcache.runner import FloodRunner, Pace
from pytest_mlpstorage.kvcache.schedule import compile_flood
from pytest_mlpstorage.kvcache.series import ByteSeries, text_plot
from pytest_mlpstorage.kvcache.tiers import Tiers
from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.launch.processes import carriers
from pytest_mlpstorage.launch.supervisor import run_job

pytestmark = pytest.mark.real

S, MIB, GIB = 10**9, 1024**2, 1024**3
START = "20261126_010203"
QUICK = WorkloadConfig(templates=scaled_contexts(TEMPLATES, 16))


@pytest.fixture(scope="module")
def launcher():
    try:
        return find_launcher()
    except DependencyError as error:
        pytest.skip(str(error))


class Engine:
    """Launches passes in one folder, as the supervisor does; ``disturb`` is called while they run."""

    def __init__(self, launcher, folder):
        self.launcher, self.folder = launcher, folder
        self.cache, self.leaf = folder / "cache", folder / "leaf"
        self.leaf.mkdir()

    def job(self, option=1, **changes):
        output = self.leaf / f"option_{option}" / "trial_0"
        output.mkdir(parents=True)
        plain = KVCacheJob(
            option, 0, "llama3.1-8b", 8, str(self.cache), str(output), START, processes=2, duration_seconds=5,
            start_delay_seconds=0, end_delay_seconds=0, workload=QUICK,
        )  # fmt: skip
        return dataclasses.replace(plain, **changes)

    def run(self, job, disturb=None, deadline=120.0):
        job.write(self.folder / "job.json")
        state = {"done": False}

        def beat(seen):
            if disturb is not None and not state["done"] and seen.progress and seen.progress.get("step", 0) >= 1:
                state["done"] = True
                disturb()

        outcome = run_job(
            self.launcher,
            Job(job.processes, ("-m", "pytest_mlpstorage.kvcache", str(self.folder / "job.json"))),
            stdout=self.folder / "stdout.log",
            stderr=self.folder / "stderr.log",
            deadline_seconds=deadline,
            heartbeat=beat,
            heartbeat_seconds=0.2,
        )
        assert carriers(outcome.run_id) == []
        assert state["done"] or disturb is None
        text = (self.folder / "stderr.log").read_text()
        assert "Traceback" not in text, text
        return outcome, [line for line in text.splitlines() if line.startswith("mlpstorage:")]

    def left(self):
        return sorted(str(path.relative_to(self.cache)) for path in self.cache.rglob("*")) if self.cache.exists() else []

    def ranks(self):
        name = str(self.folder / "job.json")
        found = [process for process in psutil.process_iter(["cmdline", "name"]) if name in (process.info["cmdline"] or [])]
        return [process for process in found if "mpi" not in process.info["name"] and "orted" not in process.info["name"]]


@pytest.fixture
def engine(launcher, tmp_path):
    return Engine(launcher, tmp_path)


@pytest.mark.full
def test_two_ranks_run_three_options_and_each_reads_and_writes(engine, record_property):
    began = time.monotonic()
    shapes = {
        1: {"users": 8},
        2: {"users": 4, "cpu_memory_bytes": 256 * MIB},
        3: {"users": 4, "model": "llama3.1-70b-instruct", "max_concurrent_allocations": 4},
    }
    for option, shape in shapes.items():
        outcome, errors = engine.run(engine.job(option, **shape))
        assert (outcome.returncode, errors, engine.left()) == (0, [], [])
    assert time.monotonic() - began < 60
    summary, _ = run_summary(engine.leaf, RunShape(START, 1, 2, 1), {option: OptionRun(option == 2) for option in shapes})
    assert not summary["partial_failure"], [entry["mlps"]["problems"] for entry in summary["options"].values()]
    for entry in summary["options"].values():
        block = entry["mlps"]
        assert block["storage_read_bandwidth_window_gibps"] > 0
        assert block["storage_write_bandwidth_window_gibps"] > 0
        # The same where nothing was late, as may be in option 2.
        assert entry["aggregated_read_bandwidth_gbps"] > 0.999 * block["storage_read_bandwidth_window_gibps"]
        assert (entry["rank_count"], block["direct"], block["verify_errors"]) == (2, "proved", 0)
        evidence = [json.loads(path.read_text()) for path in engine.leaf.glob(f"option_{entry['option']}/trial_0/rank_*/evidence.json")]
        assert len(evidence) == 2
        for each in evidence:
            assert each["window_overlap"] >= 0.99
            assert each["direct"]["read_ratio"] == pytest.approx(1, abs=0.02)
            assert each["direct"]["write_ratio"] == pytest.approx(1, abs=0.02)
        assert len(set(map(str, block["schedule_sha256"].values()))) == 2
        record_property(
            f"option {entry['option']}", {key: block[key] for key in block if key.endswith(("gibps", "_window_read", "_window_write"))}
        )
        picture = text_plot(ByteSeries.from_json(block["series_1s"][0]["read"]).rates_gib_per_second())
        assert "GiB/s" in picture[0]
        assert picture[-1].endswith("5 s")


@pytest.mark.full
def test_a_storage_of_known_rate_is_measured_as_what_it_is_and_the_official_figure_is_not(tmp_path, record_property):
    rate, users, seconds, chunk = 100 * MIB, 32, 20, 128 * 1024
    its_model = model("llama3.1-8b")
    people = population(42, users, scaled_contexts(TEMPLATES, 16))
    schedule = compile_flood(its_model, people, effective_seed=42, duration_seconds=seconds)
    stop, account = Stop(), WindowAccount(seconds * S)
    target = RateLimitedTarget(rate=rate, chunk=chunk, sink=account, stop=stop)
    with EventLog(tmp_path / "operations") as operations, EventLog(tmp_path / "requests", REQUEST_EVENT_DTYPE) as requests:
        tiers = Tiers(TierPolicy([0, 0, 2**40]), target, operations, stop=stop, window_ns=seconds * S, most_writes=16)
        account.start_ns = time.perf_counter_ns() + S // 10
        outcome = FloodRunner(schedule, its_model, tiers, requests, Pace(users), stop=stop).run(account.start_ns)
    events = read_events(tmp_path / "operations")
    view = official_view(
        events, read_events(tmp_path / "requests", REQUEST_EVENT_DTYPE), OfficialPass(seconds * S, users, its_model.bytes_per_token, 42)
    )
    first = int(events["t_submit"][events["t_submit"] > NEVER].min())
    moved = account.read.bytes + account.write.bytes + account.write_not_durable_bytes
    true = moved / (seconds - first / S)
    stats = view["summary"]["cache_stats"]
    official = (stats["tier_storage_kv_bytes_read_gb"] + stats["tier_storage_kv_bytes_written_gb"]) * GIB / seconds
    record_property(
        "rates", f"window {true / MIB:.1f} MiB/s, official {official / MIB:.1f} MiB/s, drained until {outcome.ended_ns / S:.1f} s"
    )
    assert true == pytest.approx(rate, rel=0.02)
    assert official > 1.5 * true


MEMORY = {
    "option 3": ({"users": 70, "model": "llama3.1-70b-instruct", "max_concurrent_allocations": 4}, 512 * MIB),
    "500 users": ({"users": 500}, 512 * MIB),
    "a memory tier": ({"users": 100, "cpu_memory_bytes": GIB}, GIB + 512 * MIB),
    "option 2": ({"users": 100, "cpu_memory_bytes": 4 * GIB}, 4 * GIB + 512 * MIB),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name == "option 3" else [pytest.mark.full]) for name in MEMORY])
def test_memory_stays_within_its_bound_and_an_interrupt_leaves_nothing(engine, name, record_property):
    changes, limit = MEMORY[name]
    engine.job(processes=1, workload=WorkloadConfig(), capacity_bytes=6 * GIB, duration_seconds=60, **changes).write(
        engine.folder / "job.json"
    )
    progress = engine.folder / "progress"
    program = subprocess.Popen(
        [sys.executable, "-m", "pytest_mlpstorage.kvcache", str(engine.folder / "job.json")],
        env={**os.environ, "MLPS_PROGRESS": str(progress)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    # Until storage has something in it too: whatever lies in memory before it is full then.
    while time.monotonic() < end and not (progress.exists() and '"step": 5' in progress.read_text() and len(engine.left()) > 2):
        time.sleep(0.1)
    fields = Path(f"/proc/{program.pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in fields if line.startswith("VmHWM:"))
    files = len(engine.left())
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    record_property("memory", f"{name}: peak {peak / MIB:.0f} MiB")
    assert peak <= limit
    assert (program.returncode, errors.count("\n"), engine.left()) == (4, 1, [])
    assert "told to end by SIGINT" in errors
    assert files > 2


def test_an_interrupt_ends_all_ranks_and_leaves_nothing(engine):
    def interrupt():
        assert len(engine.left()) > 4
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run(engine.job(duration_seconds=60), interrupt)
    _gone(engine)
    # MPI's daemons give a rank one second; what it could not remove in that, whoever launched it removes.
    assert remove_leftovers(engine.cache, 2) == []
    assert engine.left() == []


def test_a_rank_that_is_killed_ends_the_job_and_its_folder_can_be_removed(engine):
    def kill():
        engine.ranks()[-1].kill()

    outcome, _ = engine.run(engine.job(duration_seconds=60), kill)
    assert outcome.returncode != 0
    _gone(engine)
    assert remove_leftovers(engine.cache, 2) == []
    assert engine.left() == []
    assert list(engine.leaf.rglob("kvcache_results*")) == []


def _gone(engine):
    end = time.monotonic() + 15
    while engine.ranks() and time.monotonic() < end:
        time.sleep(0.1)
    assert engine.ranks() == []


def test_a_cache_folder_that_somebody_removes_is_told_with_the_file(engine):
    def remove():
        (engine.cache / "rank_1").rename(engine.folder / "moved")

    outcome, errors = engine.run(engine.job(duration_seconds=60), remove)
    assert outcome.returncode != 0
    assert len(errors) == 1
    assert "rank 1 on" in errors[0]
    assert "No such file or directory" in errors[0]
    assert "the cache directory must stay while the run lasts" in errors[0]
    # On a busy machine the other rank may be killed before it is done with its own.
    assert remove_leftovers(engine.cache, 2) == []
    assert (engine.left(), [path.name for path in (engine.folder / "moved").glob("*.npy")]) == ([], [])


def test_a_full_disk_is_told_with_the_file_and_what_was_written(engine):
    engine.cache.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", engine.cache], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a small filesystem")
    try:
        outcome, errors = engine.run(engine.job(processes=1, capacity_bytes=GIB, duration_seconds=20))
        assert outcome.returncode != 0
        assert len(errors) == 1
        assert "No space left on device" in errors[0]
        assert "kv_" in errors[0]
        assert "bytes" in errors[0]
        assert engine.left() == []
    finally:
        subprocess.run(["umount", engine.cache], check=True)


def test_the_same_seed_is_the_same_work_however_many_ranks_there_are(engine):
    job = engine.job()
    texts = []
    for seed in ("0", "1"):
        program = (
            "from pathlib import Path; from pytest_mlpstorage.kvcache.job import KVCacheJob\n"
            f"print([KVCacheJob.load(Path({str(engine.folder / 'job.json')!r})).schedule(rank).sha256 for rank in range(4)])"
        )
        job.write(engine.folder / "job.json")
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        texts.append(subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True).stdout)
    assert texts[0] == texts[1]
    assert len(set(json.loads(texts[0].replace("'", '"')))) == 4
