"""What lies there is not what was stored, or storage answers with an error: one message each, with file and offset."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from kv_targets import CHUNK, target

from pytest_mlpstorage.errors import FileSystemError, MLPStorageError, ValidationError
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.probe import probe_target

pytestmark = pytest.mark.usefixtures("stretch")


@pytest.fixture(params=[False, True], ids=["buffered", "direct"])
def kind(request, tmp_path):
    if request.param and not (found := probe_target(tmp_path)).direct:
        pytest.skip(f"the filesystem of temporary files does not take O_DIRECT: {found.reason}")
    return ObjectTarget if request.param else BufferedTarget


# --- row 9: what lies there is not what was stored ------------------------------------------------------------------


def stored(kind, folder, *entries, size=2 * CHUNK, pass_no=4):
    store = target(kind, folder)
    for entry in entries:
        store.write_object(entry, size, pass_no=pass_no)
    return store


def refused(store, entry=1, size=2 * CHUNK, pass_no=4):
    with pytest.raises(ValidationError) as caught:
        store.read_object(entry, size, pass_no=pass_no)
    return caught.value


@pytest.mark.parametrize("at", [4096, 4096 + 7, CHUNK, 2 * CHUNK + 4096 - 512])
def test_a_flipped_byte_of_a_stamp_is_an_error_with_file_and_offset(tmp_path, kind, at):
    store, path = stored(kind, tmp_path, 1), tmp_path / "kv_00000001.npy"
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0x10]))
    error = refused(store)
    assert error.message.startswith(f"{path} does not hold at offset {at - at % 512} what was stored")


def test_a_flipped_byte_of_the_header_is_an_error(tmp_path, kind):
    store, path = stored(kind, tmp_path, 1), tmp_path / "kv_00000001.npy"
    with path.open("r+b") as file:
        file.seek(4090)
        file.write(b"x")
    assert refused(store).message.startswith(f"{path} does not hold at offset 0 what was stored: its header")


@pytest.mark.parametrize("left", [0, 100, 4096, CHUNK, CHUNK + 511, 2 * CHUNK + 4095])
def test_a_truncated_file_is_an_error_with_file_and_offset(tmp_path, kind, left):
    store, path = stored(kind, tmp_path, 1), tmp_path / "kv_00000001.npy"
    os.truncate(path, left)
    error = refused(store)
    assert (
        error.message
        == f"{path} is shorter than it was stored: it should end at offset {min((left // CHUNK + 1) * CHUNK, 2 * CHUNK + 4096)}, and is another from offset {left} on"
    )
    assert error.details["offset"] == left


def test_a_file_that_grew_is_an_error(tmp_path):
    # Through the page cache exactly the bytes of the entry are asked for, and what follows is not seen.
    store, path = target(ObjectTarget, tmp_path), tmp_path / "kv_00000001.npy"
    store.write_object(1, CHUNK + 6, pass_no=4)
    os.truncate(path, CHUNK + 8000)
    assert "is longer than it was stored" in refused(store, size=CHUNK + 6).message


def test_two_files_that_were_swapped_are_an_error_that_names_the_other(tmp_path, kind):
    store, (one, two) = stored(kind, tmp_path, 1, 2), (tmp_path / "kv_00000001.npy", tmp_path / "kv_00000002.npy")
    one.rename(tmp_path / "x")
    two.rename(one)
    (tmp_path / "x").rename(two)
    error = refused(store)
    assert error.message == f"{one} does not hold at offset 4096 what was stored: entry 2 of pass 4 lies there: another object's data"
    assert "entry 1 of pass 4 lies there" in refused(store, entry=2).message


def test_an_old_generation_is_an_error_that_names_its_pass(tmp_path, kind):
    store, path = stored(kind, tmp_path, 1, pass_no=3), tmp_path / "kv_00000001.npy"
    old = path.read_bytes()
    store.write_object(1, 2 * CHUNK, pass_no=4)
    path.write_bytes(old)
    assert "at offset 4096 what was stored: pass 3 wrote what lies there: an old generation" in refused(store).message


def test_blocks_of_one_file_that_were_swapped_are_an_error(tmp_path, kind):
    store, path = stored(kind, tmp_path, 1), tmp_path / "kv_00000001.npy"
    content = bytearray(path.read_bytes())
    content[8192:12288], content[CHUNK : CHUNK + 4096] = content[CHUNK : CHUNK + 4096], content[8192:12288]
    path.write_bytes(content)
    assert "at offset 8192 what was stored: sector 256 of the same entry lies there" in refused(store).message


# --- row 15: what storage answers -----------------------------------------------------------------------------------


def failing(name, code, *, after=0):
    real = getattr(os, name)

    def call(descriptor, parts, offset):
        if offset >= after:
            raise OSError(code, os.strerror(code))
        return real(descriptor, parts, offset)

    return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EDQUOT])
def test_a_write_that_fails_is_one_error_with_operation_file_offset_and_bytes(tmp_path, monkeypatch, kind, code):
    monkeypatch.setattr(os, "pwritev", failing("pwritev", code, after=2 * CHUNK))
    with pytest.raises(FileSystemError) as caught:
        target(kind, tmp_path).write_object(1, 5 * CHUNK, pass_no=0)
    error, path = caught.value, tmp_path / "kv_00000001.npy"
    assert error.message == f"cannot write {path} at offset {2 * CHUNK}: {os.strerror(code)}, after {2 * CHUNK} of {5 * CHUNK + 4096} bytes"
    wanted = {
        "operation": "write",
        "file": str(path),
        "offset": 2 * CHUNK,
        "bytes done": 2 * CHUNK,
        "bytes asked": 5 * CHUNK + 4096,
        "errno": errno.errorcode[code],
    }
    assert {name: error.details[name] for name in wanted} == wanted
    assert error.suggestion


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_read_that_fails_is_one_error(tmp_path, monkeypatch, kind, code):
    store = stored(kind, tmp_path, 1)
    monkeypatch.setattr(os, "preadv", failing("preadv", code, after=CHUNK))
    with pytest.raises(FileSystemError, match=f"cannot read .*kv_00000001.npy at offset {CHUNK}: {os.strerror(code)}, after {CHUNK} of"):
        store.read_object(1, 2 * CHUNK, pass_no=4)


@pytest.mark.parametrize("fault", ["EIO", "cut"])
def test_wrong_data_that_arrived_before_a_fault_is_what_is_told(tmp_path, monkeypatch, kind, fault):
    store, path = stored(kind, tmp_path, 1, size=5 * CHUNK), tmp_path / "kv_00000001.npy"
    with path.open("r+b") as file:
        file.seek(3 * CHUNK)
        file.write(bytes(8))
    if fault == "cut":
        os.truncate(path, 4 * CHUNK + 512)
    else:
        monkeypatch.setattr(os, "preadv", failing("preadv", errno.EIO, after=4 * CHUNK))
    assert f"at offset {3 * CHUNK} what was stored: zeros lie there" in refused(store, size=5 * CHUNK).message


@pytest.mark.parametrize("durability", ["fsync", "fdatasync"])
def test_a_sync_that_fails_is_told_apart(tmp_path, monkeypatch, kind, durability):
    def fail(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("pytest_mlpstorage.kvcache.io_threads._SYNC", {durability: fail})
    with pytest.raises(FileSystemError, match=rf"cannot {durability} .*: Input/output error, after {CHUNK + 4096} of {CHUNK + 4096} bytes"):
        target(kind, tmp_path, durability=durability).write_object(1, CHUNK, pass_no=0)


def test_a_close_that_fails_is_an_error(tmp_path, monkeypatch, kind):
    real = os.close

    def close(descriptor):
        real(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    store = target(kind, tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(os, "close", close)
        with pytest.raises(FileSystemError, match=r"cannot close .*: Input/output error"):
            store.write_object(1, CHUNK, pass_no=0)


@pytest.mark.parametrize(("call", "word"), [("pwritev", "write"), ("preadv", "read")])
def test_a_call_that_moves_nothing_is_an_error_and_no_endless_loop(tmp_path, monkeypatch, kind, call, word):
    store = stored(kind, tmp_path, 1)
    monkeypatch.setattr(os, call, lambda *_: 0)
    with pytest.raises(MLPStorageError, match=r"kv_00000001\.npy"):
        getattr(store, f"{word}_object")(1, 2 * CHUNK, pass_no=4)


def test_a_cache_directory_that_is_removed_is_one_error_for_each_operation(tmp_path, kind):
    folder = tmp_path / "rank_0"
    folder.mkdir()
    store = stored(kind, folder, 1)
    (folder / "kv_00000001.npy").unlink()
    folder.rmdir()
    for operation, call in (
        ("open", lambda: store.write_object(2, CHUNK, pass_no=0)),
        ("open", lambda: store.read_object(1, CHUNK, pass_no=0)),
        ("delete", lambda: store.delete(1)),
    ):
        with pytest.raises(FileSystemError, match=f"cannot {operation} .*rank_0/kv_.* at offset 0: No such file or directory") as caught:
            call()
        assert "the cache directory must stay" in caught.value.suggestion


def test_an_entry_that_is_deleted_is_gone(tmp_path, kind):
    store = stored(kind, tmp_path, 1)
    store.delete(1)
    assert list(tmp_path.iterdir()) == []


def test_errors_leave_no_descriptor_open_and_no_lane_taken(tmp_path, monkeypatch, kind):
    store = target(kind, tmp_path, lanes=1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", failing("pwritev", errno.EIO))
        for _ in range(3):
            with pytest.raises(FileSystemError):
                store.write_object(1, CHUNK, pass_no=0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    store.write_object(1, CHUNK, pass_no=0)
