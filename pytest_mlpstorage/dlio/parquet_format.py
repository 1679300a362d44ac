"""A parquet member for the format enumeration of a DLIO that has none (training.md §3)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from pytest_mlpstorage.errors import DependencyError

__all__ = ["INSTALL", "add_member", "add_parquet_format", "require_pyarrow"]

INSTALL: Final = "python -m pip install 'pytest-mlpstorage[parquet]' (or: python -m pip install 'pyarrow>=18')"
"""What brings pyarrow."""


def require_pyarrow() -> None:
    """Raise DependencyError where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise DependencyError(
            "parquet workloads need pyarrow, which is not installed",
            suggestion=INSTALL,
            code="MLPS-E221",
        )


def add_member(enumeration: Any, name: str, value: str) -> None:
    """Give an enumeration one more member; nothing if it has it."""
    if value in enumeration._value2member_map_:
        return
    member = object.__new__(enumeration)
    member._name_, member._value_, member._sort_order_ = name, value, len(enumeration._member_names_)
    enumeration._member_names_.append(name)
    enumeration._member_map_[name] = member
    enumeration._value2member_map_[value] = member
    # EnumMeta refuses to set a member's name; the plain way of types does not.
    type.__setattr__(enumeration, name, member)


def add_parquet_format() -> None:
    """Let DLIO take ``dataset.format: parquet``; raises DependencyError without pyarrow."""
    require_pyarrow()
    from dlio_benchmark.common.enumerations import FormatType

    add_member(FormatType, "PARQUET", "parquet")
