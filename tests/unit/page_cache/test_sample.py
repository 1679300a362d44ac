"""Which files and ranges are measured: all where they are few, a seeded draw where they are many or huge."""

import itertools
import mmap
import random

import pytest

from pytest_mlpstorage.page_cache import sample
from pytest_mlpstorage.page_cache.sample import LEAST_FILES, ranges, take

GIB = 1 << 30


@pytest.mark.parametrize("size", [0, 1, 4097, GIB])
def test_a_file_up_to_a_gibibyte_is_measured_whole(size):
    assert ranges(size, random.Random(1)) == ((0, size),)


@pytest.mark.parametrize("size", [GIB + 1, 3 * GIB + 5, 12_045_637_632])
def test_of_a_larger_file_one_range_lies_in_each_sixteenth(size):
    found = ranges(size, random.Random(1))
    assert len(found) == 16
    assert {length for _, length in found} == {64 << 20}
    assert all(offset % mmap.PAGESIZE == 0 and offset + length <= size for offset, length in found)
    part = size // 16
    assert all(number * part - mmap.PAGESIZE < offset < (number + 1) * part for number, (offset, _) in enumerate(found))
    assert all(first[0] + first[1] <= second[0] + mmap.PAGESIZE for first, second in itertools.pairwise(found))


def test_a_seed_draws_the_same_again_and_another_one_something_else():
    size = 12_045_637_632
    assert ranges(size, random.Random(1)) == ranges(size, random.Random(1)) != ranges(size, random.Random(2))


def test_all_files_are_measured_where_there_is_time(written):
    found = take(written, seed=1, seconds=60)
    assert sorted(path for path, _ in found.files) == sorted(map(str, written))
    assert (found.total_bytes, found.resident_bytes) == (8 * 256 * 1024, 8 * 256 * 1024)


def test_a_few_files_are_measured_however_little_time_there_is(disk):
    files = [disk / str(number) for number in range(LEAST_FILES + 20)]
    for file in files:
        file.write_bytes(b"x" * 4096)
    first, again, other = (take(files, seed=seed, seconds=0).files for seed in (1, 1, 2))
    assert len(first) == LEAST_FILES
    assert first == again != other


def test_no_more_files_are_drawn_than_tell_anything(written, monkeypatch):
    monkeypatch.setattr(sample, "_MOST_FILES", 3)
    assert len(take(written, seed=1, seconds=60).files) == 3


def test_files_that_are_gone_or_empty_are_passed_over(written, disk):
    written[3].unlink()
    written[4].write_bytes(b"")
    found = take(written, seed=1, seconds=60)
    assert len(found.files) == 6
    assert "No such file" in found.why


def test_where_no_file_can_be_measured_the_first_reason_is_told(disk):
    found = take([disk / "gone", disk / "lost"], seed=1, seconds=60)
    assert (found.files, found.resident_bytes) == ([], None)
    assert "No such file" in found.why
    assert found.measure_again() is None


def test_a_sample_of_which_a_file_vanishes_can_no_longer_be_measured(written):
    found = take(written, seed=1, seconds=60)
    written[0].unlink()
    assert found.measure_again() is None
    assert "No such file" in found.why
