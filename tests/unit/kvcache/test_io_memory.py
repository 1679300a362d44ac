"""The memory tier: real bytes, in and out and on to storage, in memory of its size whatever comes and goes."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from kv_targets import PRINT_PEAK_MIB

from pytest_mlpstorage.errors import BenchmarkExecutionError, ValidationError
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
from pytest_mlpstorage.kvcache.io_memory import Extents, MemoryTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.units import MIB

CHUNK = 128 * 1024
SIZES = (2, 512, CHUNK - 4096, CHUNK - 4094, CHUNK, 3 * CHUNK + 514, 70_272 * 7)


@pytest.fixture(params=[1, 4], ids=["one-call", "four-calls"])
def arena(request):
    with Arena(2, CHUNK // request.param, request.param) as made:
        yield made


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("verify", ["stamps", "full"])
def test_an_entry_comes_back_whole(arena, size, verify):
    tier = MemoryTarget(4 * MIB, arena, Content(CHUNK, verify=verify))
    made, found = tier.write_object(3, size, pass_no=2), tier.read_object(3, size, pass_no=2)
    assert made.bytes == found.bytes == size
    assert made.verified_bytes == 0
    assert found.verified_bytes == size + 4096
    assert made.t_submit_ns < made.t_complete_ns
    assert 0 < made.device_ns <= made.t_complete_ns - made.t_submit_ns
    assert made.device_ns + made.client_ns == made.t_complete_ns - made.t_submit_ns


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [ObjectTarget, BufferedTarget])
def test_a_demoted_entry_is_on_storage_what_it_was_in_memory(tmp_path, arena, size, kind):
    content = Content(CHUNK, verify="full")
    tier, store = MemoryTarget(4 * MIB, arena, content), kind(ObjectLayout(tmp_path), arena, content)
    tier.write_object(3, size, pass_no=2)
    store.write_object(3, size, pass_no=2, fill=tier.filler(3, size))
    tier.delete(3)
    assert store.read_object(3, size, pass_no=2).verified_bytes == size + 4096
    assert np.load(tmp_path / "kv_00000003.npy").nbytes == size


def test_it_is_the_memory_that_is_demoted_and_not_made_anew(tmp_path, arena):
    content = Content(CHUNK)
    tier, store = MemoryTarget(MIB, arena, content), ObjectTarget(ObjectLayout(tmp_path), arena, content)
    tier.write_object(3, CHUNK, pass_no=2)
    tier._memory[1024] ^= 1
    with pytest.raises(ValidationError, match="memory tier, entry 3"):
        tier.read_object(3, CHUNK, pass_no=2)
    store.write_object(3, CHUNK, pass_no=2, fill=tier.filler(3, CHUNK))
    with pytest.raises(ValidationError, match="offset 5120"):
        store.read_object(3, CHUNK, pass_no=2)


def test_entries_do_not_mix_however_their_places_are_cut(arena):
    tier, draw, held = MemoryTarget(4 * MIB, arena, Content(CHUNK, verify="full")), random.Random(5), {}
    for entry in range(300):
        size = draw.randrange(1, 700) * 1024
        while sum(held.values()) + size > 4 * MIB:
            gone = draw.choice(list(held))
            tier.delete(gone)
            del held[gone]
        tier.write_object(entry, size, pass_no=1)
        held[entry] = size
        looked_at = draw.choice(list(held))
        tier.read_object(looked_at, held[looked_at], pass_no=1)
    assert max(len(pieces) for _, pieces in tier._held.values()) > 1, "some were in pieces"
    for entry, size in held.items():
        tier.read_object(entry, size, pass_no=1)
        tier.delete(entry)
    assert tier._extents.free_bytes == 68 * MIB
    assert len(tier._extents._free) == 1


def test_pieces_are_joined_again_whatever_the_order():
    extents = Extents(100)
    taken = [extents.take(20) for _ in range(5)]
    assert extents.take(1) is None
    for index in (1, 3, 0, 4, 2):
        extents.give(taken[index])
    assert extents._free == [(0, 100)]
    assert extents.take(101) is None
    assert extents.take(100) == [(0, 100)]


def test_what_is_not_there_or_does_not_fit_is_an_error(arena):
    tier = MemoryTarget(MIB, arena, Content(CHUNK))
    tier.write_object(1, 1024, pass_no=0)
    for wrong in (
        lambda: tier.read_object(2, 1024, pass_no=0),
        lambda: tier.read_object(1, 1026, pass_no=0),
        lambda: tier.delete(2),
        lambda: tier.filler(2, 1024),
    ):
        with pytest.raises(BenchmarkExecutionError, match="not in the memory tier"):
            wrong()
    with pytest.raises(BenchmarkExecutionError, match="does not fit the memory tier"):
        tier.write_object(2, 66 * MIB, pass_no=0)
    tier.close()


PEAK = (
    """
import sys
from pytest_mlpstorage.kvcache.buffers import Arena, chunk_bytes
from pytest_mlpstorage.kvcache.io_memory import MemoryTarget
from pytest_mlpstorage.kvcache.stamps import Content
chunk, capacity = chunk_bytes(200), 512 << 20
tier = MemoryTarget(capacity, Arena(200, chunk), Content(chunk))
for entry in range(40):
    if entry >= 8:
        tier.delete(entry - 8)
    tier.write_object(entry, 64 << 20, pass_no=0)
"""
    + PRINT_PEAK_MIB
)


def test_a_rank_needs_the_tier_and_512_mib():
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=60, check=True)
    assert 512 < int(done.stdout) < 512 + 512
