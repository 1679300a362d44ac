"""What is left of a rank when its keeper, its guard or the launcher over both is ended, with nobody else to look after it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time

import pytest

from pytest_mlpstorage.launch import daemon
from pytest_mlpstorage.launch.guard import CANNOT_START, GUARD_VARIABLE
from pytest_mlpstorage.launch.processes import RUN_ID_VARIABLE, carriers, parent_of
from pytest_mlpstorage.launch.supervisor import guard_command

pytestmark = pytest.mark.fault

# A child in a session of its own that ignores SIGTERM: nothing but a look at who descends from whom can find it.
RANK = """
import signal, subprocess, sys, time
ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
child = subprocess.Popen([sys.executable, "-c", ignore], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
print("up", flush=True)
time.sleep(300)
"""

# Stands for the daemon of a launcher on another host: starts a rank's command, and waits for ever whatever becomes of it.
DAEMON = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, eval(sys.argv[1]))
child = subprocess.Popen(sys.argv[2:])
print(child.pid, flush=True)
while True: time.sleep(100)
"""


class Rank:
    """A rank below a guard and a keeper; this test is its starter."""

    def __init__(self, below: tuple[str, ...] = ()) -> None:
        self.run_id = secrets.token_hex(6)
        self.listener = socket.create_server(("127.0.0.1", 0))
        where = f"127.0.0.1,{self.listener.getsockname()[1]},token"
        self.launcher = subprocess.Popen(
            [*below, *guard_command(), sys.executable, "-c", RANK],
            env={**os.environ, GUARD_VARIABLE: where, RUN_ID_VARIABLE: self.run_id, "PMI_RANK": "4"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.keeper = int(self.launcher.stdout.readline()) if below else self.launcher.pid
        self.line, _ = self.listener.accept()
        self.program = int(self.line.recv(1000).split()[-1])
        assert self.launcher.stdout.readline() == "up\n"
        self.guard = parent_of(self.program)
        assert parent_of(self.guard) == self.keeper

    def gone(self, seconds: float = 8.0) -> bool:
        """Whether nothing of it is left within so many seconds."""
        limit = time.monotonic() + seconds
        while carriers(self.run_id) and time.monotonic() < limit:
            time.sleep(0.05)
        return carriers(self.run_id) == []

    def close(self) -> None:
        for pid in carriers(self.run_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.launcher.communicate()
        self.line.close()
        self.listener.close()


@pytest.fixture
def rank():
    made = []

    def rank(*below):
        made.append(Rank(below))
        return made[-1]

    yield rank
    for one in made:
        one.close()


def test_a_guard_that_is_killed_takes_all_below_it_along_and_its_end_is_told(rank):
    one = rank()
    os.kill(one.guard, signal.SIGKILL)
    assert one.gone()
    _, err = one.launcher.communicate()
    assert err == f"the guard of rank 4 on {socket.gethostname()} was ended by SIGKILL\n"
    assert one.launcher.returncode == CANNOT_START


def test_a_keeper_that_is_killed_takes_all_below_it_along(rank):
    one = rank()
    os.kill(one.keeper, signal.SIGKILL)
    assert one.gone()
    assert b"ended\t4" in one.line.recv(1000)


def test_a_launcher_that_kills_its_child_and_the_group_of_it_leaves_nothing(rank):
    one = rank()
    os.killpg(one.keeper, signal.SIGKILL)
    assert one.gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_of_the_launcher_ends_the_rank(rank, number):
    one = rank()
    os.kill(one.keeper, number)
    assert one.gone()
    assert f"ended\t4\tsignal {number.value}".encode() in one.line.recv(1000)
    assert one.launcher.wait(5) == CANNOT_START


def test_a_launcher_that_is_killed_takes_the_rank_along_though_the_starter_says_nothing(rank):
    one = rank(sys.executable, "-c", DAEMON, "signal.SIG_DFL")
    one.launcher.kill()
    assert one.gone()


@pytest.mark.parametrize("heeds", ["signal.SIG_DFL", "signal.SIG_IGN"])
def test_a_daemon_of_a_launcher_that_waits_for_ever_is_ended_where_the_host_is_cut_off(rank, monkeypatch, heeds):
    one = rank(sys.executable, "-c", DAEMON, heeds)
    one.line.close()
    one.listener.close()
    assert one.gone(15)
    assert one.launcher.wait(5) == -(signal.SIGTERM if heeds == "signal.SIG_DFL" else signal.SIGKILL)


def test_a_daemon_is_left_alone_where_the_rank_was_ended_by_order(rank):
    one = rank(sys.executable, "-c", DAEMON, "signal.SIG_DFL")
    one.line.sendall(b"die\n")
    one.line.recv(1000)
    time.sleep(4.0)
    assert one.launcher.poll() is None


@pytest.mark.parametrize(("where", "told"), [("127.0.0.1,1,token", "127.0.0.1:1: ConnectionRefusedError"), ("", "nowhere: ValueError")])
def test_a_guard_that_cannot_reach_its_starter_says_who_it_is_and_starts_nothing(where, told):
    command = [*guard_command(), sys.executable, "-c", "print('started')"]
    done = subprocess.run(command, env={**os.environ, GUARD_VARIABLE: where, "PMI_RANK": "4"}, capture_output=True, text=True)
    assert done.returncode == CANNOT_START
    assert f"the guard of rank 4 on {socket.gethostname()} cannot reach the supervisor at {told}" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_neither_the_first_process_nor_what_is_no_longer_over_the_keeper_is_signalled(monkeypatch):
    sent = []
    monkeypatch.setattr(daemon.os, "kill", lambda *what: sent.append(what))
    daemon.end_daemon(1, os.getpid())
    daemon.end_daemon(0, os.getpid())
    daemon.end_daemon(os.getpid(), os.getpid())
    assert sent == []


def test_the_daemon_of_another_user_is_not_signalled(monkeypatch):
    sent = []
    monkeypatch.setattr(daemon.os, "kill", lambda *what: sent.append(what))
    monkeypatch.setattr(daemon.os, "geteuid", lambda: os.getuid() + 1)
    daemon.end_daemon(os.getppid(), os.getpid())
    assert sent == []
