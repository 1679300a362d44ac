"""The rows of the fault matrix."""

from __future__ import annotations

import signal
import time
from typing import Final

from fault_cells import Cell, Fault
from fault_places import Allocation, ThreeHosts

BY_SSH: Final = (ThreeHosts.name,)
FAR: Final = (ThreeHosts.name, Allocation.name)


def on_rank_1(what: str) -> str:
    return f"{what} if world.rank == 1 else time.sleep(300)"


def pretend(cell: Cell):
    assert isinstance(cell.place, ThreeHosts)
    return cell.place.pretend


def interrupt(cell: Cell) -> None:
    cell.kill(signal.SIGINT, -cell.driver)


def interrupt_twice(cell: Cell) -> None:
    interrupt(cell)
    time.sleep(0.2)
    interrupt(cell)


def stop_until_told(cell: Cell) -> None:
    cell.kill_rank(1, signal.SIGSTOP)
    cell.wait((cell.folder / "warnings").exists, 30)


FAULTS: Final = (
    Fault(
        "rank raises",
        8,
        "{one} (ended (the job )?with exit code 3|called MPI_Abort with code 3)",
        after=on_rank_1("1 / 0"),
        said="ZeroDivisionError",
    ),
    Fault("rank leaves by os._exit", 8, "{one} ended with exit code 3", after=on_rank_1("os._exit(3)"), returncode=3),
    Fault(
        "rank calls MPI_Abort",
        8,
        "{one} (ended (the job )?with exit code 7|called MPI_Abort with code 7)",
        after=on_rank_1("world.Abort(7)"),
        # These two may lose what the library says of it a moment before they end all; rank programs of ours wait a second for such words.
        silent={"slurm": r"rank \d on h\d (ended by SIGKILL|was lost)", "mpich": "mpiexec ended with exit code 7"},
    ),
    Fault("SIGKILL to rank 1", 8, "{one} ended by SIGKILL", lambda cell: cell.kill_rank(1), returncode=137, quick=True),
    Fault("SIGKILL to rank 0, whose child holds stdout", 8, "{zero} ended by SIGKILL", lambda cell: cell.kill_rank(0), returncode=137),
    Fault(
        "SIGSTOP to rank 1, with stall_abort",
        16,
        "stalled: {one} .*it is stopped",
        stop_until_told,
        options={"stall_warning_seconds": 2.0, "stall_abort_seconds": 4.0, "heartbeat_seconds": 60.0},
    ),
    Fault("deadline", 16, "deadline of 8.0 s", options={"deadline_seconds": 8.0}, returncode=124),
    Fault(
        "SIGKILL to the guard of rank 1",
        8,
        "{one} was lost: its guard",
        lambda cell: cell.kill(signal.SIGKILL, cell.guard(1), host=cell.host(1)),
        quick=True,
    ),
    Fault("SIGKILL to the starter", 15, "the starter.* was killed", lambda cell: cell.kill(signal.SIGKILL, cell.starter())),
    Fault("SIGKILL to the launcher", 8, "(mpirun|mpiexec|srun) ended by SIGKILL", lambda cell: cell.kill(signal.SIGKILL, cell.mpirun())),
    Fault(
        "SIGKILL to the launcher's daemon on the host of rank 1",
        10,
        "{one}|{far}",
        lambda cell: cell.kill(signal.SIGKILL, cell.daemon(1), host=cell.host(1)),
        places=FAR,
    ),
    Fault("SIGKILL to pytest", 10, "", lambda cell: cell.kill(signal.SIGKILL, cell.driver), exit_code=-signal.SIGKILL, quick=True),
    Fault("SIGTERM to pytest", 10, "", lambda cell: cell.kill(signal.SIGTERM, cell.driver), exit_code=-signal.SIGTERM),
    Fault("Ctrl-C", 10, "", interrupt, exit_code=130),
    Fault("Ctrl-C twice", 8, "", interrupt_twice, exit_code=130, traces_of_srun=("mpich_shm_",)),
    Fault(
        "the network of rank 1 goes down",
        25,
        "no word from {one} for 10 s: the host or its network is down",
        lambda cell: pretend(cell).cut_off(cell.host(1)),
        cut=True,
        mend=lambda cell: pretend(cell).plug_in(cell.host(1)),
        places=FAR,
        quick=True,
    ),
    Fault(
        "sshd refuses",
        12,
        "ssh cannot reach {far}: the host refuses the connection",
        lambda cell: pretend(cell).sshd(cell.host(1), "kill"),
        early=True,
        mend=lambda cell: pretend(cell).sshd(cell.host(1), "start"),
        places=BY_SSH,
        quick=True,
        said="refused",
    ),
    Fault(
        "sshd lets in and says nothing",
        20,
        r"ssh cannot reach {far}( \(\S+\))?: the host does not answer",
        lambda cell: pretend(cell).sshd(cell.host(1), "stop"),
        early=True,
        mend=lambda cell: pretend(cell).sshd(cell.host(1), "cont"),
        places=BY_SSH,
        said="timed out",
    ),
    Fault(
        "a host is off the network at the start",
        20,
        r"ssh cannot reach {far}( \(\S+\))?: the host does not answer",
        lambda cell: pretend(cell).cut_off(cell.host(1)),
        early=True,
        mend=lambda cell: pretend(cell).plug_in(cell.host(1)),
        places=BY_SSH,
        said="timed out",
    ),
)
