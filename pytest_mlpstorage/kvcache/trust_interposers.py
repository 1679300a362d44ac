"""Libraries that stand between this process and the C library's I/O calls, and may turn them off."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.cluster.procfs import read_text
from pytest_mlpstorage.kvcache.trust import Level, Note

__all__ = ["CALLS", "interposer_notes", "interposers", "preloaded"]

CALLS: Final = (
    "fsync", "fdatasync", "posix_fadvise", "posix_fadvise64",
    "open", "open64", "openat", "openat64", "ftruncate", "ftruncate64",
    "pread", "pread64", "preadv", "preadv2", "preadv64", "preadv64v2",
    "pwrite", "pwrite64", "pwritev", "pwritev2", "pwritev64", "pwritev64v2",
)  # fmt: skip

_NEVER_REPLACED: Final = "gnu_get_libc_version"
_MUSL_NEVER_REPLACED: Final = "confstr"
_OLD_PARTS: Final = ("libpthread.so", "libpthread-")
"""Before glibc 2.34 the calls that can be cancelled stood in a library of their own beside it."""

_SYSTEM_PRELOAD: Final = Path("/etc/ld.so.preload")


class _DlInfo(ctypes.Structure):
    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def interposers() -> dict[str, list[str]]:
    """Calls that another object than the C library answers, by the object's file, as the loader has bound them in this process.

    Python's own calls are bound as this lookup is: from the main program on, in the order in which objects were loaded.
    """
    program = ctypes.CDLL(None)
    own = _object_of(program, _NEVER_REPLACED) or _object_of(program, _MUSL_NEVER_REPLACED)
    found: dict[str, list[str]] = {}
    for call in CALLS:
        place = _object_of(program, call)
        if place and own and place != own and not _is_part_of(own, place):
            found.setdefault(place, []).append(call)
    return found


def preloaded(environment: Mapping[str, str] = os.environ, system: Path = _SYSTEM_PRELOAD) -> list[str]:
    """What LD_PRELOAD, and the file of the whole machine, load into every program."""
    names = environment.get("LD_PRELOAD", "").replace(":", " ").split()
    return names + [name for line in read_text(system).splitlines() for name in line.partition("#")[0].replace(":", " ").split()]


def interposer_notes(found: Mapping[str, list[str]], libraries: list[str], *, official: bool = False) -> tuple[Note, ...]:
    """One note an object: a warning of our own engine, whose proofs do not go by these calls, an error of an official run."""
    level: Level = "error" if official else "warning"
    notes = [Note("interposers", level, f"{place} answers {', '.join(calls)} in place of the C library") for place, calls in found.items()]
    others = [name for name in libraries if not any(os.path.basename(name) == os.path.basename(place) for place in found)]  # noqa: PTH119
    if others:
        notes.append(Note("preload", level, f"{', '.join(others)} is loaded into every program (LD_PRELOAD or {_SYSTEM_PRELOAD})"))
    return tuple(notes)


def _object_of(program: ctypes.CDLL, name: str) -> str:
    """The file that a symbol comes from; empty where nobody has it."""
    try:
        address = ctypes.cast(getattr(program, name), ctypes.c_void_p)
    except AttributeError:
        return ""
    info = _DlInfo()
    program.dladdr.argtypes = (ctypes.c_void_p, ctypes.POINTER(_DlInfo))
    if not program.dladdr(address, ctypes.byref(info)) or info.file is None:
        return ""
    return os.path.realpath(os.fsdecode(info.file))


def _is_part_of(own: str, place: str) -> bool:
    return Path(place).parent == Path(own).parent and Path(place).name.startswith(_OLD_PARTS)
