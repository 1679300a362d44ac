"""Every host is looked at before anything runs: one item each, with all that is wrong with it, and what needs it waits."""

from __future__ import annotations

import os
import re

import pytest
import small_suite
from suite_on_hosts import OnHosts, missing, pretend

CONFIG = """division: whatif
submitter: test
system: small
data_dir: ./mlps-data
cluster: {hosts: [h1, h2, h3]}
training:
  warmup_runs: 0
  measured_runs: 1
  workloads:
    - model: unet3d
      accelerator: b200
      accelerators: 3
      dataset: {num_files_train: 63, record_length_bytes: 65536, record_length_bytes_stdev: 0, record_length_bytes_resize: 65536}
      reader: {read_threads: 1}
      train: {epochs: 2, computation_time: 50ms}
kvcache:
  clients_per_host: 1
  trials: 1
  duration: 1s
  start_delay: 0s
  end_delay: 0s
  inter_option_delay: 0s
  capacity: 1GiB
  workload_config: {short_contexts}
  options:
    - {option: 1, num_users: 2}
"""


pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


class Verbose(OnHosts):
    """One that tells what became of each item."""

    def command(self, *arguments):
        return super().command("-v", *arguments)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with pretend((64, 64, 64), tmp_path_factory.getbasetemp()) as made:
        yield made


@pytest.fixture
def suite(hosts, tmp_path):
    (tmp_path / "suite.yaml").write_text(CONFIG.replace("{short_contexts}", str(small_suite.REPO / "configs/kv_cache/short_contexts.yaml")))
    made = Verbose(tmp_path)
    made.hosts = hosts
    yield made
    assert made.wait_for(lambda: not made.left(), 30) is True
    assert not list(tmp_path.rglob(".mlps-probe-*")), "what was tried is gone"


def outcomes(ended):
    """Item → PASSED, FAILED or SKIPPED."""
    lines = (
        line.split()
        for line in ended.text.splitlines()
        if "::" in line and line.partition("]")[2].startswith((" PASSED", " FAILED", " SKIPPED"))
    )
    return {words[0].rpartition("::")[2]: words[1] for words in lines if len(words) > 1}


def said_of(ended, host):
    """What the failure of a host's item says."""
    return ended.text.partition(f"_ TestCluster.test_host[{host}] _")[2].partition("\n____")[0].partition("\n====")[0]


def test_hosts_without_a_fault_pass_before_anything_else(suite):
    ended = suite.run("-k", "test_host or preflight", "-rP")
    assert ended.code == 0, ended.text
    assert list(outcomes(ended))[:3] == ["test_host[h1]", "test_host[h2]", "test_host[h3]"]
    assert all(f"{host}: {os.cpu_count()} cores, 64.00 GiB of memory, kernel " in ended.text for host in ("h1", "h2", "h3"))


@pytest.mark.fault
def test_all_faults_of_all_hosts_are_told_at_once_and_only_what_needs_them_waits(suite, hosts):
    """The second host lets nobody open as many files as training needs; the third has a folder of its own where the data set should be."""
    for folder in ("mlps-data", "mlps-results"):
        (suite.folder / folder).mkdir()
    daemon = (hosts.files / "sshd.h2.pid").read_text().strip()
    assert hosts.run("h2", ["prlimit", "--pid", daemon, "--nofile=140:140"]).returncode == 0
    assert hosts.run("h3", ["mount", "-t", "tmpfs", "tmpfs", str(suite.folder / "mlps-data")]).returncode == 0
    try:
        ended = suite.run("-rs", "-k", "test_host or unet3d or preflight")
    finally:
        hosts.run("h2", ["prlimit", "--pid", daemon, "--nofile=1024:524288"])
        hosts.run("h3", ["umount", str(suite.folder / "mlps-data")])
    assert ended.code == 1, ended.text
    found = outcomes(ended)
    assert [found[f"test_host[{host}]"] for host in ("h1", "h2", "h3")] == ["PASSED", "FAILED", "FAILED"], ended.text
    assert "[MLPS-HOST-3] a process on h2 may have too few files open" in said_of(ended, "h2")
    assert "required 144: a higher hard limit (nofile is 140); in reader.read_threads (for unet3d-b200)" in said_of(ended, "h2")
    assert "[MLPS-PATH-5] data_dir on h3 is not the directory that h1 has under this name: it is another directory" in said_of(ended, "h3")
    assert "(for unet3d-b200)" in said_of(ended, "h3")
    assert (found["test_run[unet3d-b200-1]"], found["test_preflight[llama3.1-8b]"]) == ("SKIPPED", "PASSED")
    assert "host h2 failed: a process on h2 may have too few files open for a rank" in ended.text


@pytest.mark.fault
def test_a_host_that_cannot_be_reached_fails_alone_and_the_others_are_told_of(suite, hosts):
    hosts.sshd("h2", "kill")
    hosts.run("h3", ["mount", "-o", "remount,ro", "/dev/shm"])
    try:
        ended = suite.run("-k", "test_host or unet3d", "-rP")
    finally:
        hosts.run("h3", ["mount", "-o", "remount,rw", "/dev/shm"])
        hosts.sshd("h2", "start")
    assert ended.code == 1, ended.text
    found = outcomes(ended)
    assert [found[f"test_host[{host}]"] for host in ("h1", "h2", "h3")] == ["PASSED", "FAILED", "PASSED"], ended.text
    assert "[MLPS-HOST-1] h2 cannot be asked: " in said_of(ended, "h2")
    # In the words of ssh, or in those of the launcher that tells them shortly.
    assert re.search("Connection refused|the host refuses the connection", said_of(ended, "h2"))
    assert "h3: warning: [MLPS-HOST-2] h3 has no shared memory" in ended.text, "the others are told of"
    assert {state for item, state in found.items() if "unet3d" in item} == {"SKIPPED"}
    assert ended.text.count("Traceback") == 0


@pytest.mark.full
def test_hosts_are_known_by_address_and_pytest_need_not_run_on_one_of_them(suite):
    ended = suite.run("-k", "test_host or (llama3 and preflight)", "--mlps-set", "cluster.hosts=[h3, 10.77.0.2]")
    assert ended.code == 0, ended.text
    assert list(outcomes(ended))[:2] == ["test_host[h3]", "test_host[10.77.0.2]"]


@pytest.mark.fault
@pytest.mark.full
def test_two_names_of_one_host_answer_alone_and_are_no_cluster(suite):
    ended = suite.run("-k", "test_host or unet3d", "--mlps-set", "cluster.hosts=[h2, 10.77.0.2]")
    assert ended.code == 1, ended.text
    found = outcomes(ended)
    assert (found["test_host[h2]"], found["test_host[10.77.0.2]"], found["test_preflight[unet3d-b200]"]) == ("FAILED", "FAILED", "SKIPPED")
    assert "[MLPS-HOST-1] h2 answers alone, and not together with the other hosts: " in said_of(ended, "h2")


@pytest.mark.fault
@pytest.mark.full
def test_over_ssh_the_same_faults_are_told(suite, hosts):
    for folder in ("mlps-data", "mlps-results"):
        (suite.folder / folder).mkdir()
    hosts.run("h3", ["mount", "-t", "tmpfs", "tmpfs", str(suite.folder / "mlps-data")])
    hosts.sshd("h2", "kill")
    ssh = ("--mlps-set", "cluster.collect=ssh", "--mlps-set", f"cluster.ssh=[{hosts.ssh}]")
    try:
        alone = suite.run("-k", "test_host", *ssh)
        hosts.sshd("h2", "start")
        together = suite.run("-k", "test_host", *ssh)
    finally:
        hosts.run("h3", ["umount", str(suite.folder / "mlps-data")])
    assert "[MLPS-HOST-1] h2 cannot be asked: " in said_of(alone, "h2"), alone.text
    assert list(outcomes(together).values()) == ["PASSED", "PASSED", "FAILED"], together.text
    assert "[MLPS-PATH-5] data_dir on h3 is not the directory that h1 has" in said_of(together, "h3")


@pytest.mark.fault
@pytest.mark.full
def test_a_host_that_lets_in_and_says_nothing_is_found_out_in_bounded_time(suite, hosts):
    hosts.sshd("h3", "stop")
    try:
        ended = suite.run("-k", "test_host")
    finally:
        hosts.sshd("h3", "cont")
    assert ended.code == 1, ended.text
    found = outcomes(ended)
    assert [found[f"test_host[{host}]"] for host in ("h1", "h2", "h3")] == ["PASSED", "PASSED", "FAILED"], ended.text
    assert "[MLPS-HOST-1] h3 cannot be asked: " in said_of(ended, "h3")


@pytest.mark.fault
def test_without_the_items_of_the_hosts_the_preflight_tells_their_faults(suite, hosts):
    (suite.folder / "mlps-data").mkdir()
    hosts.run("h3", ["mount", "-t", "tmpfs", "tmpfs", str(suite.folder / "mlps-data")])
    try:
        ended = suite.run("-k", "unet3d and preflight")
    finally:
        hosts.run("h3", ["umount", str(suite.folder / "mlps-data")])
    assert ended.code == 1, ended.text
    assert "[MLPS-PATH-5] data_dir on h3 is not the directory that h1 has" in ended.text


@pytest.mark.fault
@pytest.mark.parametrize(
    ("module", "old", "new", "told"),
    [
        ("__init__.py", "__version__ = ", '__version__ = "9.9"  # ', "pytest-mlpstorage 9.9 and describes itself otherwise than"),
        ("cluster/host_probe.py", "token, first = ranks.bcast((token, first))", "token = ranks.bcast(token)", "as here, with other code"),
    ],
    ids=["another version", "another form of what is said"],
)
def test_a_host_with_another_version_of_this_package_fails_alone_and_says_which(suite, hosts, module, old, new, told):
    place, other = small_suite.REPO / "pytest_mlpstorage" / module, suite.folder / "other.py"
    other.write_text(place.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert other.read_text(encoding="utf-8") != place.read_text(encoding="utf-8")
    assert hosts.run("h2", ["mount", "--bind", str(other), str(place)]).returncode == 0
    try:
        ended = suite.run("-k", "test_host")
    finally:
        hosts.run("h2", ["umount", str(place)])
    assert ended.code == 1, ended.text
    assert list(outcomes(ended).values()) == ["PASSED", "FAILED", "PASSED"], ended.text
    assert "[MLPS-HOST-1] h2 cannot be asked: " in said_of(ended, "h2")
    assert told in said_of(ended, "h2"), ended.text
    assert "Traceback" not in ended.text
