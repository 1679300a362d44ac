"""A training configuration small enough to be broken in many ways, and ways to run and look at it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).parents[2]
BENCHMARKS = REPO / "benchmarks"

CONFIG = """division: whatif
submitter: test
system: small
training:
  warmup_runs: 0
  measured_runs: 1
  workloads:
    - model: unet3d
      accelerator: b200
      accelerators: 2
      dataset: {num_files_train: 28, record_length_bytes: 65536, record_length_bytes_stdev: 0, record_length_bytes_resize: 65536}
      reader: {read_threads: 1}
      train: {epochs: 2, computation_time: 50ms}
"""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a pytest process ended."""

    code: int
    text: str
    seconds: float


@dataclasses.dataclass
class Suite:
    """One folder with a configuration, its data and its results."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "mlps-results"

    @property
    def train(self) -> Path:
        return self.folder / "mlps-data" / "unet3d" / "train"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pytest", str(BENCHMARKS), "--mlps-config=suite.yaml", "-p", "no:cacheprovider", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def run(self, *arguments: str) -> Ended:
        return finish(self.start(*arguments))

    def leaves(self, phase: str = "run") -> list[Path]:
        return sorted(self.results.glob(f"whatif/test/results/small/training/unet3d/{phase}/2*"))

    def evidence(self) -> list[dict]:
        return [json.loads(p.read_text()) for p in sorted(self.results.glob(".mlps/failed/*/reason.json"))]

    def processes(self) -> list[int]:
        """Processes that work in or on this folder: ranks, read workers, guards, mpirun."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                except OSError:
                    continue
                if str(self.folder).encode() in words and not (entry / "cmdline").read_bytes().startswith(b"bash"):
                    found.append(int(entry.name))
        return found

    def wait_for(self, what: Callable[[], object], seconds: float = 90.0) -> object:
        """Wait until something holds; fails the test where it never does."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(FileNotFoundError):  # a folder that goes while it is looked through
                if value := what():
                    return value
            time.sleep(0.05)
        raise AssertionError(f"did not come about in {seconds} s")

    def ranks(self) -> dict[int, int]:
        """Rank → pid of the DLIO programs that are running here."""
        found = {}
        for pid in self.processes():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                environ = dict(pair.split(b"=", 1) for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in pair)
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                above = Path(f"/proc/{parent}/cmdline").read_bytes()
            except OSError:
                continue
            if b"pytest_mlpstorage.dlio" in words and b"guard" not in words and b"guard" in above.split(b"\0"):
                found[int(environ.get(b"OMPI_COMM_WORLD_RANK", b"-1"))] = pid
        return found

    def training(self) -> bool:
        """Whether the ranks are in their epochs: read workers exist."""
        return any(children(pid) for pid in self.ranks().values())


def words(pid: int) -> list[str]:
    """The command line of a process; one empty word where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return [""]


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def finish(process: subprocess.Popen[str], seconds: float = 120.0) -> Ended:
    begun = time.monotonic()
    try:
        text, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Ended(process.returncode, text, time.monotonic() - begun)
