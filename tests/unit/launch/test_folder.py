"""What launchers leave in the common folder for temporary files, and who takes it away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.launch.folder import remove_sessions


@pytest.fixture
def session():
    """Make a launcher's folder for a process id."""
    made = []

    def session(pid, name="ompi"):
        made.append(Path(f"/tmp/{name}.{pid}"))
        (made[-1] / "jf.0").mkdir(parents=True)
        (made[-1] / "contact").write_text("x")
        return made[-1]

    yield session
    for path in made:
        subprocess.run(["rm", "-rf", str(path)], check=True)


@pytest.fixture
def ended():
    """The process id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize("name", ["ompi", "prted"])
def test_the_folder_of_a_launcher_that_has_ended_is_removed(session, ended, name):
    path, other = session(ended, name), session(f"{ended}0", name)
    remove_sessions(ended)
    assert not path.exists()
    assert other.exists()


def test_that_of_one_that_runs_stays(session):
    path = session(os.getpid())
    remove_sessions(os.getpid())
    assert path.exists()


def test_that_of_another_user_stays(session, ended, monkeypatch):
    path = session(ended)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    remove_sessions(ended)
    assert path.exists()
