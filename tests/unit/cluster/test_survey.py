"""All hosts are asked at once; one that fails keeps no other unheard, and nothing is planned without it."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_mlpstorage.cluster import host_probe, survey_ways
from pytest_mlpstorage.cluster import survey as module
from pytest_mlpstorage.cluster.facts import host_facts
from pytest_mlpstorage.cluster.host_probe import probe_host
from pytest_mlpstorage.cluster.survey import survey_hosts
from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.launch.job import Host

THREE = (Host("n1"), Host("n2", 4), Host("n3"))


class Hosts:
    """Stands in for the launch: hosts of these names answer, in the order in which their ranks happen to be numbered."""

    def __init__(self, monkeypatch, *, bad=(), order=reversed, declared=True, apart=False):
        self.bad, self.order, self.declared, self.apart, self.launches = bad, order, declared, apart, []
        monkeypatch.setattr(module, "ask_hosts", self.ask)

    def ask(self, launcher, hosts, arguments, mpi_args=(), **limit):
        names = [host.name for host in hosts]
        self.launches.append((names, tuple(arguments), limit))
        bad = [name for name in names if name in self.bad]
        if bad or (self.apart and len(names) > 1):
            raise MPIError("no rank was started: " + (f"ssh cannot reach {bad[0]}: no" if bad else "it hung"), suggestion="look")
        token = arguments[arguments.index("--probe") + 1]
        paths = arguments[-1:]
        return [self.entry(name, paths, token) for name in self.order(names)]

    def entry(self, name, paths, token):
        facts = dataclasses.replace(
            host_facts(paths), name=f"own-{name}", declared=name if self.declared else "", clock_offset_seconds=0.25
        )
        of_pytest = token.strip("-")
        probe = probe_host(paths, of_pytest=of_pytest, of_first=".mlps-elsewhere" if of_pytest else "", write=False)
        return {**facts.to_json(), "probe": probe.to_json()}


def test_this_host_alone_is_asked_without_a_launch(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ask_hosts", lambda *_a, **_k: pytest.fail("a launch"))
    survey = survey_hosts(None, (Host("localhost"),), [tmp_path], write=True)
    assert (survey.names, survey.here, survey.tried, survey.cluster.method) == (("localhost",), True, True, "local")
    assert survey.require().hosts[0].declared == "localhost"
    assert survey.probes["localhost"].path(tmp_path).problem == ""
    assert list(tmp_path.iterdir()) == []


def test_hosts_come_in_the_order_of_the_configuration_whoever_answers_first(tmp_path, monkeypatch):
    hosts = Hosts(monkeypatch)
    survey = survey_hosts("launcher", THREE, [tmp_path], write=True, declared_memory_bytes=7)
    assert [host.declared for host in survey.require().hosts] == ["n1", "n2", "n3"] == list(survey.probes)
    assert {host.memory_bytes for host in survey.cluster.hosts} == {7}
    assert survey.cluster.method == "mpi + declared memory"
    assert all(probe.path(tmp_path).as_pytest for probe in survey.probes.values()), "they see what pytest has left"
    assert len(hosts.launches) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_writing_nothing_is_left_and_nobody_makes_a_file(tmp_path, monkeypatch):
    hosts = Hosts(monkeypatch)
    survey = survey_hosts("launcher", THREE, [tmp_path], write=False)
    ((_, arguments, _),) = hosts.launches
    assert ("--look-only" in arguments, arguments[arguments.index("--probe") + 1]) == (True, "-")
    assert {probe.path(tmp_path).as_pytest for probe in survey.probes.values()} == {None}


def test_a_host_that_no_name_means_stands_where_it_was_started(tmp_path, monkeypatch):
    Hosts(monkeypatch, declared=False, order=list)
    survey = survey_hosts("launcher", THREE, [tmp_path], write=False)
    assert [(host.name, host.declared) for host in survey.cluster.hosts] == [("own-n1", "n1"), ("own-n2", "n2"), ("own-n3", "n3")]


def test_a_host_that_fails_is_named_and_the_others_are_heard(tmp_path, monkeypatch):
    hosts = Hosts(monkeypatch, bad=("n2",))
    survey = survey_hosts("launcher", THREE, [tmp_path], write=True)
    assert dict(survey.cluster.unreachable) == {"n2": "ssh cannot reach n2: no"}
    assert list(survey.probes) == ["n1", "n3"] == [host.declared for host in survey.cluster.hosts]
    assert [names for names, _, _ in hosts.launches] == [["n1", "n2", "n3"], ["n1", "n3"]]
    assert hosts.launches[1][2]["deadline_seconds"] < 30
    with pytest.raises(MPIError, match="1 of 3 hosts cannot be asked: n2") as failure:
        survey.require()
    assert failure.value.details == {"n2": "ssh cannot reach n2: no"}


def test_clocks_are_told_only_against_the_first_host(tmp_path, monkeypatch):
    Hosts(monkeypatch, bad=("n1",))
    survey = survey_hosts("launcher", THREE, [tmp_path], write=False)
    assert {host.clock_offset_seconds for host in survey.cluster.hosts} == {None}
    Hosts(monkeypatch, bad=("n3",))
    survey = survey_hosts("launcher", THREE, [tmp_path], write=False)
    assert {host.clock_offset_seconds for host in survey.cluster.hosts} == {0.25}


def test_a_directory_is_told_to_be_another_only_against_the_first_host_of_all(tmp_path, monkeypatch):
    Hosts(monkeypatch, bad=("n3",))
    survey = survey_hosts("launcher", THREE, [tmp_path], write=True)
    assert {probe.path(tmp_path).as_first for probe in survey.probes.values()} == {False}
    Hosts(monkeypatch, bad=("n1",))
    survey = survey_hosts("launcher", THREE, [tmp_path], write=True)
    assert {probe.path(tmp_path).as_first for probe in survey.probes.values()} == {None}, "the first one said nothing"


@pytest.mark.parametrize("over_ssh", [False, True], ids=["mpi", "ssh"])
def test_where_pytest_could_leave_nothing_nobody_knows_whether_it_has_that_directory(tmp_path, monkeypatch, over_ssh):
    """It stands on a host that may only read."""
    paths, hosts = [str(tmp_path)], Hosts(monkeypatch)
    monkeypatch.setattr(host_probe.os, "open", lambda *_: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
    told = lambda request, names: ({name: hosts.entry(name, paths, request.token) for name in names}, {})  # noqa: E731
    monkeypatch.setattr(survey_ways, "entries_over_ssh", told)
    survey = survey_hosts("launcher", THREE, paths, write=True, ssh=["ssh"] if over_ssh else None)
    assert {probe.path(tmp_path).as_pytest for probe in survey.probes.values()} == {None}


def test_hosts_that_answer_alone_and_not_together_are_no_cluster(tmp_path, monkeypatch):
    Hosts(monkeypatch, apart=True)
    survey = survey_hosts("launcher", THREE, [tmp_path], write=False)
    assert (len(survey.cluster.hosts), dict(survey.cluster.unreachable)) == (3, {})
    with pytest.raises(MPIError, match="it hung"):
        survey.require()


def test_hosts_of_one_host_name_that_do_not_answer_together_are_told_with_that_name(tmp_path, monkeypatch):
    """As Open MPI leaves it: it takes their ranks for ranks of one host, which wait for one another until a deadline."""
    hosts = Hosts(monkeypatch, apart=True)
    entry = hosts.entry
    monkeypatch.setattr(hosts, "entry", lambda name, *rest: entry(name, *rest) | {"name": "node" if name != "n1" else "n1"})
    with pytest.raises(MPIError) as caught:
        survey_hosts("launcher", THREE, [tmp_path], write=False).require()
    assert caught.value.message == "n2, n3 call themselves node, each of them: no rank was started: it hung"
    assert "a host name of its own" in caught.value.suggestion


def test_one_far_host_that_fails_is_asked_once(tmp_path, monkeypatch):
    hosts = Hosts(monkeypatch, bad=("n1",))
    survey = survey_hosts("launcher", (Host("n1"),), [tmp_path], write=False)
    assert (list(survey.cluster.unreachable), survey.cluster.hosts, len(hosts.launches)) == (["n1"], (), 1)


def test_far_hosts_need_a_launcher(tmp_path):
    with pytest.raises(MPIError, match="3 hosts cannot be asked without a launcher"):
        survey_hosts(None, THREE, [tmp_path], write=False)
