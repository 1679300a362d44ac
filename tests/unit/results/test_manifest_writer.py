"""The manifest that a run writes: read back by the reader of the rules, it lists exactly what stands in the tree."""

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "rules"))

from package_tree import COMMIT, IMAGE, POINTER, PackageTree

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.manifest import edition_in, listed_leaves, read_manifest
from pytest_mlpstorage.results.manifest_writer import manifest_of, write_manifest
from pytest_mlpstorage.rules import evaluate
from pytest_mlpstorage.verdict import Division

TOOL = {"name": "pytest-mlpstorage", "version": "0.1.0"}


@pytest.fixture
def tree(tmp_path):
    tree = PackageTree.write(tmp_path, subject="submission")
    (tree.submission / "submission.yaml").unlink()
    return tree


def write(tree, **given):
    return write_manifest(tree.root, Division.CLOSED, "acme", **{"edition": "3.0", "tool": TOOL, **given})


def said(tree):
    return [f for e in evaluate(tree.read()) if e.rule.id == "PROV-02" for f in (*e.findings, *e.lacking)]


def test_every_leaf_of_every_family_is_listed_and_the_rule_is_content(tree):
    write(tree)
    manifest = read_manifest(TreeFiles(tree.root), tree.submission)
    assert listed_leaves(manifest).leaves == {tree.relpath(leaf).removeprefix("results/") for leaf in tree.all_leaves}
    assert listed_leaves(manifest).nameless == 0
    assert said(tree) == []


def test_a_leaf_that_comes_later_makes_it_stale_until_it_is_written_again(tree):
    write(tree)
    tree.leaves("training")[0].rename(tree.leaves("training")[0].with_name("20300101_000000"))
    assert len(said(tree)) == 2
    write(tree)
    assert said(tree) == []


def test_what_each_entry_says(tree):
    manifest = manifest_of(tree.root, Division.CLOSED, "acme", edition="3.0", tool=TOOL)
    assert list(manifest)[:6] == ["schema", "organisation", "division", "rules_edition", "layout_version", "generated_by"]
    assert (manifest["schema"], manifest["organisation"], manifest["division"]) == ("mlps-submission-manifest/1", "acme", "closed")
    (first, *_) = [entry for entry in manifest["leaves"] if entry["benchmark"] == "training" and entry["command"] == "run"]
    assert first == {
        "path": tree.relpath(tree.leaves("training")[0]),
        "benchmark": "training",
        "model": "unet3d",
        "command": "run",
        "accelerator": "b200",
        "system": "fastfs",
        "rules_edition": "3.0",
        "core_config_hash": "0d3ad0dec188becd",
        "code_image": POINTER,
        "provenance": f"{tree.relpath(tree.leaves('training')[0])}/provenance.json",
    }
    assert manifest["systems"] == [{"name": "fastfs", "description": "systems/fastfs.yaml", "pdf": "systems/fastfs.pdf"}]
    assert manifest["code_images"] == [{"name": IMAGE, "hash": POINTER}]
    assert (manifest["tool_versions"], manifest["dlio_commits"]) == (["3.0.42"], [COMMIT])


def test_a_leaf_without_stamp_pointer_or_metadata_is_listed_all_the_same(tree):
    leaf = tree.leaves("training")[0]
    for path in (leaf / "provenance.json", leaf / ".mlps-code-image", *leaf.glob("*_metadata.json")):
        path.unlink()
    manifest = manifest_of(tree.root, Division.CLOSED, "acme", edition="3.0", tool=TOOL)
    (entry,) = [entry for entry in manifest["leaves"] if entry["path"] == tree.relpath(leaf)]
    assert (entry["accelerator"], entry["code_image"], entry["provenance"]) == (None, None, None)
    assert (entry["rules_edition"], entry["core_config_hash"]) == ("unknown", "unknown")


def test_no_figure_and_no_public_id_is_in_it(tree):
    text = write(tree).read_text().lower()
    for word in ("percentage", "throughput", "gib", "public id", "v3.0-0"):
        assert word not in text


def test_an_edition_that_was_declared_stays(tree):
    (tree.submission / "submission.yaml").write_text("rules_edition: 2.0\n")
    write(tree)
    assert edition_in(yaml.safe_load((tree.submission / "submission.yaml").read_text())) == "2.0"


@pytest.mark.parametrize("damage", ["[1, 2", "- 1", "", "\x00"])
def test_a_damaged_manifest_is_replaced(tree, damage):
    (tree.submission / "submission.yaml").write_text(damage)
    write(tree)
    assert said(tree) == []


def test_damaged_records_do_not_stop_it(tree):
    (tree.leaves("training")[0] / "provenance.json").write_text("{")
    (tree.leaves("training")[1] / "provenance.json").write_text(json.dumps({"tool": [], "dlio": 7, "rules_edition": {}}))
    write(tree)
    assert not [f for f in said(tree) if "not in" in f.message]


def test_an_equal_manifest_is_not_touched(tree):
    path = write(tree)
    before = path.stat().st_mtime_ns
    write(tree)
    assert path.stat().st_mtime_ns == before


def test_what_stands_in_another_submission_is_not_listed(tree):
    (tree.root / "open/acme/results/fastfs/training/unet3d/run/20260713_081000").mkdir(parents=True)
    assert all(
        "20260713_081000" not in e["path"] or e["path"].startswith("results/fastfs/training")
        for e in manifest_of(tree.root, Division.OPEN, "acme", edition="3.0", tool=TOOL)["leaves"]
    )
    assert len(manifest_of(tree.root, Division.OPEN, "acme", edition="3.0", tool=TOOL)["leaves"]) == 1


def test_a_submission_without_anything_is_an_empty_manifest(tmp_path):
    manifest = manifest_of(tmp_path, Division.CLOSED, "acme", edition="3.0", tool=TOOL)
    assert (manifest["leaves"], manifest["systems"], manifest["code_images"]) == ([], [], [])
