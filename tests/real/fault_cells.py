"""One cell of the fault matrix: a job that is broken in one way, at one place, under one launcher; and what is to be seen of it."""

from __future__ import annotations

import dataclasses
import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fault_places import Allocation, OneHost, Place, ThreeHosts, parent_of, temporary, written

DRIVER: Final = Path(__file__).with_name("fault_driver.py")
UP_SECONDS: Final = 60.0
TRACES: Final = ("ompi.h", "hydra_hwloc_xmlfile_", "spmix_appdir_")
FAR_SECONDS: Final = 60.0
"""What a host that is cut off may take to end what ran on it."""

# A rank in the frame that all of ours have. One child holds its stdout, another has a session of its own and ignores SIGTERM.
RANK: Final = """
import os, signal, socket, subprocess, sys, time
from pytest_mlpstorage.ranks.program import run_program
folder, after = sys.argv[1:]
def work(_, start):
    world = start.mpi.COMM_WORLD
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    subprocess.Popen([sys.executable, "-c", ignore], start_new_session=True)
    time.sleep(0.3)
    sys.stderr.write("here is rank %d\\n" % world.rank)
    world.Barrier()
    with open(os.path.join(folder, "rank-%d.part" % world.rank), "w") as file:
        file.write("%s %d" % (socket.gethostname(), os.getpid()))
    os.rename(file.name, file.name[:-5])
    while not all(os.path.exists(os.path.join(folder, "rank-%d" % rank)) for rank in range(world.size)):
        time.sleep(0.02)
    exec(after)
    world.Barrier()
sys.exit(run_program("fault_cells", ["none"], work))
"""
ASLEEP: Final = "time.sleep(300)"

# The job after it: as short as one can be that needs every host.
HELLO: Final = ("-c", "from mpi4py import MPI; w = MPI.COMM_WORLD; assert w.allreduce(1) == w.size; w.Barrier()")


class Cell:
    """A job over a place in a process of its own."""

    def __init__(self, place: Place, launcher: str, folder: Path) -> None:
        self.place, self.launcher, self.folder = place, launcher, folder
        self.hosts = place.hosts or ("localhost",)
        self.run_id = secrets.token_hex(6)
        place.make_ready()
        self.before = {host: (set(place.processes(host, self.run_id)), temporary(place, host)) for host in place.hosts}
        self.process: subprocess.Popen[str] | None = None

    # ----------------------------------------------------------------------------------------------------- doing things
    def start(self, *program: str, **options: Any) -> None:
        """Start the job; its deadline is far away unless one is given."""
        given = {
            "hosts": self.place.hosts,
            "ranks": self.place.ranks,
            "launcher": self.launcher,
            "run_id": self.run_id,
            "program": program,
            "options": {"deadline_seconds": 150.0, **options},
        }
        (self.folder / "job.json").write_text(json.dumps(given))
        words = ["env", "-C", str(self.folder), sys.executable, str(DRIVER), str(self.folder / "job.json")]
        with (self.folder / "driver.log").open("w") as log:
            self.process = subprocess.Popen(
                self.place.command(words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, text=True
            )

    def rank(self, number: int) -> int:
        """Process id, on its host, of a rank that is up; waits until it is."""
        file = self.folder / f"rank-{number}"
        self.wait(file.exists, UP_SECONDS, lambda: f"rank {number} did not come up: {written(self.folder / 'stderr')[-2000:]}")
        return int(file.read_text().split()[1])

    def host(self, rank: int) -> str:
        """The host by which ``place.run`` reaches a rank."""
        return (self.place.hosts or ("localhost",) * self.place.ranks)[rank]

    def kill(self, number: signal.Signals, *pids: int, host: str | None = None) -> None:
        """Send a signal to processes of a host, the first one unless it is named."""
        self.place.run(host or self.hosts[0], ["kill", f"-{number.value}", "--", *map(str, pids)])

    def kill_rank(self, rank: int, number: signal.Signals = signal.SIGKILL) -> None:
        self.kill(number, self.rank(rank), host=self.host(rank))

    def guard(self, rank: int) -> int:
        """Process id of a rank's guard on its host."""
        return parent_of(self.place, self.host(rank), self.rank(rank))

    def daemon(self, rank: int) -> int:
        """Process id of what started a rank's guard on its host: the launcher, or a daemon of it."""
        host, pid = self.host(rank), self.guard(rank)
        while "__main__.py" in self.place.run(host, ["ps", "-ww", "-o", "args=", "-p", str(pid)]).partition(" guard ")[0]:
            pid = parent_of(self.place, host, pid)
        return pid

    @property
    def driver(self) -> int:
        """Process id of the driver on the first host."""
        self.wait(lambda: written(self.folder / "driver") != "", UP_SECONDS)
        return int(written(self.folder / "driver"))

    def starter(self) -> int:
        """Process id of the starter on the first host."""
        return self._child(self.driver)

    def _child(self, pid: int) -> int:
        return int(self.place.run(self.hosts[0], ["ps", "-o", "pid=", "--ppid", str(pid)]).split()[0])

    def mpirun(self) -> int:
        """Process id of the launcher on the first host."""
        return self._child(self.starter())

    # ----------------------------------------------------------------------------------------------------- looking at it
    @staticmethod
    def wait(condition: Callable[[], object], seconds: float, tell: Callable[[], object] = lambda: "it did not come") -> float:
        """Wait until something holds; after how many seconds it did."""
        begun = time.monotonic()
        while not condition():
            assert time.monotonic() < begun + seconds, tell()
            time.sleep(0.05)
        return time.monotonic() - begun

    def left(self, *hosts: str) -> dict[str, list[str]]:
        """Host → command lines of what runs there of this job."""
        found = {}
        for host in hosts or self.hosts:
            old = self.before[host][0] if host in self.before else set()
            new = [f"{pid} {words}" for pid, words in self.place.processes(host, self.run_id).items() if pid not in old]
            if new:
                found[host] = new
        return found

    def left_far(self) -> list[str]:
        """What runs on the host of rank 1; there Slurm's own daemon of a step waits for a controller that it cannot reach."""
        return [line for lines in self.left(self.host(1)).values() for line in lines if "slurmstepd: " not in line]

    def files(self, *hosts: str, but: tuple[str, ...] = ()) -> dict[str, set[str]]:
        """Host → names of temporary files that were not there before; on a machine of others, those that bear the run's id.

        A launcher's daemon that is killed leaves a small file or folder, which bears no mark of its job: those are passed over.
        """
        if not self.before:
            return {"localhost": found} if (found := {n for n in temporary(self.place, "localhost") if self.run_id in n}) else {}
        found = {host: temporary(self.place, host) - self.before[host][1] for host in hosts or self.hosts}
        found = {host: {name for name in names if not name.startswith((*TRACES, *but))} for host, names in found.items()}
        return {host: names for host, names in found.items() if names}

    @property
    def told(self) -> dict[str, Any]:
        """What pytest would have been told: the fields of the outcome, or of the error."""
        return json.loads((self.folder / "told.json").read_text())

    def clean(self) -> None:
        """End all of it, whatever a test has found."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for host, lines in self.left().items():
            self.kill(signal.SIGKILL, *(int(line.split()[0]) for line in lines), host=host)


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is done to a job, and what is to come of it.

    ``bound`` is how many seconds may pass from the fault until the job is over and nothing of it is left on any host that can be
    reached. ``cause`` is a pattern, in which ``{one}`` is rank 1 with its host, ``{zero}`` rank 0, and ``{far}`` the host of rank 1.
    No cause: whoever would be told is gone. ``silent`` has another pattern for a launcher that does not always tell, and
    ``traces_of_srun`` beginnings of names of files that stay where Slurm kills the guards and pytest may not wait. ``cut`` is whether the
    host of rank 1 cannot be reached afterwards. ``early``: before any rank.
    """

    name: str
    bound: float
    cause: str = ""
    act: Callable[[Cell], object] = lambda _: None
    after: str = ASLEEP
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    exit_code: int = 0
    returncode: int | None = None
    cut: bool = False
    early: bool = False
    mend: Callable[[Cell], object] = lambda _: None
    places: tuple[str, ...] = (OneHost.name, ThreeHosts.name, Allocation.name)
    quick: bool = False
    said: str = "here is rank"
    traces_of_srun: tuple[str, ...] = ()
    silent: dict[str, str] = dataclasses.field(default_factory=dict)
