"""What rules on training say where a record is missing, how heavy their findings are, and what the profile of the round changes."""

import dataclasses

import pytest
from training_lacking import LACKING, LOG, linked, listed, no_generation, prune
from training_tree import TrainingTree

from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.verdict import Category, Severity


def asked(tree, rule_id, *, relaxed=False):
    result = tree.read()
    book = edition_of(result)
    rule = next(rule for rule in rules_for(result) if rule.id == rule_id)
    return rule.evaluate(result, book.relaxed() if relaxed else book)


def lines(tree, rule_id, **how):
    return [(finding.severity.value, finding.line()) for finding in asked(tree, rule_id, **how).findings]


@pytest.mark.parametrize(("rule_id", "bend", "words"), LACKING, ids=[f"{r}-{n}" for n, (r, _, _) in enumerate(LACKING)])
def test_a_record_that_is_not_there_is_no_evidence_and_no_finding(tree, rule_id, bend, words):
    bend(tree)
    evaluation = asked(tree, rule_id)
    assert [f.line() for f in evaluation.findings if f.severity is not Severity.INFO] == []
    assert any(lacking.reason.startswith(words) for lacking in evaluation.lacking), evaluation.lacking
    assert not any(lacking.withheld for lacking in evaluation.lacking)


def test_a_pruned_log_is_withheld_and_costs_no_verdict(tree):
    (tree.runs[0] / "fs_separation.json").unlink()
    prune(tree.runs[0] / LOG)
    evaluation = asked(tree, "3.4.2")
    assert evaluation.findings == ()
    assert [lacking.withheld for lacking in evaluation.lacking] == [True]


def test_pruned_files_of_ranks_are_withheld_and_missing_ones_are_not(tree):
    for rank in range(8):
        prune(tree.runs[0] / f"{rank}_output.json")
    assert [(lack.withheld, "pruned" in lack.reason) for lack in asked(tree, "MLPS-METRIC-1").lacking] == [(True, True)]
    (tree.runs[0] / "3_output.json").unlink()
    assert [(lack.withheld, "pruned" in lack.reason) for lack in asked(tree, "MLPS-METRIC-1").lacking] == [(False, False)]


WARNED = [
    ("3.2.1", no_generation),
    ("3.3.1", lambda t: t.edit_summary(lambda s: s.pop("num_files_eval"))),
    ("3.3.1", lambda t: t.edit_metadata(lambda m: m.update(provenance_file="provenance.json"))),
    ("3.3.3", lambda t: t.edit_summary(lambda s: s.update(num_accelerators=1))),
    ("DG-TRN-2", lambda t: t.edit_leaf("datagen", lambda m: m.update(command="run"))),
    ("3.3.7", lambda t: t.edit_metadata(lambda m: m.update(system_info={"hosts": [{}, {}], "host_consistency_issues": ["x"]}))),
    ("3.3.2", lambda t: t.edit_metric(train_au_percentage=[97, 101])),
]


@pytest.mark.parametrize(("rule_id", "bend"), WARNED, ids=[f"{r}-{n}" for n, (r, _) in enumerate(WARNED)])
def test_what_only_warns_costs_no_verdict(tree, rule_id, bend):
    bend(tree)
    found = asked(tree, rule_id).findings
    assert {(f.severity, f.category) for f in found} == {(Severity.WARNING, Category.CLOSED)}


BROKEN_EVERYWHERE = {
    "2.1.18": lambda t: t.edit_summary(lambda s: s.pop("end")),
    "3.1.1": lambda t: t.edit_metadata(lambda m: m.pop("args")),
    "3.1.2": lambda t: t.parameter("dataset", "num_files_train", 9),
    "3.3.1": lambda t: t.edit_summary(lambda s: s.update(num_files_train=1)),
    "3.3.2": lambda t: t.edit_metric(train_au_meet_expectation="fail"),
    "3.3.3": lambda t: t.edit_summary(lambda s: s.update(num_accelerators=1)),
    "3.3.4": lambda t: t.edit_metadata(lambda m: m["args"].update(hosts="a,b")),
    "3.3.6": lambda t: t.edit_summary(lambda s: s.update(num_hosts=3)),
    "3.4.1": lambda t: t.edit_metadata(lambda m: m["args"].update(results_dir="/data")),
    "3.4.2": lambda t: [(run / "fs_separation.json").unlink() for run in t.runs],
    "3.6.2": lambda t: t.override(train__epochs=1),
    "RC-TRN-1": lambda t: t.edit_metadata(lambda m: m.update(benchmark_type="x")),
    "RC-TRN-2": lambda t: t.edit_metadata(lambda m: m.update(model="x")),
    "RC-TRN-6": lambda t: t.parameter("reader", "odirect", True),
    "ACC-TRN": lambda t: t.edit_metadata(lambda m: m.update(accelerator="x")),
}


@pytest.mark.parametrize("rule_id", sorted(BROKEN_EVERYWHERE))
def test_a_run_without_records_hides_no_other(tmp_path, rule_id):
    tree = TrainingTree.write(tmp_path / "t", model="retinanet" if rule_id == "RC-TRN-6" else "unet3d")
    BROKEN_EVERYWHERE[rule_id](tree)
    (tree.runs[1] / "summary.json").write_text("{")
    (tree.runs[1] / f"training_{tree.runs[1].name}_metadata.json").write_text("{")
    evaluation = asked(tree, rule_id)
    assert sum(finding.count for finding in evaluation.findings) == 5
    assert [lack.file for lack in evaluation.lacking] == [f"{tree.relpath}/run/{tree.runs[1].name}"]


def test_a_data_generation_without_records_hides_no_other(tree):
    tree.edit_leaf("datagen", lambda m: m.update(command="run", parameters={}))
    tree.second("datagen", "20260713_080030")
    next(tree.leaves("datagen")[0].glob("*_metadata.json")).write_text("{")
    assert [len(asked(tree, rule_id).findings) for rule_id in ("3.2.1", "DG-TRN-2")] == [1, 2]


def test_a_gap_of_just_the_limit_is_judged_and_worded_as_the_edition_has_it(tree):
    tree.rename_run(5, "20260713_083800")
    result, book = tree.read(), edition_of(tree.read())
    gap = book.training.run_gap.model_copy(update={"equal_passes": True})
    lenient = book.model_copy(update={"training": book.training.model_copy(update={"run_gap": gap})})
    rule = next(rule for rule in rules_for(result) if rule.id == "2.1.18")
    (strict,) = rule.evaluate(result, book).findings
    assert (strict.measured, strict.required) == ("480 s", "less than 480 s, 2 × the shortest run")
    assert rule.evaluate(result, lenient).findings == ()
    tree.rename_run(5, "20260713_083801")
    (finding,) = rule.evaluate(tree.read(), lenient).findings
    assert (finding.measured, finding.required) == ("481 s", "at most 480 s, 2 × the shortest run")


@pytest.mark.parametrize(
    ("kept", "lacking"), [(6, ()), (3, ()), (2, ()), (1, ("the runs are reduced to no figure: there is no measured run",))]
)
def test_a_result_that_claims_nothing_is_reduced_whatever_its_number_of_runs(tmp_path, kept, lacking):
    tree = TrainingTree.write(tmp_path / "tree", division="whatif", runs=kept)
    evaluation = asked(tree, "3.3.8")
    assert evaluation.findings == ()
    assert tuple(item.reason for item in evaluation.lacking) == lacking
    if not lacking:
        assert evaluation.met[0] == f"{kept - 1} measured runs with both"


def test_runs_that_are_reduced_to_no_figure_are_not_told_as_reduced(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree", runs=5)
    assert asked(tree, "3.3.8").met == ("", "")
    tree.edit_metric(run=2, train_au_percentage=[])
    assert [finding.message for finding in asked(tree, "3.3.8").findings] == ["the list of values per epoch of a measured run is empty"]


def test_equal_findings_of_all_runs_are_one_with_their_count(tree):
    tree.edit_summary(lambda s: s.pop("num_files_eval"))
    assert [f.count for f in asked(tree, "3.3.1").findings] == [6]


def test_a_manifest_that_agrees_is_no_finding(tree):
    linked(tree)
    assert asked(tree, "3.3.1").findings == ()


def test_a_path_below_no_mount_point_is_noted(tree):
    listed(tree)
    (found,) = asked(tree, "3.4.2").findings
    assert (found.severity, found.category, found.measured) == (Severity.INFO, Category.CLOSED, "/data")


def test_a_log_too_long_to_read_is_no_evidence(tree):
    (tree.runs[0] / "fs_separation.json").unlink()
    with (tree.runs[0] / LOG).open("r+b") as log:
        log.truncate(3 * 1024**3)
    evaluation = asked(tree, "3.4.2")
    assert evaluation.findings == ()
    assert "more than the" in evaluation.lacking[0].reason


def test_tokens_stand_at_the_beginning_of_the_message_and_are_the_part(tree):
    (tree.result_dir / "datasize").rename(tree.root / "datasize")
    no_generation(tree)
    assert [(f.part, f.message.split(":")[0]) for f in asked(tree, "3.3.1").findings] == [
        ("DATASIZE-MISSING", "DATASIZE-MISSING"),
        ("DATAGEN-MISSING", "DATAGEN-MISSING"),
    ]


# -- the profile of the round --------------------------------------------------------------------------------------------


def test_while_the_round_ran_a_missing_datasize_was_warned_of_and_another_phase_was_not(tree):
    (tree.result_dir / "datasize").rename(tree.root / "datasize")
    (tree.result_dir / "datagen").rename(tree.root / "datagen")
    assert [severity for severity, _ in lines(tree, "2.1.12")] == ["error", "error"]
    assert [(severity, "datasize" in line) for severity, line in lines(tree, "2.1.12", relaxed=True)] == [
        ("warning", True),
        ("error", False),
    ]


@pytest.mark.parametrize(("files", "strict", "relaxed"), [(28_000, 0, 0), (27_999, 1, 0), (27_998, 1, 1)])
def test_while_the_round_ran_one_file_below_the_floor_was_tolerated(tree, files, strict, relaxed):
    tree.parameter("dataset", "num_files_train", files)
    assert (len(lines(tree, "3.1.2")), len(lines(tree, "3.1.2", relaxed=True))) == (strict, relaxed)


def test_while_the_round_ran_every_token_was_a_warning(tree):
    no_generation(tree)
    tree.edit_summary(lambda s: s.update(num_files_train=1))
    assert {severity for severity, _ in lines(tree, "3.3.1")} == {"error"}
    assert {severity for severity, _ in lines(tree, "3.3.1", relaxed=True)} == {"warning"}


def test_while_the_round_ran_the_emulators_verdict_on_utilization_decided_alone(tree):
    tree.edit_metric(run=3, train_au_mean_percentage=50.0)
    assert [severity for severity, _ in lines(tree, "3.3.2")] == ["error"]
    assert lines(tree, "3.3.2", relaxed=True) == []
    tree.edit_metric(run=3, train_au_meet_expectation="fail")
    assert [severity for severity, _ in lines(tree, "3.3.2", relaxed=True)] == ["error"]
    tree.edit_metric(run=3, train_au_mean_percentage=-1)
    assert len(lines(tree, "3.3.2", relaxed=True)) == 2


def test_while_the_round_ran_a_warmup_that_failed_was_warned_of(tree):
    tree.edit_metric(run=0, train_au_meet_expectation="fail")
    assert [severity for severity, _ in lines(tree, "3.3.2")] == ["error"]
    assert [severity for severity, _ in lines(tree, "3.3.2", relaxed=True)] == ["warning"]


def test_while_the_round_ran_one_filesystem_was_warned_of(tree):
    (tree.runs[0] / "fs_separation.json").unlink()
    assert [severity for severity, _ in lines(tree, "3.4.2")] == ["error"]
    assert [severity for severity, _ in lines(tree, "3.4.2", relaxed=True)] == ["warning"]


def test_a_profile_that_keeps_the_minimum_keeps_it(tree):
    tree.edit_metric(run=3, train_au_mean_percentage=50.0)
    result = tree.read()
    book = edition_of(result).relaxed()
    book = book.model_copy(update={"profile": book.profile.model_copy(update={"au_minimum": True})})
    rule = next(rule for rule in rules_for(result) if rule.id == "3.3.2")
    assert len(rule.evaluate(result, book).findings) == 1


def test_whatif_accepts_the_workloads_of_older_rounds(tmp_path):
    tree = TrainingTree.write(tmp_path / "t", division="whatif", runs=2)
    tree.edit_metadata(lambda m: m.update(model="resnet50", accelerator="h100"))
    tree.edit_leaf("datagen", lambda m: m.update(model="resnet50"))
    tree.result_dir.rename(tree.result_dir.parent / "resnet50")
    tree = dataclasses.replace(tree, model="resnet50")
    assert [lines(tree, rule_id) for rule_id in ("2.1.11", "RC-TRN-2", "ACC-TRN")] == [[], [], []]
