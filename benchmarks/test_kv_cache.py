"""KV cache: the caches of a language model's conversations, stored and loaded by many users at once, by our own program."""

from __future__ import annotations


class TestKVCache:
    """Every pass of every option in order, then the run that they make; a phase after a failed one is skipped with that reason."""

    family = "kvcache"

    def test_preflight(self, case, mlps):
        """Judge the plan by every rule and probe that needs no I/O."""
        mlps.preflight(case)

    def test_precondition(self, case, mlps):
        """Fill the storage with twice the capacity that is used, where that is asked for; else say what is declared of it."""
        mlps.precondition(case)

    def test_run(self, case, run, mlps):
        """One pass: an option, a trial, with the idle times before and after it."""
        mlps.step(case, run)

    def test_result(self, case, mlps):
        """Make the passes one run, aggregate it and judge it by the rule book."""
        mlps.result(case)
