"""What rules on the origin and the edition of a result weigh, what they lack, and whom they do not ask."""

import json
import shutil
from pathlib import Path

import pytest
from asking import ERROR, INFO, OPEN, WARNING, ask, lacks, said
from package_tree import PackageTree
from training_tree import TrainingTree

from pytest_mlpstorage.results.records import KVCacheResult, Leaf, LeafMetadata, TrainingResult
from pytest_mlpstorage.verdict import Division, NoEvidence, Severity

PLACE = "closed/acme/results/fastfs/training/unet3d"


@pytest.fixture
def write(tmp_path):
    return lambda **written_as: PackageTree.write(tmp_path / "tree", **written_as)


# -- weights --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule_id", "bend", "weight"),
    [
        ("EDN-03", lambda t: t.stamp(lambda r: r["dlio"].update(commit="0" * 40)), WARNING),
        ("EDN-02", lambda t: t.unstamp(), INFO),
        ("EDN-02", lambda t: t.edit_metadata(lambda m: m["parameters"]["train"].update(epochs=3)), WARNING),
        ("PROV-01", lambda t: (t.run / "provenance.json").unlink(), ERROR),
        ("MLPS-ENGINE-1", lambda t: t.edit_metadata(lambda m: m["mlps"].update(engine={"name": "x"})), OPEN),
        ("MLPS-NAME-1", lambda t: t.submission.rename(t.submission.with_name("foo")), WARNING),
    ],
)
def test_what_a_training_result_lacks_weighs_as_the_rule_says(write, rule_id, bend, weight):
    tree = write(subject="training")
    bend(tree)
    (found,) = said(tree.read(), rule_id)
    assert found[:2] == weight


@pytest.mark.parametrize("first", ["unstamped", "accepted"])
def test_every_stamped_run_is_asked_for_its_revision_whatever_the_first_one_says(write, first):
    tree = write(subject="training")
    if first == "unstamped":
        (tree.run / "provenance.json").unlink()
    tree.stamp(lambda r: r["dlio"].update(commit="0" * 40), tree.leaves("training")[-1])
    assert said(tree.read(), "EDN-03") == [(*WARNING, 1)]


@pytest.mark.parametrize("rule_id", ["EDN-02", "EDN-03"])
def test_a_leaf_of_an_edition_that_does_not_exist_is_held_against_the_current_one(write, rule_id):
    tree = write(subject="training")
    tree.stamp(lambda r: r.update(rules_edition="9.9"))
    assert said(tree.read(), rule_id) == []
    tree.stamp(lambda r: r["dlio"].update(commit="0" * 40))
    tree.stamp(lambda r: r["core_config"].update(hash="0" * 16))
    assert said(tree.read(), rule_id)


def test_outside_closed_a_class_is_information_only(write):
    tree = write(subject="training", division="open")
    tree.stamp(lambda r: r["core_config"].update(hash="0" * 16))
    assert {found[:2] for found in said(tree.read(), "EDN-02")} == {INFO}
    assert len(said(tree.read(), "EDN-02")) == 2


# -- evidence -------------------------------------------------------------------------------------------------------------


def test_a_stamp_is_compared_with_nothing_where_the_leaf_names_no_image(write):
    tree = write(subject="training")
    for content in (None, "damage"):
        (tree.run / ".mlps-code-image").unlink()
        if content:
            (tree.run / ".mlps-code-image").write_text(content)
        place = f"{PLACE}/run/{tree.run.name}/.mlps-code-image"
        assert lacks(tree.read(), "PROV-01") == [NoEvidence("the leaf names no code image to compare with", place)]
        (tree.run / ".mlps-code-image").write_text("")


def test_a_stamp_that_its_publisher_removed_is_no_evidence(write):
    tree = write(subject="training")
    (tree.run / "provenance.json").write_text("PRUNED BY STAFF")
    place = f"{PLACE}/run/{tree.run.name}/provenance.json"
    assert lacks(tree.read(), "PROV-01") == [NoEvidence("the provenance record was removed by its publisher", place, withheld=True)]


def test_a_stamp_without_a_hash_needs_the_parameters(write):
    tree = write(subject="training")
    tree.stamp(lambda r: r["core_config"].update(hash="unknown"))
    tree.edit_metadata(lambda m: m.update(parameters={}))
    place = f"{PLACE}/run/{tree.run.name}/provenance.json"
    assert lacks(tree.read(), "EDN-02") == [NoEvidence("neither the provenance record nor the metadata gives a core-config hash", place)]


def test_a_stamp_without_a_hash_costs_nothing_where_no_hash_is_published(write):
    tree = write(subject="kv_cache")
    tree.stamp(lambda r: r["core_config"].update(hash="unknown"))
    assert said(tree.read(), "EDN-02") == [(*INFO, 1)]
    shutil.rmtree(tree.root)
    tree = write(subject="training", division="open")
    tree.stamp(lambda r: r["core_config"].update(hash="unknown"))
    for leaf in tree.leaves("training"):
        tree.edit_metadata(lambda m: m.update(parameters={}), leaf)
    assert {f[:2] for f in said(tree.read(), "EDN-02")} == {INFO}


def test_an_engine_is_not_known_where_its_record_cannot_be_read(write):
    tree = write(subject="training")
    tree.edit_metadata(lambda m: m.pop("mlps"))
    (tree.run / "provenance.json").write_text("{")
    (item,) = lacks(tree.read(), "MLPS-ENGINE-1")
    assert item.file == f"{PLACE}/run/{tree.run.name}/provenance.json"
    assert "is no JSON" in item.reason


@pytest.mark.parametrize("family", ["kv_cache", "vector_database"])
def test_without_a_run_there_is_no_evidence_of_its_metadata(write, family):
    tree = write(subject=family)
    shutil.rmtree(tree.run)
    (item,) = lacks(tree.read(), "LEAF-01")
    assert (item.reason, item.file.rpartition("/")[2]) == ("there is no run", "run")


# -- who is asked ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relpath", "manifest"),
    [
        (PLACE, "closed/acme/submission.yaml"),
        ("results/fastfs/training/unet3d", "submission.yaml"),
        ("training/unet3d", "submission.yaml"),
        ("closed/acme/results/results/training/unet3d", "closed/acme/submission.yaml"),
    ],
)
def test_the_manifest_of_a_result_is_that_of_its_submission(relpath, manifest):
    result = TrainingResult(
        root=Path("x"), relpath=relpath, division=Division.CLOSED, submitter="a", system="s", model="unet3d", edition="9.9"
    )
    (finding,) = ask(result, "EDN-01").findings
    assert finding.file == manifest


def test_a_planned_result_is_asked_for_no_record_of_its_origin(tmp_path):
    metadata = LeafMetadata(provenance_file="provenance.json", parameters={"framework": "pytorch"})
    leaf = Leaf(tmp_path, PLACE, "00000000_000001", "run", metadata=metadata, planned=True)
    place = {"root": tmp_path, "relpath": PLACE, "division": Division.CLOSED, "submitter": "acme", "system": "s", "model": "llama3.1-8b"}
    training = TrainingResult(**place, edition="3.0", runs=(leaf,), planned=True)
    kv_cache = KVCacheResult(**place, edition="3.0", runs=(leaf,), planned=True)
    for subject, rule_id in (
        (training, "PROV-01"),
        (training, "EDN-01"),
        (training, "EDN-02"),
        (training, "EDN-03"),
        (kv_cache, "LEAF-01"),
    ):
        assert lacks(subject, rule_id) == []


def test_a_leaf_without_metadata_has_no_class_and_no_declared_record(write):
    tree = write(subject="training")
    tree.unstamp()
    for leaf in tree.all_leaves:
        next(leaf.glob("*_metadata.json")).unlink()
    for rule_id in ("EDN-02", "PROV-01"):
        assert ask(tree.read(), rule_id).findings == ()


@pytest.mark.parametrize("junk", [[], {}, 3, "x", [[{}]], {"model": {"model": {}}}, {"model": {"name": 1}, "model.name": "x"}])
def test_parameters_of_any_kind_give_a_hash_or_none(write, junk):
    tree = write(subject="training")
    tree.unstamp()
    for leaf in tree.leaves("training"):
        tree.edit_metadata(lambda m: m.update(parameters=junk), leaf)
    for finding in ask(tree.read(), "EDN-02").findings:
        assert finding.severity is Severity.INFO


def test_parameters_nested_without_end_give_no_hash(write):
    tree = write(subject="training")
    tree.unstamp()
    for leaf in tree.leaves("training"):
        path = next(leaf.glob("*_metadata.json"))
        metadata = json.loads(path.read_text())
        metadata["parameters"] = "DEEP"
        path.write_text(json.dumps(metadata).replace('"DEEP"', '{"model": ' * 700 + "{}" + "}" * 700))
    assert ask(tree.read(), "EDN-02").findings == ()


def test_a_tree_of_training_alone_names_its_class(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree")
    (finding,) = ask(tree.read(), "EDN-02").findings
    assert (finding.severity, finding.count) == (Severity.INFO, 6)
    assert "class unet3d-b200-A" in finding.message
