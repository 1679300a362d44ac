"""Workloads that other packages register: any number of steps between preflight and result."""

from __future__ import annotations


class TestWorkloads:
    """The phases of each workload that came by the entry point ``pytest_mlpstorage.workloads``."""

    family = None

    def test_preflight(self, case, mlps):
        """Judge the plan by every rule and probe that needs no I/O."""
        mlps.preflight(case)

    def test_step(self, case, step, mlps):
        """Carry out one step of the workload."""
        mlps.step(case, step)

    def test_result(self, case, mlps):
        """Judge what the steps measured."""
        mlps.result(case)
