"""Who descends from whom, as /proc shows it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mlpstorage.launch import processes
from pytest_mlpstorage.launch.processes import childless, descendants, is_alive, parent_of

# Its first thread ends and another stays, as in a rank that is being killed whose MPI has threads of its own.
HALF_DEAD = """
import ctypes, subprocess, sys, threading, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
threading.Thread(target=time.sleep, args=(60,)).start()
print(child.pid, flush=True)
ctypes.CDLL(None).syscall(int(sys.argv[1]), 0)
"""
EXIT_CALLS = {"x86_64": 60, "aarch64": 93}


@pytest.mark.skipif(os.uname().machine not in EXIT_CALLS, reason="the number of the system call is not known here")
def test_children_of_a_program_whose_first_thread_has_ended_are_found():
    command = [sys.executable, "-c", HALF_DEAD, str(EXIT_CALLS[os.uname().machine])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        child = int(program.stdout.readline())
        try:
            limit = time.monotonic() + 20
            while b") Z" not in Path(f"/proc/{program.pid}/stat").read_bytes():
                assert time.monotonic() < limit
                time.sleep(0.02)
            found = descendants(os.getpid())
            assert child in found
            assert program.pid not in found
        finally:
            program.kill()
            os.kill(child, 9)


def test_those_without_children_are_the_ends_of_the_branches():
    with subprocess.Popen(["sh", "-c", "sleep 60; true"]) as shell:
        limit = time.monotonic() + 20
        while not (below := descendants(shell.pid)):
            assert time.monotonic() < limit
            time.sleep(0.02)
        assert below[0] in (ends := childless(os.getpid()))
        assert shell.pid not in ends
        assert [parent_of(pid) for pid in below] == [shell.pid]
        os.kill(below[0], 9)
        shell.kill()
    assert parent_of(shell.pid) == 0


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError], ids=["hidepid=2", "hidepid=1"])
def test_a_process_that_proc_hides_is_alive_while_the_kernel_knows_it(monkeypatch, error):
    """As on clusters whose users may not see the processes of others: there Slurm's own, over every rank, is root's."""

    def hidden(_pid):
        raise error

    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        pass
    monkeypatch.setattr(processes, "_state_and_parent", hidden)
    assert is_alive(1)
    assert not is_alive(ended.pid)
