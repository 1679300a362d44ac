"""Options of the contract suite, for ``-p pytest_mlpstorage.vectordb_contract.options``; without them it takes every registered engine."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.vectordb_contract.child import DEADLINE_SECONDS

__all__ = ["pytest_addoption"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what chooses engines, their addresses and an index."""
    group = parser.getgroup("vectordb-contract", "contract of vector database engines")
    group.addoption(
        "--vectordb-engine", action="append", metavar="NAME", help="test this engine, and fail where it is not installed (may be repeated)"
    )
    group.addoption(
        "--vectordb-where",
        action="append",
        metavar="NAME=ADDRESS",
        help="address of a running server; else it is started if it can be",
    )
    group.addoption("--vectordb-seconds", type=float, metavar="S", help=f"longest that one call may take; default {DEADLINE_SECONDS:g}")
    group.addoption("--vectordb-family", metavar="TOKEN", help="test this index only, as DISKANN; default: all that the engine offers")
