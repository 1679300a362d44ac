"""Facts of three hosts, by MPI and over ssh: names, networks and clocks of their own, and what each lacks."""

from __future__ import annotations

import json
import sys

import pytest
import small_suite
from suite_on_hosts import OnHosts, missing, pretend

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]

GIB = 1024**3
MEMORY_GIB = (64, 128, 256)

ASK = """
import json, sys
from pathlib import Path
from pytest_mlpstorage.cluster.survey import survey_hosts
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Host
way, ssh, folder = sys.argv[1:4]
launcher = find_launcher() if way == "mpi" else None
found = survey_hosts(launcher, [Host(name, 1) for name in sys.argv[4:]], [Path(folder)], write=True, ssh=[ssh] if way == "ssh" else None)
print(json.dumps({
    "method": found.cluster.method,
    "hosts": [host.to_json() for host in found.cluster.hosts],
    "unreachable": dict(found.cluster.unreachable),
    "said": [each.message for each in found.cluster.disagreements],
    "shared": {name: probe.paths[0].as_first for name, probe in found.probes.items()},
}))
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with pretend(MEMORY_GIB, tmp_path_factory.getbasetemp()) as made:
        yield made


@pytest.fixture
def ask(hosts, tmp_path):
    def ask(way, *names):
        settings = [f"{name}={value}" for name, value in hosts.environment.items()]
        done = hosts.run("h1", ["env", *settings, sys.executable, "-c", ASK, way, str(hosts.ssh), str(tmp_path), *names])
        assert done.returncode == 0, done.stderr
        assert {name: lines for name in hosts.hosts if (lines := hosts.processes(name))} == {}
        return json.loads(done.stdout.splitlines()[-1])

    return ask


@pytest.mark.parametrize("way", ["mpi", "ssh"])
def test_every_host_tells_its_own_facts_in_the_order_of_the_configuration(ask, way):
    told = ask(way, "h3", "h1", "h2")
    assert (told["method"], told["unreachable"]) == (way, {})
    assert [(host["declared"], host["name"], host["memory_bytes"] // GIB) for host in told["hosts"]] == [
        ("h3", "h3", 256),
        ("h1", "h1", 64),
        ("h2", "h2", 128),
    ]
    assert [[i["addresses"] for i in host["interfaces"] if i["name"] == "eth0"] for host in told["hosts"]] == [
        [["10.77.0.3/24"]],
        [["10.77.0.1/24"]],
        [["10.77.0.2/24"]],
    ]
    assert {host["versions"]["interpreter"] for host in told["hosts"]} == {sys.executable}
    assert {(host["clock_offset_seconds"], host["clock_uncertainty_seconds"]) for host in told["hosts"]} == {(0.0, 0.0)}
    assert all(bool(host["versions"]["mpi"]) == (way == "mpi") for host in told["hosts"])
    assert [text.partition(":")[0] for text in told["said"]] == ["memory differs"]
    assert told["shared"] == {"h1": True, "h2": True, "h3": True}


@pytest.mark.full
def test_hosts_are_found_by_their_addresses(ask):
    told = ask("mpi", "10.77.0.2", "10.77.0.1")
    assert [(host["declared"], host["name"]) for host in told["hosts"]] == [("10.77.0.2", "h2"), ("10.77.0.1", "h1")]


def test_an_address_that_several_hosts_have_is_told(hosts, ask):
    try:
        for name in hosts.hosts:
            hosts.run(name, ["ip", "link", "add", "docker0", "type", "bridge"])
            hosts.run(name, ["ip", "address", "add", "172.17.0.1/16", "dev", "docker0"])
        (said,) = [text for text in ask("ssh", "h1", "h2", "h3")["said"] if "172.17.0.1" in text]
        assert said.startswith("172.17.0.1 (docker0) is an address of several hosts, h1, h2, h3")
    finally:
        for name in hosts.hosts:
            hosts.run(name, ["ip", "link", "delete", "docker0"])


@pytest.mark.full
def test_a_host_that_nobody_knows_is_told_and_the_others_answer(hosts, ask):
    told = ask("ssh", "h1", "h2", "nobody", "h3")
    assert [host["declared"] for host in told["hosts"]] == ["h1", "h2", "h3"]
    assert told["unreachable"] == {"nobody": "ssh cannot reach nobody: the name cannot be resolved"}


def test_a_suite_plans_over_hosts_that_are_asked_by_ssh(hosts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("by_ssh")
    cluster = f"cluster: {{hosts: [h1, h2, h3], collect: ssh, ssh: ['{hosts.ssh}']}}\n"
    (folder / "suite.yaml").write_text(
        small_suite.CONFIG.replace("accelerators: 2", "accelerators: 3").replace("train: 28", "train: 42") + cluster
    )
    suite = OnHosts(folder)
    suite.hosts = hosts
    ended = suite.run("--mlps-dry-run", "-k", "unet3d or test_host")
    assert ended.code == 0, ended.text
    assert f"3 simulated accelerators on 3 host(s) with {sum(MEMORY_GIB)}.00 GiB of memory together" in ended.text


@pytest.mark.full
def test_hosts_that_are_declared_and_not_asked_are_planned_for_and_never_measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("declared")
    cluster = "cluster: {hosts: [far1, far2], collect: declared, memory_per_host: 512GiB}\n"
    (folder / "suite.yaml").write_text(small_suite.CONFIG + cluster)
    suite = small_suite.Suite(folder)
    planned = suite.run("--mlps-dry-run", "-k", "preflight or datasize")
    assert "2 simulated accelerators on 2 host(s) with 1.00 TiB of memory together" in planned.text, planned.text
    refused = suite.run("-k", "preflight")
    assert refused.code == 1
    assert "cluster.collect: declared is for a dry run" in refused.text
