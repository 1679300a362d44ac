"""The places where errors are made, once for all tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import raised


@pytest.fixture(scope="session")
def modules():
    return raised.modules()


@pytest.fixture(scope="session")
def made(modules):
    return raised.made(modules)
