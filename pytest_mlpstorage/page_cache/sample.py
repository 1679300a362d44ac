"""A random sample of files, and of ranges in huge ones, that is measured twice: before and after a drop."""

from __future__ import annotations

import dataclasses
import mmap
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.page_cache.residency import Probe, UnmeasurableError
from pytest_mlpstorage.units import MIB

__all__ = ["LEAST_FILES", "Sample", "ranges", "take"]

LEAST_FILES: Final = 16
"""Files that are measured however little time there is."""

_MOST_FILES: Final = 20_000
"""More files would tell no more: of 20 000 a hundredth in memory shows to within a fifth of itself."""

_RANGE_BYTES: Final = 64 * MIB
_RANGES: Final = 16


@dataclasses.dataclass
class Sample:
    """Files whose pages were counted, with their ranges; ``why`` is the reason of the first one that could not be measured."""

    probe: Probe
    files: list[tuple[str, tuple[tuple[int, int], ...]]] = dataclasses.field(default_factory=list)
    total_bytes: int = 0
    resident_bytes: int | None = None
    dirty: bool | None = False
    why: str = ""

    def measure_again(self) -> int | None:
        """Bytes of the sampled ranges in memory now; None where nothing was, or now is, to be measured."""
        if not self.files:
            return None
        resident = 0
        for path, wanted in self.files:
            try:
                resident += _count(self.probe, path, wanted)[0]
            except (OSError, UnmeasurableError) as error:
                self.why = str(error)
                return None
        return resident


def ranges(size: int, rng: random.Random) -> tuple[tuple[int, int], ...]:
    """The whole file, or of one beyond 1 GiB one range of 64 MiB in each sixteenth: (offset, bytes), offsets on pages."""
    if size <= _RANGES * _RANGE_BYTES:
        return ((0, size),)
    part = size // _RANGES
    starts = (index * part + rng.randrange(part - _RANGE_BYTES + 1) for index in range(_RANGES))
    return tuple((start // mmap.PAGESIZE * mmap.PAGESIZE, _RANGE_BYTES) for start in starts)


def take(files: Sequence[str | os.PathLike[str]], *, seed: int, seconds: float, probe: Probe | None = None) -> Sample:
    """Draw and measure files until they are all in, or the time is up; files that are gone or empty are passed over."""
    rng, sample, deadline = random.Random(seed), Sample(probe or Probe()), time.monotonic() + seconds  # noqa: S311 - no secret
    for index in rng.sample(range(len(files)), min(len(files), _MOST_FILES)):
        if len(sample.files) >= LEAST_FILES and time.monotonic() > deadline:
            break
        path = os.fspath(files[index])
        try:
            wanted = ranges(Path(path).stat().st_size, rng)
            if not wanted[0][1]:
                continue
            resident, dirty = _count(sample.probe, path, wanted)
        except (OSError, UnmeasurableError) as error:
            sample.why = sample.why or str(error)
            # One that cannot be told of is like the others; a few are tried because a single file may be somebody else's.
            if not sample.files and time.monotonic() > deadline:
                break
            continue
        sample.files.append((path, wanted))
        sample.total_bytes += sum(length for _, length in wanted)
        sample.resident_bytes = (sample.resident_bytes or 0) + resident
        if dirty is not False:
            sample.dirty = dirty if sample.dirty is not True else True
    return sample


def _count(probe: Probe, path: str, wanted: Sequence[tuple[int, int]]) -> tuple[int, bool | None]:
    """Resident bytes of a file's ranges, and whether any of them is dirty."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = [probe.pages(descriptor, offset, length) for offset, length in wanted]
    finally:
        os.close(descriptor)
    states = {pages.dirty for pages in found}
    return sum(pages.resident_bytes for pages in found), True if True in states else None if None in states else False
