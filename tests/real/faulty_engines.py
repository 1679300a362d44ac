"""Vector database engines for tests: the stand-in that is right, and the same with one fault each.

``installed(site)`` registers them all in a folder for PYTHONPATH, as a package of a third party would; each fault is an engine of its
own name, so that it needs no switch that a launcher would have to hand on to its ranks.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
from stand_in_engine import StandIn, StandInSearcher

from pytest_mlpstorage.vectordb.engine import EngineError

GOOD_SEARCHES = 20
"""After so many searches of a process the faults of a search begin."""


class FaultySearcher(StandInSearcher):
    """Searches as it should ``GOOD_SEARCHES`` times, then commits its fault."""

    def __init__(self, spec, file, fault):
        super().__init__(spec, file)
        self.fault, self.before = fault, None

    def search(self, vector, k, params):
        ids, scores = super().search(vector, k, params)
        before, self.before = self.before, (ids, scores)
        if self.searches <= GOOD_SEARCHES:
            return ids, scores
        return self.fault(self, ids, scores, before or (ids, scores))


def short_answers(searcher, ids, scores, before):
    return ids[:-1], scores[:-1]


def stale_answers(searcher, ids, scores, before):
    return before


def unknown_ids(searcher, ids, scores, before):
    return ids + len(searcher.rows), scores


def repeated_ids(searcher, ids, scores, before):
    return np.repeat(ids[:1], len(ids)), scores


def raising(searcher, ids, scores, before):
    if searcher.searches % 3 == 0:
        raise EngineError("the search failed on purpose", suggestion="none")
    return ids, scores


def raising_foreign(searcher, ids, scores, before):
    raise ZeroDivisionError("an error of the engine that is no EngineError")


def slow(searcher, ids, scores, before):
    time.sleep(0.05)
    return ids, scores


def hanging(searcher, ids, scores, before):
    time.sleep(3600)


def crashing(searcher, ids, scores, before):
    os.kill(os.getpid(), signal.SIGSEGV)


SEARCH_FAULTS = (short_answers, stale_answers, unknown_ids, repeated_ids, raising, raising_foreign, slow, hanging, crashing)


class FromMemory(StandIn):
    """Says that it reads from disk, and never does."""

    name = "from_memory"

    def searcher(self, spec, file):
        made = StandInSearcher(spec, file)
        made.read_pages = lambda _start: None
        return made


class HangingBuild(StandIn):
    """Retries for ever, with all signs of life and much work for the processor."""

    name = "hanging_build"

    def build(self, progress):
        while True:
            progress(None)
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                pass


class HangingServer(HangingBuild):
    """A server, whose build goes on without whoever asked for it; the file tells who dropped it."""

    name = "hanging_server"

    def capabilities(self):
        return dataclasses.replace(super().capabilities(), form="server")

    def drop(self):
        where = self._folder.parent
        super().drop()
        (where / "dropped").touch()


class UndroppableServer(HangingServer):
    name = "undroppable_server"

    def drop(self):
        raise EngineError("it is busy", suggestion="wait")


class HangingCreate(StandIn):
    name = "hanging_create"

    def create(self, spec, where, *, replace=False):
        time.sleep(3600)


class HangingCount(StandIn):
    name = "hanging_count"

    def stats(self):
        time.sleep(3600)


class NeverCloses(StandInSearcher):
    def close(self):
        time.sleep(3600)


class HangingClose(StandIn):
    name = "hanging_close"

    def searcher(self, spec, file):
        return NeverCloses(spec, file)


class SilentBuild(StandIn):
    name = "silent_build"

    def build(self, progress):
        time.sleep(3600)


class CrashingBuild(StandIn):
    name = "crashing_build"

    def build(self, progress):
        progress(None)
        os.kill(os.getpid(), signal.SIGSEGV)


class LosesRows(StandIn):
    """Takes every row and keeps all but the last."""

    name = "loses_rows"

    def stats(self):
        told = super().stats()
        return dataclasses.replace(told, rows=told.rows - 1, distinct_ids=told.rows - 1)


class RepeatsIds(StandIn):
    name = "repeats_ids"

    def stats(self):
        told = super().stats()
        return dataclasses.replace(told, distinct_ids=told.rows // 2)


class Incomplete(StandIn):
    name = "incomplete_index"

    def stats(self):
        return dataclasses.replace(super().stats(), completeness=0.5)


class OtherParameters(StandIn):
    """Uses other parameters than those it was given, and says so."""

    name = "other_parameters"

    def build(self, progress):
        report = super().build(progress)
        return dataclasses.replace(report, effective={name: value + 1 for name, value in report.effective.items()})


def _with_fault(fault):
    def searcher(self, spec, file):
        return FaultySearcher(spec, file, fault)

    return type(fault.__name__, (StandIn,), {"name": fault.__name__, "searcher": searcher})


ENGINES = {
    made.name: made
    for made in (
        StandIn, FromMemory, HangingBuild, SilentBuild, CrashingBuild, LosesRows, RepeatsIds, Incomplete, OtherParameters,
        HangingCreate, HangingCount, HangingClose, HangingServer, UndroppableServer,
        *map(_with_fault, SEARCH_FAULTS),
    )
}  # fmt: skip
globals().update({f"engine_{name}": made for name, made in ENGINES.items()})


def installed(site):
    """Register all engines in a folder that goes on PYTHONPATH; gives the folder as text."""
    info = Path(site) / "faulty_engines-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    for module in ("stand_in_engine.py", "faulty_engines.py"):
        shutil.copy(Path(__file__).with_name(module), site)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-engines\nVersion: 1.0\n")
    points = "".join(f"{name} = faulty_engines:engine_{name}\n" for name in ENGINES)
    (info / "entry_points.txt").write_text(f"[pytest_mlpstorage.vectordb_engines]\n{points}")
    return str(site)
