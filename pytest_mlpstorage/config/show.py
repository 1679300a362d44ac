"""The effective configuration for people: ``--mlps-show-config``."""

from __future__ import annotations

import json

from pytest_mlpstorage.config.suite import SuiteConfig
from pytest_mlpstorage.config.tree import JSONValue, Setting

__all__ = ["show"]

_TOP = ("edition", "division", "submitter", "system", "data_dir", "results_dir", "cluster", "launch")


def show(config: SuiteConfig) -> list[str]:
    """One line a setting: key, value, origin; the suite's own keys first, then family by family and entry by entry."""
    rows = [(setting.key, _value(setting.value), str(setting.origin)) for setting in sorted(config.settings, key=_order)]
    key_width = max((len(key) for key, _, _ in rows), default=0)
    value_width = min(max((len(value) for _, value, _ in rows), default=0), 60)
    return [f"{key:<{key_width}}  {value:<{value_width}}  {origin}" for key, value, origin in rows]


def _order(setting: Setting) -> tuple[int, list[tuple[int, int, str]]]:
    """Plain keys as they come, then groups by name, then entries by number."""
    *groups, _ = parts = setting.key.split(".")
    rank = _TOP.index(parts[0]) if parts[0] in _TOP else len(_TOP)
    ways = [(2, int(part), "") if part.isdecimal() else (1, 0, part) for part in groups]
    return rank, [*ways, (0, 0, "")]


def _value(value: JSONValue) -> str:
    if value is None:
        return "(not set)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
