"""Training: data sets sized and generated, then read by emulated accelerators through DLIO under MPI."""

from __future__ import annotations


class TestTraining:
    """The phases of each training workload, in order; a phase after a failed one is skipped with that reason."""

    family = "training"

    def test_preflight(self, case, mlps):
        """Judge the plan by every rule and probe that needs no I/O."""
        mlps.preflight(case)

    def test_datasize(self, case, mlps):
        """Work out the size of the data set and record it."""
        mlps.step(case, "datasize")

    def test_datagen(self, case, mlps):
        """Generate the data set, or find it complete."""
        mlps.step(case, "datagen")

    def test_run(self, case, run, mlps):
        """Train once: the warm-up, then the measured runs."""
        mlps.step(case, run)

    def test_result(self, case, mlps):
        """Aggregate the measured runs and judge the result by the rule book."""
        mlps.result(case)
