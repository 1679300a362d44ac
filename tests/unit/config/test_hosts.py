"""Hosts from a file and from the allocation of a Slurm job: what is taken, where it is said to come from, and what is refused."""

import os
import re
from pathlib import Path

import pytest

from pytest_mlpstorage.config import HostSpec, show

FORMS = "allowed one host a line: NAME, NAME slots=4 (Open MPI) or NAME:4 (MPICH)"
JOB = {"SLURM_JOB_ID": "12", "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_JOB_NUM_NODES": "3", "SLURM_TASKS_PER_NODE": "4(x2),1"}


@pytest.fixture
def scontrol(tmp_path):
    """A scontrol that says so; the environment of a job in which it is found."""

    def scontrol(says="n1\nn2\nn3", *, error="", code=0, **environ):
        path = tmp_path / "bin" / "scontrol"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"#!/bin/sh\n[ \"$*\" = 'show hostnames n[1-3]' ] || exit 9\nprintf '%b' '{says}'\nprintf '%b' '{error}' >&2\nexit {code}\n"
        )
        path.chmod(0o755)
        return {**JOB, "PATH": f"{path.parent}:{os.environ['PATH']}", **environ}

    return scontrol


@pytest.fixture
def named(load, good, tmp_path):
    """The hosts that a host file of this text names."""

    def named(text):
        (tmp_path / "hosts.txt").write_text(text)
        return load(good + "cluster: {host_file: hosts.txt}\n")

    return named


def shown(config):
    """Key, value and origin of what is shown of the hosts."""
    return [re.split(r"  +", line) for line in show(config) if line.startswith("cluster.host")]


def test_a_host_file_of_open_mpi_and_one_of_mpich_name_the_same_hosts(named):
    expected = (HostSpec("node1", 4), HostSpec("node2", 2), HostSpec("10.0.0.3"))
    assert named("# ours\nnode1 slots=4\n\nnode2\tslots = 2 # the small one\n10.0.0.3\n").cluster.hosts == expected
    assert named("node1:4\nnode2:2\r\n10.0.0.3").cluster.hosts == expected


def test_lines_of_the_same_host_add_up(named):
    assert named("a\nb slots=2\na\na slots=3\n").cluster.hosts == (HostSpec("a", 5), HostSpec("b", 2))


def test_the_list_of_a_file_is_shown_with_the_file_and_who_named_it(named):
    config = named("a slots=2\nb\n")
    assert shown(config) == [
        ["cluster.hosts", '["a:2", "b"]', "hosts.txt, c.yaml:10:22"],
        ["cluster.host_file", "hosts.txt", "c.yaml:10:22"],
    ]
    assert str(config.origin("cluster.hosts")) == "hosts.txt, c.yaml:10:22"


def test_a_file_may_be_named_from_anywhere(load, good, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").write_text("a\n")
    for path in (str(tmp_path / "mine"), "~/mine"):
        assert load(good, f"cluster.host_file={path}").cluster.hosts == (HostSpec("a"),)
    assert load(good, environ={"MLPS_CLUSTER_HOST_FILE": "mine"}).cluster.hosts == (HostSpec("a"),)


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("node1 slots=0", "node1 slots=0"),
        ("node1 slots=four", "node1 slots=four"),
        ("node1 slots=4 max_slots=8", "node1 slots=4 max_slots=8"),
        ("node1:", "node1:"),
        ("root@node1", "root@node1"),
        ("--help", "--help"),
        ("a b", "a b"),
        ("x" * 99 + " y", "x" * 60),
    ],
)
def test_a_line_of_another_form_is_named_by_its_number(load, refuse, good, tmp_path, line, given):
    (tmp_path / "hosts.txt").write_text(f"# first\nfine\n{line}\n")
    assert refuse(good, "cluster.host_file=hosts.txt") == [f"hosts.txt:3: cluster.host_file: given {given!r}; {FORMS}"]


def test_every_wrong_line_is_told(refuse, good, tmp_path):
    (tmp_path / "hosts.txt").write_text("a slots=x\nb slots=y\n")
    assert len(refuse(good, "cluster.host_file=hosts.txt")) == 2


def _nothing(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_nothing, "which is not there; allowed a file that names hosts"),
        (Path.mkdir, "which is no file; allowed a file that names hosts"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "which is not UTF-8 text; allowed a file that names hosts"),
        (lambda path: path.write_bytes(b"#" * 1024 * 1025), "which is larger than 1024 KiB; allowed a file that names hosts"),
        (lambda path: path.write_text("# nobody\n\n"), f"which names no host; {FORMS}"),
    ],
)
def test_a_file_that_names_nobody_is_refused(refuse, good, tmp_path, make, why):
    make(tmp_path / "hosts.txt")
    assert refuse(good, "cluster.host_file=hosts.txt") == [f"--mlps-set: cluster.host_file: given 'hosts.txt', {why}"]


def test_the_home_of_nobody_is_refused(refuse, good):
    (line,) = refuse(good, "cluster.host_file=~nobody-here-x/hosts")
    assert line.endswith("which lies in a home directory that is not there; allowed a file that names hosts")


def test_a_list_and_a_file_are_one_too_many(refuse, good, tmp_path):
    (tmp_path / "hosts.txt").write_text("a\n")
    assert refuse(good + "cluster: {hosts: [b]}\n", "cluster.host_file=hosts.txt") == [
        "--mlps-set: cluster.host_file: given 'hosts.txt', and a list for cluster.hosts by c.yaml:10:18; allowed one of them"
    ]


def test_a_placeholder_for_a_file_collects(load, good):
    config = load(good + "cluster: {host_file: <file>}\n")
    assert [blank.key for blank in config.placeholders] == ["cluster.host_file"]


def test_the_allocation_of_a_job_gives_hosts_and_where_they_are_from(load, good, scontrol):
    config = load(good + "cluster: {hosts: allocation}\n", environ=scontrol())
    assert config.cluster.hosts == (HostSpec("n1"), HostSpec("n2"), HostSpec("n3"))
    assert str(config.origin("cluster.hosts")) == "allocation of Slurm job 12, c.yaml:10:18"
    assert shown(config)[0] == ["cluster.hosts", '["n1", "n2", "n3"]', "allocation of Slurm job 12, c.yaml:10:18"]


@pytest.mark.parametrize("asked", ["SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"])
def test_slots_are_the_tasks_where_the_job_asked_for_tasks(load, good, scontrol, asked):
    config = load(good, "cluster.hosts=allocation", environ=scontrol(**{asked: "3"}))
    assert config.cluster.hosts == (HostSpec("n1", 4), HostSpec("n2", 4), HostSpec("n3", 1))


@pytest.mark.parametrize("tasks", ["", "1", "4(x2)", "4(x9999999999),1", "4(x2),0", "many", "9" * 5000])
def test_tasks_that_are_of_a_step_or_unreadable_give_no_slots(load, good, scontrol, tasks):
    config = load(good, "cluster.hosts=allocation", environ=scontrol(SLURM_NTASKS="9", SLURM_TASKS_PER_NODE=tasks))
    assert [host.slots for host in config.cluster.hosts] == [None] * 3


def test_old_names_of_slurms_variables_are_known(load, good, scontrol):
    environ = {name: value for name, value in scontrol().items() if not name.startswith("SLURM_JOB")}
    config = load(good, "cluster.hosts=allocation", environ={**environ, "SLURM_JOBID": "7", "SLURM_NODELIST": "n[1-3]"})
    assert str(config.origin("cluster.hosts")) == "allocation of Slurm job 7, --mlps-set"


def test_no_allocation_is_refused_with_how_to_get_one(refuse, good):
    assert refuse(good, "cluster.hosts=allocation") == [
        "--mlps-set: cluster.hosts: given 'allocation', and this process runs in no Slurm allocation (SLURM_JOB_ID is not set); "
        "allowed a list of hosts, or a start by: salloc -N 3 pytest …"
    ]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"SLURM_JOB_NODELIST": ""}, "SLURM_JOB_NODELIST of Slurm job 12 is not set"),
        ({"PATH": "/nowhere"}, "there is no scontrol along PATH, which tells the hosts of one apart"),
        ({"says": "", "error": "one\\nInvalid hostlist\\n", "code": 1}, "scontrol show hostnames n[1-3] says: Invalid hostlist"),
        ({"says": ""}, "scontrol show hostnames n[1-3] says: nothing, with exit code 0"),
    ],
)
def test_an_allocation_whose_hosts_cannot_be_told_is_refused(refuse, good, scontrol, how, why):
    assert refuse(good, "cluster.hosts=allocation", environ=scontrol(**how)) == [
        f"--mlps-set: cluster.hosts: given 'allocation', and {why}; allowed a list of hosts"
    ]


def test_another_word_than_allocation_is_refused_with_the_nearest(refuse, good):
    assert refuse(good, "cluster.hosts=alocation") == [
        "--mlps-set: cluster.hosts: given 'alocation'; allowed a list of hosts, or allocation; did you mean 'allocation'?"
    ]
