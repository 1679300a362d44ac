"""Cold reads on real files: what the record of a run says with the drop and without it, and ranks that name files of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.page_cache import cold, drop, make_cold

pytestmark = pytest.mark.real

FILES, SIZE, EPOCHS = 28, 1 << 20, 2
ASKED = FILES * SIZE * EPOCHS
CONFIG = f"""division: whatif
submitter: test
system: SYSTEM
training:
  warmup_runs: 0
  measured_runs: 1
  drop_caches: DROP
  workloads:
    - model: unet3d
      accelerator: b200
      accelerators: 2
      dataset: {{num_files_train: {FILES}, record_length_bytes: {SIZE}, record_length_bytes_stdev: 0, record_length_bytes_resize: 65536}}
      reader: {{read_threads: 1}}
      train: {{epochs: {EPOCHS}, computation_time: 50ms}}
"""


@pytest.fixture
def disk(tmp_path):
    if mount_of(tmp_path).fstype not in ("ext4", "xfs", "btrfs"):
        pytest.skip(f"{tmp_path} lies on {mount_of(tmp_path).fstype}, which has no page cache that can be dropped")
    return tmp_path


def leaf_of(suite, system, *, drop):
    (suite.folder / "suite.yaml").write_text(CONFIG.replace("SYSTEM", system).replace("DROP", drop))
    ended = suite.run("-v")
    assert ended.code == 0, ended.text
    (leaf,) = suite.results.glob(f"whatif/test/results/{system}/training/unet3d/run/2*")
    return json.loads((leaf / "page_cache.json").read_text()), ended.text


def test_a_run_is_cold_in_every_epoch_and_without_the_drop_the_finding_appears(suite, disk):
    record, text = leaf_of(suite, "cold", drop="true")
    assert "MLPS-COLD-1" not in text
    assert record["drop_method"] in ("fadvise", "drop_caches")
    assert (record["phase"], record["drop"], record["files_total"]) == ("run", True, FILES)
    # Data generation has just written them: all were in memory, and nothing is when the reading begins.
    assert record["resident_bytes_before"] > 0.5 * record["bytes_sampled"] > 0
    assert record["resident_bytes_after"] <= 0.01 * record["bytes_sampled"]
    assert record["asked_bytes"] == ASKED
    assert record["rank_read_bytes"] >= 0.95 * ASKED
    assert record["rank_asked_bytes"] >= ASKED
    assert record["device_read_bytes"] is None or record["device_read_bytes"] >= 0.95 * ASKED
    assert [later["before"] for later in record["later"]] == ["epoch 2"]
    assert record["later"][0]["resident_bytes_after"] == 0

    # The second configuration finds the data set of the first, read a moment ago.
    record, text = leaf_of(suite, "warm", drop="false")
    assert (record["drop"], record["drop_method"], record["later"]) == (False, "none", [])
    assert record["resident_bytes_after"] == record["resident_bytes_before"] > 0.9 * record["bytes_sampled"]
    assert record["rank_read_bytes"] < 0.5 * ASKED
    told = " ".join(text.split())  # without the breaks at the width of a terminal
    finding = told[told.index("[MLPS-COLD-1] files lay in the memory of the host") :][:400]
    assert f"measured {record['resident_bytes_after']} of {record['bytes_sampled']} bytes" in finding
    assert "dropping them was switched off" in finding
    assert "resident_bytes_after" in finding


PROGRAM = """
import json, sys
from pathlib import Path
from mpi4py import MPI
from pytest_mlpstorage.page_cache import counters_of_hosts, on_each_host, start_counters
comm, folder = MPI.COMM_WORLD, Path(sys.argv[1])
mine = [folder / f"{comm.rank}-{number}" for number in range(4)]
for file in mine:
    file.write_bytes(b"x" * 65536)
comm.barrier()
found = on_each_host(comm, mine, drop=True, budget_seconds=1.0)
start = start_counters(folder) if comm.rank == 0 else None
since = counters_of_hosts(comm, start)
if comm.rank == 0:
    print(json.dumps([[host.files_total, host.resident_bytes_before, host.resident_bytes_after] for host in found] + [len(since)]))
else:
    assert found is None and since is None
"""


def test_ranks_of_a_host_that_name_files_of_their_own_are_one_host(disk):
    words = find_launcher().command(Job(2, ("-c", PROGRAM, str(disk)), oversubscribe=True))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=disk)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().splitlines()[-1]) == [[8, 8 * 65536, 0], 1]


@pytest.mark.full
def test_root_drops_the_machines_page_cache_where_files_do_not_let_go(disk, monkeypatch):
    if os.geteuid() != 0 or not os.access(drop.DROP_CACHES, os.W_OK):
        pytest.skip("only root may, and not in every container")
    file = disk / "file"
    with file.open("wb") as stream:
        stream.write(os.urandom(SIZE))
        os.fsync(stream.fileno())
    monkeypatch.setattr(drop, "_advise", lambda _path: None)
    found = make_cold([file], drop=True, budget_seconds=1.0)
    if found.note:
        pytest.skip(f"this machine does not drop: {found.note}")
    assert (found.drop_method, found.resident_bytes_before, found.resident_bytes_after) == ("drop_caches", SIZE, 0)


def test_a_mapped_file_that_cannot_be_dropped_is_recorded_as_resident(disk, monkeypatch):
    monkeypatch.setattr(cold.os, "geteuid", lambda: 1000)  # root would drop the cache of the whole machine in vain
    file = disk / "mapped"
    file.write_bytes(os.urandom(SIZE))
    code = f"import mmap; f = open({str(file)!r}, 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); sum(m[::4096]); print(1, flush=True); input()"
    with (
        tempfile.TemporaryFile() as nothing,
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=nothing, text=True) as holder,
    ):
        holder.stdout.readline()
        found = make_cold([file], drop=True, budget_seconds=1.0)
        holder.communicate("\n")
    assert found.resident_bytes_after > 0.5 * SIZE
    assert make_cold([file], drop=True, budget_seconds=1.0).resident_bytes_after == 0
    assert Path(file).stat().st_size == SIZE
