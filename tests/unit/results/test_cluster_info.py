"""``collector-staging/cluster_info.json``: written as it is read, and any damage is None."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster.facts import host_facts
from pytest_mlpstorage.results.cluster_facts import ClusterFacts
from pytest_mlpstorage.results.cluster_info import cluster_info, read_cluster_info

EXAMPLE = Path(__file__).parents[3] / ".." / "shared" / "corpora" / "examples" / "v3.0_collector-staging_cluster_info.json"


@pytest.fixture(scope="module")
def facts():
    plain = dataclasses.replace(host_facts(["/", "/dev/shm"]), clock_offset_seconds=0.25, clock_uncertainty_seconds=0.001)
    hosts = (dataclasses.replace(plain, declared="a"), dataclasses.replace(plain, declared="b", kernel="other"), plain, plain)
    return ClusterFacts(hosts, "ssh", unreachable={"c": "no answer within 9 s"})


@pytest.fixture
def written(facts):
    return json.loads(json.dumps(cluster_info(facts)))


def test_what_is_written_is_read(facts, written):
    assert read_cluster_info(written) == facts


def test_hosts_that_call_themselves_alike_have_places_of_their_own(facts, written):
    assert list(written["hosts"]) == ["a", "b", f"{facts.hosts[2].name} (2)", f"{facts.hosts[3].name} (3)"]


def test_what_the_hosts_do_not_agree_on_and_who_is_missing_stands_in_the_file(written):
    assert {"message", "severity", "hosts"} == set(written["disagreements"][0])
    assert any("kernel differs" in each["message"] for each in written["disagreements"])
    assert written["unreachable"] == {"c": "no answer within 9 s"}


def test_a_processor_is_told_in_the_words_and_types_of_the_official_file(written):
    if not EXAMPLE.is_file():
        pytest.skip(f"the example {EXAMPLE} is not here")
    theirs = json.loads(EXAMPLE.read_text())["cpuinfo"][0]
    (ours,) = {json.dumps(host["cpuinfo"][0]) for host in written["hosts"].values()}
    for key, value in json.loads(ours).items():
        assert key in theirs or key.startswith("CPU ")
        assert key not in theirs or type(value) is type(theirs[key]), key


def test_memory_is_told_in_the_unit_of_the_kernel(facts, written):
    assert written["hosts"]["a"]["meminfo"]["MemTotal"] * 1024 == facts.hosts[0].memory["MemTotal"]


@pytest.mark.parametrize(
    "raw",
    [{}, {"version": 1}, {"version": 1, "hosts": []}, {"version": 2, "hosts": {}}, {"version": 1, "hosts": {"a": 3}}, {"cpuinfo": [{}]}],
    ids=repr,
)
def test_a_file_of_another_tool_is_none(raw):
    assert read_cluster_info(raw) is None


@pytest.mark.parametrize("junk", [None, 3, "x", [], {}, [3], {"a": None}, float("nan")], ids=repr)
def test_junk_in_any_place_is_none_or_facts_and_never_an_exception(written, junk):
    places = [("hosts",), ("unreachable",), ("collection_method",), ("collection_timestamp",)]
    places += [("hosts", "a", key) for key in written["hosts"]["a"]] + [
        ("hosts", "a", "mlps", key) for key in written["hosts"]["a"]["mlps"]
    ]
    for place in places:
        damaged = copy.deepcopy(written)
        inside = damaged
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] = junk
        found = read_cluster_info(damaged)
        assert found is None or isinstance(found, ClusterFacts), place


def test_the_example_of_the_official_tool_is_none():
    if not EXAMPLE.is_file():
        pytest.skip(f"the example {EXAMPLE} is not here")
    assert read_cluster_info(json.loads(EXAMPLE.read_text())) is None
