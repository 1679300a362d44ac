"""One writer at a time, across processes, and never longer than its process lives."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results import processes
from pytest_mlpstorage.results.lock import TreeLock, data_lock, results_lock
from pytest_mlpstorage.results.processes import Holder

HOLD = """
import subprocess, sys, time
from pathlib import Path
from pytest_mlpstorage.results.lock import TreeLock

lock = TreeLock(Path(sys.argv[1])).acquire()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A real process that holds tmp_path/lock, and a child of it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    yield process
    os.kill(child, 9)
    process.kill()
    process.communicate()


def test_locks_stand_where_the_layout_says(tmp_path):
    assert results_lock(tmp_path).path == tmp_path / ".mlps" / "lock"
    assert data_lock(tmp_path).path == tmp_path / ".mlps-lock"


def test_a_second_start_is_refused_by_name_of_the_first(tmp_path, holder):
    with pytest.raises(FileSystemError) as caught:
        TreeLock(tmp_path / "lock").acquire()
    text = str(caught.value)
    assert f"{tmp_path} is in use by another start" in text
    assert f"holder: pid {holder.pid} on {os.uname().nodename} since 20" in text
    assert "next: wait until it ends" in text


@pytest.mark.fault
def test_a_lock_ends_with_its_killed_process_although_a_child_of_it_lives_on(tmp_path, holder):
    holder.kill()
    holder.wait()
    with TreeLock(tmp_path / "lock") as lock:
        assert lock.held


@pytest.mark.fault
def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    script = (
        "import os, sys, time; from pathlib import Path; from pytest_mlpstorage.results.lock import TreeLock\n"
        "lock = TreeLock(Path(sys.argv[1])).acquire()\n"
        "pid = os.fork()\n"
        "if pid == 0: time.sleep(60)\n"
        "print(pid, flush=True)\n"
        "time.sleep(0.2)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    try:
        assert process.wait(10) == -9
        with TreeLock(tmp_path / "lock") as lock:
            assert lock.held
            os.kill(child, 0)  # it lives
    finally:
        os.kill(child, 9)
        process.communicate()


def test_a_second_lock_in_one_process_is_refused_too(tmp_path):
    with TreeLock(tmp_path / "lock"), pytest.raises(FileSystemError, match=f"pid {os.getpid()} on"):
        TreeLock(tmp_path / "lock").acquire()


def test_a_released_lock_is_free_and_names_nobody(tmp_path):
    lock = TreeLock(tmp_path / "deep" / "lock")
    with lock:
        assert json.loads(lock.path.read_text())["pid"] == os.getpid()
        assert lock.acquire() is lock
    assert not lock.held
    assert lock.path.read_text() == ""
    lock.release()
    with TreeLock(lock.path) as again:
        assert again.held


def test_what_a_dead_holder_wrote_does_not_matter(tmp_path):
    (tmp_path / "lock").write_text('{"pid": 1, "host": "gone", "command": "x"}' * 9)
    with TreeLock(tmp_path / "lock") as lock:
        assert json.loads(lock.path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{", "[]", "7"], ids=repr)
def test_a_holder_that_has_not_written_its_name_is_refused_all_the_same(tmp_path, content):
    with TreeLock(tmp_path / "lock") as lock:
        lock.path.write_text(content)
        with pytest.raises(FileSystemError, match="a process that has not written its name yet"):
            TreeLock(lock.path).acquire()


def test_a_lock_file_that_was_removed_while_it_was_opened_is_opened_anew(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    real = fcntl.flock

    def removed_meanwhile(descriptor, operation):
        monkeypatch.setattr(fcntl, "flock", real)
        path.unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with TreeLock(path) as lock:
        assert lock.held
        with pytest.raises(FileSystemError, match="in use"):
            TreeLock(path).acquire()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_filesystem_without_locks_is_one_warning_and_not_an_error(tmp_path, monkeypatch, code):
    def flock(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with TreeLock(tmp_path / "lock") as lock:
        assert not lock.held
        assert lock.warning == (
            f"the filesystem of {tmp_path} has no locks ({os.strerror(code)}): "
            "nothing keeps a second start from writing there at the same time"
        )
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_other_failures_of_the_lock_are_errors_with_their_path(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSystemError, match="cannot open the lock"):
        TreeLock(tmp_path / "file" / "lock").acquire()

    def flock(descriptor, operation):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(FileSystemError, match=r"cannot lock[\s\S]*Input/output error"):
        TreeLock(tmp_path / "lock").acquire()
    monkeypatch.undo()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(FileSystemError, match=r"cannot write to the lock[\s\S]*next: free space"):
        TreeLock(tmp_path / "lock").acquire()
    monkeypatch.undo()
    with TreeLock(tmp_path / "lock") as lock:
        assert lock.held


def test_a_process_is_known_by_pid_and_start_and_a_zombie_is_dead():
    me = Holder.this_process("now")
    assert me.alive
    assert me.on_this_host
    assert Holder.from_json(json.loads(json.dumps(me.to_json()))) == me
    child = subprocess.Popen([sys.executable, "-c", ""])
    holder = Holder(child.pid, me.host, None, "", "")
    deadline = time.monotonic() + 10
    while holder.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not holder.alive  # a zombie: nobody has waited for it
    child.wait()
    assert processes.start_ticks_of(child.pid) is None


@pytest.mark.parametrize("pid", [None, 0, -1])
def test_a_holder_without_a_pid_is_not_alive(pid):
    assert not Holder(pid, "h", None, "", "").alive
