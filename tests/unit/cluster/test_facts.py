"""Facts of this host, and of clusters made of changed copies of it."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster.collect import host_answer
from pytest_mlpstorage.cluster.facts import ClusterFacts, HostFacts, host_facts
from pytest_mlpstorage.cluster.host_probe import probe_host
from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.cluster.procfs import cgroup_memory_limit_bytes
from pytest_mlpstorage.cluster.survey import survey_hosts
from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.launch.job import Host
from pytest_mlpstorage.results import cluster_facts
from pytest_mlpstorage.results.host_agreement import disagreements

EXAMPLES = Path(__file__).parents[3] / ".." / "shared" / "corpora" / "examples"


@pytest.fixture(scope="module")
def here():
    return host_facts(["/", "/dev/shm"])


def like(here, name, **changes):
    return dataclasses.replace(here, name=name, **changes)


def test_this_host_has_the_memory_and_cores_of_proc(here):
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert here.memory_bytes == int(total.split()[1]) * 1024
    assert here.logical_cores == os.cpu_count()
    assert 1 <= here.cores <= here.logical_cores
    assert here.kernel == os.uname().release
    assert here.open_files_limit > 0


def test_facts_survive_the_way_through_json(here):
    assert HostFacts.from_json(json.loads(json.dumps(here.to_json()))) == here


def test_a_path_has_the_mount_it_lies_on(here):
    assert here.mount("/").target == "/"
    assert here.mount("/dev/shm").fstype == "tmpfs"
    assert here.mount("/dev/shm").is_memory_fs
    with pytest.raises(KeyError):
        here.mount("/elsewhere")


MOUNTINFO = """\
20 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 20 0:40 / /mnt rw - tmpfs tmpfs rw
31 30 0:41 / /mnt/with\\040space rw - nfs4 server:/export rw
32 31 0:42 / /mnt/with\\040space rw - lustre mgs@tcp:/fs rw
33 20 0:43 / /mntx rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "fstype", "source"),
    [("/mnt", "tmpfs", "tmpfs"), ("/mnt/with space", "lustre", "mgs@tcp:/fs"), ("/usr", "ext4", "/dev/vda")],
)
def test_the_longest_mount_wins_and_of_equal_ones_the_last(path, fstype, source, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((1,) * 10))
    mount = mount_of(path, MOUNTINFO)
    assert (mount.fstype, mount.source) == (fstype, source)


def test_a_path_that_does_not_exist_yet_is_judged_by_its_parent():
    mount = mount_of("/dev/shm/not/yet/there")
    assert (mount.exists, mount.target) == (False, "/dev/shm")
    assert mount.free_bytes > 0


def test_the_smallest_cgroup_limit_on_the_way_up_counts(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "memory.max").write_text("1000\n")
    (tmp_path / "a" / "b" / "memory.max").write_text("max\n")
    assert cgroup_memory_limit_bytes(tmp_path, "0::/a/b") == 1000
    assert cgroup_memory_limit_bytes(tmp_path, "0::/") is None


def test_a_version_1_cgroup_without_limit_has_none(tmp_path):
    (tmp_path / "memory").mkdir()
    limit = tmp_path / "memory" / "memory.limit_in_bytes"
    limit.write_text("9223372036854771712\n")
    assert cgroup_memory_limit_bytes(tmp_path, "5:cpu,cpuacct:/\n4:memory:/job") is None
    limit.write_text("4096\n")
    assert cgroup_memory_limit_bytes(tmp_path, "4:memory:/job") == 4096


def test_a_cluster_adds_up_its_hosts(here):
    cluster = ClusterFacts((like(here, "a", memory_bytes=64), like(here, "b", memory_bytes=128)), "mpi")
    assert (cluster.total_memory_bytes, cluster.min_memory_bytes, cluster.max_memory_bytes) == (192, 64, 128)
    assert cluster.total_cores == 2 * here.cores


def test_equal_hosts_agree(here):
    assert ClusterFacts((like(here, "a"), like(here, "b", memory_bytes=here.memory_bytes - 4096)), "mpi").host_consistency_issues == ()


def test_many_hosts_are_compared_once_however_often_it_is_asked(monkeypatch, here):
    calls = []
    monkeypatch.setattr(cluster_facts, "disagreements", lambda hosts: calls.append(len(hosts)) or disagreements(hosts))
    cluster = ClusterFacts(tuple(like(here, f"h{number}", interfaces=()) for number in range(3)), "mpi")
    for _ in range(3):
        assert (cluster.disagreements, cluster.system_info()["host_consistency_issues"]) == ((), [])
    assert calls == [3]


def test_what_hosts_do_not_agree_on_is_said_with_values_and_names(here):
    hosts = (
        like(here, "a", memory_bytes=64 * 1024**3, kernel="6.1"),
        *(like(here, f"b{n}", memory_bytes=128 * 1024**3, kernel="6.8") for n in range(5)),
    )
    assert ClusterFacts(hosts, "mpi").host_consistency_issues == (
        "memory differs: 64.00 GiB on a; 128.00 GiB on b0, b1, b2 and 2 more",
        "kernel differs: 6.1 on a; 6.8 on b0, b1, b2 and 2 more",
    )


def test_one_local_host_is_described_without_a_launch():
    cluster = survey_hosts(None, (Host("localhost"),), ["/"], write=False).require()
    assert cluster.method == "local"
    assert cluster.hosts[0].mounts[0].path == "/"


def test_declared_memory_is_used_exactly_where_it_was_declared():
    cluster = survey_hosts(None, (), [], write=False, declared_memory_bytes=5).require()
    assert (cluster.total_memory_bytes, cluster.hosts[0].memory_declared, cluster.method) == (5, True, "local + declared memory")


def test_other_hosts_cannot_be_asked_without_a_launcher():
    with pytest.raises(MPIError, match="2 hosts cannot be asked"):
        survey_hosts(None, (Host("a"), Host("b")), [], write=False)


@pytest.mark.parametrize(
    "bend",
    [
        lambda e: e.update(new=1),
        lambda e: e.pop("memory"),
        lambda e: e.update(mounts=3),
        lambda e: e.pop("probe"),
        lambda e: e["probe"].update(new=1),
    ],
    ids=["more", "less", "otherwise", "unprobed", "probed otherwise"],
)
def test_a_host_with_another_version_of_this_package_is_told(here, bend):
    entry = {**here.to_json(), "name": "far", "package": "9.9", "probe": probe_host(["/"], write=False).to_json()}
    bend(entry)
    with pytest.raises(MPIError, match=r"far has pytest-mlpstorage 9\.9 and describes itself otherwise"):
        host_answer(entry)


def test_the_metadata_block_has_the_fields_of_the_official_one(here):
    example = EXAMPLES / "v3.0_training_metadata.json"
    if not example.is_file():
        pytest.skip(f"the example {example} is not here")
    official = json.loads(example.read_text())["system_info"]
    ours = ClusterFacts((here,), "local").system_info()
    assert set(official) <= set(ours)
    theirs, host = official["hosts"][0], ours["hosts"][0]
    assert set(theirs) == set(host)
    for part in ("memory", "cpu"):
        assert set(theirs[part]) == set(host[part])
    assert set(theirs["disks"][0]) == set(host["disks"][0])
    assert set(theirs["network"][0]) == set(host["network"][0])
    assert set(theirs["system"]) == set(host["system"])
