"""What hosts do not agree on: told with values and names, and how grave it is."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_mlpstorage.cluster.facts import host_facts
from pytest_mlpstorage.results.cluster_facts import ClusterFacts
from pytest_mlpstorage.results.host_agreement import AGREEMENT_RULE, CLOCK_LIMIT_SECONDS, disagreements
from pytest_mlpstorage.results.host_parts import Interface, Mount, NumaNode
from pytest_mlpstorage.verdict import Category, Severity

GIB = 1024**3


@pytest.fixture(scope="module")
def plain():
    made = host_facts([])
    return dataclasses.replace(made, memory_bytes=100 * GIB, interfaces=(), clock_offset_seconds=0.0, clock_uncertainty_seconds=0.0)


def host(plain, name, **changes):
    return dataclasses.replace(plain, name=name, **changes)


def only(*hosts):
    (found,) = disagreements(hosts)
    return found


def test_one_host_and_equal_hosts_agree(plain):
    assert disagreements([plain]) == ()
    assert disagreements([host(plain, "a"), host(plain, "b")]) == ()


def with_version(plain, name, key, value):
    return host(plain, name, versions={**plain.versions, key: value})


@pytest.mark.parametrize(
    ("key", "values", "said", "severity"),
    [
        ("dlio-benchmark", ("2.0.0", ""), "dlio-benchmark differs: 2.0.0 on a; none on b", Severity.ERROR),
        ("mpi4py", ("4.1.2", "4.0.0"), "mpi4py differs: 4.1.2 on a; 4.0.0 on b", Severity.WARNING),
        ("mpi", ("Open MPI v5", "Open MPI v4"), "MPI library differs: Open MPI v5 on a; Open MPI v4 on b", Severity.WARNING),
        ("interpreter", ("/a/python", "/b/python"), "interpreter differs: /a/python on a; /b/python on b", Severity.WARNING),
    ],
)
def test_versions_that_differ_are_told(plain, key, values, said, severity):
    found = only(*(with_version(plain, name, key, value) for name, value in zip("ab", values, strict=True)))
    assert (found.message, found.severity, found.hosts) == (said, severity, ("b",))


@pytest.mark.parametrize(
    ("field", "values", "said", "severity"),
    [
        ("package", ("0.1.0", "0.2.0"), "pytest-mlpstorage differs: 0.1.0 on a; 0.2.0 on b", Severity.ERROR),
        ("python", ("3.11.7", "3.12.1"), "Python differs: 3.11 on a; 3.12 on b", Severity.ERROR),
        ("python", ("3.11.7", "3.11.9"), "Python's patch level differs: 3.11.7 on a; 3.11.9 on b", Severity.WARNING),
        ("kernel", ("6.1", "6.8"), "kernel differs: 6.1 on a; 6.8 on b", Severity.WARNING),
        ("cpu_model", ("X", "Y"), "CPU model differs: X on a; Y on b", Severity.WARNING),
        ("architecture", ("x86_64", "aarch64"), "architecture differs: x86_64 on a; aarch64 on b", Severity.WARNING),
        ("cores", (1, 2), "physical cores differ: 1 on a; 2 on b", Severity.WARNING),
        ("logical_cores", (1, 2), "logical cores differ: 1 on a; 2 on b", Severity.WARNING),
        ("usable_cores", (1, 2), "usable cores differ: 1 on a; 2 on b", Severity.WARNING),
        ("open_files_limit", (1024, 4096), "limit of open files differs: 1024 on a; 4096 on b", Severity.WARNING),
        ("numa_nodes", ((), (NumaNode(0, "0", 1),)), "NUMA nodes differ: 0 on a; 1 on b", Severity.WARNING),
        ("memory_bytes", (100 * GIB, 90 * GIB), "memory differs: 100.00 GiB on a; 90.00 GiB on b", Severity.WARNING),
        ("memory", ({"SwapTotal": 0}, {"SwapTotal": 9}), "swap differs: off on a; on on b", Severity.WARNING),
        ("settings", ({"vm.dirty_ratio": "20"}, {}), "vm.dirty_ratio differs: 20 on a; none on b", Severity.WARNING),
    ],
)
def test_machines_that_differ_are_told(plain, field, values, said, severity):
    found = only(*(host(plain, name, **{field: value}) for name, value in zip("ab", values, strict=True)))
    assert (found.message, found.severity, found.hosts, found.of_machines) == (said, severity, ("b",), True)


@pytest.mark.parametrize("name", ["fs.file-max", "vm.min_free_kbytes", "kernel.pid_max"])
def test_settings_that_follow_from_the_machine_are_not_compared(plain, name):
    assert disagreements([host(plain, "a", settings={name: "1"}), host(plain, "b", settings={name: "2"})]) == ()


@pytest.mark.parametrize(("gib", "told"), [(98, 0), (97.9, 1)])
def test_memory_may_differ_by_what_firmware_takes(plain, gib, told):
    assert len(disagreements([plain, host(plain, "b", memory_bytes=int(gib * GIB))])) == told


def test_those_are_named_who_differ_from_the_first(plain):
    hosts = [host(plain, "a", kernel="1"), *(host(plain, f"b{n}", kernel="2") for n in range(5)), host(plain, "c", kernel="1")]
    found = only(*hosts)
    assert found.hosts == ("b0", "b1", "b2", "b3", "b4")
    assert found.message == "kernel differs: 1 on a, c; 2 on b0, b1, b2 and 2 more"


def test_a_host_is_called_as_it_was_declared(plain):
    assert only(host(plain, "x", declared="node1", kernel="1"), host(plain, "x", declared="node2", kernel="2")).hosts == ("node2",)


@pytest.mark.parametrize(
    ("offset", "unknown", "told"),
    [(0.5, 0.0, False), (0.501, 0.0, True), (-0.6, 0.0, True), (0.6, 0.1, False), (0.7, 0.1, True), (None, None, False), (3.0, None, True)],
)
def test_a_clock_counts_as_wrong_beyond_the_limit_and_what_is_not_known(plain, offset, unknown, told):
    assert CLOCK_LIMIT_SECONDS == 0.5
    found = disagreements([host(plain, "a"), host(plain, "b", clock_offset_seconds=offset, clock_uncertainty_seconds=unknown)])
    assert [(each.hosts, each.severity, each.of_machines) for each in found] == ([(("b",), Severity.WARNING, False)] if told else [])


def test_wrong_clocks_are_told_in_one_sentence(plain):
    hosts = [host(plain, "a"), *(host(plain, f"b{n}", clock_offset_seconds=float(n), clock_uncertainty_seconds=0.001) for n in range(1, 6))]
    assert (
        only(*hosts).message
        == "the clock is not that of a: b1 +1.000 s (±0.001 s); b2 +2.000 s (±0.001 s); b3 +3.000 s (±0.001 s) and 2 more"
    )
    assert "time service" in only(*hosts).required


def mount(path="/data", *, exists=True, fstype="lustre", source="mgs:/fs"):
    return (Mount(path, exists, "/", fstype, source, "rw", "0:1", 1, 1, True),)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (mount(), None),
        (mount(exists=False), "/data is not on every host: there on a; missing on b"),
        (mount(fstype="ext4", source="/dev/sda1"), "the filesystem of /data differs: lustre of mgs:/fs on a; ext4 of /dev/sda1 on b"),
        (mount(source="other:/fs"), "the filesystem of /data differs: lustre of mgs:/fs on a; lustre of other:/fs on b"),
        (mount("/elsewhere"), None),
        ((), None),
    ],
)
def test_a_path_that_is_missing_or_another_filesystem_is_told(plain, other, said):
    found = disagreements([host(plain, "a", mounts=mount()), host(plain, "b", mounts=other)])
    assert [each.message for each in found] == ([] if said is None else [said])


def interface(*addresses, name="eth0", mtu=1500, speed=None, state="up", physical=True):
    return Interface(name, state, mtu, speed, "", physical, addresses)


def test_one_address_on_several_hosts_is_told_with_the_way_out(plain):
    docker = interface("172.17.0.1/16", name="docker0", physical=False)
    hosts = [host(plain, f"h{n}", interfaces=(interface(f"10.0.0.{n}/24"), *([docker] if n != 2 else []))) for n in (1, 2, 3)]
    found = only(*hosts)
    assert found.message == "172.17.0.1 (docker0) is an address of several hosts, h1, h3: Open MPI may wait for ever where it tries it"
    assert (found.hosts, found.severity, found.of_machines) == (("h1", "h3"), Severity.WARNING, False)
    assert "btl_tcp_if_exclude, 'lo,docker0'" in found.required


def test_one_address_twice_on_one_host_is_its_own_affair(plain):
    assert disagreements([host(plain, "a", interfaces=(interface("10.0.0.1/24"), interface("10.0.0.1/24", name="alias"))), plain]) == ()


def test_packets_of_two_sizes_in_one_network_are_told(plain):
    found = only(
        host(plain, "a", interfaces=(interface("10.0.0.1/24", mtu=9000), interface("10.1.0.1/24", name="eth1"))),
        host(plain, "b", interfaces=(interface("10.0.0.2/24", mtu=1500), interface("10.1.0.2/24", name="eth1"))),
    )
    assert found.message == "the packet size (MTU) in network 10.0.0.0/24 differs: 9000 bytes on a; 1500 bytes on b"
    assert (found.hosts, found.of_machines) == (("b",), False)


@pytest.mark.parametrize(
    ("mine", "theirs", "told"),
    [
        (interface(speed=25000), interface(speed=25000), False),
        (interface(speed=25000), interface(speed=10000), True),
        (interface(speed=25000), interface(), True),
        (interface(speed=25000), interface(speed=25000, state="down"), True),
        (interface(speed=1, physical=False), interface(), False),
    ],
)
def test_interfaces_of_two_speeds_are_told(plain, mine, theirs, told):
    found = disagreements([host(plain, "a", interfaces=(mine,)), host(plain, "b", interfaces=(theirs,))])
    assert [each.message.partition(":")[0] for each in found] == (["speed of the fastest interface differs"] if told else [])


def test_a_disagreement_is_a_finding_of_preflight(plain):
    finding = only(host(plain, "a", package="1"), host(plain, "b", package="2")).finding()
    assert (finding.rule, finding.field, finding.severity) == (AGREEMENT_RULE, "cluster.hosts", Severity.ERROR)
    assert (finding.category, finding.required) == (Category.INVALID, "the same on every host")
    finding = only(host(plain, "a", kernel="1"), host(plain, "b", kernel="2")).finding()
    assert (finding.severity, finding.category) == (Severity.WARNING, Category.CLOSED)


def test_metadata_tell_what_the_machines_differ_in_and_not_the_moment_or_the_network(plain):
    same = (interface("172.17.0.1/16"),)
    late = host(plain, "b", clock_offset_seconds=9.0, kernel="other", interfaces=same)
    cluster = ClusterFacts((host(plain, "a", interfaces=same), late), "mpi")
    assert len(cluster.disagreements) == 3
    assert [issue.partition(":")[0] for issue in cluster.host_consistency_issues] == ["kernel differs"]


def test_a_declared_name_finds_its_host(plain):
    cluster = ClusterFacts((host(plain, "x.org", declared="a"), host(plain, "b"), host(plain, "c.example.org")), "mpi")
    assert [found and found.name for found in map(cluster.host, ("a", "b", "c", "d"))] == ["x.org", "b", "c.example.org", None]
    assert ClusterFacts((plain,), "local").host("whatever") is plain
    assert ClusterFacts((plain,), "mpi", unreachable={"whatever": "no answer"}).host("whatever") is None
