"""Stand-ins appear only where the real package is absent, and behave as DLIO's decorators need."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from pytest_mlpstorage.dlio import standins


@pytest.fixture
def clean_modules(monkeypatch):
    for name in ("tensorflow", "dftracer", "dftracer.logger"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield monkeypatch
    for name in ("tensorflow", "dftracer", "dftracer.logger"):
        sys.modules.pop(name, None)


def test_an_installed_package_is_never_replaced(clean_modules):
    clean_modules.setattr(standins, "find_spec", lambda name: object() if name == "tensorflow" else None)
    assert standins.install() == ("dftracer",)
    assert "tensorflow" not in sys.modules


def test_an_absent_package_gets_an_importable_stand_in(clean_modules):
    clean_modules.setattr(standins, "find_spec", lambda _name: None)
    assert standins.install() == ("tensorflow", "dftracer")
    assert standins.install() == (), "twice is once"
    assert find_spec("tensorflow") is not None, "asking for it must not raise"


def test_the_tracer_passes_functions_iterables_and_blocks_through(clean_modules):
    clean_modules.setattr(standins, "find_spec", lambda _name: None)
    standins.install()
    from dftracer.logger import DFTRACER_ENABLE, dft_fn, dftracer

    trace = dft_fn(name="x", cat="y")

    @trace.log
    def twice(x):
        return 2 * x

    @trace.log_init
    def three():
        return 3

    @trace.log_static
    def four():
        return 4

    assert (twice(1), three(), four(), list(trace.iter([1, 2]))) == (2, 3, 4, [1, 2])
    with trace as inside:
        inside.update(step=1)
    trace.flush()
    trace.reset()
    assert DFTRACER_ENABLE is False
    dftracer.initialize_log(logfile="x", data_dir="y", process_id=0).finalize()
