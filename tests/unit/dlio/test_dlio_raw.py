"""Raw files: every byte once, through the cache and past it; sizes as DLIO would draw them."""

from __future__ import annotations

import errno
import itertools
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.dlio.raw_files import CHUNK_BYTES, FileCache, sample_range
from pytest_mlpstorage.errors import FileSystemError

ODD_SIZES = [1, 4095, 4096, 4097, 322957, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 12345]


@pytest.fixture
def disk():
    """A folder on the filesystem of the repository: O_DIRECT needs one that has it, which a tmpfs may not."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        yield Path(folder)


def direct_works(folder):
    try:
        os.close(os.open(folder / "probe", os.O_RDWR | os.O_CREAT | os.O_DIRECT))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


@given(st.integers(0, 10**12), st.integers(1, 300))
def test_samples_cover_a_file_once_without_gap_or_overlap(size, samples):
    ranges = [sample_range(size, i, samples) for i in range(samples)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == size
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ranges))


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("size", ODD_SIZES)
def test_a_file_of_any_size_is_read_whole(disk, size, direct):
    if direct and not direct_works(disk):
        pytest.skip("this filesystem has no O_DIRECT")
    path = disk / "f"
    path.write_bytes(os.urandom(size))
    cache = FileCache(direct=direct, keep=1)
    assert cache.read_sample(str(path), 0, 1) == size
    assert sum(cache.read_sample(str(path), i, 7) for i in range(7)) == size
    assert cache.bytes_read == 2 * size
    cache.close_all()


def test_the_cache_keeps_no_more_files_open_than_it_may(tmp_path):
    for i in range(5):
        (tmp_path / str(i)).write_bytes(b"x")
    cache = FileCache(direct=False, keep=2)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for i in range(5):
        cache.read_sample(str(tmp_path / str(i)), 0, 1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 2
    cache.close(str(tmp_path / "4"))
    cache.close(str(tmp_path / "never opened"))
    cache.close_all()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100)
    monkeypatch.setattr(os, "preadv", lambda *_args: 0)
    with pytest.raises(FileSystemError, match="ended at byte 0, 100 were expected"):
        FileCache(direct=False, keep=1).read_sample(str(path), 0, 1)


def test_a_filesystem_without_direct_reading_is_named(tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FileSystemError, match="cannot open files with O_DIRECT"):
        FileCache(direct=True, keep=1).read_sample(str(tmp_path / "f"), 0, 1)


def test_sizes_are_exact_without_deviation_and_the_same_on_every_rank_with_one():
    data = pytest.importorskip("pytest_mlpstorage.dlio.raw_data", reason="needs numpy")
    assert (data.sample_sizes(files=3, samples=2, mean_bytes=322957, stdev_bytes=0) == 322957).all()
    drawn = data.sample_sizes(files=4000, samples=1, mean_bytes=146600628, stdev_bytes=68341808)
    assert (drawn == data.sample_sizes(files=4000, samples=1, mean_bytes=146600628, stdev_bytes=68341808)).all()
    assert drawn.min() >= 1
    assert abs(drawn.mean() / 146600628 - 1) < 0.05
    assert abs(drawn.std() / 68341808 - 1) < 0.06


@settings(max_examples=20, deadline=None)  # the first example pays for the import of numpy
@given(st.integers(0, 300_000))
def test_as_many_bytes_are_written_as_asked_and_they_do_not_compress(size):
    import tempfile

    data = pytest.importorskip("pytest_mlpstorage.dlio.raw_data", reason="needs numpy")
    numpy = pytest.importorskip("numpy")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        data.write_random_file(str(path), size, numpy.random.SFC64(1))
        found = path.read_bytes()
    assert len(found) == size
    assert len(zlib.compress(found[:32768])) >= min(size, 32768)


def test_no_two_blocks_of_a_data_set_are_the_same(tmp_path):
    data = pytest.importorskip("pytest_mlpstorage.dlio.raw_data", reason="needs numpy")
    numpy = pytest.importorskip("numpy")
    for rank in (0, 1):
        source = numpy.random.SFC64([data.SEED, rank])
        for i in range(20):
            data.write_random_file(str(tmp_path / f"{rank}-{i}"), 100_000, source)
    blocks = [path.read_bytes()[at : at + 4096] for path in tmp_path.iterdir() for at in range(0, 98_304, 4096)]
    assert len(set(blocks)) == len(blocks) == 40 * 24
