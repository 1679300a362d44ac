"""What the hosts of a plan were stands in each of its leaves, and is read from there."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

from pytest_mlpstorage.cluster.facts import ClusterFacts, host_facts
from pytest_mlpstorage.results.cluster_info import CLUSTER_INFO, read_cluster_info
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.workloads.cluster_record import write_cluster_info


def a_writer(results):
    results.mkdir()
    parent = results / "whatif" / "acme" / "results" / "box" / "training" / "unet3d" / "run"
    return LeafWriter.create_next(results, parent, run_id="r", now=datetime(2026, 1, 1))


def test_a_leaf_holds_the_facts_of_all_hosts(tmp_path):
    facts = ClusterFacts((host_facts(["/"], declared="localhost"),), "local")
    with a_writer(tmp_path / "results") as writer:
        write_cluster_info(writer, SimpleNamespace(cluster=facts))
        leaf = writer.commit()
    files = TreeFiles(tmp_path / "results")
    assert read_cluster_info(files.json_object(leaf / CLUSTER_INFO)) == facts


def test_a_workload_that_asked_no_hosts_writes_none(tmp_path):
    with a_writer(tmp_path / "results") as writer:
        for plan in (SimpleNamespace(), SimpleNamespace(cluster=None)):
            write_cluster_info(writer, plan)
        assert not (writer.commit() / CLUSTER_INFO).exists()
