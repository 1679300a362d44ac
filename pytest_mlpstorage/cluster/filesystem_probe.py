"""Finds out whether two directories lie on one filesystem, by trying to make a hard link from one to the other."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.results.separation import FilesystemSeparation

__all__ = ["probe_separation"]

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What a filesystem answers that knows no hard links."""


def probe_separation(data: Path, results: Path) -> FilesystemSeparation:
    """Probe on this host; both directories must be there and writable. Raises FileSystemError where nothing can be found out.

    Two mounts of one device are one filesystem although no link crosses them, and a filesystem may know no links at all:
    there the device decides.
    """
    name = f".mlps-probe-{secrets.token_hex(8)}"
    source, target = data / name, results / name
    method, same = "link_exdev", True
    try:
        os.close(os.open(source, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV and error.errno not in _NO_LINKS:
                raise
            same = _device(data) == _device(results)
            if same or error.errno != errno.EXDEV:
                method = "st_dev"
    except OSError as error:
        raise file_system_error("cannot find out whether data and results lie on one filesystem", results, error) from error
    finally:
        for path in (source, target):
            with contextlib.suppress(OSError):  # what could not be made need not go; the cause is told by the error above
                path.unlink()
    return FilesystemSeparation(
        same_filesystem=same,
        data_path=str(data),
        results_path=str(results),
        data_realpath=os.path.realpath(data),
        results_realpath=os.path.realpath(results),
        method=method,
        probed_at=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        probed_by_host=socket.gethostname(),
    )


def _device(path: Path) -> int:
    return path.stat().st_dev
