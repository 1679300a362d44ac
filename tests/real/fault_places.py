"""Where a job can be broken: on this machine, and on three pretend hosts of which the first one starts it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pretend_hosts import PretendHosts
from pretend_slurm import PretendSlurm

from pytest_mlpstorage.launch.processes import carriers, name_of

NO_HOSTS: tuple[str, ...] = ()


class Place(Protocol):
    """Hosts, and what is seen of them whether their network is up or not."""

    name: str
    ranks: int
    hosts: tuple[str, ...]

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that runs something on the first host, in the environment that its launcher needs."""

    def run(self, host: str, words: Sequence[str]) -> str:
        """What a command on a host says; it may fail."""

    def processes(self, host: str, run_id: str) -> dict[int, str]:
        """Process id there → command line, of all that may be of a run."""

    def host_of(self, rank: int) -> str:
        """The host that a rank says it is on."""

    def make_ready(self) -> None:
        """See to it that a job can be started, whatever an earlier one went through."""


class OneHost:
    """This machine, with two ranks. Others work on it too, so a process is of a run where its environment says so."""

    name = "one host"
    ranks = 2
    hosts = NO_HOSTS

    def command(self, words: Sequence[str]) -> list[str]:
        return list(words)

    def run(self, host: str, words: Sequence[str]) -> str:
        return subprocess.run(words, text=True, capture_output=True, timeout=60).stdout

    def processes(self, host: str, run_id: str) -> dict[int, str]:
        return {pid: name_of(pid) for pid in carriers(run_id)}

    def host_of(self, rank: int) -> str:
        return os.uname().nodename

    def make_ready(self) -> None:
        pass


class ThreeHosts:
    """Three hosts with one rank each, whose launcher logs in by ssh."""

    name = "three hosts"
    ranks = 3

    def __init__(self, pretend: PretendHosts) -> None:
        self.pretend = pretend
        self.hosts = tuple(pretend.hosts)

    def command(self, words: Sequence[str]) -> list[str]:
        return self.pretend.command(self.hosts[0], ["env", *settings(self.pretend.environment), *words])

    def run(self, host: str, words: Sequence[str]) -> str:
        return self.pretend.run(host, words).stdout

    def processes(self, host: str, run_id: str) -> dict[int, str]:
        """All that does not make the host: launchers give their daemons on other hosts no environment of ours."""
        return self.pretend.processes(host)

    def host_of(self, rank: int) -> str:
        return self.hosts[rank]

    def make_ready(self) -> None:
        pass


class Allocation(ThreeHosts):
    """The same hosts in an allocation of Slurm: nobody logs in, and Slurm itself minds whether a host is there."""

    name = "three hosts of Slurm"

    def __init__(self, slurm: PretendSlurm) -> None:
        super().__init__(slurm.hosts)
        self._slurm = slurm

    def command(self, words: Sequence[str]) -> list[str]:
        environment = {
            name: value for name, value in self.pretend.environment.items() if "launcher" not in name.lower() and "agent" not in name
        }
        return self._slurm.allocated(["env", *settings(environment), *words])

    def make_ready(self) -> None:
        """A host that was away stays down until somebody says that it is back, and one whose step does not end is busy."""
        begun = time.monotonic()
        while (states := self._slurm.run(["sinfo", "-h", "-N", "-o", "%t"]).stdout.split()) != ["idle"] * self.ranks:
            waited = time.monotonic() - begun
            assert waited < 60, states
            if waited > 15:
                self._slurm.run(["scontrol", "update", f"NodeName={','.join(self.hosts)}", "State=DOWN", "Reason=test"])
            self._slurm.run(["scontrol", "update", f"NodeName={','.join(self.hosts)}", "State=RESUME"])
            time.sleep(1)


def settings(environment: Mapping[str, str]) -> list[str]:
    """Variables as ``env`` takes them."""
    return [f"{name}={value}" for name, value in environment.items()]


def temporary(place: Place, host: str) -> set[str]:
    """Names in a host's folders for temporary files and shared memory."""
    return set(place.run(host, ["ls", "-A", "/tmp", "/dev/shm"]).split())


def parent_of(place: Place, host: str, pid: int) -> int:
    """The parent of a process on a host."""
    return int(place.run(host, ["ps", "-o", "ppid=", "-p", str(pid)]).strip() or 0)


def written(path: Path) -> str:
    """What is in a file; an empty text where there is none yet."""
    return path.read_text() if path.exists() else ""
