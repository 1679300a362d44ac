"""Storage that really fails under the engine: full, broken, limited, taken away. One message each, and nothing left behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest
from kv_targets import PRINT_PEAK_MIB

from pytest_mlpstorage.kvcache.rank_directory import TOKEN_NAME
from pytest_mlpstorage.units import KIB, MIB

PROGRAM = """
import fcntl, os, resource, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.rank_directory import RankDirectory
from pytest_mlpstorage.kvcache.stamps import Content
kind, cache, fault = {"direct": ObjectTarget, "buffered": BufferedTarget}[sys.argv[1]], sys.argv[2], sys.argv[3:]
chunk, threads, size, stop, BLKFLSBUF = 1 << 20, 4, 3 << 20, Stop(), 0x1261
if fault[:1] == ["limit"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(fault[1]), int(fault[1])))
try:
    with RankDirectory(cache, 0) as folder:
        store = kind(ObjectLayout(folder.path), Arena(threads, chunk), Content(chunk), stop=stop)
        if fault[:1] == ["cut"]:
            for entry in range(8):
                store.write_object(entry, size, pass_no=0)
            # This filesystem alone is synced and its metadata dropped: others may be measuring what lies in memory of theirs.
            with open(mount_of(cache).source, "rb") as device:
                fcntl.ioctl(device, BLKFLSBUF)
                os.truncate(fault[1], 1 << 20)
                fcntl.ioctl(device, BLKFLSBUF)
        def work(number):
            for turn in range(2000):
                entry = number + threads * (turn if fault[:1] != ["cut"] else turn % 2)
                try:
                    if fault[:1] != ["cut"]:
                        store.write_object(entry, size, pass_no=0)
                        print("moved", flush=True) if entry == 0 else None
                    store.read_object(entry, size, pass_no=0)
                    if fault == ["gone"]:
                        store.delete(entry) if turn % 3 else None
                except MLPStorageError:
                    if stop.now:
                        return  # one of the others has said it
                    stop.now = True
                    raise
                if stop.now:
                    return
        with ThreadPoolExecutor(threads) as pool:
            for job in [pool.submit(work, number) for number in range(threads)]:
                job.result()
        print("no fault was seen")
except MLPStorageError as error:
    print(error, flush=True)
    if fault[:1] != ["cut"]:
        print("left", sorted(str(path) for path in Path(cache).rglob("*") if path.name != "lost+found"))
    sys.exit(3)
"""


def program(kind, cache, *fault):
    return [sys.executable, "-c", PROGRAM, kind, str(cache), *map(str, fault)]


def run(command):
    return checked(subprocess.run(command, capture_output=True, text=True, timeout=60))


def checked(done):
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.count("[MLPS-") == 1, "one message"
    return done.stdout


@pytest.fixture
def on_image(tmp_path):
    """A small ext4 of its own on a loop device, in a mount namespace of its own: whatever happens, it is gone afterwards."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("unshare", "mkfs.ext4", "losetup")):
        pytest.skip("mounting a small filesystem takes root, unshare, losetup and mkfs.ext4")
    image, folder = tmp_path / "image", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(40 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", str(image)], check=True)

    def start(kind, *fault):
        script = 'mount -o loop "$0" "$1" || exit 77; shift; exec "$@"'
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, str(image), str(folder), *program(kind, folder, *fault)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode == 77 or done.stderr.startswith("unshare: "):
            pytest.skip(f"a filesystem of our own is not to be had here: {done.stderr.strip()}")
        return checked(done)

    start.image = image
    return start


@pytest.mark.parametrize("kind", ["direct", "buffered"])
def test_a_disk_that_is_full_is_one_message_and_leaves_nothing(on_image, kind):
    said = on_image(kind)
    assert "No space left on device, after " in said
    assert "errno: ENOSPC" in said
    assert "mounted/rank_0/kv_" in said
    assert "next: free space on that filesystem" in said
    assert said.endswith("left []\n")


@pytest.mark.parametrize("kind", ["direct", "buffered"])
def test_a_device_that_fails_to_read_is_one_message(on_image, kind):
    # The image is cut off below its filesystem: its device then fails all reads beyond.
    said = on_image(kind, "cut", on_image.image)
    assert "cannot read " in said
    assert "Input/output error, after " in said
    assert "errno: EIO" in said
    assert "next: the storage failed" in said
    assert "left behind: " in said, "nor can such a device be cleaned up, and that is told too"


@pytest.mark.parametrize("kind", ["direct", "buffered"])
def test_a_limit_on_file_sizes_is_one_message_with_what_was_written(tmp_path, kind):
    said = run(program(kind, tmp_path / "cache", "limit", 2 * MIB))
    assert f"at offset {2 * MIB}: {os.strerror(errno.EFBIG)}, after {2 * MIB} of {3 * MIB + 4096} bytes" in said
    assert "next: raise the limit on file sizes" in said
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_of_a_chunk_before_the_fault_is_counted(tmp_path):
    limit = 2 * MIB + 3 * 4096
    said = run(program("direct", tmp_path / "cache", "limit", limit))
    assert f"at offset {limit}: {os.strerror(errno.EFBIG)}, after {limit} of {3 * MIB + 4096} bytes" in said


@pytest.mark.parametrize("kind", ["direct", "buffered"])
def test_a_cache_directory_that_is_taken_away_is_one_message(tmp_path, kind):
    running = subprocess.Popen(program(kind, tmp_path / "cache", "gone"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "moved\n"
    (tmp_path / "cache" / "rank_0").rename(tmp_path / "elsewhere")
    said, complaints = running.communicate(timeout=30)
    assert running.returncode == 3, said + complaints
    assert complaints == ""
    assert said.count("[MLPS-") == 1
    assert "No such file or directory" in said
    assert "next: the cache directory must stay" in said
    # Its folder is held open and still carries the token: it was emptied, wherever it is now.
    assert {path.name for path in (tmp_path / "elsewhere").rglob("*")} <= {TOKEN_NAME}


PEAK = (
    """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pytest_mlpstorage.kvcache.buffers import Arena, calls_of_stretch, chunk_bytes
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content
folder, workers, entries, size, chunk = sys.argv[1], *map(int, sys.argv[2:])
chunk = chunk or chunk_bytes(workers)
arena = Arena(workers, chunk, calls_of_stretch(workers, chunk))
store = ObjectTarget(ObjectLayout(folder), arena, Content(arena.stretch), durability="none")
meet = threading.Barrier(workers)
def work(number):
    meet.wait(30)
    if number < entries:
        store.write_object(number, size, pass_no=0)
    meet.wait(60)
    store.read_object(number % entries, size, pass_no=0)
with ThreadPoolExecutor(workers) as pool:
    for job in [pool.submit(work, number) for number in range(workers)]:
        job.result()
"""
    + PRINT_PEAK_MIB
)


@pytest.mark.parametrize(
    ("workers", "entries", "size", "chunk"),
    [
        (4, 2, 512 * MIB, 0), (70, 10, 20 * MIB, 0), (192, 10, 10 * MIB, 0), (500, 10, 5 * MIB, 0), (192, 10, 10 * MIB, 128 * KIB),
        (193, 10, 10 * MIB, 128 * KIB), (500, 10, 5 * MIB, 128 * KIB),
    ],
)  # fmt: skip
def test_memory_stays_below_512_mib_whatever_the_workers_and_the_size_of_entries(tmp_path, workers, entries, size, chunk):
    command = [sys.executable, "-c", PEAK, str(tmp_path), str(workers), str(entries), str(size), str(chunk)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 512
