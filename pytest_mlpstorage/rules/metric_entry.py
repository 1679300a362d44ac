"""What is to be said of one metric wherever it is told: its name for people, its unit, what it means and how it is formed."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, TypeAlias

from pytest_mlpstorage.results.places import Kind

__all__ = ["OFFICIAL", "Better", "Headline"]

OFFICIAL: Final = "by the official formula"
"""What is said of figures that the official KV cache formula makes, wherever they are told."""

Better: TypeAlias = Literal["higher", "lower"]


@dataclasses.dataclass(frozen=True)
class Headline:
    """One metric of a kind of result. ``pattern`` is the form of its names among a result's metrics; its group ``of`` tells several apart.

    ``short`` is the name to type in a limit, empty for a metric that is not compared. ``unit`` is that of the value, empty for a
    fraction, a count and a word. ``label`` is read by people; ``definition`` is one sentence; ``formula`` says how the runs give it;
    ``source`` is the rule that asks for it, or says where else it comes from. ``decimals``: how many are told; None for three digits.
    ``official``: the official KV cache formula makes it, which counts work that ended after the window; its label says so.
    """

    short: str
    pattern: str
    unit: str
    kind: Kind
    better: Better = "higher"
    label: str = ""
    definition: str = ""
    formula: str = ""
    source: str = ""
    decimals: int | None = None
    official: bool = False
