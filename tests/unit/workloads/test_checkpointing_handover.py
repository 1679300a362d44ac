"""The caller's command between writing and reading: timed, ended with all that it started, and told by how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.workloads.checkpointing_handover import Handover, hand_over

NOW = datetime(2026, 1, 1)


def run(*command, deadline=10.0):
    return hand_over(command, NOW, deadline_seconds=deadline, environment={})


def test_no_command_is_no_time():
    assert hand_over(None, NOW, deadline_seconds=1, environment={}) == Handover(NOW)


def test_a_command_is_timed_and_started_without_a_shell():
    done = run("echo", "a;", "$HOME", "*")
    assert (done.command, done.output) == (("echo", "a;", "$HOME", "*"), ("a; $HOME *",))
    assert 0 < done.seconds < 5


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("false",), "ended with exit 1"),
        (("sh", "-c", "echo it is broken; exit 7"), "ended with exit 7"),
        (("sh", "-c", "kill -9 $$"), "was ended by SIGKILL"),
        (("sh", "-c", "kill -40 $$"), "was ended by signal 40"),
        (("/nowhere/failover",), "cannot be started"),
    ],
)
def test_a_command_that_fails_says_how_and_what_it_printed(command, words):
    with pytest.raises(BenchmarkExecutionError, match=f"the command between writing and reading {words}.*; nothing was read") as caught:
        run(*command)
    assert caught.value.details["command"] == " ".join(command)
    if "broken" in command[-1]:
        assert caught.value.details["last lines of its output"] == "it is broken"


def test_a_command_without_an_end_is_ended_with_all_it_started(tmp_path):
    begun = time.monotonic()
    with pytest.raises(BenchmarkExecutionError, match=r"took longer than 0\.5 s, and was ended"):
        run("sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait", deadline=0.5)
    assert time.monotonic() - begun < 5
    assert not_running(int((tmp_path / "pid").read_text()))


def test_a_command_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(BenchmarkExecutionError, match="ended with exit 7"):
        run("sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; exit 7")
    assert not_running(int((tmp_path / "pid").read_text()))


def test_a_command_that_hangs_in_the_kernel_does_not_hang_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "killpg", lambda *_: None)  # a process in the kernel takes no signal
    begun = time.monotonic()
    with pytest.raises(BenchmarkExecutionError, match=r"took longer than 0\.5 s, and could not be ended"):
        run("sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 20", deadline=0.5)
    assert time.monotonic() - begun < 10
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_command_ends_with_the_process_that_started_it(tmp_path):
    code = (
        "from datetime import datetime; from pytest_mlpstorage.workloads.checkpointing_handover import hand_over; "
        f"hand_over(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 60'], datetime.now(), deadline_seconds=60, environment={{}})"
    )
    caller = subprocess.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 20
    while not ((tmp_path / "pid").is_file() and (tmp_path / "pid").read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    caller.kill()
    caller.wait()
    pid = int((tmp_path / "pid").read_text())
    try:
        assert not_running(pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def not_running(pid):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_ends_the_command_too(tmp_path):
    # What a shell starts in the background ignores the interrupt, and all its children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run("sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    finally:
        signal.signal(signal.SIGINT, before)
    assert not_running(int((tmp_path / "pid").read_text()))


def test_of_a_long_output_the_end_is_kept():
    assert run("seq", "10000").output == tuple(str(n) for n in range(9981, 10001))


def test_what_a_command_prints_cannot_act_on_a_terminal():
    done = run("printf", r"one\033[31mred\a\r\n\0two\tthree\377\n\n")
    assert done.output == ("one [31mred", " two\tthree\ufffd")


def test_the_record_of_a_hand_over_has_the_gap():
    record = Handover(NOW, ("flush",), 2.5, ("done",)).record(NOW + timedelta(seconds=4), 30)
    assert record == {
        "command": ["flush"],
        "command_seconds": 2.5,
        "command_output": ["done"],
        "written_until": "2026-01-01T00:00:00",
        "read_from": "2026-01-01T00:00:04",
        "gap_seconds": 4.0,
        "allowed_gap_seconds": 30,
    }


@pytest.fixture
def refused(monkeypatch):
    """A signal to the command is refused, as one to ``sudo`` is: process groups that were to be killed, and are when the test is over."""
    kill, groups = os.killpg, []

    def refuse(group, _signal):
        groups.append(group)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    yield groups
    for group in groups:
        try:
            kill(group, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_a_command_that_may_not_be_ended_is_told_at_its_deadline(refused):
    with pytest.raises(BenchmarkExecutionError, match=r"took longer than .* and could not be ended: it runs as another user"):
        hand_over(["sleep", "60"], NOW, deadline_seconds=0.2, environment={})
    assert len(refused) == 1


def test_a_command_that_failed_is_told_by_its_code_where_what_it_left_may_not_be_ended(refused):
    with pytest.raises(BenchmarkExecutionError, match="ended with exit 1"):
        hand_over(["false"], NOW, deadline_seconds=60, environment={})
    assert len(refused) == 1
