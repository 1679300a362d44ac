"""Ranks are told apart by their host, also where two hosts have one name."""

from pathlib import Path

from pytest_mlpstorage.vectordb.hosts import host_identity, host_labels


def test_a_host_has_the_label_of_its_name():
    one, other = ("n1", "k1", "p1"), ("n2", "k2", "p2")
    assert host_labels([one, one, other, one]) == ("n1", "n1", "n2", "n1")


def test_hosts_of_one_name_are_told_apart_by_kernel_or_by_their_view_of_processes():
    assert host_labels([("n", "k1", "p"), ("n", "k2", "p"), ("n", "k2", "q"), ("n", "k1", "p")]) == ("n", "n+2", "n+3", "n")


def test_a_label_is_never_the_name_of_another_host():
    assert host_labels([("n", "k1", "p"), ("n", "k2", "p"), ("n+2", "k3", "p")]) == ("n", "n+3", "n+2")
    assert len(set(host_labels([("n+2", "", "a"), ("n", "", "a"), ("n", "", "b"), ("n+2", "", "b")]))) == 4


def test_this_host_is_the_same_each_time_and_one_that_hides_its_kernel_has_its_name_still(tmp_path):
    name, kernel, processes = host_identity()
    assert (name, kernel, processes) == host_identity()
    assert kernel == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert processes.startswith("pid:[")
    assert host_identity(tmp_path) == (name, "", "")
