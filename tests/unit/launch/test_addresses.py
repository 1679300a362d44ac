"""Where callers from other hosts find this one."""

from __future__ import annotations

import socket

import pytest
from plain_launcher import Plain

from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.launch import addresses, supervisor
from pytest_mlpstorage.launch.addresses import addresses_of, own_address
from pytest_mlpstorage.launch.job import Host, Job
from pytest_mlpstorage.launch.sampling import Sampling


def job(*hosts):
    return Job(2, ("-c", "pass"), hosts=tuple(map(Host, hosts)))


@pytest.fixture
def ways(monkeypatch):
    """What the kernel says of the way to each host."""
    asked = []
    known = {"head.example.org": "127.0.0.1", "head6.example.org": "::1", "n2": "10.0.0.1", "n3": "fd00::1"}

    def towards(host):
        asked.append(host)
        if host not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return known[host]

    monkeypatch.setattr(addresses, "_address_towards", towards)
    return asked


@pytest.mark.parametrize(
    ("hosts", "address", "asked"),
    [
        ((), "127.0.0.1", []),
        (("localhost",), "127.0.0.1", []),
        (("localhost", "n2", "n3"), "10.0.0.1", ["n2"]),
        (("n3", "n2"), "fd00::1", ["n3"]),
        (("head.example.org", "head6.example.org", "n2"), "10.0.0.1", ["head.example.org", "head6.example.org", "n2"]),
        (("head.example.org",), "127.0.0.1", ["head.example.org"]),
    ],
)
def test_the_address_is_that_on_the_way_to_the_first_host_that_is_not_this_one(ways, hosts, address, asked):
    assert own_address(job(*hosts)) == address
    assert ways == asked


def test_a_name_of_no_form_that_a_name_may_have_is_told_like_one_that_nobody_knows():
    assert addresses_of("n1..example.org") == set()
    with pytest.raises(MPIError, match=r"host n1\.\.example\.org cannot be reached by name"):
        own_address(job("n1..example.org"))


def test_a_host_without_an_address_is_named(ways):
    with pytest.raises(MPIError, match="host n9 cannot be reached by name"):
        own_address(job("head.example.org", "n9"))


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this host has no IPv6")
def test_guards_and_samplers_find_their_way_where_hosts_have_addresses_of_ipv6(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "own_address", lambda _job: "::1")
    outcome = supervisor.run_job(
        Plain(), Job(2, ("-c", "import time; time.sleep(1)"), hosts=(Host("n3"),)), stdout=tmp_path / "o", stderr=tmp_path / "e",
        deadline_seconds=30, sampling=Sampling(0.1, ("/",), tmp_path / "time_series.csv"),
    )  # fmt: skip
    assert outcome.cause == "", (tmp_path / "e").read_text()
    assert [host.host for host in outcome.series.hosts] == [socket.gethostname()]
