"""What keeps a host from doing its part: told with the host, and for the cases that need what it lacks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.cluster.facts import ClusterFacts, host_facts
from pytest_mlpstorage.cluster.host_probe import HostProbe, PathProbe
from pytest_mlpstorage.cluster.survey import Survey
from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Finding, Severity
from pytest_mlpstorage.workloads.base import HostedWorkload, Place
from pytest_mlpstorage.workloads.host_checks import case_findings, host_findings, hosts_of, unplanned_findings
from pytest_mlpstorage.workloads.host_limits import available_memory_bytes, open_files
from pytest_mlpstorage.workloads.storage_checks import first_of_its_storage, on_host

RESULTS, DATA = Path("/results"), Path("/data")
CONFIG = SimpleNamespace(results_dir=RESULTS, data_dir=DATA, storage_dirs=(DATA, Path("/cache")))
REAL = dataclasses.replace(host_facts(["/"]), interfaces=(), versions={})


def facts(name, **fields):
    return dataclasses.replace(REAL, name=name, declared=name, **fields)


def probe(**problems):
    """A host on which everything can be used and is shared, but for what is given: a path → fields of its PathProbe."""
    paths = []
    for path in (DATA, Path("/cache"), RESULTS):
        fields = {"there": str(path), "as_pytest": True, "as_first": True, **problems.get(path.name, {})}
        paths.append(PathProbe(str(path), **fields))
    return HostProbe(tuple(paths), problems.get("temporary", ""), problems.get("shared_memory", ""))


def survey(*, hosts=("h1", "h2"), probes=None, silent=None, apart=None, **fields):
    silent = silent or {}
    told = [name for name in hosts if name not in silent]
    made = {name: probe() for name in told} | (probes or {})
    cluster = ClusterFacts(tuple(facts(name, **fields.get(name, {})) for name in told), "test", unreachable=silent)
    return Survey(tuple(hosts), cluster, made, here=False, tried=True, apart=apart)


class Family:
    """Uses the data together, and a cache of each host's own."""

    hosts = 2

    def hosts_used(self, _plan):
        return self.hosts

    def places(self, _plan):
        return (Place(DATA, "data_dir", "hosts"), Place(Path("/cache"), "kvcache.cache_dir", "host"))

    def packages(self, _plan):
        return ("dlio-benchmark",)

    def host_findings(self, _plan, number):
        yield Finding(f"host {number} has no memory", rule="MLPS-MEMORY-1")


def lines(findings):
    return [finding.line() for finding in findings]


def of_case(name="h2", family=None, **fields):
    return [f for f in case_findings(family or Family(), None, CONFIG, survey(**fields), name) if f.rule != "MLPS-MEMORY-1"]


def test_a_sound_host_has_no_findings():
    assert list(host_findings(survey(), "h2")) == []
    assert of_case() == []


def test_a_host_that_did_not_answer_is_told_by_its_cause_alone():
    (finding,) = host_findings(survey(silent={"h2": "ssh cannot reach h2: the host refuses the connection"}), "h2")
    assert finding.line() == ("[MLPS-HOST-1] h2 cannot be asked: ssh cannot reach h2: the host refuses the connection; in cluster.hosts")
    assert finding.severity is Severity.ERROR


def test_hosts_that_answer_alone_and_not_together_all_fail():
    found = survey(apart=MPIError("deadline of 2 min 00 s", suggestion="two names may be one host"))
    for name in ("h1", "h2"):
        (finding,) = host_findings(found, name)
        assert finding.line() == (
            f"[MLPS-HOST-1] {name} answers alone, and not together with the other hosts: deadline of 2 min 00 s; "
            "required two names may be one host; in cluster.hosts"
        )


@pytest.mark.parametrize(("field", "value", "words"), [("package", "0.0.9", "pytest-mlpstorage"), ("python", "2.7.18", "Python")])
def test_another_version_is_told_with_the_host_that_has_it(field, value, words):
    found = survey(h2={field: value})
    assert list(host_findings(found, "h1")) == []
    (finding,) = host_findings(found, "h2")
    assert (finding.severity, words in finding.message, value.rpartition(".")[0] in finding.message) == (Severity.ERROR, True, True)


def test_a_clock_that_is_off_is_a_warning():
    (finding,) = host_findings(survey(h2={"clock_offset_seconds": -3.0, "clock_uncertainty_seconds": 0.001}), "h2")
    assert (finding.severity, "-3.000 s" in finding.message) == (Severity.WARNING, True)


def test_no_place_for_temporary_files_is_an_error_and_no_shared_memory_a_warning():
    found = survey(
        probes={"h2": probe(temporary="/tmp cannot be written: Read-only file system", shared_memory="/dev/shm is no directory")}
    )
    error, warning = host_findings(found, "h2")
    assert error.line().startswith("[MLPS-HOST-2] h2 has no directory for temporary files: /tmp cannot be written: Read-only file system;")
    assert (error.severity, warning.severity) == (Severity.ERROR, Severity.WARNING)
    assert "no shared memory, by which read workers hand over their batches: /dev/shm is no directory" in warning.message


@pytest.mark.parametrize("path", ["data", "cache", "results"])
def test_a_directory_that_cannot_be_written_is_told_by_its_key(path):
    (finding,) = of_case(probes={"h2": probe(**{path: {"problem": f"/{path} cannot be written: Read-only file system"}})})
    key = {"data": "data_dir", "cache": "kvcache.cache_dir", "results": "results_dir"}[path]
    assert finding.line() == (
        f"[MLPS-PATH-4] {key} on h2: /{path} cannot be written: Read-only file system; measured /{path}; "
        f"required a directory that can be written; in {key}"
    )


def test_a_directory_that_all_need_and_a_host_has_for_itself_is_told():
    (finding,) = of_case(probes={"h2": probe(data={"as_first": False})})
    assert finding.line() == (
        "[MLPS-PATH-5] data_dir on h2 is not the directory that h1 has under this name: it is another directory; measured /data; "
        "required one directory that every host sees; in data_dir"
    )
    (finding,) = of_case(probes={"h2": probe(results={"as_first": False, "there": "/"})})
    assert "results_dir on h2 is not the directory that h1 has under this name: it is not there, / is" in finding.message
    (finding,) = of_case(probes={"h2": probe(results={"as_pytest": False})})
    assert "not the directory that the host of pytest has under this name" in finding.message


@pytest.mark.parametrize(
    ("path", "fields"), [("cache", {"as_first": False, "as_pytest": False}), ("data", {"as_pytest": False}), ("data", {"as_first": None})]
)
def test_what_a_host_may_have_for_itself_and_what_nobody_found_out_is_not_told(path, fields):
    assert of_case(probes={"h2": probe(**{path: fields})}) == []


@pytest.mark.parametrize(
    ("theirs", "words"), [("", "h2 has no dlio-benchmark; measured none"), ("1.9", "h2 has another dlio-benchmark; measured 1.9")]
)
def test_a_package_that_a_case_needs_is_told_with_the_case_and_not_with_the_host(monkeypatch, theirs, words):
    monkeypatch.setattr("pytest_mlpstorage.workloads.host_checks.versions", lambda: {"dlio-benchmark": "2.0.0"})
    ours, told = {"dlio-benchmark": "2.0.0"}, {"dlio-benchmark": theirs}
    fields = {"h1": {"versions": ours}, "h2": {"versions": told}}
    assert list(host_findings(survey(**fields), "h2")) == []
    assert lines(of_case(**fields)) == [f"[MLPS-HOST-4] {words}; required 2.0.0, as here; in cluster.hosts"]
    assert of_case("h1", **fields) == []
    assert of_case(family=type("Cache", (Family,), {"packages": lambda *_: ()})(), **fields) == []
    monkeypatch.setattr("pytest_mlpstorage.workloads.host_checks.versions", dict)
    assert of_case(**fields) == [], "its preflight tells what is not even here"


def test_a_family_counts_what_its_ranks_need_on_each_host():
    found = case_findings(Family(), None, CONFIG, survey(), "h2")
    assert lines(found) == ["[MLPS-MEMORY-1] host 1 has no memory"]


def test_of_a_family_that_says_nothing_the_results_directory_is_looked_at():
    assert not isinstance(object(), HostedWorkload)
    (finding,) = case_findings(
        object(), None, CONFIG, survey(probes={"h2": probe(results={"problem": "no"}, data={"problem": "no"})}), "h2"
    )
    assert finding.field == "results_dir"


def test_the_first_hosts_are_used():
    family = Family()
    family.hosts = 1
    assert hosts_of(family, None, ("h1", "h2")) == ("h1",)
    assert hosts_of(object(), None, ("h1", "h2")) == ("h1", "h2")


def test_while_nothing_can_be_planned_directories_are_looked_at_all_the_same():
    found = survey(probes={"h2": probe(data={"problem": "a"}, cache={"problem": "b"}, results={"problem": "c"})}, silent={"h1": "no"})
    assert lines(unplanned_findings(CONFIG, found, "h2")) == [
        "[MLPS-PATH-4] data_dir on h2: a; measured /data; required a directory that can be written; in data_dir",
        "[MLPS-PATH-4] a directory under test on h2: b; measured /cache; required a directory that can be written; in a directory under test",
        "[MLPS-PATH-4] results_dir on h2: c; measured /results; required a directory that can be written; in results_dir",
    ]
    assert list(unplanned_findings(CONFIG, found, "h1")) == []


def test_this_host_alone_is_not_named():
    found = dataclasses.replace(survey(hosts=("localhost",), probes={"localhost": probe(data={"problem": "no"})}), here=True)
    (finding,) = case_findings(type("One", (Family,), {"host_findings": lambda *_: iter(())})(), None, CONFIG, found, "localhost")
    assert finding.message == "data_dir: no"


@pytest.mark.parametrize(
    ("soft", "hard", "ranks", "in_a_process", "required"),
    [
        (143, 4096, 1, 144, "144: ulimit -n 144"),
        (144, 4096, 1, 144, None),
        (143, 143, 1, 144, "144: a higher hard limit (nofile is 143)"),
        (143, -1, 1, 144, "144: ulimit -n 144"),
        (1024, 4096, 113, 144, "1032: ulimit -n 1032"),
        (1024, 4096, 112, 144, None),
    ],
)
def test_open_files_of_a_rank_and_of_the_launcher_of_all(soft, hard, ranks, in_a_process, required):
    host = facts("h1", open_files_limit=soft, open_files_hard_limit=hard)
    found = [f.required for f in open_files([host], 0, ranks=ranks, in_a_process=in_a_process, field="x")]
    assert found == ([] if required is None else [required])


def test_memory_is_what_kernel_cgroup_and_declaration_leave():
    memory = {"MemAvailable": 8 * GIB}
    assert available_memory_bytes(facts("h", memory=memory, memory_limit_bytes=None)) == 8 * GIB
    assert available_memory_bytes(facts("h", memory=memory, memory_limit_bytes=GIB)) == GIB
    assert available_memory_bytes(facts("h", memory=memory, memory_limit_bytes=None, memory_bytes=2 * GIB)) == 8 * GIB
    assert available_memory_bytes(facts("h", memory=memory, memory_limit_bytes=None, memory_bytes=2 * GIB, memory_declared=True)) == 2 * GIB


def mounted(name, source, free, total=100, fstype="nfs4"):
    mount = dataclasses.replace(REAL.mounts[0], source=source, free_bytes=free, total_bytes=total, fstype=fstype)
    return facts(name, mounts=(mount,))


def test_what_all_hosts_share_is_told_once_and_a_disk_of_each_by_itself():
    shared = [mounted("h1", "server:/x", 10), mounted("h2", "server:/x", 9), mounted("h3", "server:/y", 9)]
    assert [first_of_its_storage(shared, number, Path("/")) for number in range(3)] == [True, False, True]
    own = [mounted("h1", "/dev/sda1", 10), mounted("h2", "/dev/sda1", 9), mounted("h3", "/dev/sda1", 9)]
    assert [first_of_its_storage(own, number, Path("/")) for number in range(3)] == [True, True, False]
    for kind in ("tmpfs", "overlay", "zfs"):
        alike = [mounted("h1", "a name", 10, fstype=kind), mounted("h2", "a name", 9, fstype=kind)]
        assert [first_of_its_storage(alike, number, Path("/")) for number in range(2)] == [True, True]
    assert (on_host(shared, 1), on_host(shared[:1], 0)) == (" on h2", "")
