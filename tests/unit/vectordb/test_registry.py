"""Engines by name, from packages that are installed beside ours."""

from __future__ import annotations

import pickle
import sys

import pytest

from pytest_mlpstorage.errors import ConfigurationError, DependencyError, EngineError, EngineUnavailableError
from pytest_mlpstorage.vectordb import registry

MODULE = """
class Made:
    name = "made"

class NeedsMore:
    def __init__(self, more): pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with these entry points on the path."""

    def add(package, *points):
        site = tmp_path / package
        info = site / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{package}_module.py").write_text(MODULE)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n" + "\n".join(points) + "\n")
        monkeypatch.syspath_prepend(str(site))

    yield add
    for name in [name for name in sys.modules if name.endswith("_module") and name.split("_")[0] in {"first", "second"}]:
        del sys.modules[name]


def test_an_engine_of_another_package_is_found_and_made_anew_each_time(install):
    install("first", "made = first_module:Made")
    assert "made" in registry.names()
    one, two = registry.engine("made"), registry.engine("made")
    assert (one.name, two.name) == ("made", "made")
    assert one is not two


def test_an_unknown_name_is_refused_with_the_nearest(install):
    install("first", "made = first_module:Made")
    with pytest.raises(ConfigurationError, match="did you mean 'made'"):
        registry.engine("mad")


@pytest.mark.parametrize("target", ["first_module:NeedsMore", "first_module:Nothing", "nowhere_module:Made"])
def test_a_plug_in_that_does_not_load_is_told_with_its_package(install, target):
    install("first", f"made = {target}")
    with pytest.raises(EngineUnavailableError) as caught:
        registry.engine("made")
    assert caught.value.details["package"] == "first"
    assert isinstance(caught.value, DependencyError)


def test_two_packages_with_one_name_are_told_and_the_same_plug_in_twice_is_not(install):
    install("first", "made = first_module:Made", "same = first_module:Made")
    install("second", "made = second_module:Made", "same = first_module:Made")
    with pytest.raises(DependencyError, match="two packages"):
        registry.engine("made")
    assert registry.engine("same").name == "made"


def test_an_error_of_an_engine_can_be_sent_to_another_process():
    error = pickle.loads(pickle.dumps(EngineError("it failed", details={"k": 10}, suggestion="try again")))  # noqa: S301 - made here
    assert str(error) == "[MLPS-E510] it failed\n  k: 10\n  next: try again"
