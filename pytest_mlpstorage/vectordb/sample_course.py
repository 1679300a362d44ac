"""The course of the phases of a run, from the samples of its workers: searches a second and their times, in few steps."""

from __future__ import annotations

import dataclasses
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from pytest_mlpstorage.vectordb.samples import PHASES, SAMPLE, Samples, Status

__all__ = ["PhaseCourse", "SampleCourse", "course_of", "host_of", "samples_in"]

_STEPS: Final = 128
_FILE: Final = re.compile(r"samples/samples-r\d+-w\d+@(?P<host>[^/]+)\.npy")
_NS: Final = 1e9


@dataclasses.dataclass(frozen=True)
class PhaseCourse:
    """One phase over the steps of its run: searches a second, and the median and P99 of their times in ms; None where it was not on.

    ``begin`` and ``end`` are seconds of the course.
    """

    name: str
    begin: float
    end: float
    searches: int
    per_second: tuple[float | None, ...]
    median_ms: tuple[float | None, ...]
    p99_ms: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class SampleCourse:
    """All phases over one time, which begins at ``began_ns`` of the common clock: that of the first host."""

    began_ns: int
    seconds: float
    step: float
    phases: tuple[PhaseCourse, ...]


def host_of(name: str) -> str | None:
    """Whose samples a file of a leaf holds; None for a file of anything else."""
    match = _FILE.fullmatch(name)
    return match["host"] if match else None


def samples_in(content: bytes) -> Samples | None:
    """The records of one worker; None for what is no such file."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            return None
        shape, _, dtype = np.lib.format.read_array_header_1_0(file) if version == (1, 0) else np.lib.format.read_array_header_2_0(file)
    except (ValueError, EOFError, MemoryError, TypeError, LookupError, SyntaxError, RecursionError, tokenize.TokenError):
        return None  # numpy reads the header as Python, and it may be anybody's
    rest = content[file.tell() :]
    if dtype != SAMPLE or len(shape) != 1 or len(rest) != shape[0] * SAMPLE.itemsize:
        return None
    return np.frombuffer(rest, SAMPLE)


def course_of(workers: Iterable[tuple[str, Samples]], offsets_ns: Mapping[str, int]) -> SampleCourse | None:
    """The phases of all workers, each with its host; ``offsets_ns`` is how far each host's clock is ahead of the common one.

    Only searches that succeeded count, each where it ended. None where there is none, or where times cannot be.
    """
    parts: list[tuple[Samples, np.ndarray, np.ndarray]] = []
    for host, samples in workers:
        good = samples[(samples["status"] == Status.OK) & (samples["seconds"] >= 0) & (samples["seconds"] < 1e6)]
        began = good["began_ns"].astype(np.float64) - offsets_ns.get(host, 0)
        parts.append((good, began, began + good["seconds"] * _NS))
    if not any(len(good) for good, _, _ in parts):
        return None
    began, ended = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    phase, seconds = (np.concatenate([good[key] for good, _, _ in parts]) for key in ("phase", "seconds"))
    first, last = float(began.min()), float(ended.max())
    length = (last - first) / _NS
    if not 0 < length < 1e9:
        return None
    step = length / _STEPS
    places = np.minimum(((ended - first) / _NS / step).astype(np.int64), _STEPS - 1)
    made = tuple(
        _phase(name, (began[own] - first) / _NS, (ended[own] - first) / _NS, seconds[own] * 1000, places[own], step)
        for number, name in enumerate(PHASES)
        if (own := phase == number).any()
    )
    return SampleCourse(int(first), length, step, made)


def _phase(name: str, began: np.ndarray, ended: np.ndarray, ms: np.ndarray, places: np.ndarray, step: float) -> PhaseCourse:
    begin, end = float(began.min()), float(ended.max())
    counts = np.bincount(places, minlength=_STEPS)
    order = np.argsort(places, kind="stable")
    groups = np.split(ms[order], np.cumsum(counts)[:-1])
    rates: list[float | None] = []
    for index, count in enumerate(counts):
        # The part of the step in which the phase was on: the first and the last step are not emptier for that.
        on = min(end, (index + 1) * step) - max(begin, index * step)
        rates.append(float(count) / on if on > 0.02 * step else None)
    return PhaseCourse(
        name,
        begin,
        end,
        len(ms),
        tuple(rates),
        tuple(float(np.median(group)) if len(group) else None for group in groups),
        tuple(float(np.percentile(group, 99)) if len(group) else None for group in groups),
    )
