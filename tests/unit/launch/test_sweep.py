"""The job that ends what a run has left on its hosts."""

from __future__ import annotations

import dataclasses
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mlpstorage.launch import sweep as module
from pytest_mlpstorage.launch.job import Host
from pytest_mlpstorage.launch.processes import RUN_ID_VARIABLE, carriers
from pytest_mlpstorage.launch.sweep import sweep

RUN_ID = secrets.token_hex(6)  # each worker of xdist has its own
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"


@dataclasses.dataclass
class Here:
    """Runs one process of a job on this host, or something else in its stead."""

    instead: tuple[str, ...] = ()
    name: str = "here"
    executable: Path = Path(sys.executable)

    def command(self, job, guard=()):
        self.job = job
        return list(self.instead) or [sys.executable, *job.program]


@pytest.fixture
def stubborn():
    environment = {**os.environ, RUN_ID_VARIABLE: RUN_ID}
    with subprocess.Popen([sys.executable, "-c", STUBBORN], env=environment, stdout=subprocess.PIPE, start_new_session=True) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_what_carries_the_runs_id_is_ended_with_one_process_on_each_host(stubborn):
    launcher = Here()
    assert sweep(launcher, [Host("h1", 4), Host("h2")], RUN_ID, time.time())
    assert stubborn.wait(5) == -9
    assert carriers(RUN_ID) == []
    assert (launcher.job.ranks, launcher.job.hosts) == (2, (Host("h1", 1), Host("h2", 1)))


def test_what_is_of_another_run_is_left_alone(stubborn):
    assert sweep(Here(), [Host("h1")], "another", time.time())
    assert stubborn.poll() is None


def test_a_launcher_that_hangs_is_ended_and_told(monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    monkeypatch.setattr(module, "_TOLD_SECONDS", 0.3)
    begun = time.monotonic()
    assert not sweep(Here(("sh", "-c", "trap '' TERM; sleep 97 & wait; wait; sleep 97")), [Host("h1")], RUN_ID, time.time())
    assert time.monotonic() - begun < 5
    assert subprocess.run(["pgrep", "-f", "sleep 97$"], capture_output=True).stdout == b""


@pytest.mark.parametrize("command", [("/nowhere/mpirun",), ("false",)])
def test_a_launcher_that_fails_is_told(command):
    assert not sweep(Here(command), [Host("h1")], RUN_ID, time.time())
