"""The engine milvus on a real server, in a network namespace of its own: milvus_cases.py, and what needs no server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import network_namespace
from vector_cases import failure

from pytest_mlpstorage.vectordb.engine import EngineUnavailableError
from pytest_mlpstorage.vectordb.milvus_engine import MilvusEngine

pytestmark = pytest.mark.real

HERE = Path(__file__).parent


@pytest.mark.full
def test_all_cases_pass_on_the_server_of_the_wheel():
    missing = [name for name in ("milvus", "pymilvus") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    command = [sys.executable, str(HERE / "network_namespace.py"), sys.executable, "-m", "pytest", str(HERE / "milvus_cases.py")]
    done = subprocess.run([*command, "-n", "0", "-p", "no:cacheprovider", "-q", "--tb=short"], capture_output=True, text=True, timeout=1800)
    if done.returncode == network_namespace.NOT_HERE:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_without_the_client_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    failure(MilvusEngine().version, "pip install", kind=EngineUnavailableError)
