"""What holds for all tests: modules that can be loaded once in a process only are there before a pytest in a pytest takes its own away."""

import importlib

import pytest


@pytest.fixture(scope="session")
def loaded_once():
    """NumPy and what draws with it. A nested session that loads them first takes them along when it ends, and nobody can load them again."""
    for name in ("numpy", "matplotlib.figure", "matplotlib.backends.backend_svg"):
        importlib.import_module(name)


@pytest.fixture
def pytester(loaded_once, pytester):
    """The one of pytest, after that: a session's fixture comes first."""
    return pytester
