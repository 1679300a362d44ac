"""Which host gets how many ranks: the same under every launcher."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.launch.job import Host, Job, hosts_with_slots, placed


@pytest.mark.parametrize(
    ("ranks", "hosts", "expected"),
    [
        (2, (), [("localhost", 2)]),
        (4, (Host("a"), Host("b"), Host("c")), [("a", 2), ("b", 1), ("c", 1)]),
        (2, (Host("a"), Host("b"), Host("c")), [("a", 1), ("b", 1)]),
        (3, (Host("a", 2), Host("b", 2)), [("a", 2), ("b", 1)]),
        (2, (Host("a", 2), Host("b", 2)), [("a", 2)]),
        (6, (Host("a", 4), Host("b")), [("a", 4), ("b", 2)]),
        (7, (Host("a", 2), Host("b", 2)), [("a", 4), ("b", 3)]),
    ],
)
def test_ranks_are_spread_evenly_or_by_slots_and_what_is_over_goes_round(ranks, hosts, expected):
    assert placed(ranks, hosts) == expected


def test_hosts_are_named_with_their_slots_or_their_ranks():
    assert hosts_with_slots(Job(2, ("x",), hosts=(Host("a", 4), Host("b", 4)))) == "a:4,b:4"
    assert hosts_with_slots(Job(4, ("x",), hosts=(Host("a"), Host("b"), Host("c")))) == "a:2,b:1,c:1"
    assert hosts_with_slots(Job(2, ("x",), hosts=(Host("a"), Host("b"), Host("c")))) == "a:1,b:1"
