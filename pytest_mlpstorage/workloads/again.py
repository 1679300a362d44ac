"""What a leaf keeps of the start that made it, so that ``python -m pytest_mlpstorage.history`` can give the same start again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.vectordb.address import address_shown

if TYPE_CHECKING:
    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.workloads.base import Case

__all__ = ["AGAIN", "again_record"]

AGAIN: Final = "again"
"""Key in the ``mlps`` block of a leaf's metadata."""

_SECRET: Final = re.compile(r"[^=]*(?:password|secret|token)[^=]*=", re.IGNORECASE)


def again_record(config: SuiteConfig, case: Case) -> dict[str, Any]:
    """Configuration file, assignments, variables and directory of this start, and its case; without any password."""
    return {
        "family": case.family,
        "case": case.id,
        "config": str(config.path) if config.path is not None else "",
        "data_dir": str(config.data_dir),
        "set": [_without_password(text) for text in config.given.assignments],
        "environment": {name: _without_password(f"{name}={text}").partition("=")[2] for name, text in config.given.environment.items()},
        "directory": config.given.directory,
    }


def _without_password(text: str) -> str:
    secret = _SECRET.match(text)
    return f"{secret.group()}***" if secret is not None else address_shown(text)
