"""What the clients' own evidence says of a pass: errors end it, and every other note goes with its figures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.ranks.world import LEAST_OVERLAP
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.kv_cache_evidence import EVIDENCE, FoldedNote, RankEvidence, folded
from pytest_mlpstorage.verdict import Severity

__all__ = ["Trust", "trust_of"]

_RANKS_TOLD: Final = 3


@dataclasses.dataclass(frozen=True)
class Trust:
    """``problems`` make a pass no measurement; ``notes`` are for its reader; ``record`` keeps all of them, word by word, by rank.

    ``evidence`` is what was read.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    record: tuple[dict[str, Any], ...]
    evidence: tuple[RankEvidence, ...] = ()


def trust_of(output: Path, option: int, trial: int, ranks: int, *, required: bool = True) -> Trust:
    """Read the evidence of every rank of a pass below ``output``. ``required``: a rank without any is a problem of the pass."""
    files = TreeFiles(output)
    found = []
    for rank in range(ranks):
        path = output / f"option_{option}" / f"trial_{trial}" / f"rank_{rank}" / EVIDENCE
        if path.is_file() or required:
            raw = files.json_object(path) if path.is_file() else None
            one = RankEvidence.from_json(raw, (option, trial, rank))
            found.append(one if path.is_file() else dataclasses.replace(one, problem="it is not there"))
    problems = [f"rank {one.rank}: {EVIDENCE} proves nothing: {one.problem}" for one in found if one.problem]
    short = [one for one in found if one.overlap is not None and one.overlap < LEAST_OVERLAP]
    if short:
        least = min(short, key=lambda one: one.overlap or 0.0)
        problems.append(f"the ranks measured together for {least.overlap:.1%} of the window only ({LEAST_OVERLAP:.0%} wanted)")
    notes = folded(found)
    problems += [_line(note) for note in notes if note.level is Severity.ERROR]
    return Trust(
        tuple(problems),
        tuple(f"{note.level.value}: {_line(note)}" for note in notes if note.level is not Severity.ERROR),
        tuple(
            {"check": note.check, "level": note.level.value, "message": message, "ranks": [rank for _option, _trial, rank in places]}
            for note in notes
            for message, places in note.messages
        ),
        tuple(found),
    )


def _line(note: FoldedNote) -> str:
    """One line: who says what; of many, the first."""
    told = [f"{_who([rank for _o, _t, rank in places])}: {message}" for message, places in note.messages[:_RANKS_TOLD]]
    more = len(note.places) - len({place for _message, places in note.messages[:_RANKS_TOLD] for place in places})
    return "; ".join(told) + (f"; and {more} more rank(s), see their {EVIDENCE}" if more else "")


def _who(ranks: list[int]) -> str:
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    if len(ranks) <= _RANKS_TOLD:
        return f"ranks {', '.join(map(str, ranks))}"
    return f"{len(ranks)} ranks (first {ranks[0]})"
