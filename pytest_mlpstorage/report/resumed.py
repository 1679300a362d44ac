"""What a second start found and what it did again, in a line or two a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["resumed_lines"]


def resumed_lines(said: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Lines of what the items said, case by case: what was found, what was done and why, what was set aside."""
    found: dict[str, list[str]] = {}
    done: dict[tuple[str, str], list[str]] = {}
    aside: dict[str, list[str]] = {}
    for one in said:
        case, step, why = str(one["case"]), str(one["step"]), str(one["why"])
        found.setdefault(case, [])
        if one["found"]:
            found[case].append(step)
        elif why:
            done.setdefault((case, why), []).append(step)
        aside.setdefault(case, []).extend(map(str, one["aside"]))
    lines: list[str] = []
    for case, steps in found.items():
        lines += [f"{case}: found, not repeated: {', '.join(steps)}"] if steps else []
        lines += [f"{case}: {line}" for line in aside[case]]
        lines += [f"{case}: done in this start: {', '.join(names)}: {why}" for (of, why), names in done.items() if of == case]
    return tuple(lines)
