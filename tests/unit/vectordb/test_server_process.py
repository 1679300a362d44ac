"""Servers that the suite starts: the wait until they are ready, their end, and that they never outlive their starter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from pytest_mlpstorage.vectordb import become, server_process
from pytest_mlpstorage.vectordb.deadline import Deadline
from pytest_mlpstorage.vectordb.engine import EngineError
from pytest_mlpstorage.vectordb.server_process import OrdinaryUser, ServerProcess, ordinary_user

SELF = OrdinaryUser("-")


@pytest.fixture
def process(tmp_path):
    made = ServerProcess("test", tmp_path / "server.log", ask_to_end=signal.SIGTERM, end_seconds=1.0)
    yield made
    made.stop()


def start(process, program, *, ready, seconds=30.0, user=SELF):
    process.start([sys.executable, "-c", program], user, ready=ready, seconds=seconds)


def says(path):
    return path.exists


def test_a_server_is_awaited_and_ended_by_its_signal(process, tmp_path):
    ready, ended = tmp_path / "ready", tmp_path / "ended"
    program = (
        "import pathlib, signal, sys, time\n"
        f"def end(*_): pathlib.Path({str(ended)!r}).touch(); sys.exit()\n"
        f"signal.signal(signal.SIGTERM, end); pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    start(process, program, ready=says(ready))
    server = psutil.Process(process.pid)
    assert os.getsid(server.pid) == server.pid, "an interrupt at the terminal does not reach it"
    process.stop()
    assert ended.exists()
    assert not server.is_running()
    assert process.pid is None
    process.stop()


def test_a_server_whose_log_cannot_be_written_is_refused_with_what_to_do(process, tmp_path):
    (tmp_path / "server.log").mkdir()
    with pytest.raises(EngineError, match="the test server cannot be started: Is a directory") as caught:
        start(process, "", ready=lambda: True)
    assert caught.value.details == {"log": tmp_path / "server.log"}
    assert process.pid is None


def test_children_with_sessions_of_their_own_do_not_outlive_their_server(process, tmp_path, monkeypatch):
    ready = tmp_path / "ready"
    child = f"import os, pathlib, time; os.setsid(); pathlib.Path({str(ready)!r}).write_text(str(os.getpid())); time.sleep(60)"
    start(
        process,
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])",
        ready=lambda: ready.exists() and ready.read_text(),
    )
    left = psutil.Process(int(ready.read_text()))
    left.suspend()
    monkeypatch.setattr(server_process, "_KILL_SECONDS", 0.5)
    try:
        process.stop()
        psutil.wait_procs([left], timeout=5)
        assert not left.is_running()
    finally:
        if left.is_running():
            left.kill()


def test_a_server_that_not_even_a_kill_ends_is_told_by_its_pid(process):
    class Stuck(subprocess.Popen):
        """Waits for a disk that does not answer."""

        pid = 77

        def __init__(self):
            pass

        def __del__(self):
            pass

        def poll(self):
            return None

        def wait(self, timeout=None):
            raise subprocess.TimeoutExpired("server", timeout)

        def send_signal(self, number):
            pass

    process._process = Stuck()
    with pytest.raises(EngineError, match="the test server does not end") as caught:
        process.stop()
    assert caught.value.details["pid"] == 77
    process.stop()


def test_a_server_that_is_frozen_is_not_waited_for(tmp_path):
    ready = tmp_path / "ready"
    frozen = ServerProcess("test", tmp_path / "server.log", ask_to_end=signal.SIGTERM, end_seconds=60.0)
    start(frozen, f"import pathlib, time\npathlib.Path({str(ready)!r}).touch(); time.sleep(60)", ready=says(ready))
    server = psutil.Process(frozen.pid)
    server.suspend()
    while server.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    begun = time.monotonic()
    frozen.stop()
    assert time.monotonic() - begun < 30
    assert not server.is_running()


def test_a_server_that_does_not_end_is_killed_with_its_children(process, tmp_path):
    ready = tmp_path / "ready"
    program = (
        "import pathlib, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(ready)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    start(process, program, ready=lambda: ready.exists() and ready.read_text() != "")
    child = psutil.Process(int(ready.read_text()))
    kill_seconds, server_process._KILL_SECONDS = server_process._KILL_SECONDS, 1.0
    try:
        process.stop()
    finally:
        server_process._KILL_SECONDS = kill_seconds
    _, alive = psutil.wait_procs([child], timeout=10)
    assert not alive


def test_a_server_that_ends_while_it_starts_is_told_with_its_last_words(process):
    with pytest.raises(EngineError, match="the test server ended with exit code 3 while it started") as caught:
        start(process, "import sys; print('no room', file=sys.stderr); sys.exit(3)", ready=lambda: False)
    assert caught.value.details["its last lines"] == "no room"
    assert caught.value.suggestion
    assert process.pid is None


def test_a_server_that_is_not_ready_in_time_is_ended(process, tmp_path):
    ready = tmp_path / "running"
    with pytest.raises(EngineError, match=r"was not ready after 0\.5 s") as caught:
        start(process, f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)", ready=lambda: False, seconds=0.5)
    assert caught.value.details["its last lines"] == "none"
    assert process.pid is None


def test_whatever_ends_the_wait_ends_the_server(process):
    pids = []

    def interrupted():
        pids.append(process.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(process, "import time; time.sleep(60)", ready=interrupted)
    assert not psutil.pid_exists(pids[0])


def test_a_program_that_is_not_there_is_a_failure_with_its_name(process):
    with pytest.raises(EngineError, match=f"exit code {become.EXIT_REFUSED}") as caught:
        process.start(["/no/such/server"], SELF, ready=lambda: False, seconds=30)
    assert caught.value.details["its last lines"] == "No such file or directory: /no/such/server"


def test_a_server_gets_its_signal_when_its_starter_is_killed():
    words = f"['{sys.executable}', '-c', 'import time; print(1, flush=True); time.sleep(60)']"
    program = (
        "import signal, subprocess, time\n"
        "from pytest_mlpstorage.vectordb.server_process import OrdinaryUser\n"
        f"server = subprocess.Popen(OrdinaryUser('-').command({words}, with_parent=signal.SIGKILL), stdout=subprocess.PIPE)\n"
        "server.stdout.readline(); print(server.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    server = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.wait()
    _, alive = psutil.wait_procs([server], timeout=10)
    assert not alive


def test_one_whose_starter_is_gone_before_it_begins_does_not_begin(tmp_path):
    command = [sys.executable, "-I", become.__file__, "1", "9", "-", sys.executable, "-c", "print('begun')"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (become.EXIT_REFUSED, "")


def test_a_user_that_cannot_be_had_is_told_in_one_line():
    command = [
        sys.executable,
        "-m",
        "pytest_mlpstorage.vectordb.become",
        str(os.getpid()),
        "9",
        "0:0" if os.geteuid() else "=0:0:0",
        "/bin/true",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be somebody else")
def test_root_is_somebody_else_and_its_files_stay_its_own(tmp_path):
    user, file = ordinary_user(), tmp_path / "made"
    user.give(tmp_path)
    program = f"import os, pwd, pathlib; print(os.geteuid(), pwd.getpwuid(os.geteuid()).pw_name); pathlib.Path({str(file)!r}).touch()"
    done = subprocess.run(user.command([sys.executable, "-c", program], with_parent=signal.SIGKILL), capture_output=True, text=True)
    if user.owner is not None:
        pytest.skip("no user namespace is to be had here")
    uid, name = done.stdout.split()
    assert (int(uid) != 0, name != "root") == (True, True), done.stderr
    assert file.stat().st_uid == 0


def test_whoever_is_not_root_stays_who_he_is(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert ordinary_user() == OrdinaryUser("-")


def test_a_deadline_cuts_the_connection_and_not_before():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadline = Deadline(ours.fileno())
        with deadline.within(60):
            time.sleep(0.6)
        time.sleep(0.6)
        theirs.send(b"still here")
        assert ours.recv(100) == b"still here"
        assert not deadline.passed
        began = time.monotonic()
        with deadline.within(0.5):
            assert ours.recv(100) == b"", "it ends as if the other had gone"
        assert time.monotonic() - began >= 0.5
        assert deadline.passed


def test_a_deadline_that_is_closed_leaves_the_connection_alone():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadline = Deadline(ours.fileno())
        deadline.close()
        deadline.due = 0.0
        time.sleep(0.5)
        theirs.send(b"still here")
        assert ours.recv(100) == b"still here"
