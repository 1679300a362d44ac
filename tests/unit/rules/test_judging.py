"""Which rules are asked, and what their findings weigh."""

import dataclasses

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.places import KINDS, SubjectPlace
from pytest_mlpstorage.results.planned import planned_result
from pytest_mlpstorage.results.summary import Summary
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import PROFILES, edition_of, evaluate_preflight, failing, rules_for, said_of, weighed
from pytest_mlpstorage.rules.judging import Said
from pytest_mlpstorage.verdict import Division, Finding, NoEvidence, Severity


def test_a_place_is_asked_the_same_rules_as_the_subject_that_is_read_from_it(tree):
    found = read_tree(tree.root)
    for place in found.places:
        assert rules_for(place) == rules_for(found.load(place))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_subject_is_asked_rules_in_order_of_id_each_once(kind):
    ids = [rule.id for rule in rules_for(SubjectPlace(kind, "x", Division.CLOSED, "3.0"))]
    assert ids
    assert len(ids) == len(set(ids))


def test_a_whatif_result_is_asked_by_the_rules_of_both_divisions(tmp_path):
    ids = {rule.id for rule in rules_for(TrainingTree.write(tmp_path / "t", division="whatif").read())}
    assert {"3.6.2", "3.6.3"} <= ids


def test_an_unknown_edition_is_judged_by_the_current_one_and_fails(tree):
    (tree.root / "closed" / "acme" / "submission.yaml").write_text("rules_edition: '9.9'\n")
    result = tree.read()
    assert edition_of(result).name == "3.0"
    assert said_of(result)["EDN-01"].findings


def test_the_profile_of_a_round_relaxes_its_edition_and_no_other():
    strict, relaxed = PROFILES
    of = {name: SubjectPlace("training", "x", Division.CLOSED, name) for name in ("1.0", "2.0", "3.0")}
    assert edition_of(of["3.0"], strict).profile is None
    assert edition_of(of["3.0"], relaxed).profile is not None
    assert edition_of(of["2.0"], relaxed) is edition_of(of["2.0"], strict)
    assert edition_of(of["1.0"], relaxed) is edition_of(of["1.0"], strict)


def test_a_rule_weighs_less_under_the_profile_of_its_round(tree):
    tree.edit_metadata(lambda m: m["args"].update(data_dir="/data2"))
    tree.override(dataset__format="hdf5")
    assert said_of(tree.read())["3.6.2"].findings
    assert not said_of(tree.read(), "v3.0-round")["3.6.2"].findings


def test_what_a_publisher_withheld_leaves_nothing_unverified():
    said = Said(lacking=(NoEvidence("pruned", "a", withheld=True), NoEvidence("gone", "b")))
    assert said.missing == (NoEvidence("gone", "b"),)


@pytest.mark.parametrize("name", ["summary.json", "metadata"])
def test_a_run_without_its_record_is_found_by_one_rule_and_no_evidence_for_the_others(tree, name):
    tree.remove(name if name == "summary.json" else f"training_{tree.runs[0].name}_metadata.json")
    said = said_of(tree.read())
    assert said["2.1.19"].findings
    assert not said["3.1.2"].findings
    assert said["3.1.2"].missing


def test_errors_are_information_in_whatif_and_strict_fails_for_warnings():
    findings = (Finding("a"), Finding("b", severity=Severity.WARNING))
    assert [f.severity for f in weighed(findings, Division.WHATIF)] == [Severity.INFO, Severity.WARNING]
    assert failing(weighed(findings, Division.WHATIF)) == ()
    assert len(failing(findings)) == 1
    assert len(failing(findings, strict=True)) == 2


def planned(tree, **changes):
    run = tree.read().runs[0]
    metadata = dataclasses.replace(run.metadata, raw={}, path="", **changes.pop("metadata", {}))
    assert isinstance(metadata, LeafMetadata)
    summary = Summary(num_accelerators=8, num_hosts=1, host_memory_gib=(256.0,), num_files_train=28_000, num_samples_per_file=1, epochs=5)
    return planned_result(
        root=tree.root, division=tree.division, submitter="acme", system="fastfs", edition="3.0", metadata=metadata,
        summary=dataclasses.replace(summary, **changes), runs=6,
    )  # fmt: skip


def test_a_good_plan_has_nothing_against_it(tree):
    assert [f.line() for e in evaluate_preflight(planned(tree)) for f in e.findings] == []


def test_a_plan_is_refused_by_the_rules_that_a_run_is_judged_by(tree):
    plan = planned(tree, num_hosts=3, metadata={"override_parameters": {"train.epochs": 1}})
    assert {f.rule for e in evaluate_preflight(plan) for f in e.findings} >= {"3.3.6", "3.6.2"}


def test_a_plan_is_not_asked_for_files_or_figures(tree):
    assert {"2.1.17", "2.1.19", "3.3.2", "3.3.8", "MLPS-METRIC-1"}.isdisjoint(e.rule.id for e in evaluate_preflight(planned(tree)))
