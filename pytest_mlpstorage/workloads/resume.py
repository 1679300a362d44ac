"""What a second start does with the runs that stand in a results tree: which are kept, which are done again, and why.

Pure: the state of the leaves goes in, a plan with its reasons comes out. It knows no family; a workload describes its runs::

    plan_series(
        steps,            # names of the steps of one phase in order: ("warmup", "1", … "5"), ("write", "read")
        leaves,           # Sequence[Standing]: the leaves of that phase as they stand, oldest first
        limits=…,         # Sequence[Limit]: how far neighbours may lie apart, such as Limit.of_edition(run_gap, "2.1.18")
        now=…,            # local time of this start
        binding=…,        # False in whatif: nothing is claimed there, so a gap is told of and breaks nothing
        failures=…,       # Sequence[Failure]: runs that failed by themselves, which may not lie between two of one series
        warmups=…,        # how many of the steps are warm-ups
        broken=…,         # why the series cannot go on whatever the clock says (another data set), or ""
        forced=…,         # why everything is done again (--mlps-rerun), or ""
    ) -> SeriesPlan      # .kept stand for the first steps, .aside are moved out of the tree, .why and .note say it to people

What keeps runs together is in the rule book: in edition 3.0 two neighbours start less than twice the shortest run apart (2.1.18),
consecutively, which is without a failed run between them; six consecutive runs of a longer series may be kept (2.1.18a), so whole
runs that follow a damaged one are kept as the beginning of the series.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.units import format_seconds

if TYPE_CHECKING:
    from pytest_mlpstorage.editions.base import RunGap

__all__ = ["RERUN", "Failure", "Limit", "SeriesPlan", "SetAside", "Standing", "plan_series"]

RERUN: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("run",),
    "datagen": ("datagen", "run"),
    "all": ("datasize", "datagen", "run"),
}
"""Values of ``--mlps-rerun`` and the phases that each does again: what comes after a phase rests on it.

Without a value it is ``run``: a data set of many hours is generated anew only where that was said.
"""

_WARMUP: Final = "warmup"


@dataclasses.dataclass(frozen=True)
class Standing:
    """One leaf as it stands in the tree. ``named`` is the time of its name; ``start`` and ``end`` are those of its summary.

    ``invalid`` says why the leaf does not count, and is empty for a whole one; ``step`` is the step that it says it is.
    """

    relpath: str
    named: dt.datetime | None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    step: str = ""
    invalid: str = ""

    @property
    def name(self) -> str:
        """Name of its directory."""
        return self.relpath.rpartition("/")[2]

    @property
    def seconds(self) -> float | None:
        """How long it ran; None where that cannot be told."""
        return (self.end - self.start).total_seconds() if self.start is not None and self.end is not None else None


@dataclasses.dataclass(frozen=True)
class Failure:
    """A run that was begun and failed by itself: the time of the name that it would have had, and the reason kept with its evidence."""

    named: dt.datetime
    reason: str


@dataclasses.dataclass(frozen=True)
class Limit:
    """How far two neighbouring runs may lie apart by one rule: ``factor`` × the duration ``of`` the runs, or ``seconds``.

    ``measure``, ``factor``, ``of`` and ``equal_passes`` as in an edition's RunGap; with ``seconds`` the limit is a fixed time.
    """

    rule: str
    measure: str
    factor: float = 1.0
    of: str = "shortest"
    equal_passes: bool = False
    seconds: float | None = None

    @classmethod
    def of_edition(cls, gap: RunGap, rule: str) -> Limit:
        """The limit that an edition's table holds."""
        return cls(rule, gap.measure, gap.factor, gap.of, gap.equal_passes)

    def _allowed(self, one: Standing, other: Standing | None, durations: Sequence[float]) -> float | None:
        if self.seconds is not None:
            return self.seconds
        if self.of == "shortest":
            return self.factor * min(durations) if durations else None
        if self.of == "mean":
            return self.factor * sum(durations) / len(durations) if durations else None
        pair = [s.seconds for s in (one, other) if s is not None and s.seconds is not None]
        return self.factor * max(pair) if pair else None

    def broken(self, one: Standing, other: Standing | None, durations: Sequence[float], now: dt.datetime) -> str:
        """Why the rule is broken between a run and the next, which would start ``now`` where ``other`` is None; else empty."""
        starts = self.measure == "start_to_start"
        before = one.named if starts else one.end
        after = now if other is None else other.named if starts else other.start
        allowed = self._allowed(one, other, durations)
        if before is None or after is None or allowed is None:
            return f"{one.name} does not say when it ran, so nothing can follow it ({self.rule})" if other is None else ""
        if other is None and one.start is not None and after < one.start:
            # The rules order runs by their starts: what came after it would be taken for what came before.
            return f"by the clock of this host {one.name} lies in the future, so nothing can follow it ({self.rule})"
        apart = (after - before).total_seconds()
        if apart < allowed or (apart == allowed and self.equal_passes):
            return ""
        how = "from start to start" if starts else "from the end of one to the start of the next"
        what = f"the gap of {format_seconds(apart)} {how} between {one.name} and "
        return what + (
            f"now would break {self.rule}, which allows less than {format_seconds(allowed)}"
            if other is None
            else f"{other.name} breaks {self.rule}, which allows less than {format_seconds(allowed)}"
        )


@dataclasses.dataclass(frozen=True)
class SetAside:
    """A leaf that is moved out of the tree, and why."""

    leaf: Standing
    reason: str


@dataclasses.dataclass(frozen=True)
class SeriesPlan:
    """What stands and what is to be done of one series.

    ``kept[i]`` stands for ``steps[i]``; the later steps are to be done, ``why``. ``note`` tells of a series that goes on.
    """

    steps: tuple[str, ...]
    kept: tuple[Standing, ...] = ()
    aside: tuple[SetAside, ...] = ()
    why: str = ""
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing is to be done."""
        return len(self.kept) >= len(self.steps)

    @property
    def todo(self) -> tuple[str, ...]:
        """Steps to be done, in order."""
        return self.steps[len(self.kept) :]


def plan_series(
    steps: Sequence[str],
    leaves: Sequence[Standing],
    *,
    limits: Sequence[Limit],
    now: dt.datetime,
    binding: bool,
    failures: Sequence[Failure] = (),
    warmups: int = 0,
    broken: str = "",
    forced: str = "",
) -> SeriesPlan:
    """Decide what of a series is kept. Whatever is kept can stand in the tree together with what is done after it."""
    names = tuple(steps)
    if forced:
        return SeriesPlan(names, (), tuple(SetAside(leaf, forced) for leaf in leaves), forced if leaves else "")
    judge = _Judge(limits, tuple(failures), now, [s.seconds for s in leaves if not s.invalid and s.seconds is not None])
    bad = [SetAside(leaf, leaf.invalid) for leaf in leaves if leaf.invalid]
    chains = judge.chains(leaves) if binding else [([s for s in leaves if not s.invalid], "")]
    whole = next((chain for chain, _ in reversed(chains) if len(chain) >= len(names)), None)
    if whole is not None and (binding or _warmed_up(whole, warmups)):
        return SeriesPlan(names, tuple(whole), _others(leaves, whole, "it belongs to no complete series, and another one is complete"))
    chain, gap = chains[-1] if chains else ([], "")
    # In binding order: the leaf at the very end counts too, a damaged one after the chain is a run between it and the next.
    stop = _stops(chain, leaves, judge, warmups, broken, binding=binding)
    if stop:
        why = stop if not bad or stop in {b.reason for b in bad} else f"{_told(bad)}; {stop}"
        reason = {b.leaf: b.reason for b in bad}
        return SeriesPlan(names, (), tuple(SetAside(s, reason.get(s) or f"its series could not go on: {why}") for s in leaves), why)
    if not chain:
        return SeriesPlan(names, (), tuple(bad), _told(bad))
    before = gap or "it belongs to a series that was broken off"
    note = judge.gap_now(chain[-1])
    note = f"{note}; in whatif the series goes on all the same" if note else ""
    return SeriesPlan(names, tuple(chain), _others(leaves, chain, before), _told(bad), note)


def _told(bad: Sequence[SetAside]) -> str:
    return "; ".join(f"{one.leaf.name} does not count: {one.reason}" for one in bad)


def _others(leaves: Sequence[Standing], kept: Sequence[Standing], reason: str) -> tuple[SetAside, ...]:
    return tuple(SetAside(leaf, leaf.invalid or reason) for leaf in leaves if leaf not in kept)


def _warmed_up(chain: Sequence[Standing], warmups: int) -> bool:
    """Whether a series begins with its warm-ups, by what its leaves say; one that says nothing is believed."""
    return all(leaf.step.startswith(_WARMUP) or not leaf.step for leaf in chain[:warmups])


def _stops(chain: Sequence[Standing], leaves: Sequence[Standing], judge: _Judge, warmups: int, broken: str, *, binding: bool) -> str:
    """Why nothing may follow the chain; empty where the series goes on, or where there is none."""
    if not chain:
        return ""
    if broken:
        return broken
    if not binding:
        return "" if _warmed_up(chain, warmups) else f"{chain[0].name} is no warm-up, and the one before it does not count"
    later = [leaf for leaf in leaves[leaves.index(chain[-1]) + 1 :] if leaf.invalid]
    if later:
        return f"{later[-1].name} lies after {chain[-1].name} and does not count: {later[-1].invalid}"
    return judge.break_after(chain[-1], None)


@dataclasses.dataclass(frozen=True)
class _Judge:
    limits: Sequence[Limit]
    failures: Sequence[Failure]
    now: dt.datetime
    durations: Sequence[float]

    def chains(self, leaves: Sequence[Standing]) -> list[tuple[list[Standing], str]]:
        """Whole leaves in unbroken succession, in order, each succession with the reason that the one before it ended."""
        chains: list[tuple[list[Standing], str]] = []
        reason, last = "", None
        for leaf in leaves:
            if leaf.invalid:
                reason, last = f"{leaf.name}, which came after it, does not count: {leaf.invalid}", None
                continue
            gap = self.break_after(last, leaf) if last is not None else ""
            if last is None or gap:
                chains.append(([], gap or reason))
            chains[-1][0].append(leaf)
            last = leaf
        return chains

    def break_after(self, one: Standing, other: Standing | None) -> str:
        """Why a run and the next (None: one that starts now) are not consecutive; else empty."""
        after = self.now if other is None else other.named
        for failure in self.failures:
            if one.named is not None and after is not None and one.named < failure.named <= after:
                return f"a run failed after {one.name} ({failure.reason}), and the runs of a result are consecutive"
        return self._gap(one, other)

    def gap_now(self, one: Standing) -> str:
        """What the rules would say of a run that starts now."""
        return self._gap(one, None)

    def _gap(self, one: Standing, other: Standing | None) -> str:
        return next((text for limit in self.limits if (text := limit.broken(one, other, self.durations, self.now))), "")
