"""What a card tells of a result besides its verdict: what ran, its figures with limits and spread, its cold reads, how to rerun it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pytest_mlpstorage.report.headline_text import Limit, Spread

__all__ = ["ColdReads", "ColdState", "ResultFacts"]

ColdState: TypeAlias = Literal["proved", "refuted", "unavailable"]


@dataclasses.dataclass(frozen=True)
class ColdReads:
    """Whether what a result read came from the storage, and the figures, or the reason, in one line."""

    state: ColdState
    text: str


@dataclasses.dataclass(frozen=True)
class ResultFacts:
    """All that is read of a result for its card, where the result has been read already.

    ``ran`` are labels and texts in the order in which they are told. ``figures`` are the headlines by their official names, ``again`` what
    its last run kept of the start that made it, ``executed`` the command that this run recorded (empty for none).
    ``contradicted`` is the rule by which the figures are not what their own records give; empty where none says so.
    """

    ran: tuple[tuple[str, str], ...] = ()
    figures: Mapping[str, float] = dataclasses.field(default_factory=dict)
    spreads: Mapping[str, Spread] = dataclasses.field(default_factory=dict)
    limits: Mapping[str, Limit] = dataclasses.field(default_factory=dict)
    cold_reads: ColdReads | None = None
    again: Mapping[str, Any] | None = None
    executed: str = ""
    contradicted: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it travels among the properties of an item."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> ResultFacts:
        """What ``to_json`` gave."""
        cold = written["cold_reads"]
        return cls(
            ran=tuple((str(label), str(text)) for label, text in written["ran"]),
            figures=dict(written["figures"]),
            spreads={name: Spread(**told) for name, told in written["spreads"].items()},
            limits={name: Limit(**told) for name, told in written["limits"].items()},
            cold_reads=ColdReads(cold["state"], cold["text"]) if cold is not None else None,
            again=written["again"],
            executed=str(written["executed"]),
            contradicted=str(written["contradicted"]),
        )
