"""What a finished leaf says of its origin: the code that ran, the engine that measured, the work that was done."""

import datetime as dt
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import pytest_mlpstorage
from pytest_mlpstorage import __version__
from pytest_mlpstorage.dlio import flavour
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.provenance import Provenance, parse_pointer
from pytest_mlpstorage.results.reader import read_leaf
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads import code_origin, stamping
from pytest_mlpstorage.workloads.stamping import keep_code, list_leaf, provenance_of, stamp_leaf
from pytest_mlpstorage.workloads.training import WORKLOAD

DIGEST = "d8b126b5a33de216f8d98aa0dbe3a46c"
COMMIT = edition("3.0").dlio_revisions[0].commit
FORK = {"name": "dlio", "version": "3.0.4", "commit": COMMIT}


def metadata(engine=FORK, family="training", **parameters):
    template = edition("3.0").training.template("unet3d", "b200").parameters
    mlps = {} if engine is None else {"engine": engine}
    return LeafMetadata(benchmark_type=family, model="unet3d", command="run", parameters={**template, **parameters}, mlps=mlps)


def stamped(given, **named):
    return provenance_of(given, "3.0", DIGEST, **named)


@pytest.fixture(autouse=True)
def installed_from_a_repository(monkeypatch):
    monkeypatch.setattr(stamping, "origin", lambda: "https://github.com/mlcommons/DLIO_local_changes")


def test_a_run_of_the_accepted_engine_says_version_source_and_commit():
    stamp = stamped(metadata(), now=dt.datetime(2026, 11, 26, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=1))))
    assert (stamp.dlio_version, stamp.dlio_commit) == ("3.0.4", COMMIT)
    assert stamp.dlio_source == "https://github.com/mlcommons/DLIO_local_changes"
    assert (stamp.edition, stamp.layout_version, stamp.stamped_at) == ("3.0", 3, "2026-11-26T00:02:03Z")
    assert (stamp.tool_name, stamp.tool_version) == ("pytest-mlpstorage", __version__)
    assert {stamp.tags[f"dlio.{key}"] for key in ("version",)} == {"package-metadata"}
    assert {stamp.tags[f"dlio.{key}"] for key in ("source", "commit")} == {"direct-url"}


def test_the_work_of_the_template_has_the_hash_of_its_published_class():
    stamp = stamped(metadata())
    assert edition("3.0").comparability_class("closed", "training", "unet3d", "b200", stamp.core_config_hash)
    assert (stamp.core_config_algorithm, stamp.core_config_allowlist) == ("core-config-v1", "training@1")
    assert "train.epochs" in stamp.core_config_keys
    assert "reader.read_threads" not in stamp.core_config_keys


def test_the_pointer_and_the_stamp_name_one_image():
    assert parse_pointer(stamped(metadata()).code_image) == ("md5-tree-v2", DIGEST)


@pytest.mark.parametrize(
    ("engine", "tag"),
    [({"name": "mlpstorage", "version": "0.1.0"}, "n/a"), (None, "unknown"), ("dlio", "unknown"), ({}, "n/a"), ({"name": None}, "n/a")],
)
def test_where_no_dlio_measured_none_is_claimed(engine, tag):
    stamp = stamped(metadata(engine))
    written = stamp.to_json()
    assert set(written["dlio"].values()) == {"unknown"}
    assert {stamp.tags[f"dlio.{key}"] for key in ("version", "source", "commit")} == {tag}


def test_a_dlio_from_a_package_index_has_no_commit_and_says_so(monkeypatch):
    monkeypatch.setattr(stamping, "origin", lambda: "package index")
    stamp = stamped(metadata({"name": "dlio", "version": "2.0.0", "commit": ""}))
    assert stamp.to_json()["dlio"] == {"version": "2.0.0", "source": "package index", "commit": "unknown"}
    assert (stamp.tags["dlio.source"], stamp.tags["dlio.commit"]) == ("package-metadata", "unknown")


def test_a_family_whose_hash_is_not_published_has_none():
    written = stamped(metadata(family="kv_cache")).to_json()
    assert written["core_config"] == {"algorithm": "unknown", "allowlist": "unknown", "hash": "unknown", "keys": []}


@pytest.mark.parametrize("storage", [{}, {"storage_type": "local_fs"}, {"storage_type": None}, "none", None])
def test_files_need_no_storage_library(storage):
    stamp = stamped(metadata(storage=storage))
    assert (stamp.storage_library_name, stamp.tags["storage_library.name"]) == ("none", "n/a")


@pytest.mark.parametrize(
    ("library", "name", "known"), [("pytest", "pytest", True), ("no-such-thing", "no-such-thing", False), (None, "unknown", False)]
)
def test_object_storage_is_spoken_to_by_a_library_with_its_version(library, name, known):
    stamp = stamped(metadata(storage={"storage_type": "s3", "storage_options": {"storage_library": library}}))
    assert stamp.storage_library_name == name
    assert (stamp.storage_library_version == pytest.__version__) is known
    assert stamp.tags["storage_library.version"] == ("package-metadata" if known else "unknown")


# -- which code -----------------------------------------------------------------------------------------------------------


def test_the_code_that_runs_is_ours_and_the_engines(monkeypatch, tmp_path):
    monkeypatch.setattr(code_origin, "package_folder", lambda: tmp_path / "dlio_benchmark")
    assert [path.name for path in code_origin.running_code(WORKLOAD)] == ["pytest_mlpstorage", "dlio_benchmark"]
    monkeypatch.setattr(code_origin, "package_folder", lambda: None)
    assert code_origin.running_code(WORKLOAD) == (Path(pytest_mlpstorage.__file__).parent,)


class Foreign:
    pass


def test_a_third_partys_workload_is_code_that_runs_too(monkeypatch, tmp_path):
    monkeypatch.setattr(code_origin, "package_folder", lambda: None)
    for file, kept in (("pack/__init__.py", "pack"), ("module.py", "module.py")):
        Foreign.__module__ = "their_thing.workload"
        monkeypatch.setitem(sys.modules, "their_thing", SimpleNamespace(__file__=str(tmp_path / file)))
        assert code_origin.running_code(Foreign())[1:] == (tmp_path / kept,)


def test_the_commit_of_an_installation_is_what_pip_recorded(monkeypatch):
    record = json.dumps({"url": "u", "vcs_info": {"vcs": "git", "commit_id": "c" * 40}})
    monkeypatch.setattr(code_origin.metadata, "distribution", lambda _name: SimpleNamespace(read_text=lambda _file: record))
    assert code_origin.tool_commit.__wrapped__() == ("c" * 40, "direct-url")


@pytest.mark.parametrize(("status", "expected"), [("", ("a" * 40, "runtime")), ("M x.py", (None, "unknown")), (None, (None, "unknown"))])
def test_a_clone_has_a_commit_only_where_nothing_was_changed(monkeypatch, tmp_path, status, expected):
    monkeypatch.setattr(code_origin.metadata, "distribution", lambda _name: SimpleNamespace(read_text=lambda _file: None))
    monkeypatch.setattr(code_origin, "_PACKAGE", tmp_path / "pytest_mlpstorage")
    monkeypatch.setattr(code_origin, "_git", lambda _clone, *words: "a" * 40 if "rev-parse" in words else status)
    assert code_origin.tool_commit.__wrapped__() == (None, "unknown")  # no clone
    (tmp_path / ".git").mkdir()
    assert code_origin.tool_commit.__wrapped__() == expected


def test_git_that_fails_or_is_not_there_is_no_error(tmp_path, monkeypatch):
    assert code_origin._git(tmp_path, "rev-parse", "HEAD") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_origin._git(tmp_path, "status") is None


@pytest.mark.parametrize(
    ("recorded", "url"),
    [
        (None, "package index"),
        ('{"url": "https://x/y"}', "https://x/y"),
        ("{}", "package index"),
        ("[", "package index"),
        ("[]", "package index"),
        ('{"vcs_info": 3}', "package index"),
    ],
)
def test_where_an_engine_came_from_is_what_pip_recorded(monkeypatch, recorded, url):
    monkeypatch.setattr(flavour.metadata, "distribution", lambda _name: SimpleNamespace(read_text=lambda _file: recorded))
    assert (flavour.origin(), flavour.commit()) == (url, "")


def test_an_engine_in_a_plain_folder_came_from_nowhere_known(monkeypatch):
    def absent(name):
        raise flavour.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(flavour.metadata, "distribution", absent)
    assert (flavour.origin(), flavour.commit()) == ("", "")


# -- in a tree ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").write_text("a")
    monkeypatch.setattr(stamping, "running_code", lambda _workload: (tmp_path / "code",))
    return SimpleNamespace(results_dir=tmp_path / "results", division=Division.CLOSED, submitter="acme", edition="3.0")


def test_a_stamped_leaf_is_read_as_stamped_and_its_image_stands(config):
    pool = keep_code(config, WORKLOAD)
    assert keep_code(config, WORKLOAD) is pool
    leaf = config.results_dir / "closed/acme/results/fastfs/training/unet3d/run/20260713_081000"
    leaf.mkdir(parents=True)
    stamp_leaf(leaf, pool, metadata(), "3.0")
    read = read_leaf(leaf, root=config.results_dir, phase="run")
    assert isinstance(read.provenance, Provenance)
    assert read.provenance.problems == ()
    assert (leaf / ".mlps-code-image").read_text() == read.provenance.code_image
    assert (config.results_dir / "code-images" / f"code-{pool.stage()[:8]}/code/a.py").is_file()
    list_leaf(config)
    assert "20260713_081000" in (config.results_dir / "closed/acme/submission.yaml").read_text()


def test_an_experiment_gets_no_manifest_and_neither_does_a_submission_that_is_not_there(config):
    list_leaf(config)
    config.division = Division.WHATIF
    (config.results_dir / "whatif/acme").mkdir(parents=True)
    list_leaf(config)
    assert not list(config.results_dir.rglob("submission.yaml"))
