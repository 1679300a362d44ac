"""A tree that a real run wrote, as a submission: its code, its origin and its manifest pass the rules, and it can be packaged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
import yaml

from pytest_mlpstorage.results.provenance import Provenance
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.tree_hash import tree_hash
from pytest_mlpstorage.rules import judge_tree

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_spec("dlio_benchmark") is None, reason="DLIO is not installed: python -m pytest_mlpstorage.bootstrap install"),
]

ORIGIN = {"CHECK-01", "CHECK-02", "CHECK-03", "CHECK-04", "PROV-01", "PROV-02", "LEAF-01", "RPT-01", "EDN-01", "EDN-03", "EDN-04"}


def package(suite, *arguments):
    command = [sys.executable, "-m", "pytest_mlpstorage.package", "mlps-results", *arguments]
    return subprocess.run(command, cwd=suite.folder, capture_output=True, text=True, timeout=120, check=False)


def findings(root, *severities):
    judged = judge_tree(read_tree(root))
    every = [*judged.package, *(f for j in (*judged.results.values(), *judged.submissions.values()) for f in j.findings)]
    return {f.rule for f in every if f.severity.value in severities}


def test_what_a_run_writes_passes_the_rules_on_its_origin_and_is_packaged(ready):
    measured = ready.run()
    assert measured.code == 0, measured.text
    (image,) = (ready.results / "code-images").glob("code-*")
    digest = json.loads((image / ".code-hash.json").read_text())["hash"]
    assert tree_hash(image).digest == digest
    assert {path.name for path in image.iterdir()} == {".code-hash.json", "pytest_mlpstorage", "dlio_benchmark"}
    leaves = [*ready.leaves("datasize"), *ready.leaves("run")]
    assert len(leaves) == 2  # datagen was done in another folder
    for leaf in leaves:
        assert (leaf / ".mlps-code-image").read_text() == f"md5-tree-v2:{digest}"
        stamp = Provenance.from_json(json.loads((leaf / "provenance.json").read_text()))
        assert stamp.code_image == f"md5-tree-v2:{digest}"
    assert not findings(ready.results, "error") & ORIGIN

    refused = package(ready, "--to", "out")
    assert refused.returncode == 4
    assert "only experiments (whatif), which are never submitted" in refused.stderr

    # As if it had been measured in closed: all that is wrong with it then is how small it is, and that nobody described the system.
    (ready.results / "whatif").rename(ready.results / "closed")
    made = package(ready, "--to", "out.tar.gz")
    assert made.returncode == 1, made.stderr
    assert "INVALID  closed/test/results/small/training/unet3d" in made.stdout
    shutil.unpack_archive(ready.folder / "out.tar.gz", ready.folder / "unpacked")
    assert not findings(ready.folder / "unpacked/test", "error", "warning") & ORIGIN
    manifest = yaml.safe_load((ready.folder / "unpacked/test/closed/test/submission.yaml").read_text())
    assert [entry["command"] for entry in manifest["leaves"]] == ["datasize", "run"]


def test_an_image_that_somebody_changed_ends_the_next_step_and_is_not_overwritten(ready):
    assert ready.run("-k", "preflight or datasize").code == 0
    (first,) = (ready.results / "code-images").glob("code-*")
    shutil.rmtree(ready.results / "whatif/test/results/small/training/unet3d/datasize")
    (first / "pytest_mlpstorage/__init__.py").write_text("changed by somebody")
    ended = ready.run("-k", "preflight or datasize")
    assert ended.code == 1
    assert "a code image in the pool is not what its name says" in ended.text


def test_a_draft_of_the_system_comes_from_the_hosts_and_is_never_overwritten(suite):
    asked = suite.run("--mlps-describe-system")
    assert asked.code == 0, asked.text
    path = suite.results / "whatif/test/systems/small.yaml"
    assert f"drafted {path}" in asked.text
    (client,) = yaml.safe_load(path.read_text())["system_under_test"]["clients"]
    assert (client["quantity"], client["chassis"]["memory_capacity"] > 0) == (1, True)
    before = path.read_text()
    again = suite.run("--mlps-describe-system")
    assert again.code == 4
    assert "nothing is overwritten" in again.text
    assert path.read_text() == before
