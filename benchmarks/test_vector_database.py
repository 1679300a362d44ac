"""Vector database: vectors loaded and indexed, then searched by many processes, cold and steady, by our own program."""

from __future__ import annotations


class TestVectorDatabase:
    """The phases of each vector database workload, in order; a phase after a failed one is skipped with that reason."""

    family = "vectordb"

    def test_preflight(self, case, mlps):
        """Judge the plan by every rule and probe that needs no I/O."""
        mlps.preflight(case)

    def test_datagen(self, case, mlps):
        """Load the vectors and build the index, or find them whole."""
        mlps.step(case, "datagen")

    def test_run(self, case, run, mlps):
        """Search once: a cold phase with its proof, then a steady one."""
        mlps.step(case, run)

    def test_result(self, case, mlps):
        """Judge the runs by the rule book and by own limits."""
        mlps.result(case)
