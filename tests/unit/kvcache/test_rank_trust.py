"""What a rank's evidence says when storage was not storage, when there was nothing to move, and at any rate of the storage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kv_jobs import a_job, result
from kv_targets import PRINT_PEAK_MIB

from pytest_mlpstorage.kvcache.rank import Rank
from pytest_mlpstorage.kvcache.trust import KernelBytes, Moved, prove_direct
from pytest_mlpstorage.kvcache.trust_client import core_notes, start_notes
from pytest_mlpstorage.ranks.world import Alone
from pytest_mlpstorage.units import GIB, MIB


def evidence_of(job):
    Rank(job, Alone()).run()
    return json.loads(job.evidence_file(0).read_text())


@pytest.fixture
def in_memory(tmp_path):
    """A folder in memory, gone afterwards."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        pytest.skip("there is no /dev/shm")
    folder = shared / f"mlps-test-{os.getpid()}"
    yield folder
    assert not folder.exists()


def test_a_cache_in_memory_is_recorded_as_such_and_proves_nothing(tmp_path, in_memory):
    job = a_job(tmp_path, cache_dir=str(in_memory), capacity_bytes=256 * MIB)
    evidence = evidence_of(job)
    assert evidence["target"]["storage"] == "memory"
    assert result(job)["mlps"]["direct"] == "unproved"
    assert result(job)["mlps"]["null_reasons"]["kernel_read_gib"] == "tmpfs has no storage below it"
    levels = {note["check"]: note["level"] for note in evidence["notes"] if note["check"] != "client_bound"}
    assert levels == {"memory": "warning", "kernel_bytes": "warning"} | ({"direct": "warning"} if "direct" in levels else {})


def test_a_rank_whose_memory_takes_everything_says_that_it_says_nothing_of_storage(tmp_path):
    evidence = evidence_of(a_job(tmp_path, cpu_memory_bytes=GIB))
    if evidence["target"]["storage"] == "memory":
        pytest.skip("temporary files are in memory")
    notes = [note for note in evidence["notes"] if note["check"] == "kernel_bytes"]
    assert [note["level"] for note in notes] == ["info"]
    assert notes[0]["message"] == "this rank says nothing of storage: nothing was asked of the storage"


def test_what_nobody_asked_for_is_no_warning_and_what_nobody_counts_is(tmp_path):
    from pytest_mlpstorage.cluster.mounts import mount_of

    one = KernelBytes("/proc/self/io", "process", 5, 5)
    (note,) = prove_direct(mount_of(tmp_path), Moved(0, 0), one, one).notes
    assert note.level == "info"
    (note,) = prove_direct(mount_of(tmp_path), Moved(1, 0), KernelBytes("none", "process"), KernelBytes("none", "process")).notes
    assert note.level == "warning"


@pytest.mark.parametrize(
    ("usable", "ranks", "online", "words"),
    [(2, 1, 2, ""), (1, 2, 2, ""), (1, 3, 2, ""), (1, 1, 2, "may run on 1 cores, where its share of the host is 2"), (3, 4, 16, "is 4")],
)
def test_a_rank_that_is_kept_from_its_share_of_the_cores_says_so(usable, ranks, online, words):
    notes = core_notes(usable, ranks, online)
    assert [(note.check, note.level) for note in notes] == ([("affinity", "warning")] if words else [])
    assert not words or words in notes[0].message


def test_a_rank_that_was_there_in_time_says_nothing_of_its_start():
    assert list(start_notes(-1, 100)) == list(start_notes(0, 100)) == []
    (note,) = start_notes(12_000_000, 5 * 10**9)
    assert note.message == "this rank began 12.0 ms late, 0.2% of the window: its host is overloaded"


FAST = (
    """
import sys, time
from pathlib import Path
from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.events import REQUEST_EVENT_DTYPE, EventLog
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.population import TEMPLATES, population, scaled_contexts
from pytest_mlpstorage.kvcache.rate_limit import RateLimitedTarget
from pytest_mlpstorage.kvcache.runner import FloodRunner, Pace
from pytest_mlpstorage.kvcache.schedule import compile_flood
from pytest_mlpstorage.kvcache.tiers import Tiers
folder, rate, users, seconds = Path(sys.argv[1]), int(sys.argv[2]), 70, 5
its_model = model("llama3.1-8b")
schedule = compile_flood(its_model, population(42, users, scaled_contexts(TEMPLATES, 16)), effective_seed=42, duration_seconds=seconds)
stop, account = Stop(), WindowAccount(seconds * 10**9)
target = RateLimitedTarget(rate=rate, chunk=1 << 20, sink=account, stop=stop)
with EventLog(folder / "operations") as operations, EventLog(folder / "requests", REQUEST_EVENT_DTYPE) as requests:
    tiers = Tiers(TierPolicy([0, 0, 2**40]), target, operations, stop=stop, window_ns=seconds * 10**9, most_writes=16)
    account.start_ns = time.perf_counter_ns() + 10**8
    FloodRunner(schedule, its_model, tiers, requests, Pace(users), stop=stop).run(account.start_ns)
print(account.read_bytes + account.written_bytes)
"""
    + PRINT_PEAK_MIB
)


def test_memory_does_not_grow_with_the_rate_of_the_storage(tmp_path, record_property):
    """Row 13: a simulated 10 GiB/s; what a rank keeps of each chunk would be felt here first."""
    peaks, moved = {}, {}
    for rate in (GIB, 10 * GIB):
        folder = tmp_path / str(rate)
        folder.mkdir()
        done = subprocess.run([sys.executable, "-c", FAST, str(folder), str(rate)], capture_output=True, text=True, timeout=120, check=True)
        moved[rate], peaks[rate] = map(int, done.stdout.split())
    record_property("memory", f"peak {peaks} MiB, moved {moved} bytes")
    assert moved[10 * GIB] > moved[GIB]
    assert max(peaks.values()) < 512
    assert peaks[10 * GIB] < peaks[GIB] + 64
