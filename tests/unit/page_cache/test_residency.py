"""Pages of real files in memory, as the kernel tells them by two calls, and where it tells nothing or lies."""

import errno
import mmap
import os

import pytest

from pytest_mlpstorage.page_cache import residency
from pytest_mlpstorage.page_cache.residency import Pages, Probe, UnmeasurableError

SIZE = 256 * 1024
METHODS = ["cachestat", "mincore"]


def has_cachestat(path):
    probe = Probe()
    descriptor = os.open(path, os.O_RDONLY)
    probe.pages(descriptor, 0, mmap.PAGESIZE)
    os.close(descriptor)
    return probe.method == "cachestat"


@pytest.fixture
def opened(written):
    descriptor = os.open(written[0], os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(params=METHODS)
def probe(request, written):
    if request.param == "cachestat" and not has_cachestat(written[0]):
        pytest.skip("this kernel, or the filter of this container, does not have cachestat")
    return Probe(request.param)


def test_a_file_just_written_is_resident_and_one_dropped_is_not(probe, opened):
    assert probe.pages(opened, 0, SIZE).resident_bytes == SIZE
    os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
    assert probe.pages(opened, 0, SIZE).resident_bytes == 0


def test_only_what_was_read_is_resident(probe, opened):
    os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_RANDOM)
    os.pread(opened, 2 * mmap.PAGESIZE, 8 * mmap.PAGESIZE)
    assert 2 * mmap.PAGESIZE <= probe.pages(opened, 0, SIZE).resident_bytes < SIZE
    assert probe.pages(opened, 8 * mmap.PAGESIZE, 2 * mmap.PAGESIZE).resident_bytes == 2 * mmap.PAGESIZE
    assert probe.pages(opened, SIZE // 2, SIZE // 2).resident_bytes == 0


def test_a_page_that_the_file_does_not_fill_counts_only_as_far_as_it_does(probe, disk):
    (disk / "odd").write_bytes(b"x" * 5001)
    descriptor = os.open(disk / "odd", os.O_RDONLY)
    assert probe.pages(descriptor, 0, 5001).resident_bytes == 5001
    os.close(descriptor)


def test_nothing_is_asked_of_an_empty_range(probe, opened):
    assert probe.pages(opened, 0, 0) == Pages(0, None)


def test_more_is_mapped_in_parts_than_one_mapping_holds(opened, monkeypatch):
    monkeypatch.setattr(residency, "_LARGEST_MAPPING", 16 * mmap.PAGESIZE)
    assert Probe("mincore").pages(opened, 0, SIZE) == Pages(SIZE, None)


def test_cachestat_tells_dirty_pages_from_clean_ones(written, opened):
    if not has_cachestat(written[0]):
        pytest.skip("this kernel, or the filter of this container, does not have cachestat")
    assert Probe().pages(opened, 0, SIZE).dirty is False
    os.pwrite(opened, b"new", 0)
    assert Probe().pages(opened, 0, SIZE).dirty is True
    os.fsync(opened)
    assert Probe().pages(opened, 0, SIZE).dirty is False


def test_a_kernel_without_cachestat_is_asked_by_mincore_from_then_on(opened, monkeypatch):
    monkeypatch.setattr(residency, "_CACHESTAT", 4000)  # no call has this number: the kernel says ENOSYS
    probe = Probe()
    assert probe.pages(opened, 0, SIZE) == Pages(SIZE, None)
    assert probe.method == "mincore"


@pytest.mark.parametrize("method", METHODS)
def test_of_a_file_of_somebody_else_nothing_is_told_rather_than_that_all_is_resident(method, written, disk):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    written[0].chmod(0o644)
    descriptor = os.open(written[0], os.O_RDONLY)
    os.seteuid(65534)
    try:
        with pytest.raises(UnmeasurableError, match="one owns or may write"):
            Probe(method).pages(descriptor, 0, SIZE)
    finally:
        os.seteuid(0)
        os.close(descriptor)


def test_the_owner_is_told_without_being_root(written):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    os.chown(written[0], 65534, 65534)
    descriptor = os.open(written[0], os.O_RDONLY)
    os.seteuid(65534)
    try:
        assert Probe("mincore").pages(descriptor, 0, SIZE).resident_bytes == SIZE
        assert Probe("cachestat").pages(descriptor, 0, SIZE).resident_bytes == SIZE
    finally:
        os.seteuid(0)
        os.close(descriptor)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_another_refusal_is_told_with_its_cause(opened, monkeypatch, code):
    class Libc:
        @staticmethod
        def syscall(*_arguments):
            return -1

    monkeypatch.setattr(residency, "_LIBC", Libc)
    monkeypatch.setattr(residency.ctypes, "get_errno", lambda: code)
    with pytest.raises(UnmeasurableError, match=f"cachestat: {os.strerror(code)}"):
        Probe().pages(opened, 0, SIZE)


def test_what_cannot_be_mapped_is_told_with_its_cause(disk):
    reading, writing = os.pipe()
    with pytest.raises(UnmeasurableError, match="mmap: "):
        Probe("mincore").pages(reading, 0, 4096)
    os.close(reading)
    os.close(writing)
