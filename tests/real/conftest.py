"""A small suite in a folder of its own; whatever a test leaves running is a failure of that test."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fault_table
import small_suite


@pytest.fixture
def suite(tmp_path):
    """An empty folder with a configuration; at the end no process of it may be left."""
    (tmp_path / "suite.yaml").write_text(small_suite.CONFIG)
    suite = small_suite.Suite(tmp_path)
    yield suite
    end = time.monotonic() + 15
    while suite.processes() and time.monotonic() < end:
        time.sleep(0.2)
    assert suite.processes() == []


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """A folder whose data set is generated; a test takes a copy."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "suite.yaml").write_text(small_suite.CONFIG)
    suite = small_suite.Suite(folder)
    ended = suite.run("-k", "preflight or datasize or datagen")
    assert ended.code == 0, ended.text
    return folder


@pytest.fixture
def ready(generated, suite):
    """A suite with its data set in place, ready to run."""
    shutil.copytree(generated / "mlps-data", suite.folder / "mlps-data")
    return suite


@pytest.fixture
def small_filesystem(tmp_path):
    """Mounts a memory filesystem of so many MiB, and takes it away even where something that failed still holds it."""
    folder = tmp_path / "disk"

    def mounted(mebibytes):
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no filesystem can be mounted here: {done.stderr.strip()}")
        return folder

    yield mounted
    if folder.is_mount():
        subprocess.run(["umount", "-l", str(folder)], check=True)


def pytest_terminal_summary(terminalreporter):
    fault_table.write(terminalreporter)
