"""A rank's folder: what is ours is emptied and removed, what is not is never touched."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.kvcache.rank_directory import TOKEN_NAME, RankDirectory


def test_a_folder_is_made_marked_and_gone_afterwards_with_what_was_made_for_it(tmp_path):
    with RankDirectory(tmp_path / "new" / "cache", 3) as made:
        assert made.path == tmp_path / "new" / "cache" / "rank_3"
        token = json.loads((made.path / TOKEN_NAME).read_text())
        assert token["rank"] == 3
        assert token["pid"] == os.getpid()
        (made.path / "kv_00000001.npy").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_holds_something_else_stays(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "other").touch()
    with RankDirectory(tmp_path / "cache", 0):
        pass
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["other"]


def test_an_empty_folder_is_taken_over_and_left_empty(tmp_path):
    (tmp_path / "rank_0").mkdir()
    with RankDirectory(tmp_path, 0) as taken:
        (taken.path / "file").touch()
    assert list((tmp_path / "rank_0").iterdir()) == []


def left_behind(tmp_path):
    """A folder of a run that was killed."""
    folder = RankDirectory(tmp_path, 0)
    folder.prepare()
    (folder.path / "kv_00000001.npy").write_bytes(b"x" * 5000)
    (folder.path / "ab" / "cd").mkdir(parents=True)
    (folder.path / "ab" / "cd" / "chunk").touch()
    folder._release()
    return folder.path


def test_what_a_killed_run_left_is_emptied(tmp_path):
    path = left_behind(tmp_path)
    with RankDirectory(tmp_path, 0):
        assert [entry.name for entry in path.iterdir()] == [TOKEN_NAME]
    assert list(tmp_path.iterdir()) == [path], "whoever made it is gone: the folder itself stays"


def test_it_is_emptied_between_passes(tmp_path):
    with RankDirectory(tmp_path, 0) as folder:
        (folder.path / "kv_00000001.npy").touch()
        folder.empty()
        assert [entry.name for entry in folder.path.iterdir()] == [TOKEN_NAME]


def content(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "{}",
        "not JSON",
        "[1]",
        "[" * 4096,
        b"\xff\xfe",
        json.dumps({"what": "pytest-mlpstorage KV cache directory: everything in it may be removed", "rank": 1}),
        json.dumps({"what": "something else", "rank": 0}),
    ],
)
def test_a_folder_without_our_token_is_never_emptied(tmp_path, token):
    folder = tmp_path / "rank_0"
    (folder / "thesis").mkdir(parents=True)
    (folder / "thesis" / "chapter").write_text("years of work")
    if token is not None:
        (folder / TOKEN_NAME).write_bytes(token if isinstance(token, bytes) else token.encode())
    before = content(folder)
    with pytest.raises(FileSystemError, match=r"rank_0 is not emptied: .*token"), RankDirectory(tmp_path, 0):
        pass
    assert content(folder) == before


def test_a_token_that_is_a_link_or_a_pipe_is_none(tmp_path):
    path = left_behind(tmp_path)
    (path / TOKEN_NAME).rename(tmp_path / "token")
    (path / TOKEN_NAME).symlink_to(tmp_path / "token")
    before = content(path)
    with pytest.raises(FileSystemError), RankDirectory(tmp_path, 0):
        pass
    assert content(path) == before
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "rank_1").mkdir()
    (tmp_path / "pipe").rename(tmp_path / "rank_1" / TOKEN_NAME)
    with pytest.raises(FileSystemError), RankDirectory(tmp_path, 1):
        pass
    assert content(tmp_path / "rank_1") == [TOKEN_NAME]
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    path = left_behind(tmp_path / "elsewhere")
    (tmp_path / "rank_0").symlink_to(path)
    with pytest.raises(FileSystemError, match="it is a symbolic link"), RankDirectory(tmp_path, 0):
        pass
    assert (path / "kv_00000001.npy").exists()


def test_a_link_inside_is_removed_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    path = left_behind(tmp_path)
    (path / "ab" / "link").symlink_to(tmp_path / "precious")
    (path / "link").symlink_to(tmp_path / "precious")
    with RankDirectory(tmp_path, 0):
        assert content(path) == [TOKEN_NAME]
    assert (tmp_path / "precious" / "file").exists()


def test_a_token_that_vanished_or_was_replaced_meanwhile_ends_all_emptying(tmp_path):
    folder = RankDirectory(tmp_path, 0)
    folder.prepare()
    (folder.path / "file").touch()
    text = (folder.path / TOKEN_NAME).read_text()
    (folder.path / TOKEN_NAME).rename(tmp_path / "old")
    with pytest.raises(FileSystemError, match="its token is gone"):
        folder.empty()
    (folder.path / TOKEN_NAME).write_text(text)
    with pytest.raises(FileSystemError, match="its token was replaced"):
        folder.empty()
    with pytest.raises(FileSystemError, match="its token was replaced"):
        folder.remove()
    assert (folder.path / "file").exists()


def test_a_folder_that_another_run_holds_is_refused(tmp_path):
    with RankDirectory(tmp_path, 0) as held:
        (held.path / "file").touch()
        with pytest.raises(FileSystemError, match="is in use by another run") as caught, RankDirectory(tmp_path, 0):
            pass
        assert str(os.getpid()) in str(caught.value.details["its token"])
        assert (held.path / "file").exists()


def test_ranks_make_their_folders_beside_each_other(tmp_path):
    with RankDirectory(tmp_path / "cache", 0), RankDirectory(tmp_path / "cache", 1):
        assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["rank_0", "rank_1"]
    assert list(tmp_path.iterdir()) == []


def test_a_rank_that_was_killed_between_folder_and_token_does_no_harm(tmp_path):
    (tmp_path / "rank_0").mkdir()
    (tmp_path / "rank_0" / TOKEN_NAME).touch()
    with RankDirectory(tmp_path, 0):
        pass
    assert content(tmp_path / "rank_0") == []


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "rank_0").write_text("mine")
    with pytest.raises(FileSystemError, match="cannot make or take over"), RankDirectory(tmp_path, 0):
        pass
    assert (tmp_path / "rank_0").read_text() == "mine"


def test_no_descriptor_is_left_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with RankDirectory(tmp_path, 0):
        pass
    (tmp_path / "rank_1").mkdir()
    (tmp_path / "rank_1" / "file").touch()
    with pytest.raises(FileSystemError), RankDirectory(tmp_path, 1):
        pass
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_has_no_room_for_the_token_is_left_as_it_was(tmp_path, monkeypatch, there):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "cache" / "rank_0"
    if there:
        folder.mkdir(parents=True)
    before, descriptors = content(tmp_path), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(FileSystemError, match="cannot make or take over"), RankDirectory(tmp_path / "cache", 0):
        pass
    assert content(tmp_path) == before
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208


def test_cleaning_up_that_fails_never_hides_the_fault_before_it(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "Input/output error")

    fault = FileSystemError("the first fault")

    def run(error):
        with monkeypatch.context() as patched, RankDirectory(tmp_path, 0):
            patched.setattr(os, "unlink", fail)
            if error:
                raise error

    with pytest.raises(FileSystemError, match="the first fault"):
        run(fault)
    assert str(fault.details["left behind"]) == f"{tmp_path / 'rank_0'}: [Errno 5] Input/output error"
    with pytest.raises(FileSystemError, match="cannot remove"):
        run(None)


def test_an_interrupt_leaves_nothing(tmp_path):
    program = (
        # A session in the background of a shell ignores the interrupt, and all its children inherit that.
        "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nfrom pytest_mlpstorage.kvcache.rank_directory import RankDirectory\n"
        "with RankDirectory(sys.argv[1], 0) as folder:\n    (folder.path / 'kv_00000001.npy').touch()\n    print('ready', flush=True)\n    time.sleep(30)\n"
    )
    running = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert running.stdout.readline() == "ready\n"
    running.send_signal(2)
    running.wait(10)
    running.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_a_token_that_a_guest_removed_is_written_again_and_the_folder_emptied(tmp_path):
    with RankDirectory(tmp_path / "cache", 1) as held:
        assert held.mark_again()
        (held.path / TOKEN_NAME).unlink()
        (held.path / "left.npy").touch()
        assert held.mark_again()
        assert json.loads((held.path / TOKEN_NAME).read_text())["rank"] == 1
        with pytest.raises(FileSystemError, match="in use by another run"), RankDirectory(tmp_path / "cache", 1):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("anew", [True, False])
def test_a_folder_that_a_guest_put_in_the_place_of_ours_is_not_touched(anew, tmp_path):
    with RankDirectory(tmp_path, 1) as held:
        (held.path / TOKEN_NAME).unlink()
        held.path.rmdir()
        if anew:
            held.path.mkdir()
            (held.path / "theirs.npy").touch()
        assert not held.mark_again()
    assert [path.name for path in tmp_path.glob("*/*")] == (["theirs.npy"] if anew else [])
