"""Limits, settings of the kernel, and versions of what runs here."""

from __future__ import annotations

import importlib.metadata
import resource
import sys

from pytest_mlpstorage import __version__
from pytest_mlpstorage.cluster import surroundings
from pytest_mlpstorage.cluster.surroundings import kernel_settings, process_limits, versions
from pytest_mlpstorage.results.host_facts import VERSIONS


def test_limits_are_told_and_none_is_no_limit(monkeypatch):
    told = {resource.RLIMIT_NOFILE: (1024, 4096), resource.RLIMIT_STACK: (8192, resource.RLIM_INFINITY)}
    monkeypatch.setattr(resource, "getrlimit", lambda number: told.get(number, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
    found = process_limits()
    assert (found["open_files"], found["stack_bytes"], found["file_size_bytes"]) == ((1024, 4096), (8192, None), (None, None))


def test_settings_are_told_in_one_line_each_and_what_is_not_there_is_left_out(tmp_path):
    (tmp_path / "sys/vm").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/vm/dirty_ratio").write_text("20\n")
    (tmp_path / "sys/net/ipv4/tcp_rmem").write_text("4096\t131072\t6291456\n")
    found = kernel_settings(tmp_path)
    assert (found["vm.dirty_ratio"], found["net.ipv4.tcp_rmem"]) == ("20", "4096 131072 6291456")
    assert "vm.swappiness" not in found


def test_of_a_choice_the_one_in_force_is_told(monkeypatch):
    monkeypatch.setattr(surroundings, "read_text", lambda path: "always [madvise] never" if "hugepage" in str(path) else "")
    assert kernel_settings() == {"transparent_hugepage": "madvise"}


def test_every_version_has_its_key_and_what_is_not_there_is_empty(monkeypatch, tmp_path):
    (tmp_path / "mpi4py-9.9.dist-info").mkdir()
    (tmp_path / "mpi4py_tools-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "gone"), str(tmp_path)])
    found = versions("Open MPI v5.0.11")
    assert tuple(found) == VERSIONS
    assert found == {
        "python": sys.version.split()[0],
        "interpreter": sys.executable,
        "pytest-mlpstorage": __version__,
        "dlio-benchmark": "",
        "mpi4py": "9.9",
        "mpi": "Open MPI v5.0.11",
    }


def test_a_distribution_that_no_wheel_has_left_is_found_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "DLIO_Benchmark.egg-info").mkdir()
    (tmp_path / "DLIO_Benchmark.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: DLIO-Benchmark\nVersion: 1.2.3\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert versions()["dlio-benchmark"] == "1.2.3"


def test_versions_are_those_that_the_environment_tells():
    assert versions()["mpi4py"] == importlib.metadata.version("mpi4py")
