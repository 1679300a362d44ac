"""A small suite in a folder of its own; whatever a test leaves running is a failure of that test."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("small_suite", Path(__file__).with_name("small_suite.py"))
small_suite = importlib.util.module_from_spec(_spec)
sys.modules["small_suite"] = small_suite
_spec.loader.exec_module(small_suite)


@pytest.fixture
def suite(tmp_path):
    """An empty folder with a configuration; at the end no process of it may be left."""
    (tmp_path / "suite.yaml").write_text(small_suite.CONFIG)
    suite = small_suite.Suite(tmp_path)
    yield suite
    end = time.monotonic() + 15
    while suite.processes() and time.monotonic() < end:
        time.sleep(0.2)
    assert suite.processes() == []


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """A folder whose data set is generated; a test takes a copy."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "suite.yaml").write_text(small_suite.CONFIG)
    suite = small_suite.Suite(folder)
    ended = suite.run("-k", "preflight or datasize or datagen")
    assert ended.code == 0, ended.text
    return folder


@pytest.fixture
def ready(generated, suite):
    """A suite with its data set in place, ready to run."""
    shutil.copytree(generated / "mlps-data", suite.folder / "mlps-data")
    return suite
