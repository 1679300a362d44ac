"""From rules to a verdict."""

import dataclasses

import pytest
from training_tree import ACCEPTED_ENGINE, TrainingTree

from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.planned import planned_result
from pytest_mlpstorage.results.summary import Summary
from pytest_mlpstorage.rules import (
    all_rules,
    edition_of,
    evaluate,
    evaluate_preflight,
    failing,
    judge_result,
    judge_said,
    rules_for,
    weighed,
)
from pytest_mlpstorage.rules.catalogue import catalogue, counting
from pytest_mlpstorage.rules.judging import Said
from pytest_mlpstorage.verdict import Division, Finding, NoEvidence, Severity, Verdict

DEMANDED = {"2.1.17", "2.1.19", "3.1.2", "3.3.2", "3.3.3", "3.3.4", "3.3.6", "3.4.1", "3.6.2", "3.6.3"}


def judged(tree):
    result = tree.read()
    return judge_result(result, evaluate(result))


def everything_verified(division):
    return {entry.id: Said() for entry in counting("3.0", division)}


def test_a_good_closed_tree_is_not_verified_while_rules_are_missing(tree):
    judgement = judged(tree)
    assert judgement.verdict is Verdict.NOT_VERIFIED
    assert 10 <= judgement.rules_verified < judgement.rules_total
    assert any(reason.endswith("not built yet") for reason in judgement.reasons)


def test_a_closed_result_whose_rules_all_had_their_evidence_is_closed():
    assert judge_said("training", Division.CLOSED, "3.0", everything_verified(Division.CLOSED)).verdict is Verdict.CLOSED


def test_a_rule_without_evidence_makes_a_result_not_verified():
    said = {**everything_verified(Division.CLOSED), "3.3.2": Said(lacking=(NoEvidence("summary could not be read", "run/1"),))}
    judgement = judge_said("training", Division.CLOSED, "3.0", said)
    assert judgement.verdict is Verdict.NOT_VERIFIED
    assert judgement.rules_total - judgement.rules_verified == 1
    assert "summary could not be read in run/1" in judgement.reasons[0]


def test_a_deselected_rule_makes_a_result_not_verified():
    said = everything_verified(Division.CLOSED)
    del said["3.3.2"]
    judgement = judge_said("training", Division.CLOSED, "3.0", said)
    assert judgement.verdict is Verdict.NOT_VERIFIED
    assert judgement.reasons == ("3.3.2 trainingAcceleratorUtilizationCheck: not evaluated in this session",)


def test_a_family_without_rules_never_passes_for_want_of_them():
    assert judge_said("checkpointing", Division.CLOSED, "3.0", {}).verdict is Verdict.NOT_VERIFIED


def test_an_edition_whose_rules_are_not_built_never_passes():
    assert judge_said("training", Division.CLOSED, "2.0", {}).verdict is Verdict.NOT_VERIFIED


def test_a_foreign_engine_makes_a_verified_closed_result_open(tmp_path):
    result = TrainingTree.write(tmp_path / "t", engine={**ACCEPTED_ENGINE, "commit": "", "version": "2.0.0"}).read()
    said = everything_verified(Division.CLOSED) | {e.rule.id: Said(e.findings, e.lacking) for e in evaluate(result)}
    judgement = judge_said("training", Division.CLOSED, "3.0", said)
    assert judgement.verdict is Verdict.OPEN
    assert "MLPS-ENGINE-1" in judgement.reasons[0]


def test_an_error_makes_a_result_invalid(tree):
    tree.edit_metric(run=2, train_au_mean_percentage=10.0)
    assert judged(tree).verdict is Verdict.INVALID


def test_utilization_under_the_limit_is_a_warning_in_whatif(tmp_path):
    tree = TrainingTree.write(tmp_path / "t", division="whatif", runs=3)
    tree.edit_metric(train_au_mean_percentage=10.0)
    judgement = judged(tree)
    assert judgement.verdict is Verdict.WHATIF
    assert {f.severity for f in judgement.findings if f.rule == "3.3.2"} == {Severity.WARNING}
    assert {f.severity for f in judgement.findings if f.rule == "2.1.17"} == {Severity.INFO}


def test_a_whatif_result_is_asked_by_the_rules_of_both_divisions(tmp_path):
    ids = {rule.id for rule in rules_for(TrainingTree.write(tmp_path / "t", division="whatif").read())}
    assert {"3.6.2", "3.6.3"} <= ids


def test_an_unknown_edition_is_judged_by_the_current_one_and_fails(tree):
    (tree.root / "closed" / "acme" / "submission.yaml").write_text("rules_edition: '9.9'\n")
    result = tree.read()
    assert edition_of(result).name == "3.0"
    assert judge_result(result, evaluate(result)).verdict is Verdict.INVALID


def test_the_division_is_the_directory_and_not_what_the_metadata_claims(tree):
    tree.override(dataset__format="hdf5")
    tree.edit_metadata(lambda m: m.update(verification="OPEN"))
    assert judged(tree).verdict is Verdict.INVALID


@pytest.mark.parametrize("name", ["summary.json", "metadata"])
def test_a_run_without_its_record_is_found_by_one_rule_and_no_evidence_for_the_others(tree, name):
    tree.remove(name if name == "summary.json" else f"training_{tree.runs[0].name}_metadata.json")
    evaluations = {e.rule.id: e for e in evaluate(tree.read())}
    assert evaluations["2.1.19"].findings
    assert not evaluations["3.1.2"].findings
    assert evaluations["3.1.2"].lacking


def test_the_rules_of_this_slice_are_there():
    assert {rule.id for rule in all_rules()} >= DEMANDED


def test_each_rule_of_an_edition_stands_in_its_catalogue():
    for rule in all_rules():
        if not rule.id.startswith(("MLPS-", "EDN-")):
            for edition_name in rule.editions:
                entry = {e.id: e for e in catalogue(edition_name)}[rule.id]
                assert (entry.name, entry.severity) == (rule.name, rule.severity)
                assert entry.divisions == rule.divisions or set(rule.divisions) >= set(entry.divisions)


def test_a_rule_for_people_names_what_to_look_at():
    assert [e.id for e in catalogue("3.0") if e.kind == "human" and not e.look_at] == []


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
    assert {f.rule for e in evaluate_preflight(plan) for f in e.findings} == {"3.3.6", "3.6.2"}


def test_a_plan_is_not_asked_for_files_or_figures(tree):
    assert {"2.1.17", "2.1.19", "3.3.2", "3.3.8", "MLPS-METRIC-1"}.isdisjoint(e.rule.id for e in evaluate_preflight(planned(tree)))
