"""Whether storage was really used: the kernel's own count of bytes beside those asked for, and what that proves."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pytest_mlpstorage.cluster.mounts import Mount
from pytest_mlpstorage.cluster.procfs import read_text

__all__ = ["DirectProof", "KernelBytes", "Moved", "Note", "Proof", "kernel_bytes", "prove_direct", "residency_notes"]

Proof: TypeAlias = Literal["proved", "unproved", "refuted"]
Level: TypeAlias = Literal["error", "warning", "info"]

_NARROW: Final = (0.98, 1.10)
"""Counted bytes over bytes asked, where nothing else explains a difference."""

_READ_LEAST: Final = 0.9
_RESIDENT_MOST: Final = 0.01
_NFS: Final = frozenset({"nfs", "nfs4"})
_SERVER_READ, _SERVER_WRITTEN = 5, 6


@dataclasses.dataclass(frozen=True)
class Note:
    """Something that a reader of the result must know; ``check`` is its name, ``level`` how grave it is."""

    check: str
    level: Level
    message: str

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Moved:
    """Bytes asked of the storage, headers and padding included."""

    read: int = 0
    written: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.read + other.read, self.written + other.written)


@dataclasses.dataclass(frozen=True)
class KernelBytes:
    """A counter of the kernel at one moment; ``source`` names it. ``read`` is None where there is none, and ``source`` says why.

    ``scope`` is ``process`` or, of a network filesystem's counter, ``host``: all of this host's users of the mount are in it.
    """

    source: str
    scope: Literal["process", "host"]
    read: int | None = None
    written: int | None = None


@dataclasses.dataclass(frozen=True)
class DirectProof:
    """What the counters say of a run. Without a counter nothing is proved, and a result says nothing of storage."""

    direct: Proof
    reason: str
    source: str
    kernel_read: int | None
    kernel_written: int | None
    read_ratio: float | None
    write_ratio: float | None
    notes: tuple[Note, ...] = ()


def kernel_bytes(mount: Mount, proc: Path = Path("/proc")) -> KernelBytes:
    """Read the counter that tells of this filesystem: of an NFS mount its own, else this process's.

    Not that of the disk: neighbours add to it.
    """
    if mount.is_memory_fs:
        return KernelBytes(f"{mount.fstype} has no storage below it", "process")
    if mount.fstype in _NFS:
        return _mount_bytes(mount, proc)
    fields = dict(line.split(": ") for line in read_text(proc / "self/io").splitlines() if ": " in line)
    try:
        return KernelBytes("/proc/self/io", "process", int(fields["read_bytes"]), int(fields["write_bytes"]))
    except (KeyError, ValueError):
        return KernelBytes("this kernel does not count the bytes of a process (/proc/self/io)", "process")


def _mount_bytes(mount: Mount, proc: Path) -> KernelBytes:
    head, ours = f"device {mount.source} mounted on {mount.target} with fstype nfs", False
    for line in read_text(proc / "self/mountstats").splitlines():
        words = line.split()
        if line.startswith("device "):
            ours = line.startswith(head)
        elif ours and words[:1] == ["bytes:"] and len(words) > _SERVER_WRITTEN:
            read, written = words[_SERVER_READ], words[_SERVER_WRITTEN]
            if read.isdigit() and written.isdigit():
                return KernelBytes("/proc/self/mountstats", "host", int(read), int(written))
    return KernelBytes(f"no counters of {mount.source} in /proc/self/mountstats", "host")


def prove_direct(mount: Mount, asked: Moved, before: KernelBytes, after: KernelBytes, *, direct: bool = True) -> DirectProof:
    """Compare what was asked between two readings with what the kernel counted meanwhile.

    ``direct`` is whether O_DIRECT was set; without it the counters are judged all the same, and prove no direct I/O.
    """
    if before.read is None or before.written is None or after.read is None or after.written is None:
        reason = after.source if after.read is None else before.source
        return DirectProof("unproved", reason, after.source, None, None, None, None, _unproved(reason, direct))
    read, written = after.read - before.read, after.written - before.written
    if min(read, written) < 0:
        reason = f"{after.source} began anew while the run lasted"
        return DirectProof("unproved", reason, after.source, None, None, None, None, _unproved(reason, direct))
    read_ratio, write_ratio = _ratio(read, asked.read), _ratio(written, asked.written)
    ratios = [ratio for ratio in (read_ratio, write_ratio) if ratio is not None]
    local = _on_a_device(mount)
    proof: Proof = "refuted"
    if not ratios:
        reason, proof = "nothing was asked of the storage", "unproved"
    elif not local and before.scope == "process" and max(ratios) < _NARROW[0]:
        # Kernels count what goes to a device; what a network filesystem sends need not be in it.
        reason, proof = f"{after.source} may not count what {mount.fstype} moves", "unproved"
    elif not direct:
        reason = "the page cache was not bypassed"
    elif all(_NARROW[0] <= ratio <= _NARROW[1] for ratio in ratios):
        reason, proof = "", "proved"
    else:
        reason = f"{after.source} counted other bytes than were asked"
    notes = [] if proof == "unproved" else list(_ratio_notes(after.source, asked, Moved(read, written), read_ratio, write_ratio, local))
    return DirectProof(
        proof,
        reason,
        after.source,
        read,
        written,
        read_ratio,
        write_ratio,
        _unproved(reason, direct, nothing=not ratios) if proof == "unproved" else tuple(notes),
    )


def residency_notes(fraction: float | None, reason: str) -> tuple[Note, ...]:
    """Judge ``resident_fraction_before_read`` of a run through the page cache: what lay in memory was not read from storage."""
    if fraction is None:
        return (Note("residency", "warning", f"nobody can tell whether what was read lay in memory: {reason}"),)
    if fraction <= _RESIDENT_MOST:
        return ()
    text = f"{fraction:.1%} of what was read lay in this host's memory before it was read: those reads were not of storage"
    return (Note("residency", "error", text),)


def _ratio(counted: int, asked: int) -> float | None:
    return counted / asked if asked else None


def _on_a_device(mount: Mount) -> bool:
    """Whether a local device holds the filesystem: those have numbers of their own, or are named by their device."""
    return not mount.device.startswith("0:") or mount.source.startswith("/dev/")


def _unproved(reason: str, direct: bool, *, nothing: bool = False) -> tuple[Note, ...]:
    if nothing:  # a rank whose memory took everything claims nothing of storage
        return (Note("kernel_bytes", "info", f"this rank says nothing of storage: {reason}"),)
    if not direct:
        return (Note("kernel_bytes", "warning", f"bytes from storage are not counted: {reason}"),)
    return (Note("kernel_bytes", "warning", f"that the page cache was bypassed is not proved: {reason}"),)


def _ratio_notes(source: str, asked: Moved, counted: Moved, read: float | None, write: float | None, local: bool) -> list[Note]:
    notes = []
    for verb, ratio, wanted, found in (("read", read, asked.read, counted.read), ("written", write, asked.written, counted.written)):
        if ratio is None or _NARROW[0] <= ratio <= _NARROW[1]:
            continue
        level: Level = "error" if verb == "read" and local and ratio < _READ_LEAST else "warning"
        text = f"{source} counted {found} bytes {verb} where {wanted} were asked ({ratio:.2f} of them; {_NARROW[0]} to {_NARROW[1]} wanted)"
        notes.append(Note("kernel_bytes", level, text))
    return notes
