"""Two benchmarks never overlap under xdist; rules of one result stay together; other projects keep their own way."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from pytest_mlpstorage.scheduling import scope_of

SUITE = """
import json, os, time, pathlib, pytest

@pytest.mark.parametrize("n", range(4))
def test_io(n):
    begun = time.time()
    time.sleep(0.3)
    pathlib.Path(os.environ["LOG"], f"{n}.json").write_text(json.dumps([begun, time.time()]))
"""


def test_everything_but_a_rule_is_one_group_whatever_its_root():
    ids = [
        "benchmarks/test_training.py::TestTraining::test_run[unet3d-b200-1]",
        "../../lib/suites/benchmarks/test_training.py::T::x",
        "my/test_own.py::test",
    ]
    assert {scope_of(i) for i in ids} == {"benchmarks"}


def test_the_rules_of_one_result_are_one_group_and_those_of_another_are_not():
    first = "rules/test_training.py::test_rule[3.3.2-trainingAcceleratorUtilizationCheck-closed/a/results/s/training/unet3d]"
    second = "x/rules/test_training.py::test_rule[2.1.17-runTimestamps-closed/a/results/s/training/unet3d]"
    other = "rules/test_training.py::test_rule[2.1.17-runTimestamps-closed/b/results/s/training/unet3d]"
    assert scope_of(first) == scope_of(second) != scope_of(other)


@pytest.fixture
def spans(pytester, monkeypatch, tmp_path):
    """Run four tests that take 0.3 s each and give back when each began and ended."""
    log = tmp_path / "log"
    log.mkdir()
    monkeypatch.setenv("LOG", str(log))

    def run(*arguments):
        pytester.makepyfile(test_own=SUITE)
        (pytester.path / "suite.yaml").write_text(
            "division: whatif\nsubmitter: a\nsystem: b\ntraining:\n  workloads:\n    - {model: unet3d, accelerator: b200, accelerators: 2}\n"
        )
        pytester.runpytest_subprocess(*arguments, "-p", "no:cacheprovider").assert_outcomes(passed=4)
        return sorted(json.loads(p.read_text()) for p in Path(log).iterdir())

    return run


def overlaps(spans):
    return any(after[0] < before[1] for before, after in itertools.pairwise(spans))


def test_benchmarks_never_overlap_even_with_four_workers(spans):
    assert not overlaps(spans("--mlps-config=suite.yaml", "-n4"))


def test_without_our_options_xdist_deals_as_it_always_does(spans):
    assert overlaps(spans("-n4"))
