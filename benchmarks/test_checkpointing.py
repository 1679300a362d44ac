"""Checkpointing: the checkpoints of a language model written by many ranks, and read back, by DLIO or our own program."""

from __future__ import annotations


class TestCheckpointing:
    """The phases of each checkpointing workload, in order; a phase after a failed one is skipped with that reason."""

    family = "checkpointing"

    def test_preflight(self, case, mlps):
        """Judge the plan by every rule and probe that needs no I/O."""
        mlps.preflight(case)

    def test_run(self, case, run, mlps):
        """Write and read in one run, or write in one and read in another with the caller's command between them."""
        mlps.step(case, run)

    def test_result(self, case, mlps):
        """Aggregate the runs and judge the result by the rule book."""
        mlps.result(case)
