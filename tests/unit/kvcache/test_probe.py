"""What a folder's filesystem is, and how it takes direct I/O."""

from __future__ import annotations

import errno
import os

import pytest

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.errors import ConfigurationError, FileSystemError
from pytest_mlpstorage.kvcache import probe
from pytest_mlpstorage.kvcache.probe import DirectAlignment, direct_alignment, probe_target


def test_a_disk_takes_direct_io_and_says_how(tmp_path):
    found = probe_target(tmp_path)
    if found.mount.fstype not in ("ext4", "xfs"):
        pytest.skip(f"temporary files are on {found.mount.fstype}")
    assert found.direct
    assert not found.memory
    assert found.unit == 4096
    said = found.to_json()
    assert said["storage"] == "storage"
    assert said["filesystem"] == mount_of(tmp_path).fstype
    assert said["dio_align"] is None or 0 < said["dio_align"]["offset"] <= 4096
    assert list(tmp_path.iterdir()) == [], "the trial is gone"


def test_a_folder_in_memory_is_called_so():
    found = probe_target("/dev/shm")
    assert found.memory
    assert found.to_json()["storage"] == "memory"
    assert found.to_json()["dio_align"] is None
    assert found.to_json()["dio_align_reason"]


def test_the_kernel_is_asked_by_statx(tmp_path):
    fstype = mount_of(tmp_path).fstype
    if fstype != "ext4" or tuple(map(int, os.uname().release.split(".")[:2])) < (6, 1):
        pytest.skip(f"{fstype} of this kernel need not tell")
    with (tmp_path / "file").open("wb") as file:
        found = direct_alignment(file.fileno())
    assert found is not None
    assert found.memory in (1, 4, 512, 4096)
    assert found.offset in (512, 4096)


def test_a_descriptor_that_is_none_has_no_alignment():
    assert direct_alignment(-1) is None


@pytest.mark.parametrize("step", ["open", "write", "read"])
@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_filesystem_that_refuses_direct_io_is_said_to_with_the_step(tmp_path, monkeypatch, step, code):
    name = {"open": "open", "write": "pwritev", "read": "preadv"}[step]
    real = getattr(os, name)

    def refuse(first, second, *rest, **options):
        if step != "open" or second & os.O_DIRECT:
            raise OSError(code, os.strerror(code))
        return real(first, second, *rest, **options)

    monkeypatch.setattr(os, name, refuse)
    found = probe_target(tmp_path)
    assert not found.direct
    assert found.reason == f"{step} with O_DIRECT: {os.strerror(code)}"
    assert found.to_json()["direct_refused_reason"] == found.reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["pwritev", "preadv"])
def test_a_trial_that_is_cut_short_is_a_refusal(tmp_path, monkeypatch, name):
    monkeypatch.setattr(os, name, lambda *_: 512)
    assert "was cut short" in probe_target(tmp_path).reason


def test_a_flag_that_the_open_file_does_not_carry_is_a_refusal(tmp_path, monkeypatch):
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, *mode: real(path, flags & ~os.O_DIRECT, *mode))
    assert probe_target(tmp_path).reason == "O_DIRECT was taken and is not set on the open file"


def test_what_the_kernel_says_counts_more_than_a_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "direct_alignment", lambda _: DirectAlignment(0, 0))
    found = probe_target(tmp_path)
    assert not found.direct
    assert "the kernel says" in found.reason


@pytest.mark.parametrize(("offset", "unit"), [(512, 4096), (4096, 4096), (65536, 65536)])
def test_calls_are_as_aligned_as_the_filesystem_wants(tmp_path, monkeypatch, offset, unit):
    monkeypatch.setattr(probe, "direct_alignment", lambda _: DirectAlignment(512, offset))
    assert probe_target(tmp_path).unit == unit


@pytest.mark.parametrize("alignment", [DirectAlignment(512, 1 << 20), DirectAlignment(512, 6000), DirectAlignment(65536, 4096)])
def test_alignments_that_our_buffers_do_not_have_are_refused(tmp_path, monkeypatch, alignment):
    monkeypatch.setattr(probe, "direct_alignment", lambda _: alignment)
    with pytest.raises(ConfigurationError, match="buffers are not"):
        probe_target(tmp_path)


def test_a_kernel_without_the_call_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "_LIBC", object())
    assert probe_target(tmp_path).alignment is None


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(FileSystemError, match="how the cache directory takes direct I/O"):
        probe_target(tmp_path / "none")
    monkeypatch.setattr(os, "pwritev", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "failed")))
    with pytest.raises(FileSystemError):
        probe_target(tmp_path)
    assert list(tmp_path.iterdir()) == []
