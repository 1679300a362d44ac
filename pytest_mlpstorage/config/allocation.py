"""The allocation of a resource manager that this process runs in, as its environment tells it: Slurm's."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Mapping
from typing import Final

from pytest_mlpstorage.asking import answer

__all__ = ["Allocation", "NoHosts", "find_allocation"]

_REPEATED: Final = re.compile(r"([0-9]{1,18})(?:\(x([0-9]{1,18})\))?")


class NoHosts(Exception):
    """Why the hosts of an allocation cannot be told, in words that follow "and"."""


@dataclasses.dataclass(frozen=True)
class Allocation:
    """A Slurm job. ``node_count`` is 1 where the environment does not say."""

    job_id: str
    node_count: int
    node_list: str
    tasks_per_node: str
    tasks_asked: bool
    path: str

    def __str__(self) -> str:
        return f"allocation of Slurm job {self.job_id}"

    def hosts(self) -> tuple[tuple[str, int | None], ...]:
        """Name and slots of each host, in Slurm's order; raises NoHosts.

        Slots are the tasks that the job was given where it asked for tasks (``--ntasks``, ``--ntasks-per-node``); where it asked for
        nodes only, Slurm's number is that of its CPUs, and hosts take as many ranks as are needed.
        """
        names = self._names()
        slots = _expanded(self.tasks_per_node) if self.tasks_asked else []
        if len(slots) != len(names):  # within a step the numbers are the step's
            return tuple((name, None) for name in names)
        return tuple(zip(names, slots, strict=True))

    def _names(self) -> list[str]:
        if not self.node_list:
            raise NoHosts(f"SLURM_JOB_NODELIST of Slurm job {self.job_id} is not set")
        program = shutil.which("scontrol", path=self.path)
        if program is None:
            raise NoHosts("there is no scontrol along PATH, which tells the hosts of one apart")
        try:
            done = answer([program, "show", "hostnames", self.node_list])
        except OSError as error:
            raise NoHosts(f"scontrol does not answer: {error}") from error
        names = done.stdout.split()
        if done.returncode or not names:
            said = (done.stderr.strip() or f"nothing, with exit code {done.returncode}").splitlines()[-1]
            raise NoHosts(f"scontrol show hostnames {self.node_list} says: {said}")
        return names


def find_allocation(environ: Mapping[str, str]) -> Allocation | None:
    """The allocation that an environment is of, or None."""
    job_id = environ.get("SLURM_JOB_ID") or environ.get("SLURM_JOBID")
    if not job_id:
        return None
    count = environ.get("SLURM_JOB_NUM_NODES") or environ.get("SLURM_NNODES") or ""
    return Allocation(
        job_id=job_id,
        node_count=int(count) if count.isdecimal() and len(count) < 9 else 1,
        node_list=environ.get("SLURM_JOB_NODELIST") or environ.get("SLURM_NODELIST") or "",
        tasks_per_node=environ.get("SLURM_TASKS_PER_NODE", ""),
        tasks_asked="SLURM_NTASKS" in environ or "SLURM_NTASKS_PER_NODE" in environ,
        path=environ.get("PATH", os.defpath),
    )


def _expanded(text: str) -> list[int]:
    """``2(x3),1`` as 2, 2, 2, 1; nothing where it is of another form."""
    found: list[int] = []
    for part in text.split(","):
        match = _REPEATED.fullmatch(part)
        if match is None or int(match[1]) < 1 or len(found) > 1_000_000:
            return []
        found += [int(match[1])] * min(int(match[2] or 1), 1_000_000)
    return found
