"""The suite over three hosts: facts of all of them, the three families that measure over MPI, and a rank killed on another host.

Three ways to them: the environment's mpirun by ssh, srun in an allocation of Slurm, and the mpirun in such an allocation. The launcher
of the first and the last is the environment's own: .ci/full runs this file in one with Open MPI and in one with MPICH.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pretend_slurm
import pytest
import small_suite
from suite_on_hosts import OnHosts, missing, pretend

from pytest_mlpstorage.results.time_series import read_rows, series_files

GIB = 1024**3
MEMORY_GIB = (64, 128, 256)

CONFIG = """division: whatif
submitter: test
system: small
data_dir: ./mlps-data
cluster:
  hosts: {hosts}
training:
  warmup_runs: 0
  measured_runs: 1
  workloads:
    - model: unet3d
      accelerator: b200
      accelerators: 3
      dataset: {num_files_train: 63, record_length_bytes: 65536, record_length_bytes_stdev: 0, record_length_bytes_resize: 65536}
      reader: {read_threads: 1}
      train: {epochs: 2, computation_time: 200ms}
checkpointing:
  workloads:
    - model: llama3-8b
      accelerator: b200
      accelerators: 3
      model.num_layers: 2
      model.transformer: {vocab_size: 1024, hidden_size: 256, ffn_hidden_size: 704, num_attention_heads: 8, num_kv_heads: 2}
      checkpoint: {num_checkpoints_write: 1, num_checkpoints_read: 1, time_between_checkpoints: 0s}
kvcache:
  clients_per_host: 1
  trials: 1
  duration: 3s
  start_delay: 0s
  end_delay: 0s
  inter_option_delay: 0s
  capacity: 1GiB
  workload_config: {short_contexts}
  options:
    - {option: 1, num_users: 2}
"""


pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with pretend(MEMORY_GIB, tmp_path_factory.getbasetemp()) as made:
        yield made


@pytest.fixture(scope="module")
def slurm(hosts):
    if pretend_slurm.absent():
        pytest.skip(f"needs {', '.join(pretend_slurm.absent())}")
    with pretend_slurm.PretendSlurm(hosts) as made:
        yield made


WAYS = [
    pytest.param("by ssh", id="ssh"),
    pytest.param("by srun", id="srun", marks=pytest.mark.full),
    pytest.param("by mpirun in an allocation", id="allocation", marks=pytest.mark.full),
]


@pytest.fixture(scope="module", params=WAYS)
def spread(request, hosts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spread")
    named = "[h1, h2, h3]" if request.param == "by ssh" else "allocation"
    text = CONFIG.replace("{hosts}", named).replace("{short_contexts}", str(small_suite.REPO / "configs/kv_cache/short_contexts.yaml"))
    (folder / "suite.yaml").write_text(text + ("launch: {launcher: slurm}\n" if request.param == "by srun" else ""))
    suite = OnHosts(folder)
    suite.hosts = hosts
    suite.slurm = None if request.param == "by ssh" else request.getfixturevalue("slurm")
    return suite


def measured(suite, family):
    return sorted(suite.results.glob(f"whatif/test/results/small/{family}/**/*_metadata.json"))


def test_every_host_gives_its_own_facts(spread):
    ended = spread.run("--mlps-dry-run", "-k", "unet3d")
    assert ended.code == 0, ended.text
    memory = sum(MEMORY_GIB)
    assert f"3 simulated accelerators on 3 host(s) with {memory}.00 GiB of memory together" in ended.text
    assert f"{memory * GIB} B of memory of all hosts" in ended.text
    assert any(placed in ended.text for placed in ("h1:1,h2:1,h3:1", "--nodelist=h1,h2,h3", "--map-by seq --host h1,h2,h3"))
    assert spread.left() == {}


def test_each_family_that_measures_over_mpi_has_a_rank_on_every_host(spread):
    ended = spread.run("-m", "not full")
    assert ended.code == 0, ended.text
    for family in ("training/unet3d/run", "checkpointing/llama3-8b", "kv_cache/llama3.1-8b/run"):
        (path,) = measured(spread, family)
        text = path.read_text()
        assert all(f'"{host}"' in text for host in ("h1", "h2", "h3")), f"{path}: {json.loads(text).get('cluster_information')}"
    rank_files = list(
        spread.results.glob("whatif/test/results/small/kv_cache/llama3.1-8b/run/*/option_1/trial_0/rank_*/kvcache_results_*.json")
    )
    assert len(rank_files) == 3
    summary = json.loads(next(spread.results.glob("whatif/test/results/small/training/unet3d/run/2*/summary.json")).read_text())
    assert (summary["num_accelerators"], summary["num_hosts"]) == (3, 3)
    assert spread.left() == {}


def test_each_run_of_them_has_the_time_series_of_every_host(spread):
    for family in ("training/unet3d/run", "checkpointing/llama3-8b", "kv_cache/llama3.1-8b/run"):
        (leaf,) = [path.parent for path in measured(spread, family)]
        (name,) = series_files(path.name for path in leaf.iterdir())
        with (leaf / name).open(encoding="utf-8", newline="") as lines:
            columns, rows = read_rows(lines)
            moved = columns.index("nic_eth0_sent_bytes_per_second")
            sent = {row.host: row.values[moved] for row in rows}
        assert set(sent) == {"h1", "h2", "h3"}, leaf
        assert all(value is not None for value in sent.values())


@pytest.mark.full
@pytest.mark.fault
def test_a_rank_killed_on_another_host_is_named_and_nothing_is_left_on_any(spread):
    slow = ("--mlps-set", "train.epochs=20", "--mlps-set", "train.computation_time=1s", "--mlps-rerun=run")
    process = spread.start("-k", "unet3d and (preflight or datagen or run)", *slow)

    def of_the_second_host():
        programs = spread.hosts.processes("h2").items()
        return [
            pid
            for pid, words in programs
            if "pytest_mlpstorage.dlio" in words and " guard " not in words and "multiprocessing" not in words
        ]

    try:
        spread.wait_for(lambda: list(spread.results.glob(".mlps/staging/**/training_run.stdout.log")) and of_the_second_host())
        time.sleep(2)
        spread.hosts.run("h2", ["kill", f"-{signal.SIGKILL.value}", *map(str, of_the_second_host()[:1])])
        ended = small_suite.finish(process)
    finally:
        if process.poll() is None:
            process.kill()
    assert ended.code == 1, ended.text
    assert "h2" in ended.text.partition("FAILURES")[2], ended.text
    assert "SIGKILL" in ended.text.partition("FAILURES")[2], ended.text
    assert spread.wait_for(lambda: not spread.left(), 30) is True
    assert spread.evidence(), "the evidence is kept"
    again = spread.run("-k", "unet3d")
    assert again.code == 0, again.text


@pytest.mark.fault
def test_clients_of_the_cache_killed_on_other_hosts_leave_nothing_in_it(spread):
    """Nobody on those hosts outlives them: one process on each looks for what they left, with the launcher that started them."""

    def clients(host):
        programs = spread.hosts.processes(host).items()
        return [pid for pid, words in programs if "-m pytest_mlpstorage.kvcache " in words and " guard " not in words]

    # Under a name of its own: a run of other parameters stands in the tree.
    another = ("--mlps-set", "system=killed", "--mlps-set", "kvcache.duration=60s")
    process = spread.start("-k", "llama3.1-8b and (preflight or run)", *another)
    cache = spread.folder / "mlps-data/kv_cache"
    try:
        spread.wait_for(lambda: all(any(cache.glob(f"rank_{rank}/*.npy")) for rank in range(3)))
        for host in ("h2", "h3"):
            spread.hosts.run(host, ["kill", f"-{signal.SIGKILL.value}", *map(str, clients(host))])
        ended = small_suite.finish(process)
    finally:
        if process.poll() is None:
            process.kill()
    assert ended.code == 1, ended.text
    assert "SIGKILL" in ended.text.partition("FAILURES")[2], ended.text
    assert "left behind" not in ended.text
    assert list(cache.glob("rank_*")) == []
    assert spread.wait_for(lambda: not spread.left(), 30) is True


def test_after_all_of_it_the_machine_has_no_wire_of_theirs(spread):
    said = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
    assert not any(host.port in said for host in spread.hosts.hosts.values())
