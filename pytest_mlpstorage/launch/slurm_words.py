"""What Slurm says when it ends a step: to its srun, and to an mpirun that has started its daemons by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["before_the_end", "ended_by_slurm"]

_ENDED: Final = (
    (re.compile(r"slurmstepd.* DUE TO TIME LIMIT"), "the time limit of the Slurm allocation has come"),
    (re.compile(r"slurmstepd.* DUE TO NODE FAILURE|srun: error: Node failure on"), "Slurm has lost a host of the allocation"),
    (re.compile(r"slurmstepd.* DUE TO PREEMPTION"), "Slurm has taken the allocation for another job"),
    (re.compile(r"slurmstepd.*oom.kill event", re.IGNORECASE), "a process has used more memory than the Slurm allocation has"),
    (  # Open MPI keeps the words of its srun to itself
        re.compile(r"srun returned non-zero exit status \(\d+\) from launching"),
        "Slurm has ended the daemons on the hosts: somebody has cancelled them, or the time of the allocation is over",
    ),
    (re.compile(r"srun: Force Terminated job|srun: error: .*allocation .* has been revoked"), "the Slurm allocation has ended"),
)
_CANCELLED: Final = re.compile(r"slurmstepd.*: \*\*\* (?:STEP|JOB) .* CANCELLED AT")
_TASK_ENDED: Final = re.compile(r"srun: error: \S+: tasks? [\d,-]+: ")
_BY_ITSELF: Final = re.compile(_TASK_ENDED.pattern + "Exited with exit code")


def before_the_end(lines: Sequence[str]) -> list[str]:
    """The lines before the first one in which Slurm tells of a task that ended by itself; what is said later may come of that."""
    end = next((number for number, line in enumerate(lines) if _BY_ITSELF.search(line)), len(lines))
    return list(lines[:end])


def ended_by_slurm(lines: Sequence[str]) -> str:
    """Why Slurm ended the step by itself, or an empty text.

    A step is called cancelled also where srun ends it because a task has failed; then the end of that task is told before.
    """
    for pattern, text in _ENDED:
        if any(pattern.search(line) for line in lines):
            return text
    first = next((line for line in lines if _CANCELLED.search(line) or _TASK_ENDED.search(line)), "")
    return "the step was cancelled in Slurm" if _CANCELLED.search(first) else ""
