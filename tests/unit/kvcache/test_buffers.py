"""Memory of a rank's I/O: bounded whatever the workers, aligned, and never handed out twice."""

from __future__ import annotations

import ctypes
import faulthandler
import hashlib
import itertools
import mmap
import os
import signal
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError
from pytest_mlpstorage.kvcache.buffers import BUDGET_BYTES, Arena, calls_of_stretch, chunk_bytes, noise
from pytest_mlpstorage.units import KIB, MIB


@pytest.mark.parametrize(
    ("lanes", "chunk"),
    [
        (1, 2 * MIB),
        (70, 2 * MIB),
        (192, 2 * MIB),
        (193, MIB),
        (200, MIB),
        (384, MIB),
        (385, 512 * KIB),
        (500, 512 * KIB),
        (100_000, 128 * KIB),
    ],
)
def test_a_chunk_is_a_power_of_two_that_all_lanes_fit_the_budget_with(lanes, chunk):
    assert chunk_bytes(lanes) == chunk
    assert lanes * chunk <= BUDGET_BYTES or chunk == 128 * KIB


@pytest.mark.parametrize(
    ("lanes", "chunk", "calls"),
    [
        (1, 2 * MIB, 1), (1, 4 * MIB, 1), (4, MIB, 2), (4, 128 * KIB, 16), (192, 128 * KIB, 16), (193, 128 * KIB, 15), (200, MIB, 1),
        (384, 128 * KIB, 8), (3072, 128 * KIB, 1), (100_000, 128 * KIB, 1), (4, 68 * KIB, 30),
    ],
)  # fmt: skip
def test_a_stretch_is_as_many_calls_as_fit_2_mib_and_the_budget(lanes, chunk, calls):
    assert calls_of_stretch(lanes, chunk) == calls
    assert calls == 1 or (chunk * calls <= 2 * MIB and lanes * chunk * calls <= BUDGET_BYTES)


def test_a_lane_is_cut_into_the_calls_of_its_stretch():
    with Arena(2, 128 * KIB, 3) as arena:
        lane = arena.take()
        assert len(lane.buffer) == arena.stretch == 384 * KIB
        lane.words[:] = range(len(lane.words))
        assert [bytes(view) for (view,) in lane.calls] == [bytes(lane.buffer[at : at + 128 * KIB]) for at in (0, 128 * KIB, 256 * KIB)]


def test_no_lane_is_no_chunk():
    with pytest.raises(ValueError, match="somebody"):
        chunk_bytes(0)


def test_lanes_are_aligned_and_apart():
    with Arena(3, 128 * KIB) as arena:
        lanes = [arena.take() for _ in range(3)]
        places = sorted(ctypes.addressof(ctypes.c_char.from_buffer(lane.buffer)) for lane in lanes)
    assert all(place % mmap.PAGESIZE == 0 for place in places)
    assert [b - a for a, b in itertools.pairwise(places)] == [128 * KIB] * 2


def test_the_lane_given_back_last_is_taken_next_and_one_too_many_is_an_error():
    with Arena(2, 128 * KIB) as arena:
        first, second = arena.take(), arena.take()
        with pytest.raises(BenchmarkExecutionError, match="more than 2 objects are under way"):
            arena.take()
        arena.give(second)
        arena.give(first)
        assert arena.take() is first


def test_a_chunk_that_is_no_whole_pages_is_refused():
    with pytest.raises(ConfigurationError, match="5000 bytes"):
        Arena(1, 5000)


def test_room_for_times_grows_and_never_shrinks():
    with Arena(1, 128 * KIB) as arena:
        lane = arena.take()
        lane.reserve(65)
        grown = lane.submitted
        lane.reserve(64)
        lane.reserve(128)
        assert lane.submitted is grown
        assert len(grown) == len(lane.completed) == len(lane.bytes) == 128


def test_the_arena_gives_its_memory_back():
    before = resident()
    with Arena(32, 2 * MIB):
        assert resident() - before > 60 * MIB
    assert resident() - before < 8 * MIB


def test_a_child_has_none_of_the_arena():
    with Arena(1, MIB) as arena:
        lane = arena.take()
        child = os.fork()
        if child == 0:  # pragma: no cover - it touches what it must not have, and dies of it
            faulthandler.disable()
            lane.buffer[0]
            os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGSEGV


def test_noise_is_the_same_on_every_machine_and_does_not_compress():
    made = noise(128 * KIB)
    assert hashlib.sha256(made.tobytes()).hexdigest() == "e8ad29ac1264e93bfa0589eaa70b1d3de76c627fdf37259af4d53820f07e694b"
    assert len(set(made.tolist())) == len(made)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
