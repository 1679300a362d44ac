"""The contract suite of engines, run as a third party runs it: on zvec, on a stand-in that is right, and on each of its faults."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import faulty_engines
import pytest

pytestmark = [pytest.mark.real]

ROOT = Path(__file__).parents[2]
NOT_INSTALLED = "zvec is not installed: pip install 'pytest-mlpstorage[vectordb]'"


def contract(tmp_path, *words, installed=True):
    """Run the contract suite as a third party does, in another folder; gives the exit code and the outcome of each test by its name."""
    site = faulty_engines.installed(tmp_path / "site") if installed else ""
    path = os.pathsep.join(filter(None, [str(ROOT), site]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mlpstorage.vectordb_contract", *words, "-v", "--tb=short", "-p", "no:mlpstorage"],
        capture_output=True, text=True, timeout=900, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    outcomes = dict(re.findall(r"::(test_\w+)\S* (PASSED|FAILED|ERROR|SKIPPED)", done.stdout))
    return done.returncode, outcomes, done.stdout + done.stderr


@pytest.mark.full
@pytest.mark.parametrize("engine", ["zvec", "stand_in"])
def test_an_engine_keeps_the_whole_contract(tmp_path, engine):
    if engine == "zvec":
        pytest.importorskip("zvec", reason=NOT_INSTALLED)
    code, outcomes, text = contract(tmp_path, engine)
    assert code == 0, text
    assert set(outcomes.values()) == {"PASSED"}


FAULTS = {
    "short_answers": ("mostly_the_exact", "assert"),
    "stale_answers": ("mostly_the_exact", ">= 0.95"),
    "unknown_ids": ("mostly_the_exact", "assert"),
    "repeated_ids": ("mostly_the_exact", "assert"),
    "raising": ("mostly_the_exact", "failed on purpose"),
    "raising_foreign": ("mostly_the_exact", "no EngineError"),
    "crashing": ("mostly_the_exact", "ended by SIGSEGV during answers"),
    "hanging": ("mostly_the_exact", "did not end answers within 20 s"),
    "from_memory": ("reads_the_device", "assert"),
    "loses_rows": ("three_blocks", "assert 4999 == 5000"),
    "repeats_ids": ("three_blocks", "assert 2500 in"),
    "incomplete_index": ("three_blocks", "assert 0.5 == 1.0"),
    "other_parameters": ("three_blocks", "assert"),
    "crashing_build": ("three_blocks", "ended by SIGSEGV during built"),
    "hanging_build": ("three_blocks", "did not end built within 20 s"),
    "silent_build": ("three_blocks", "did not end built within 20 s"),
}


@pytest.mark.full
@pytest.mark.fault
@pytest.mark.parametrize("fault", FAULTS)
def test_the_contract_finds_the_fault_of_an_engine(tmp_path, fault):
    test, words = FAULTS[fault]
    if fault == "from_memory" and not os.major(tmp_path.stat().st_dev):
        pytest.skip("this filesystem has no device whose reads could be missed")
    # A machine with much else to do may need longer for what does end.
    seconds = "20" if "did not end" in words else "120"
    code, outcomes, text = contract(tmp_path, fault, "-k", test, "--vectordb-seconds", seconds)
    assert code == 1, text
    assert set(outcomes.values()) <= {"FAILED", "ERROR"}, text
    assert words in text


def test_a_named_engine_that_is_not_registered_fails_and_nothing_named_is_a_usage_error(tmp_path):
    code, _, text = contract(tmp_path, "zvek", "-k", "capabilities")
    assert code == 1
    assert "did you mean 'zvec'" in text
    code, _, text = contract(tmp_path)
    assert code == 4
    assert text.startswith("usage: ")
