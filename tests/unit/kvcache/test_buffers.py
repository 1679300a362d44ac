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
from pytest_mlpstorage.kvcache.buffers import BUDGET_BYTES, Arena, chunk_bytes, noise
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
