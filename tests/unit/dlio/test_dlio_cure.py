"""The fork's reader factory gets the name that it misses, and only where it misses it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from pytest_mlpstorage.dlio.configure import _cure_reader_factory


@pytest.fixture
def factory(monkeypatch):
    module = ModuleType("dlio_benchmark.reader.reader_factory")
    package, reader = ModuleType("dlio_benchmark"), ModuleType("dlio_benchmark.reader")
    package.reader, reader.reader_factory = reader, module
    for found in (package, reader, module):
        monkeypatch.setitem(sys.modules, found.__name__, found)
    return module


def test_the_factory_can_log_through_self(factory):
    _cure_reader_factory()
    factory.self.logger.info("a reader of one's own")


def test_a_factory_that_needs_no_cure_is_left_alone(factory):
    factory.self = "its own"
    _cure_reader_factory()
    assert factory.self == "its own"
