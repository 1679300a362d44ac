"""Searches from two hosts that have one name: each is its own in samples, counters and clocks."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess

import pytest
from test_vector_database_engine import bench, loaded  # noqa: F401 - fixtures

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.vectordb.samples import read_workers

pytestmark = [pytest.mark.real]


NAMESPACES = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
SETTINGS = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self,tcp"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make hosts")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_two_hosts_of_one_name_are_told_apart(loaded):  # noqa: F811 - the fixture
    """Two ranks that see other processes, as on hosts or in containers that all have the name of their image."""
    try:
        launcher = find_launcher()
    except DependencyError as error:
        pytest.skip(str(error))
    output, command = loaded.job("run", processes=2, workers=1)
    launched = [str(launcher.executable), "-n", "2", *NAMESPACES, *command]
    done = subprocess.run(launched, env={**loaded.environment, **SETTINGS}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    name = socket.gethostname()
    assert sorted((one.rank, one.host) for one in read_workers(output / "samples")) == [(0, name), (1, f"{name}+2")]
    mlps = json.loads((output / "summary.json").read_text())["mlps"]
    assert [(one["hosts"], one["workers"]) for one in mlps["phases"]] == [(2, 2), (2, 2)]
    # One kernel, one clock.
    assert mlps["clock_offsets_ns"] == {name: 0, f"{name}+2": 0}
