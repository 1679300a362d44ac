"""The record of a leaf that tells all of its hosts: what they were, and what they did not agree on; of any family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlpstorage.results.cluster_facts import ClusterFacts
from pytest_mlpstorage.results.cluster_info import CLUSTER_INFO, cluster_info

if TYPE_CHECKING:
    from pytest_mlpstorage.results.writer import LeafWriter
    from pytest_mlpstorage.workloads.base import Plan

__all__ = ["write_cluster_info"]


def write_cluster_info(writer: LeafWriter, plan: Plan) -> None:
    """Write what the hosts of a plan were when they were asked; a workload of somebody else's may have asked none."""
    facts = getattr(plan, "cluster", None)
    if isinstance(facts, ClusterFacts):
        writer.write_json(CLUSTER_INFO, cluster_info(facts))
