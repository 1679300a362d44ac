"""Finds out how a folder's filesystem takes direct I/O: by what the kernel says of a file there, and by trying."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import mmap
import os
import secrets
import struct
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.cluster.mounts import Mount, mount_of
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.buffers import SMALLEST_CHUNK
from pytest_mlpstorage.kvcache.layout import UNIT_BYTES
from pytest_mlpstorage.results.atomic import file_system_error

__all__ = ["DirectAlignment", "TargetProbe", "direct_alignment", "probe_target"]

_AT_EMPTY_PATH: Final = 0x1000
_STATX_DIOALIGN: Final = 0x2000
_STATX_BYTES: Final = 256
_MASK_AT, _ALIGNMENTS_AT = 0, 0x98
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass(frozen=True)
class DirectAlignment:
    """What addresses, and what offsets and lengths, of direct I/O must be multiples of; both 0 where there is no direct I/O."""

    memory: int
    offset: int


@dataclasses.dataclass(frozen=True)
class TargetProbe:
    """The answer for a folder. ``direct`` says that O_DIRECT is taken, which is no proof that it is honoured.

    ``alignment`` is None where the kernel does not tell; ``unit`` is what our offsets and lengths are multiples of. ``reason``
    says why there is no direct I/O.
    """

    mount: Mount
    direct: bool
    reason: str
    alignment: DirectAlignment | None
    unit: int

    @property
    def memory(self) -> bool:
        """Whether the folder is in memory: then nothing that is measured there says anything of storage."""
        return self.mount.is_memory_fs

    def to_json(self) -> dict[str, Any]:
        """What the result records of the target."""
        return {
            "direct_accepted": self.direct,
            "direct_refused_reason": self.reason or None,
            "dio_align": dataclasses.asdict(self.alignment) if self.alignment else None,
            "dio_align_reason": None if self.alignment else "the kernel does not report it for this filesystem",
            "unit_bytes": self.unit,
            "filesystem": self.mount.fstype,
            "mount_point": self.mount.target,
            "mount_source": self.mount.source,
            "mount_options": self.mount.options,
            "storage": "memory" if self.memory else "storage",
        }


def probe_target(folder: str | os.PathLike[str]) -> TargetProbe:
    """Probe a folder that is there, by a file that is gone afterwards. Raises FileSystemError where none can be written."""
    place = Path(folder)
    path = place / f".mlps-probe-{secrets.token_hex(8)}"
    try:
        mount = mount_of(place)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            alignment = direct_alignment(descriptor)
            reason = "the kernel says that files here take no direct I/O" if alignment == DirectAlignment(0, 0) else _try(path)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise file_system_error("cannot find out how the cache directory takes direct I/O", place, error) from error
    finally:
        with contextlib.suppress(OSError):  # what could not be made need not go; the cause is told by the error above
            path.unlink()
    return TargetProbe(mount, not reason, reason, alignment, _unit(place, alignment))


def direct_alignment(descriptor: int) -> DirectAlignment | None:
    """What statx(2) reports of an open file (Linux 6.1 on); None where kernel, C library or filesystem do not."""
    try:
        statx = _LIBC.statx
    except AttributeError:
        return None
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(descriptor, b"", _AT_EMPTY_PATH, ctypes.c_uint(_STATX_DIOALIGN), answer) != 0:
        return None
    (mask,) = struct.unpack_from("=I", answer, _MASK_AT)
    if not mask & _STATX_DIOALIGN:
        return None
    return DirectAlignment(*struct.unpack_from("=II", answer, _ALIGNMENTS_AT))


def _unit(place: Path, alignment: DirectAlignment | None) -> int:
    unit = max(UNIT_BYTES, alignment.offset if alignment else 0)
    if unit % UNIT_BYTES or unit > SMALLEST_CHUNK or (alignment is not None and alignment.memory > mmap.PAGESIZE):
        raise ConfigurationError(
            f"direct I/O below {place} wants multiples of {alignment}, which our buffers are not",
            suggestion="set kvcache.io.path: buffered",
            code="MLPS-E115",
        )
    return unit


def _try(path: Path) -> str:
    """Write and read a block with O_DIRECT; why that was refused, else empty. Other errors than a refusal are raised."""
    block = mmap.mmap(-1, UNIT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    step = "open"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
        try:
            if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
                return "O_DIRECT was taken and is not set on the open file"
            step = "write"
            if os.pwritev(descriptor, [block], 0) != UNIT_BYTES:
                return f"a write of {UNIT_BYTES} bytes with O_DIRECT was cut short"
            step = "read"
            if os.preadv(descriptor, [block], 0) != UNIT_BYTES:
                return f"a read of {UNIT_BYTES} bytes with O_DIRECT was cut short"
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        return f"{step} with O_DIRECT: {error.strerror}"
    finally:
        block.close()
    return ""
