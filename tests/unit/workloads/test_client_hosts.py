"""How many clients a launcher is told for each host."""

import pytest

from pytest_mlpstorage.launch.job import Host
from pytest_mlpstorage.workloads.client_hosts import client_hosts


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ((Host("a"),), [("a", None)]),
        ((Host("a", 8),), [("a", 3)]),
        ((Host("a"), Host("b", 8)), [("a", 3), ("b", 3)]),
    ],
)
def test_each_of_several_hosts_gets_its_clients_and_one_without_slots_is_the_launchers(hosts, told):
    assert [(host.name, host.slots) for host in client_hosts(hosts, 3)] == told
