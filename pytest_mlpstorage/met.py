"""What a rule tells of a demand that is met: what was measured and what is required, for the people who read why it passed."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable
from typing import Final

from pytest_mlpstorage.verdict import amounts

__all__ = ["Met", "NotAsked", "combined"]

_LISTED: Final = 3
"""Most different texts that are told one by one."""

_NUMBER: Final = re.compile(r"(-?\d{1,15}(?:\.\d+)?)((?: [^\d\s;,]\S*| ?%)?)", re.ASCII)
"""A number with its unit or noun, of which many become a range: ``97.1 %``, ``5 runs``."""


@dataclasses.dataclass(frozen=True)
class Met:
    """A demand of a rule that is met. It weighs nothing: whoever judges looks at findings and at evidence that lacks.

    Both sides are short, with their units: ``Met("97.1 %", "at least 90 %")``.
    """

    measured: str | int | float
    required: str | int | float


class NotAsked(Met):
    """A demand that the subject gives no cause for, and when it is one: ``NotAsked("no manifest", "asked where there is one")``.

    A rule that tells nothing else has passed because there was nothing to look at, and reports say so.
    """


def combined(told: Iterable[Met]) -> tuple[str, str]:
    """What was measured and what is required over all that a rule told, empty where it told nothing.

    Values that were held against one requirement become their range, or the first few of them; of several requirements each stands beside
    its own: ``("70 to 75 files; 3 folders", "at least 68; at least 3")``.
    """
    by_required: dict[str, list[str]] = {}
    # Runs of a result say mostly the same.
    for measured, required in dict.fromkeys((str(met.measured), str(met.required)) for met in told):
        by_required.setdefault(required, []).append(measured)
    shown = [_shortened(texts, required) for required, texts in itertools.islice(by_required.items(), _LISTED)]
    more = f"; … {len(by_required) - _LISTED} more" if len(by_required) > _LISTED else ""
    return "; ".join(_together(texts) for texts, _ in shown) + more, "; ".join(required for _, required in shown) + more


def _shortened(texts: list[str], required: str) -> tuple[list[str], str]:
    """Values and their requirement without digits that nobody measures; whole where one of them needs these beside it."""
    pairs = [amounts(text, required) for text in texts]
    short = {limit for _, limit in pairs}
    return ([text for text, _ in pairs], short.pop()) if len(short) == 1 else (texts, required)


def _together(texts: list[str]) -> str:
    different = list(dict.fromkeys(texts))
    if len(different) == 1:
        return different[0]
    found = [_NUMBER.fullmatch(text) for text in different]
    numbers = [one for one in found if one is not None]
    if len(numbers) == len(different) and len({one[2] for one in numbers}) == 1:
        low, high = (pick(numbers, key=lambda one: float(one[1])) for pick in (min, max))
        return f"{low[1]} to {high[1]}{low[2]}"
    more = f", … {len(different) - _LISTED} more" if len(different) > _LISTED else ""
    return ", ".join(different[:_LISTED]) + more
