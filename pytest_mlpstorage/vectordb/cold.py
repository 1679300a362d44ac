"""Whether a cold phase was cold: the index out of memory before it is opened, or an engine that reads past memory anyway (§8.7)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_mlpstorage.cluster.procfs import read_text
from pytest_mlpstorage.page_cache import make_cold
from pytest_mlpstorage.page_cache.drop import DROP_CACHES
from pytest_mlpstorage.results.page_cache import COLD_FRACTION, HostPageCache

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.engine import ProcessIdentity, Residence

__all__ = ["ColdProof", "Cooling", "DirectFiles", "cold_proof", "cool", "direct_files"]

Method = Literal["direct", "drop_caches", "fadvise", "residency", "none"]
"""How cold was shown; ``residency``: nothing was dropped, and the index was seen to be out of memory all the same."""

_BUDGET_SECONDS: Final = 20.0
_EACH_QUERY: Final = 1.0
"""Reads of 4 KiB a search that show that it reads storage each time."""

_AS_MANY: Final = 0.95
"""A first lap with this part of the reads of the next one read no less; chance alone makes that difference."""


@dataclasses.dataclass(frozen=True)
class Cooling:
    """What was done to the index's files before it was opened. ``cache`` is None where the engine does not show its files.

    ``running``: a server held the collection meanwhile. What its own buffers hold is not in the files' pages; only where it says that
    it let go of it (``evicted``) do those tell all.
    """

    evicted: str
    cache: HostPageCache | None
    running: bool = False

    @property
    def resident_after(self) -> float | None:
        """Part of the sampled bytes that was in memory afterwards; None where that could not be measured."""
        cache = self.cache
        if cache is None or cache.resident_bytes_after is None or not cache.bytes_sampled:
            return None
        return cache.resident_bytes_after / cache.bytes_sampled

    @property
    def cold(self) -> bool:
        """Whether the files were seen to be out of memory."""
        return self.resident_after is not None and self.resident_after < COLD_FRACTION and not self._buffered

    @property
    def _buffered(self) -> bool:
        return self.running and not self.evicted

    @property
    def reason(self) -> str:
        """Why it cannot be said that they were; empty where it can."""
        if self.cache is None:
            return "the engine does not show its files"
        if self.resident_after is None:
            return self.cache.method
        if self.cold:
            return ""
        if self._buffered:
            return "its server ran all the time, so its own buffers may hold the index"
        said = f"{self.resident_after:.1%} of the index stayed in memory"
        return f"{said} ({self.cache.note})" if self.cache.note else said


@dataclasses.dataclass(frozen=True)
class DirectFiles:
    """Processes of the engine that have a file of the index open, and those that have one open with O_DIRECT."""

    processes: int
    direct: int

    @property
    def everywhere(self) -> bool:
        """Whether each of them reads past the page cache."""
        return 0 < self.processes == self.direct

    def __add__(self, other: DirectFiles) -> DirectFiles:
        return DirectFiles(self.processes + other.processes, self.direct + other.direct)


@dataclasses.dataclass(frozen=True)
class ColdProof:
    """``verified`` is False where nobody can say, and where the run is known to have been ``warm``; ``reason`` tells which."""

    verified: bool
    method: Method
    reason: str
    warm: bool
    cooling: Cooling
    direct: DirectFiles

    @property
    def statement(self) -> str:
        """What the report says of it."""
        if self.verified and self.method == "direct":
            return "cold: does not matter, every search reads past the page cache (O_DIRECT)"
        if self.verified:
            return f"cold: verified, the index was out of memory before it was opened ({self.method})"
        return f"cold: {'refuted' if self.warm else 'not verified'}, {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """As in ``mlps.cold_proof``."""
        cache = self.cooling.cache
        return {
            "verified": self.verified,
            "method": self.method,
            "reason": self.reason or None,
            "warm": self.warm,
            "root": os.geteuid() == 0,
            "statement": self.statement,
            "evicted": self.cooling.evicted or None,
            "resident_fraction_after": self.cooling.resident_after,
            "direct_processes": self.direct.direct,
            "index_processes": self.direct.processes,
            "page_cache": None if cache is None else dataclasses.asdict(cache),
        }


def cool(
    files: Sequence[Path] | None, *, evicted: str = "", budget_seconds: float = _BUDGET_SECONDS, drop_caches: Path | None = DROP_CACHES
) -> Cooling:
    """Take the index's files out of memory and look whether they are; to be called with the engine closed or stopped.

    ``evicted`` is what the engine said that it did itself. File by file first, which harms nobody; where that leaves something, root
    drops the page cache of the machine.
    """
    if not files:
        return Cooling(evicted, None)
    return Cooling(evicted, make_cold([*files], drop=True, budget_seconds=budget_seconds, drop_caches=drop_caches))


def direct_files(processes: Iterable[ProcessIdentity], files: Iterable[Path] | None, proc: Path = Path("/proc")) -> DirectFiles:
    """Look how the engine's processes have the index's files open; to be called with the index open."""
    wanted = set()
    for path in files or ():
        with contextlib.suppress(OSError):
            found = path.stat()
            wanted.add((found.st_dev, found.st_ino))
    states = [state for pid, _ in processes if (state := _opened(proc / str(pid), wanted)) is not None]
    return DirectFiles(len(states), sum(states))


def cold_proof(
    cooling: Cooling, direct: DirectFiles, residence: Residence, *, cold_reads: float | None, steady_reads: float | None
) -> ColdProof:
    """Judge the cold phase from what was done before it and from the reads of 4 KiB a search in it and in the steady phase.

    ``cold_reads`` and ``steady_reads`` are None where nobody counted them.
    """
    if direct.everywhere and cold_reads is not None and cold_reads > 0:
        return ColdProof(True, "direct", "", False, cooling, direct)
    if residence == "memory":
        return ColdProof(False, "none", "the index is in memory once it is open, searches read no storage", False, cooling, direct)
    warm = _warm(residence, cold_reads, steady_reads)
    if warm:
        return ColdProof(False, "none", warm, True, cooling, direct)
    if not cooling.cold or cooling.cache is None:
        return ColdProof(False, "none", cooling.reason, False, cooling, direct)
    if residence == "page-cache" and cold_reads is None:
        return ColdProof(False, "none", "nobody counted what the searches read", False, cooling, direct)
    methods: dict[str, Method] = {"drop_caches": "drop_caches", "fadvise": "fadvise"}
    return ColdProof(True, methods.get(cooling.cache.drop_method, "residency"), "", False, cooling, direct)


def _warm(residence: Residence, cold: float | None, steady: float | None) -> str:
    """How it shows that an engine that reads through the page cache found its index there; empty where it does not."""
    if residence != "page-cache" or cold is None:
        return ""
    if cold == 0:
        return "the first searches read nothing"
    if steady is None or cold > steady or (cold >= _EACH_QUERY and cold >= _AS_MANY * steady):
        return ""  # the same many in both phases: an index that is larger than memory
    return f"the first searches read no more than later ones did ({cold:.2f} and {steady:.2f} reads of 4 KiB each)"


def _opened(process: Path, wanted: set[tuple[int, int]]) -> bool | None:
    """Whether a process has one of these files open with O_DIRECT; None where it has none open, or cannot be looked into."""
    seen = None
    try:
        descriptors = [*(process / "fd").iterdir()]
    except OSError:
        return None
    for descriptor in descriptors:
        try:
            found = descriptor.stat()
        except OSError:
            continue  # closed since
        if (found.st_dev, found.st_ino) in wanted:
            seen = bool(seen) or _is_direct(read_text(process / "fdinfo" / descriptor.name))
    return seen


def _is_direct(information: str) -> bool:
    for line in information.splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            return bool(int(value, 8) & os.O_DIRECT)
    return False
