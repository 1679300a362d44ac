"""Files streamed to disk and back: every byte counted, nothing written twice, and errors that say how far it came."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from pytest_mlpstorage.checkpointing.stream import Streamer
from pytest_mlpstorage.errors import FileSystemError

CHUNK = 16 * 4096
SIZES = (0, 1, 4095, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 4096 + 17)


@pytest.fixture(params=[False, True], ids=["buffered", "direct"])
def direct(request, tmp_path):
    if request.param:
        try:
            os.close(os.open(tmp_path / "probe", os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
        except OSError as error:
            pytest.skip(f"the filesystem of temporary files does not take O_DIRECT: {error}")
    return request.param


def streamer(direct=False, fsync=False):
    return Streamer(chunk_bytes=CHUNK, direct=direct, fsync=fsync)


@pytest.mark.parametrize("size", SIZES)
def test_a_file_has_its_size_and_is_read_to_its_end(tmp_path, direct, size):
    written, read = [], []
    with streamer(direct) as files:
        files.write(tmp_path / "file", size, written.append)
        files.read(tmp_path / "file", size, read.append)
    assert (tmp_path / "file").stat().st_size == sum(written) == sum(read) == size
    assert max(written, default=0) <= CHUNK


def test_no_block_is_written_twice(tmp_path, direct):
    with streamer(direct) as files, streamer(direct) as another_rank:
        for name in ("a", "b"):
            files.write(tmp_path / name, 6 * CHUNK)
        another_rank.write(tmp_path / "c", 6 * CHUNK)
    content = b"".join((tmp_path / name).read_bytes() for name in "abc")
    blocks = [content[start : start + 4096] for start in range(0, len(content), 4096)]
    assert len(set(blocks)) == len(blocks) == 3 * 6 * 16
    assert all(len(set(block)) > 200 for block in blocks), "blocks must not compress"


def test_what_was_read_is_not_written_again(tmp_path):
    (tmp_path / "zeros").write_bytes(bytes(2 * CHUNK))
    with streamer() as files:
        files.write(tmp_path / "first", CHUNK)
        files.read(tmp_path / "zeros", 2 * CHUNK)
        files.write(tmp_path / "second", 2 * CHUNK)
    assert bytes(512) not in (tmp_path / "second").read_bytes()


def test_a_file_that_is_there_is_replaced(tmp_path, direct):
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    with streamer(direct) as files:
        files.write(tmp_path / "file", 4097)
    assert (tmp_path / "file").stat().st_size == 4097


@pytest.mark.parametrize("wanted", [True, False])
def test_each_file_is_forced_to_disk_once_and_when_it_is_whole(tmp_path, monkeypatch, direct, wanted):
    forced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: forced.append(os.fstat(descriptor).st_size))
    with streamer(direct, fsync=wanted) as files:
        files.write(tmp_path / "file", 2 * CHUNK + 5)
    assert forced == ([2 * CHUNK + 5] if wanted else [])


def test_direct_calls_are_aligned_in_place_length_and_memory(tmp_path, monkeypatch):
    calls = []
    real = os.pwrite

    def pwrite(descriptor, data, offset):
        calls.append((bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT), len(data), offset))
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with streamer(direct=True) as files:
        files.write(tmp_path / "file", CHUNK + 4096 + 5)
    assert sorted(calls, key=lambda call: call[2]) == [(True, CHUNK, 0), (True, 4096, CHUNK), (False, 5, CHUNK + 4096)]


def test_direct_pieces_overlap_two_at_a_time(tmp_path, monkeypatch):
    met = threading.Barrier(2)
    real = os.pwrite

    def pwrite(descriptor, data, offset):
        met.wait(timeout=10)  # broken where a piece would be alone
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with streamer(direct=True) as files:
        files.write(tmp_path / "file", 4 * CHUNK)
    assert (tmp_path / "file").stat().st_size == 4 * CHUNK


def test_a_call_that_moves_less_is_continued(tmp_path, monkeypatch):
    real_write, real_read = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real_write(descriptor, data[:1000], offset))
    monkeypatch.setattr(os, "preadv", lambda descriptor, parts, offset: real_read(descriptor, [parts[0][:1000]], offset))
    counted = []
    with streamer() as files:
        files.write(tmp_path / "file", CHUNK + 500)
        files.read(tmp_path / "file", CHUNK + 500, counted.append)
    assert sum(counted) == (tmp_path / "file").stat().st_size == CHUNK + 500
    content = (tmp_path / "file").read_bytes()
    assert content[:1000] != content[1000:2000]


def failing_after(limit, error):
    real = os.pwrite

    def pwrite(descriptor, data, offset):
        if offset >= limit:
            raise OSError(error, os.strerror(error))
        return real(descriptor, data[: limit - offset], offset)

    return pwrite


def test_a_full_disk_is_one_error_with_file_and_figures(tmp_path, monkeypatch, direct):
    monkeypatch.setattr(os, "pwrite", failing_after(CHUNK + 4096, errno.ENOSPC))
    with streamer(direct) as files, pytest.raises(FileSystemError) as caught:
        files.write(tmp_path / "file", 3 * CHUNK)
    assert caught.value.message == (f"cannot write {tmp_path / 'file'}: wrote {CHUNK + 4096} of {3 * CHUNK} bytes: No space left on device")


def test_an_error_of_fsync_is_told_apart(tmp_path, monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with streamer(fsync=True) as files, pytest.raises(FileSystemError, match=r"wrote 100 of 100 bytes, fsync: Input/output error"):
        files.write(tmp_path / "file", 100)


@pytest.mark.parametrize(("call", "word"), [("pwrite", "write"), ("preadv", "read")])
def test_a_call_that_moves_nothing_is_an_error_and_no_endless_loop(tmp_path, monkeypatch, call, word):
    (tmp_path / "file").write_bytes(bytes(100))
    monkeypatch.setattr(os, call, lambda *_: 0)
    with streamer() as files, pytest.raises(FileSystemError, match=f"cannot {word} .*file: .* 0 of 100 bytes: the file ended"):
        getattr(files, word)(tmp_path / "file", 100)


@pytest.mark.parametrize("found", [0, 4096, 3 * CHUNK - 1, 3 * CHUNK + 1])
def test_a_file_of_another_size_is_an_error_with_both(tmp_path, direct, found):
    (tmp_path / "file").write_bytes(bytes(found))
    with streamer(direct) as files, pytest.raises(FileSystemError) as caught:
        files.read(tmp_path / "file", 3 * CHUNK)
    assert caught.value.message == f"{tmp_path / 'file'} has {found} bytes, expected {3 * CHUNK}"


def test_a_file_that_is_written_longer_than_it_was_asked_is_an_error(tmp_path, monkeypatch):
    real = os.pwrite

    def pwrite(descriptor, data, offset):
        os.ftruncate(descriptor, 1000)
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with streamer() as files, pytest.raises(FileSystemError, match="has 1000 bytes, expected 100"):
        files.write(tmp_path / "file", 100)


def test_a_file_that_is_not_there_or_cannot_be_made_is_an_error(tmp_path, direct):
    with streamer(direct) as files:
        with pytest.raises(FileSystemError, match=r"cannot read .*none: read 0 of 5 bytes: No such file or directory"):
            files.read(tmp_path / "none", 5)
        with pytest.raises(FileSystemError, match=r"cannot write .*file: wrote 0 of 5 bytes: No such file or directory"):
            files.write(tmp_path / "none" / "file", 5)


def test_a_filesystem_without_o_direct_is_said(tmp_path, monkeypatch):
    real = os.open

    def refuse(path, flags, *mode):
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    with (
        streamer(direct=True) as files,
        pytest.raises(FileSystemError, match=r"Invalid argument \(its filesystem may not allow O_DIRECT\)"),
    ):
        files.write(tmp_path / "file", 5)


def test_no_descriptor_is_left_open_by_an_error(tmp_path, monkeypatch, direct):
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(os, "pwrite", failing_after(0, errno.EIO))
    with streamer(direct) as files:
        for _ in range(3):
            with pytest.raises(FileSystemError):
                files.write(tmp_path / "file", 5 * CHUNK)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
