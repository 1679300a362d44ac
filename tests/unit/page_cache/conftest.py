"""Files on a filesystem that has a page cache: pytest's own folder may be one in memory, which nothing can be dropped from."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster.mounts import mount_of

PAGED = frozenset({"ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs"})


@pytest.fixture
def disk(tmp_path):
    """A folder on a filesystem whose pages can be dropped."""
    for place in (tmp_path, Path("/var/tmp"), Path(__file__).parent):
        if mount_of(place).fstype in PAGED and os.access(place, os.W_OK):
            with tempfile.TemporaryDirectory(dir=place, prefix="mlps-cache-") as folder:
                yield Path(folder)
            return
    pytest.skip("no writable folder lies on a filesystem with a page cache of its own")


@pytest.fixture
def written(disk):
    """Eight files of 256 KiB, on disk and in memory."""
    files = [disk / f"{number}.bin" for number in range(8)]
    for file in files:
        with file.open("wb") as stream:
            stream.write(os.urandom(256 * 1024))
            os.fsync(stream.fileno())
    return files
