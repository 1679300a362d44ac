"""Which declared name means a host."""

from __future__ import annotations

import socket

import pytest

from pytest_mlpstorage.cluster import naming
from pytest_mlpstorage.cluster.naming import by_address, by_name, names_argument, read_names


def test_names_travel_and_what_means_only_this_host_is_told_with_its_own_name():
    here = socket.gethostname()
    argument = names_argument(["localhost", "node2", "10.0.0.3"])
    assert argument == f"localhost={here},node2,10.0.0.3"
    assert read_names(argument) == {"localhost": here, "node2": "node2", "10.0.0.3": "10.0.0.3"}
    assert read_names("") == {}


@pytest.mark.parametrize(
    ("names", "own", "declared"),
    [
        (["node1", "node2"], "node2", "node2"),
        (["node1", "node2"], "node2.example.org", "node2"),
        (["node1.example.org", "node2.example.org"], "node2", "node2.example.org"),
        (["node1.a.org", "node1.b.org"], "node1.b.org", "node1.b.org"),
        (["node1.a.org", "node1.b.org"], "node1", ""),
        (["node1", "node2"], "other", ""),
        (["localhost=build", "node2"], "build", "localhost"),
    ],
)
def test_a_host_is_known_by_what_it_calls_itself(names, own, declared):
    assert by_name(read_names(",".join(names)), own) == declared


def test_hosts_that_call_themselves_alike_are_told_apart_by_address(monkeypatch):
    where = {"node1": ["10.0.0.1"], "node2": ["10.0.0.2", "fd00::2"], "both": ["10.0.0.1", "10.0.0.2"]}

    def resolve(name, *_, **__):
        if name not in where:
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in where[name]]

    monkeypatch.setattr(naming.socket, "getaddrinfo", resolve)
    names = {"node1": "node1", "node2": "node2", "gone": "gone"}
    assert by_address(names, ["10.0.0.2/24"]) == "node2"
    assert by_address(names, ["fd00::2/64"]) == "node2"
    assert by_address(names, ["10.0.0.9/24"]) == ""
    assert by_address({"node1": "node1", "x": "both"}, ["10.0.0.1/24"]) == "", "two names lead here"
