"""Objects stored and loaded as real files: whole, stamped, timed, and durable once."""

from __future__ import annotations

import fcntl
import os
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from kv_targets import CHUNK, Chunks, target

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io import READ, WRITE, Stop
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.probe import probe_target
from pytest_mlpstorage.kvcache.stamps import Content

SIZES = (2, 512, 4096, CHUNK - 4096, CHUNK - 4094, CHUNK, 3 * CHUNK + 514, 70_272 * 7)

pytestmark = pytest.mark.usefixtures("stretch")


@pytest.fixture(params=[False, True], ids=["buffered", "direct"])
def kind(request, tmp_path):
    if request.param and not (found := probe_target(tmp_path)).direct:
        pytest.skip(f"the filesystem of temporary files does not take O_DIRECT: {found.reason}")
    return ObjectTarget if request.param else BufferedTarget


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("verify", ["stamps", "full"])
def test_an_entry_comes_back_whole_and_numpy_loads_it(tmp_path, kind, size, verify):
    store = target(kind, tmp_path, verify=verify)
    made = store.write_object(5, size, pass_no=1)
    found = store.read_object(5, size, pass_no=1)
    assert made.bytes == found.bytes == size
    assert found.verified_bytes == 4096 + size == (tmp_path / "kv_00000005.npy").stat().st_size
    assert made.chunks == found.chunks == -(-(4096 + size) // CHUNK)
    loaded = np.load(tmp_path / "kv_00000005.npy")
    assert loaded.nbytes == size
    assert loaded.dtype == np.float16


def test_times_follow_each_other_and_add_up(tmp_path, kind):
    before = time.perf_counter_ns()
    store = target(kind, tmp_path)
    for times in (store.write_object(1, 5 * CHUNK, pass_no=0), store.read_object(1, 5 * CHUNK, pass_no=0)):
        spent = time.perf_counter_ns() - before
        assert before < times.t_submit_ns < times.t_complete_ns < before + spent
        assert times.device_ns > 0
        assert times.host_ns > 0
        assert times.client_ns > 0
        assert times.device_ns + times.host_ns < spent
        assert not times.abandoned


def test_a_sink_is_told_each_chunk_of_an_object_once(tmp_path, kind):
    sink = Chunks()
    store = target(kind, tmp_path, sink=sink)
    made = store.write_object(1, 2 * CHUNK + 1000, pass_no=0)
    store.read_object(1, 2 * CHUNK + 1000, pass_no=0)
    (first, sizes, starts, ends, durable), (second, read_sizes, _, read_ends, complete) = sink.told
    assert (first, second) == (WRITE, READ)
    assert sizes == read_sizes == [CHUNK - 4096, CHUNK, 4096 + 1000]
    assert durable == made.t_complete_ns > ends[-1]
    assert complete == read_ends[-1]
    assert all(start < end for start, end in zip(starts, ends, strict=True))
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("durability", "calls", "durable"),
    [("fsync", ["fsync"], True), ("fdatasync", ["fdatasync"], True), ("dsync", [], True), ("none", [], False)],
)
def test_an_entry_is_made_durable_once_when_it_is_whole(tmp_path, monkeypatch, kind, durability, calls, durable):
    forced, flags, sink = [], [], Chunks()
    calls_made = {name: lambda fd, name=name: forced.append((name, os.fstat(fd).st_size)) for name in ("fsync", "fdatasync")}
    monkeypatch.setattr("pytest_mlpstorage.kvcache.io_threads._SYNC", calls_made)
    real = os.pwritev

    def pwritev(descriptor, parts, offset):
        flags.append(bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DSYNC))
        return real(descriptor, parts, offset)

    monkeypatch.setattr(os, "pwritev", pwritev)
    size = 2 * CHUNK + 6
    target(kind, tmp_path, durability=durability, sink=sink).write_object(1, size, pass_no=0)
    assert forced == [(name, 4096 + size) for name in calls]
    assert set(flags) == {durability == "dsync"}
    assert (sink.told[0][4] > 0) is durable


def test_direct_calls_are_aligned_and_buffered_ones_end_with_the_file(tmp_path, monkeypatch, kind):
    calls = []

    def watched(name):
        real = getattr(os, name)

        def call(descriptor, parts, offset):
            direct = bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)
            calls.append((name, direct, offset, sum(len(part) for part in parts)))
            return real(descriptor, parts, offset)

        return call

    for name in ("pwritev", "preadv"):
        monkeypatch.setattr(os, name, watched(name))
    store = target(kind, tmp_path)
    store.write_object(1, CHUNK + 6, pass_no=0)
    store.read_object(1, CHUNK + 6, pass_no=0)
    direct = kind is ObjectTarget
    last = 8192 if direct else 4096 + 6
    assert calls == [(name, direct, offset, length) for name in ("pwritev", "preadv") for offset, length in ((0, CHUNK), (CHUNK, last))]


def test_a_store_replaces_a_longer_file_and_may_keep_its_blocks(tmp_path, kind):
    store = target(kind, tmp_path)
    for size in (3 * CHUNK, CHUNK):
        store.write_object(1, size, pass_no=0)
    store.read_object(1, CHUNK, pass_no=0)
    assert (tmp_path / "kv_00000001.npy").stat().st_size == CHUNK + 4096


def test_a_kept_file_is_the_same_file_with_new_content(tmp_path):
    store = target(ObjectTarget, tmp_path, keep=True)
    store.write_object(1, CHUNK, pass_no=0)
    before = (tmp_path / "kv_00000001.npy").stat()
    store.write_object(1, CHUNK, pass_no=1)
    assert (tmp_path / "kv_00000001.npy").stat().st_ino == before.st_ino
    store.read_object(1, CHUNK, pass_no=1)


@pytest.mark.parametrize("piece", [4096, 5000, 8192 + 512])
def test_a_call_that_moves_less_is_continued(tmp_path, monkeypatch, kind, piece):
    real_write, real_read = os.pwritev, os.preadv
    shortest = piece if kind is BufferedTarget else piece // 4096 * 4096  # what O_DIRECT would move

    def pwritev(descriptor, parts, offset):
        return real_write(descriptor, [parts[0][:shortest]], offset)

    def preadv(descriptor, parts, offset):
        # More may have been moved than is told: up to the piece that counts.
        return min(real_read(descriptor, parts, offset), piece)

    monkeypatch.setattr(os, "pwritev", pwritev)
    monkeypatch.setattr(os, "preadv", preadv)
    store = target(kind, tmp_path, verify="full")
    assert store.write_object(1, CHUNK + 502, pass_no=0).bytes == CHUNK + 502
    assert store.read_object(1, CHUNK + 502, pass_no=0).verified_bytes == CHUNK + 502 + 4096


# --- stopping, threads ----------------------------------------------------------------------------------------------


def test_what_is_under_way_when_the_pass_ends_is_abandoned_after_its_chunk(tmp_path, monkeypatch, kind):
    stop, sink, moved = Stop(), Chunks(), []
    store = target(kind, tmp_path, stop=stop, sink=sink)
    real = os.pwritev

    def pwritev(descriptor, parts, offset):
        moved.append(offset)
        stop.now = len(moved) == 3
        return real(descriptor, parts, offset)

    monkeypatch.setattr(os, "pwritev", pwritev)
    times = store.write_object(1, 10 * CHUNK, pass_no=0)
    assert times.abandoned
    assert times.chunks == len(moved) == 3
    assert times.bytes == 3 * CHUNK - 4096
    assert times.device_ns == 0, "what is not whole is not made durable"
    assert sink.told[0][4] == 0
    read = store.read_object(1, 10 * CHUNK, pass_no=0)
    assert (read.abandoned, read.chunks, read.bytes, read.device_ns) == (True, 0, 0, 0)


def test_what_arrived_before_the_pass_ended_is_checked_too(tmp_path, monkeypatch, kind):
    stop, moved, real = Stop(), [], os.preadv
    store = target(kind, tmp_path, stop=stop)
    store.write_object(1, 10 * CHUNK, pass_no=0)

    def preadv(descriptor, parts, offset):
        moved.append(offset)
        stop.now = len(moved) == 5
        return real(descriptor, parts, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    read = store.read_object(1, 10 * CHUNK, pass_no=0)
    assert (read.abandoned, read.chunks, read.bytes) == (True, 5, 5 * CHUNK - 4096)
    assert read.verified_bytes == 5 * CHUNK
    moved.clear()
    stop.now = False
    with (tmp_path / "kv_00000001.npy").open("r+b") as file:
        file.seek(5 * CHUNK - 512)
        file.write(bytes(8))
    with pytest.raises(ValidationError, match=f"at offset {5 * CHUNK - 512} what was stored: zeros lie there"):
        store.read_object(1, 10 * CHUNK, pass_no=0)


def test_how_many_calls_are_made_at_once_does_not_change_what_is_stored(tmp_path, kind):
    stored = []
    for chunk, calls in ((6 * CHUNK, 1), (CHUNK, 6), (2 * CHUNK, 3)):
        store = kind(ObjectLayout(tmp_path), Arena(1, chunk, calls), Content(6 * CHUNK, compressible_fraction=0.25))
        assert store.write_object(1, 13 * CHUNK + 514, pass_no=9).chunks == -(-(13 * CHUNK + 514 + 4096) // chunk)
        stored.append((tmp_path / "kv_00000001.npy").read_bytes())
    assert stored[0] == stored[1] == stored[2]


def test_of_a_sample_one_stretch_in_16_is_checked(tmp_path, kind):
    store = kind(ObjectLayout(tmp_path), Arena(1, CHUNK, 2), Content(2 * CHUNK, verify="sample"))
    store.write_object(3, 64 * CHUNK - 4096, pass_no=0)
    assert store.read_object(3, 64 * CHUNK - 4096, pass_no=0).verified_bytes == 2 * 2 * CHUNK


def test_threads_move_their_objects_at_the_same_time_each_right(tmp_path, kind):
    store, lanes = target(kind, tmp_path, lanes=8), 8
    meet = threading.Barrier(lanes)

    def work(number):
        meet.wait(10)
        for turn in range(3):
            size = (number + turn + 1) * 65_536
            store.write_object(number, size, pass_no=turn)
            assert store.read_object(number, size, pass_no=turn).verified_bytes == size + 4096

    with ThreadPoolExecutor(lanes) as pool:
        for done in [pool.submit(work, number) for number in range(lanes)]:
            done.result()


def test_nothing_is_allocated_for_chunks(tmp_path, kind):
    store = target(kind, tmp_path)
    for _ in range(2):
        store.write_object(1, 64 * CHUNK, pass_no=0)
        store.read_object(1, 64 * CHUNK, pass_no=0)
    tracemalloc.start()
    try:
        store.write_object(1, 64 * CHUNK, pass_no=0)
        store.read_object(1, 64 * CHUNK, pass_no=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000, "a header and some small objects, but no chunk"
