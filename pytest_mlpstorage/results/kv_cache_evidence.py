"""``evidence.json`` of a KV cache client: what proves its figures, and every note on them that a reader must know, with its level."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Final

from pytest_mlpstorage.results.coerce import JSONObject, Reading, number
from pytest_mlpstorage.verdict import Severity

__all__ = ["EVIDENCE", "MEMORY", "FoldedNote", "RankEvidence", "TrustNote", "evidence_names", "folded"]

EVIDENCE: Final = "evidence.json"
MEMORY: Final = "memory"
"""Check of the note that the cache lay in memory, and what the record calls such a target."""


_EVIDENCE_FILE: Final = re.compile(rf"option_(\d{{1,6}})/trial_(\d{{1,6}})/rank_(\d{{1,9}})/{re.escape(EVIDENCE)}\Z", re.ASCII)
_LONGEST_MESSAGE: Final = 1000


@dataclasses.dataclass(frozen=True)
class TrustNote:
    """One thing that a reader of a client's figures must know. ``check`` names who found it: ``direct``, ``residency`` and so on."""

    check: str
    level: Severity
    message: str


@dataclasses.dataclass(frozen=True)
class RankEvidence:
    """What one client recorded in one pass.

    ``direct`` is ``proved``, ``unproved`` or ``refuted``; ``overlap`` the share of the window in which all clients measured. None
    for what is missing or is no such value. ``problem`` says why the notes cannot be relied upon; empty where they can.
    ``cpu_share`` is of the client's cores, ``content_share`` the part of its time that stamps and checks took; ``client_side_percentiles``:
    its threads waited so long to go on that latencies are its own as much as the storage's.
    """

    option: int
    trial: int
    rank: int
    notes: tuple[TrustNote, ...] = ()
    direct: str | None = None
    memory: bool = False
    overlap: float | None = None
    problem: str = ""
    cpu_share: float | None = None
    content_share: float | None = None
    client_side_percentiles: bool = False

    @classmethod
    def from_json(cls, raw: JSONObject | None, place: tuple[int, int, int]) -> RankEvidence:
        """From the content of a file; None for one that could not be read."""
        if raw is None:
            return cls(*place, problem="it cannot be read")
        top = Reading(raw)
        given = raw.get("notes")
        read = tuple(_note(item) for item in given) if isinstance(given, list) else ()
        notes = tuple(note for note in read if note is not None)
        client = top.mapping("client") or {}
        direct = (top.mapping("direct") or {}).get("direct")
        memory = (top.mapping("target") or {}).get("storage") == MEMORY or any(note.check == MEMORY for note in notes)
        if memory and not any(note.check == MEMORY for note in notes):
            notes += (TrustNote(MEMORY, Severity.WARNING, "the cache lay in memory: nothing here was measured of storage"),)
        return cls(
            *place,
            notes=notes,
            direct=direct if direct in ("proved", "unproved", "refuted") else None,
            memory=memory,
            overlap=top.number("window_overlap"),
            problem="" if isinstance(given, list) and None not in read else "its notes cannot be read",
            cpu_share=number(client.get("cpu_share")),
            content_share=number(client.get("content_share")),
            client_side_percentiles=client.get("percentiles_are_client_side") is True,
        )


@dataclasses.dataclass(frozen=True)
class FoldedNote:
    """What several clients say by one check at one level: the words of each, with the ``(option, trial, rank)`` of those who say it."""

    check: str
    level: Severity
    messages: tuple[tuple[str, tuple[tuple[int, int, int], ...]], ...]

    @property
    def places(self) -> tuple[tuple[int, int, int], ...]:
        """Everyone who says something of it, in order."""
        return tuple(sorted({place for _message, places in self.messages for place in places}))


def evidence_names(names: Iterable[str]) -> dict[str, tuple[int, int, int]]:
    """Those of a run's files that are a client's evidence, with their option, trial and rank, in order."""
    found = {}
    for name in names:
        match = _EVIDENCE_FILE.match(name)
        if match:
            option, trial, rank = map(int, match.groups())
            found[name] = (option, trial, rank)
    return dict(sorted(found.items(), key=lambda item: item[1]))


def folded(evidence: Iterable[RankEvidence]) -> tuple[FoldedNote, ...]:
    """The notes of many clients by check and level, the gravest first."""
    found: dict[tuple[str, Severity], dict[str, list[tuple[int, int, int]]]] = {}
    for one in evidence:
        for note in one.notes:
            places = found.setdefault((note.check, note.level), {}).setdefault(note.message, [])
            places.append((one.option, one.trial, one.rank))
    order = list(Severity)
    return tuple(
        FoldedNote(check, level, tuple((message, tuple(places)) for message, places in messages.items()))
        for (check, level), messages in sorted(found.items(), key=lambda item: order.index(item[0][1]))
    )


def _note(raw: object) -> TrustNote | None:
    if not isinstance(raw, dict):
        return None
    check, level, message = (raw.get(key) for key in ("check", "level", "message"))
    if not isinstance(check, str) or not isinstance(message, str) or level not in [each.value for each in Severity]:
        return None
    return TrustNote(check[:_LONGEST_MESSAGE], Severity(level), " ".join(message[:_LONGEST_MESSAGE].split()))
