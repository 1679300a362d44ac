"""What builds leave that were killed, and builds beside each other: nothing of a living one is touched, and all is told truly."""

import errno
import subprocess
import sys

import pytest

from pytest_mlpstorage.package import build
from pytest_mlpstorage.results.lock import TreeLock


def killed(tree, target):
    """Start a build of a target in a process of its own, and kill it where it would put the package in its place."""
    program = (
        "import os, signal, sys\n"
        "from pytest_mlpstorage.package import __main__ as command\n"
        "command.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "command.main(sys.argv[1:])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tree.root), "--to", str(target)])
    assert done.returncode == -9


def test_what_a_killed_build_left_is_removed_by_the_next_one_and_that_is_said(tree, package, tmp_path):
    killed(tree, tmp_path / "out")
    (left,) = tmp_path.glob(".out.*.part")
    assert (left / "package").is_dir()
    others = [tmp_path / name for name in (".out.tar.gz.0123abcd.part", ".out.mine.part", ".out.0123abcdef.part")]
    for other in others:
        other.mkdir()
    _code, out, err = package()
    assert (err, out.count("a build that was killed")) == ("", 1)
    assert f"what a build that was killed, or ended just now, had here is gone: {left}\n" in out
    assert not left.exists()
    assert all(other.is_dir() for other in others), "of other targets, or of nobody that is known here"


def test_a_build_that_still_runs_is_left_alone(tree, package, tmp_path):
    with build.workshop(tmp_path / "out") as place:
        (place / "package").mkdir()
        assert "a build that was killed" not in package()[1]
        assert (place / "package").is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"results", "out"}


@pytest.mark.parametrize("locked", [False, True], ids=["made", "lock made"])
def test_a_build_that_has_made_its_folder_and_does_not_hold_its_lock_yet_is_left_alone(tree, tmp_path, monkeypatch, locked):
    """Another start comes between the two: it neither removes the folder nor holds the lock when the build asks for it."""
    real, said = TreeLock.acquire, []

    def late(lock):
        monkeypatch.setattr(TreeLock, "acquire", real)
        if locked:
            lock.path.touch()
        before = lock.path.parent.stat().st_ino
        said.extend(build.clear_leftovers(tmp_path / "out"))
        assert lock.path.parent.stat().st_ino == before
        assert lock.path.exists() is locked
        return real(lock)

    monkeypatch.setattr(TreeLock, "acquire", late)
    with build.workshop(tmp_path / "out") as place:
        assert place.is_dir()
    assert said == []


def test_a_build_that_ends_is_never_told_as_one_that_was_killed(tmp_path, monkeypatch):
    said, real = [], build.shutil.rmtree

    def slow(path, **options):
        monkeypatch.setattr(build.shutil, "rmtree", real)
        said.extend(build.clear_leftovers(tmp_path / "out"))
        real(path, **options)

    with build.workshop(tmp_path / "out") as place:
        (place / "package").mkdir()
        monkeypatch.setattr(build.shutil, "rmtree", slow)
    assert said == []
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_and_cannot_be_removed_is_named(tree, tmp_path, monkeypatch):
    killed(tree, tmp_path / "out")
    (left,) = tmp_path.glob(".out.*.part")
    monkeypatch.setattr(build.shutil, "rmtree", lambda *_, **__: None)
    assert build.clear_leftovers(tmp_path / "out") == (f"a build that was killed has left this, and it cannot be removed: {left}",)


def test_where_nobody_can_tell_whether_it_runs_it_is_named(tree, package, tmp_path, monkeypatch):
    left = tmp_path / ".out.0123abcd.part"
    (left / "package").mkdir(parents=True)
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOLCK, "No locks available")))
    out = package()[1]
    assert f"a build that still runs, or one that was killed, has this; nobody can tell on a filesystem without locks: {left}\n" in out
    assert out.count(".part") == 1, "its own is not told"
    assert left.is_dir()
