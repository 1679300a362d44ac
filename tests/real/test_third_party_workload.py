"""A package that registers a workload by entry point sees it listed, configured, run and judged (no change here)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BENCHMARKS = HERE.parents[1] / "benchmarks"


@pytest.fixture
def package(tmp_path):
    """The one file, installed the way pip would leave it: a module and its entry point."""
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(HERE / "third_party_workload.py", site / "scribble.py")
    info = site / "scribble-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scribble\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest_mlpstorage.workloads]\nscribble = scribble:WORKLOAD\n")
    (tmp_path / "suite.yaml").write_text(
        """division: whatif
submitter: test
system: here
scribble:
  workloads:
    - {model: small, ranks: 2}
"""
    )
    return tmp_path


def run(package, *arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package / "site"), str(HERE.parents[1])])}
    command = [sys.executable, "-m", "pytest", str(BENCHMARKS), "--mlps-config=suite.yaml", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_it_is_listed(package):
    done = run(package, "--collect-only", "-q")
    names = [line.rpartition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert names == [
        "test_host[localhost]",
        "test_preflight[scribble-small]",
        "test_step[scribble-small-once]",
        "test_result[scribble-small]",
    ]


@pytest.mark.real
def test_it_is_configured_run_and_judged(package):
    done = run(package, "--mlps-set", "scribble.write.bytes=2000", "--mlps-output=out", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    (judged,) = json.loads((package / "out" / "verdicts.json").read_text())
    assert (judged["benchmark_type"], judged["verdict"], judged["metrics"]["bytes_written"]) == ("scribble", "WHATIF", 4000.0)


def test_its_own_preflight_refuses_by_its_own_rule(package):
    done = run(package, "--mlps-set", "scribble.write.bytes=2000000")
    assert done.returncode == 1
    assert "[SCRIBBLE-1] too much to scribble; measured 2000000; required 1000000" in done.stdout
    assert "1 failed, 1 passed, 2 skipped" in done.stdout


def test_a_wrong_key_of_it_is_refused_with_the_nearest(package):
    done = run(package, "--mlps-set", "scribble.write.byts=1")
    assert done.returncode == 4
    assert "did you mean" in done.stderr + done.stdout
    assert "write.bytes" in done.stderr + done.stdout
