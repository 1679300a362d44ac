"""Helpers of these tests beside them, and the trees of the tests of rules, by which our files are judged."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "rules"))


@pytest.fixture(params=[1, 3], ids=["one-call", "three-calls"])
def stretch(request, monkeypatch):
    """How many calls of an object are made, and checked, at once."""
    monkeypatch.setattr("kv_targets.CALLS", request.param)
    return request.param
