"""Which of several hosts keeps a launch from working: by the words of its failure, else by halves, and always in bounded time."""

from __future__ import annotations

import itertools

import pytest

from pytest_mlpstorage.cluster import which_host
from pytest_mlpstorage.cluster.which_host import ask_apart, cause_of, limit_seconds
from pytest_mlpstorage.errors import BenchmarkExecutionError, MPIError


def silent(*_):
    """A failure that names nobody."""
    return MPIError("no rank was started: mpirun ended with exit code 255")


def refused(names):
    return MPIError(f"no rank was started: ssh cannot reach {', '.join(names)}: the host refuses the connection")


class Cluster:
    """Hosts of which some are bad; counts the launches over them."""

    def __init__(self, number, *bad, words=silent):
        self.names = [f"n{i}" for i in range(number)]
        self.bad, self.words, self.launches = set(bad), words, []

    def ask(self, names):
        self.launches.append(tuple(names))
        bad = [name for name in names if name in self.bad]
        if bad:
            raise self.words(bad)
        return {name: f"facts of {name}" for name in names}

    def found(self):
        with pytest.raises(MPIError) as failure:
            self.ask(self.names)
        self.launches.clear()
        return ask_apart(self.names, failure.value, self.ask)


@pytest.mark.parametrize("words", [silent, refused], ids=["by halves", "by name"])
@pytest.mark.parametrize("bad", [*itertools.combinations(range(4), 1), *itertools.combinations(range(4), 2), (0, 1, 2, 3)])
def test_exactly_the_bad_hosts_fail_and_the_others_are_heard(bad, words):
    cluster = Cluster(4, *(f"n{i}" for i in bad), words=words)
    found = cluster.found()
    assert list(found) == cluster.names
    assert {name for name, answer in found.items() if isinstance(answer, MPIError)} == cluster.bad
    assert all(found[name] == f"facts of {name}" for name in cluster.names if name not in cluster.bad)


def test_a_host_that_the_words_name_costs_one_more_launch():
    cluster = Cluster(100, "n37", words=refused)
    cluster.found()
    assert cluster.launches == [tuple(name for name in cluster.names if name != "n37")]


def test_where_nobody_is_named_one_bad_host_costs_its_logarithm():
    cluster = Cluster(128, "n101")
    cluster.found()
    assert len(cluster.launches) == 14  # two halves, seven times


def test_all_hosts_that_the_words_name_are_bad_without_another_launch():
    cluster = Cluster(3, "n0", "n1", "n2", words=refused)
    cluster.found()
    assert cluster.launches == []


def test_a_word_for_a_host_that_was_not_asked_decides_nothing():
    cluster = Cluster(2, "n1", words=lambda _bad: refused(["n10"]))
    assert isinstance(cluster.found()["n1"], MPIError)
    assert cluster.launches == [("n0",), ("n1",)]


def test_where_each_answers_alone_no_host_is_bad():
    cluster = Cluster(2)
    assert ask_apart(cluster.names, silent(), cluster.ask) == {"n0": "facts of n0", "n1": "facts of n1"}


@pytest.mark.parametrize(
    "message",
    [
        "rank 1 on n1 ended with exit code 3",
        "rank 1 on n1 was lost: its guard ended without a word",
        "no word from rank 1 on n1 for 10 s: the host or its network is down",
        "rank 1 on n1 called MPI_Abort with code 3",
        "rank 1 on n1 was ended: the launcher's daemon on that host is gone",
        "the guard of rank 1 on n1 cannot reach the supervisor at 10.0.0.1:4711: ConnectionRefusedError: [Errno 111] Connection refused",
        "host n1 cannot be reached by name",
    ],
)
def test_the_supervisor_names_a_host(message):
    found = ask_apart(["n0", "n1"], BenchmarkExecutionError(message), lambda names: dict.fromkeys(names, "well"))
    assert (found["n0"], str(found["n1"])) == ("well", f"[MLPS-E500] {message}")


def test_a_host_is_known_by_its_address_and_by_its_own_name(monkeypatch):
    addresses = {"login.cluster.example": "10.0.0.7", "10.0.0.8": "10.0.0.8", "2001:db8::9": "2001:db8::9"}
    monkeypatch.setattr(which_host.socket, "getaddrinfo", lambda name, *_, **__: [(0, 0, 0, "", (addresses[name], 0))])
    for said, blamed in (
        ("10.0.0.7", "login.cluster.example"),
        ("login", "login.cluster.example"),
        ("login (10.0.0.7)", "login.cluster.example"),
        ("10.0.0.8", "10.0.0.8"),
        ("2001:db8::9", "2001:db8::9"),
    ):
        found = ask_apart(list(addresses), refused([said]), lambda names: dict.fromkeys(names, "well"))
        assert [name for name, answer in found.items() if answer != "well"] == [blamed]


def test_a_name_of_no_form_that_the_name_service_takes_is_looked_for_and_not_found():
    names = ["x" * 70, "10.0.0.8"]
    found = ask_apart(names, refused(["10.0.0.8"]), lambda some: dict.fromkeys(some, "well"))
    assert [name for name, answer in found.items() if answer != "well"] == ["10.0.0.8"]
    found = ask_apart([*names, "h"], refused(["10.0.0.9"]), lambda some: dict.fromkeys(some, "well"))
    assert set(found.values()) == {"well"}


def test_when_the_time_is_over_the_rest_is_told_to_be_unknown(monkeypatch):
    times = iter([0.0, 1.0, which_host.BUDGET_SECONDS + 1.0, *[1e6] * 20])
    monkeypatch.setattr(which_host.time, "monotonic", lambda: next(times))
    cluster = Cluster(4, "n0", "n3")
    found = cluster.found()
    assert cluster.launches == [("n0", "n1")]
    assert all("240 s were not enough" in str(answer) for answer in found.values())


def test_ctrl_c_while_hosts_are_told_apart_goes_on():
    def interrupted(_names):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask_apart(["n0", "n1"], silent(), interrupted)


def test_more_hosts_get_more_time():
    assert limit_seconds(1) < limit_seconds(100) <= 60


def test_the_cause_has_what_the_last_lines_say():
    ssh = MPIError(
        "no rank was started: ssh cannot reach n1: the host refuses the connection",
        details={"last lines of stderr": "\n    ssh: connect to host n1 port 22: Connection refused\n    -----"},
    )
    assert cause_of(ssh) == ("ssh cannot reach n1: the host refuses the connection (ssh: connect to host n1 port 22: Connection refused)")
    tail = "\n    Traceback (most recent call last):\n    ModuleNotFoundError: No module named 'pytest_mlpstorage'\n    MPI_ABORT was invoked\n"
    failed = BenchmarkExecutionError("rank 1 on n1 ended with exit code 1", details={"last lines of stderr": tail})
    assert cause_of(failed) == "rank 1 on n1 ended with exit code 1 (ModuleNotFoundError: No module named 'pytest_mlpstorage')"
    assert cause_of(MPIError("host n1 cannot be reached by name", cause=OSError("Name not known"))).endswith("by name: Name not known")
    assert cause_of(MPIError("nothing")) == "nothing"
