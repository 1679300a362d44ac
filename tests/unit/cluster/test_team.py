"""What the first ranks of hosts find out together, with ranks that are threads."""

from __future__ import annotations

import threading

import pytest
from ranks_as_threads import Letters

from pytest_mlpstorage.cluster import team
from pytest_mlpstorage.cluster.facts import host_facts
from pytest_mlpstorage.cluster.team import Team, facts_of_team


class Post:
    """What a team uses of mpi4py's communicator."""

    def __init__(self, letters, rank):
        self.rank, self._post = rank, letters.of(rank)
        self.send, self.recv = self._post.send, self._post.recv
        self.turn = letters.all_here

    def allgather(self, value):
        found = self._post.gather(value)
        self.turn.wait(30)
        return found


def together(names, own, monkeypatch, kernels=None, addresses=None):
    """The facts of all ranks; rank n calls itself ``own[n]`` and may have addresses of its own."""
    letters, told, found = Letters(len(own)), threading.local(), {}
    plain = host_facts([])
    monkeypatch.setattr(team, "kernel_of_clock", lambda: kernels[told.rank] if kernels else "one")

    def of_rank(paths, mpi):
        interface = [] if addresses is None else [type(plain.interfaces[0])("e", "up", 1500, None, "", True, (addresses[told.rank],))]
        return team.dataclasses.replace(plain, name=own[told.rank], interfaces=tuple(interface), versions={**plain.versions, "mpi": mpi})

    monkeypatch.setattr(team, "host_facts", of_rank)

    def one(rank):
        told.rank = rank
        found[rank] = facts_of_team(Team(Post(letters, rank), rank, "Open MPI v5.0.11, package: Open MPI x\0"), [], names)

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(len(own))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [found[rank] for rank in range(len(own))]


def test_every_host_has_its_declared_name_its_library_and_a_clock(monkeypatch):
    first, second = together({"a": "a", "b": "b"}, ["b", "a.example.org"], monkeypatch, kernels=["x", "y"])
    assert (first.declared, second.declared) == ("b", "a")
    assert first.versions["mpi"] == "Open MPI v5.0.11"
    assert (first.clock_offset_seconds, first.clock_uncertainty_seconds) == (0, 0)
    assert abs(second.clock_offset_seconds) <= second.clock_uncertainty_seconds


@pytest.mark.parametrize("own", [["same", "same"], ["a", "stranger"]])
def test_hosts_whose_names_do_not_tell_are_known_by_their_addresses(monkeypatch, own):
    monkeypatch.setattr(team, "by_address", lambda _names, mine: {"10.0.0.1/24": "a", "10.0.0.2/24": "b"}[mine[0]])
    found = together({"a": "a", "b": "b"}, own, monkeypatch, addresses=["10.0.0.1/24", "10.0.0.2/24"])
    assert [facts.declared for facts in found] == ["a", "b"]


def test_a_host_that_neither_name_nor_address_tells_has_no_declared_name(monkeypatch):
    monkeypatch.setattr(team, "by_address", lambda *_: "")
    assert [facts.declared for facts in together({"a": "a", "b": "b"}, ["a", "stranger"], monkeypatch)] == ["a", ""]
    assert [facts.declared for facts in together({"a": "a", "b": "b"}, ["a", "a"], monkeypatch)] == ["", ""]


def test_without_names_nobody_looks_for_one(monkeypatch):
    assert [facts.declared for facts in together({}, ["a", "b"], monkeypatch)] == ["", ""]


@pytest.mark.parametrize(
    ("library", "told"),
    [
        ("Open MPI v5.0.11, package: Open MPI root@host, ident: 5.0.11\0", "Open MPI v5.0.11"),
        ("MPICH Version:      5.0.2\nMPICH Release date: …\n", "MPICH Version: 5.0.2"),
        ("", ""),
        ("\0", ""),
    ],
)
def test_a_library_is_told_in_one_line(library, told):
    assert Team(None, 0, library).mpi == told
