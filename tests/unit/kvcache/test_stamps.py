"""What objects are filled with: nothing twice, and nothing mistaken for anything else."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from pytest_mlpstorage.errors import ConfigurationError, ValidationError
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.stamps import LARGEST_ENTRY, Content, Mark, Stamp

CHUNK = 128 * 1024
PATH = "/cache/kv_00000007.npy"


@pytest.fixture
def lane():
    with Arena(1, CHUNK) as arena:
        yield arena.take()


def test_every_512_bytes_carry_entry_pass_and_sector(lane):
    Content(CHUNK).fill(lane, Mark(7, 3), 2, CHUNK)
    words = np.frombuffer(bytes(lane.buffer), "<u8")[::64]
    assert [Stamp.read(int(word)) for word in words[:2]] == [Stamp(7, 3, 512), Stamp(7, 3, 513)]
    assert Stamp.read(int(words[-1])) == Stamp(7, 3, 2 * 256 + 255)
    assert bytes(lane.buffer[:8]) == ((7 << 40) | (3 << 32) | 512).to_bytes(8, "little")


def test_no_8_bytes_of_two_blocks_entries_or_passes_are_equal_in_one_place(lane):
    content, made = Content(CHUNK), []
    for entry, pass_no, block in ((1, 0, 0), (1, 0, 1), (2, 0, 0), (1, 1, 0)):
        content.fill(lane, Mark(entry, pass_no), block, CHUNK)
        made.append(np.frombuffer(bytes(lane.buffer), "<u8"))
    for i, one in enumerate(made):
        assert len(zlib.compress(one.tobytes(), 1)) > 0.98 * CHUNK
        assert all(not (one == other).any() for other in made[i + 1 :])


def test_ranks_that_store_an_entry_of_one_number_store_nothing_that_storage_finds_alike(lane):
    ranks = [Content(CHUNK, verify="full", rank=rank) for rank in (0, 1, 2, 511)]
    made = []
    for content in ranks:
        content.fill(lane, Mark(7, 3), 1, CHUNK)
        words = np.frombuffer(bytes(lane.buffer), "<u8").reshape(-1, 64)
        content.check(lane, Mark(7, 3), 1, CHUNK, PATH)
        made.append(words[:, 1:])
    for i, one in enumerate(made):
        assert all(not (one == other).any() for other in made[i + 1 :])


def test_data_of_another_rank_is_not_its_own_by_all_of_its_bytes(lane):
    Content(CHUNK, rank=1).fill(lane, Mark(7, 3), 1, CHUNK)
    with pytest.raises(ValidationError, match="its content is not"):
        Content(CHUNK, verify="full", rank=0).check(lane, Mark(7, 3), 1, CHUNK, PATH)


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_the_compressible_fraction_is_zeros_of_each_4096_bytes(lane, fraction):
    content = Content(CHUNK, compressible_fraction=fraction, verify="full")
    content.fill(lane, Mark(7, 3), 1, CHUNK)
    zeros = bytes(lane.buffer).count(0)
    assert zeros / CHUNK == pytest.approx(fraction, abs=0.02)
    content.check(lane, Mark(7, 3), 1, CHUNK, PATH)
    assert len(zlib.compress(bytes(lane.buffer), 1)) > 0


@pytest.mark.parametrize("verify", ["stamps", "full", "sample"])
@pytest.mark.parametrize("length", [CHUNK, CHUNK - 4096, 4096 + 10, 4096 + 512, 4096 + 514, 4096 + 1026, 8192 - 2])
@pytest.mark.parametrize("block", [0, 5])
@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_what_was_filled_in_is_found_right(lane, verify, length, block, fraction):
    content = Content(CHUNK, verify=verify, compressible_fraction=fraction)
    content.fill(lane, Mark(9, 1), block, length)
    lane.buffer[length:] = b"\xaa" * (CHUNK - length)  # left over of what was read before
    if block == 0:
        lane.buffer[:4096] = b" " * 4096
    content.check(lane, Mark(9, 1), block, length, PATH)


@pytest.mark.parametrize("fraction", [0.0, 0.3])
@pytest.mark.parametrize("checked", [None, "stamps", "full"])
def test_a_block_made_of_the_one_before_is_what_it_is_in_a_lane_of_its_own(fraction, checked):
    """Turning what lies there into the next block is a shortcut, and must be nothing else."""
    content = Content(CHUNK, verify=checked or "stamps", compressible_fraction=fraction, rank=3)
    wanted, steps = [], [(7, 0, CHUNK), (7, 1, CHUNK), (7, 2, CHUNK), (8, 2, CHUNK), (8, 3, 4096 + 512), (8, 4, CHUNK), (9, 0, CHUNK)]
    for entry, block, length in steps:
        with Arena(1, CHUNK) as fresh:
            own = fresh.take()
            content.fill(own, Mark(entry, 1), block, length)
            wanted.append(bytes(own.buffer[:length]))
    with Arena(1, CHUNK) as arena:
        lane = arena.take()
        for (entry, block, length), own in zip(steps, wanted, strict=True):
            content.fill(lane, Mark(entry, 1), block, length)
            assert bytes(lane.buffer[:length]) == own
            if checked:
                content.check(lane, Mark(entry, 1), block, length, PATH)
            if block == 0:
                lane.buffer[:4096], lane.holds = b" " * 4096, None
        arena.give(lane)
        assert arena.take().holds is None


def damaged(lane, at, *, verify="stamps", fraction=0.0, length=CHUNK, block=1, mask=1):
    content = Content(CHUNK, verify=verify, compressible_fraction=fraction)
    content.fill(lane, Mark(7, 3), block, length)
    lane.buffer[at] ^= mask
    with pytest.raises(ValidationError) as caught:
        content.check(lane, Mark(7, 3), block, length, PATH)
    return caught.value


@pytest.mark.parametrize("at", [0, 7, 512, CHUNK - 512, CHUNK - 505])
def test_a_bit_of_a_stamp_that_flipped_is_found_with_file_and_offset(lane, at):
    error = damaged(lane, at)
    place = CHUNK + at - at % 512
    assert error.message.startswith(f"{PATH} does not hold at offset {place} what was stored: ")
    assert error.details["offset"] == place
    assert error.details["file"] == PATH


def test_a_flipped_bit_is_called_so(lane):
    assert "1 of 64 bits of the stamp differ" in damaged(lane, 512).message


@pytest.mark.parametrize(("at", "place"), [(8, 8), (511, 504), (4095, 4088), (CHUNK - 1, CHUNK - 8)])
@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_any_byte_that_is_wrong_is_found_by_the_full_check(lane, at, place, fraction):
    assert damaged(lane, at, verify="full", fraction=fraction).details["offset"] == CHUNK + place


@pytest.mark.parametrize("at", [4097, 4096 + 512 + 1])
def test_bytes_of_a_last_word_that_is_cut_are_checked_too(lane, at):
    assert damaged(lane, at, verify="full", length=at + 1).details["offset"] == CHUNK + at - at % 8


def test_a_byte_beside_the_stamps_is_not_looked_at_where_only_stamps_are(lane):
    content = Content(CHUNK)
    content.fill(lane, Mark(7, 3), 1, CHUNK)
    lane.buffer[8] ^= 1
    content.check(lane, Mark(7, 3), 1, CHUNK, PATH)


def test_one_block_in_sixteen_is_a_sample():
    assert Content(CHUNK, verify="sample").one_in == 16
    assert Content(CHUNK).one_in == Content(CHUNK, verify="full").one_in == 1


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Stamp(8, 3, 12), "entry 8 of pass 3 lies there: another object's data"),
        (Stamp(7, 2, 12), "pass 2 wrote what lies there: an old generation"),
        (Stamp(7, 3, 31), "sector 31 of the same entry lies there"),
        (Stamp(7, 3, 13), "1 of 64 bits of the stamp differ"),
        (Stamp(0, 0, 0), "zeros lie there"),
        (Stamp(0xAAAAAA, 0xBB, 0xCCCCCCCC), "bits of the stamp differ"),
    ],
)
def test_a_stamp_that_went_astray_says_where_it_belongs(found, words):
    assert words in Stamp(7, 3, 12).instead(found.word)


@pytest.mark.parametrize(("entry", "pass_no"), [(-1, 0), (LARGEST_ENTRY + 1, 0), (0, -1), (0, 256)])
def test_numbers_that_a_stamp_cannot_hold_are_refused(entry, pass_no):
    with pytest.raises(ConfigurationError, match="cannot be stamped"):
        Mark(entry, pass_no)
    Mark(LARGEST_ENTRY, 255)


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(ConfigurationError, match="lies between 0 and 1"):
        Content(CHUNK, compressible_fraction=fraction)
