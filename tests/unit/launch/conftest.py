"""An environment without any MPI, and programs that only say what they are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def program(tmp_path):
    """Make an executable at ``folder``/``name`` that says ``says``, whatever it is asked."""

    def program(says, folder="bin", name="mpirun"):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
        path.chmod(0o755)
        return path

    return program


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """Not root, an interpreter of no environment, no MPI in it, and no allocation."""
    for name in ("SLURM_JOB_ID", "SLURM_JOBID", "SLURMD_NODENAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
