"""What a DLIO can do, asked of a child process; the flavours are small package trees with the features that are looked at."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

from pytest_mlpstorage.dlio import capabilities, flavour
from pytest_mlpstorage.dlio.capabilities import Capabilities, probe, require
from pytest_mlpstorage.errors import DependencyError

REPOSITORY = Path(__file__).parents[3]


def write(root, name, text=""):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))


def fake_dlio(root, *, fork, version, commit=""):
    """A package tree with the features by which a DLIO is told, and nothing else."""
    package = root / "dlio_benchmark"
    for name in ("__init__.py", "common/__init__.py", "utils/__init__.py"):
        write(package, name)
    formats = 'NPZ = "npz"' + ('\n    PARQUET = "parquet"' if fork else "")
    write(
        package,
        "common/enumerations.py",
        f"""
from enum import Enum
class FormatType(Enum):
    {formats}
class StorageType(Enum):
    LOCAL_FS = "local_fs"
{'class CheckpointModeType(Enum): SUBSET = "subset"' if fork else ""}
""",
    )
    write(
        package,
        "utils/config.py",
        f"""
class ConfigArguments:
    batch_size: int = 1
    {"odirect: bool = False" if fork else "pass"}
    {"num_checkpoints_write: int = -1" if fork else "pass"}
def LoadConfig(args, config):
    return {"'record_length_bytes'" if fork else "'record_length'"}
""",
    )
    write(package, "utils/statscounter.py", 'NAME = "{rank}_per_epoch_stats.json"' if fork else 'NAME = "per_epoch_stats.json"')
    info = root / f"dlio_benchmark-{version}.dist-info"
    write(info, "METADATA", f"Metadata-Version: 2.1\nName: dlio_benchmark\nVersion: {version}\n")
    if commit:
        write(info, "direct_url.json", json.dumps({"url": "https://example.invalid/x", "vcs_info": {"vcs": "git", "commit_id": commit}}))


def probe_tree(root, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(REPOSITORY)]))
    capabilities._remembered.clear()
    found = probe()
    capabilities._remembered.clear()
    return found


def test_the_mlcommons_fork_is_told_by_its_features_and_its_commit(tmp_path, monkeypatch):
    fake_dlio(tmp_path, fork=True, version="3.0.0", commit="edaf4bb3d6343ef2fb6b9f6dbafa6102032ae8bf")
    found = probe_tree(tmp_path, monkeypatch)
    assert found.installed
    assert (found.flavour, found.version, found.commit[:7], found.record_key) == ("mlcommons", "3.0.0", "edaf4bb", "record_length_bytes")
    assert found.parquet
    assert found.odirect
    assert found.llm_checkpoint
    assert found.subset
    assert found.per_rank_stats
    assert not found.needs_translation
    assert found.engine == "dlio-mlcommons-3.0.0"


def test_the_registrys_package_is_told_by_what_it_lacks(tmp_path, monkeypatch):
    fake_dlio(tmp_path, fork=False, version="2.0.0")
    found = probe_tree(tmp_path, monkeypatch)
    assert (found.flavour, found.version, found.commit, found.record_key) == ("registry", "2.0.0", "", "record_length")
    assert not any((found.parquet, found.odirect, found.llm_checkpoint, found.subset, found.per_rank_stats))
    assert found.needs_translation


def test_a_package_of_that_name_that_is_no_dlio_is_unknown_and_not_usable(tmp_path, monkeypatch):
    write(tmp_path, "dlio_benchmark/__init__.py")
    found = probe_tree(tmp_path, monkeypatch)
    assert (found.installed, found.flavour, found.usable) == (True, "unknown", False)


def test_a_dlio_that_does_not_import_says_why(tmp_path, monkeypatch):
    fake_dlio(tmp_path, fork=True, version="3.0.0")
    write(tmp_path, "dlio_benchmark/common/enumerations.py", "import no_such_module_anywhere")
    found = probe_tree(tmp_path, monkeypatch)
    assert "no_such_module_anywhere" in found.problem
    assert not found.usable
    with pytest.raises(DependencyError, match="bootstrap install"):
        require(found)


def test_without_dlio_the_answer_is_clear_and_names_the_remedy(monkeypatch):
    from pytest_mlpstorage.dlio import probe as program

    monkeypatch.setattr(flavour, "find_spec", lambda _name: None)
    found = program.probe_here()
    assert (found.installed, found.usable) == (False, False)
    with pytest.raises(DependencyError, match="not installed") as error:
        require(found)
    assert "python -m pytest_mlpstorage.bootstrap install" in str(error.value)


def test_a_missing_torch_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(flavour, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(DependencyError, match="torch not installed") as error:
        flavour.require_dlio()
    assert "bootstrap install" in str(error.value)


def test_a_probe_that_hangs_crashes_or_cannot_start_is_an_answer_too(tmp_path, monkeypatch):
    fake_dlio(tmp_path, fork=True, version="3.0.0")
    write(tmp_path, "dlio_benchmark/common/enumerations.py", "import os; os._exit(9)")
    assert "exit 9" in probe_tree(tmp_path, monkeypatch).problem
    write(tmp_path, "dlio_benchmark/common/enumerations.py", "import time; time.sleep(60)")
    monkeypatch.setattr(capabilities, "PROBE_SECONDS", 1.0)
    assert "more than 1 s" in probe_tree(tmp_path, monkeypatch).problem
    assert not capabilities.probe(str(tmp_path / "no-python")).installed


def test_the_child_is_asked_once(monkeypatch):
    asked = []
    monkeypatch.setattr(capabilities, "_remembered", {})
    monkeypatch.setattr(capabilities, "_probe", lambda python: asked.append(python) or Capabilities(installed=False))
    probe()
    probe()
    assert asked == [sys.executable]


def test_capabilities_survive_json():
    found = Capabilities(installed=True, version="2.0.0", missing=("tensorflow",), formats=("npz",))
    assert Capabilities.from_json(json.loads(json.dumps({**found.to_json(), "of a later version": 1}))) == found
