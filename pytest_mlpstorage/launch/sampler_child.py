"""A guard's part in sampling: the first guard of a run on its host starts the sampler, and ends it when its rank has ended.

Standard library only, and little of it: the guards import this file at every launch that is sampled.
"""

# ruff: noqa: PTH100, PTH118, PTH120, PTH123
from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time

from pytest_mlpstorage.launch.processes import RUN_ID_VARIABLE, spawn

__all__ = ["SAMPLER_VARIABLE", "SamplerChild"]

SAMPLER_VARIABLE = "MLPS_SAMPLER"
"""In the environment of a run that is sampled: ``address,port,token`` of where pytest waits for samplers."""

_END_SECONDS = 1.0
_POLL_SECONDS = 0.001


class SamplerChild:
    """The sampler of this host, where this guard is the one that has it (``pid`` above 0); that it is gone is no fault of the run."""

    def __init__(self) -> None:
        self.pid = 0
        if SAMPLER_VARIABLE not in os.environ:
            return
        # A name that the kernel frees with its owner, and that hosts which are containers of one machine have each for themselves.
        self.claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self.claim.bind(f"\0mlps-sampler-{os.environ.get(RUN_ID_VARIABLE, '')}")
        except OSError:
            self.claim.close()
            return
        helper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
        with contextlib.suppress(OSError):
            # It must hold none of the launcher's pipes: Open MPI waits for the end of a rank's output without end.
            command = [sys.executable, "-I", "-S", helper, "sampler", SAMPLER_VARIABLE]
            self.pid = spawn(command, death_signal=signal.SIGKILL, silent=True)

    def alone(self) -> bool:
        """Whether this guard's one child is the sampler, so that no process of the host need be looked at to find what is left."""
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
                return file.read().split() == [b"%d" % self.pid]
        except OSError:  # this kernel does not say
            return False

    def others(self, pids: list[int]) -> list[int]:
        """The processes that are not the sampler: it works on until they have ended."""
        return [pid for pid in pids if pid != self.pid]

    def end(self) -> None:
        """Let it say its last words, and end it after a second; one that hangs in the kernel is waited for a second more."""
        if self.pid <= 0:
            return
        with contextlib.suppress(ChildProcessError, ProcessLookupError):  # it was ended and collected before
            for number in (signal.SIGTERM, signal.SIGKILL):
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    return
                os.kill(self.pid, number)
                limit = time.monotonic() + _END_SECONDS
                while time.monotonic() < limit:
                    if os.waitpid(self.pid, os.WNOHANG)[0]:
                        return
                    time.sleep(_POLL_SECONDS)
