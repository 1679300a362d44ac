"""Rules on checkpointing where what they read is not there: no finding, and said what lacks."""

import math
import shutil

import pytest
from checkpointing_tree import SPLIT, CheckpointingTree

from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.rules import all_rules, edition_of, rules_for

OWN = [r for r in all_rules() if r.subject is CheckpointingResult and "3.0" in r.editions and r.id not in ("MLPS-ENGINE-1", "MLPS-COLD-1")]
"""Rules on runs; two of this suite have nothing to say of what another tool, or no tool, wrote."""


def rule_of(subject, rule_id):
    return next(rule for rule in rules_for(subject) if rule.id == rule_id)


def leaf_of(tree, run=0):
    return f"{tree.relpath}/{tree.runs[run].name}"


def place_of(tree, reason):
    """The file that a reason speaks of."""
    leaf = leaf_of(tree)
    if reason.startswith("the summary"):
        return f"{leaf}/summary.json"
    if reason.startswith("the system description"):
        return "closed/acme/systems/fastfs.yaml"
    if reason == "there is no system description":
        return ""
    return f"{leaf}/checkpointing_{tree.runs[0].name}_metadata.json" if "metadata" in reason or "computed" in reason else leaf


def ask(tree, rule_id):
    subject = tree.read()
    return rule_of(subject, rule_id).evaluate(subject, edition_of(subject))


@pytest.fixture
def combined(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree")


@pytest.fixture
def split(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree", invocations=SPLIT)


@pytest.fixture
def opened(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree", division="open", model="llama3-70b", processes=16)


# -- what is not there --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule_id", ["4.3.1", "4.3.4", "4.3.6", "4.6.2", "4.7.1", "GATE-CKP-10", "MLPS-METRIC-2"])
def test_a_run_without_a_summary_is_no_evidence_of_what_it_measured(combined, rule_id):
    combined.remove("summary.json")
    evaluation = ask(combined, rule_id)
    assert evaluation.findings == ()
    assert [(lack.reason, lack.file) for lack in evaluation.lacking] == [("summary could not be read", leaf_of(combined))]


@pytest.mark.parametrize(
    "rule_id",
    ["4.3.2", "4.3.3", "4.3.4", "4.3.5", "4.3.6", "4.4.1", "4.4.2", "4.6.1", "4.6.3", "4.7.1", "RC-CKP-1", "RC-CKP-4", "SUB-CKP-1"],
)
def test_a_run_without_metadata_is_no_evidence_of_what_it_was_asked(combined, rule_id):
    combined.remove_metadata()
    evaluation = ask(combined, rule_id)
    assert evaluation.findings == ()
    assert [(lack.reason, lack.file) for lack in evaluation.lacking] == [("metadata could not be read", leaf_of(combined))]


@pytest.mark.parametrize("rule_id", ["4.6.4", "RC-CKP-5"])
def test_an_open_run_without_metadata_is_no_evidence_either(opened, rule_id):
    opened.remove_metadata()
    assert (ask(opened, rule_id).findings, ask(opened, rule_id).verified) == ((), False)


@pytest.mark.parametrize(
    "rule_id", sorted({r.id for r in OWN} - {"2.1.21", "2.1.22", "2.1.23", "2.1.24", "4.7.2", "4.7.3", "4.7.4", "4.6.4", "RC-CKP-5"})
)
def test_a_result_without_a_run_is_no_evidence(combined, rule_id):
    shutil.rmtree(combined.runs[0])
    evaluation = ask(combined, rule_id)
    assert evaluation.findings == ()
    assert {lack.reason for lack in evaluation.lacking} == {"there is no run"}
    assert {lack.file for lack in evaluation.lacking} == {combined.relpath}


@pytest.mark.parametrize("rule_id", ["2.1.24", "4.7.2", "4.7.3", "4.7.4"])
def test_rules_on_two_runs_have_nothing_to_say_of_none(combined, rule_id):
    shutil.rmtree(combined.runs[0])
    evaluation = ask(combined, rule_id)
    assert (evaluation.findings, evaluation.lacking) == ((), ())


def _uncounted(tree):
    tree.edit_metadata(lambda m: [m["args"].pop(f"num_checkpoints_{k}") for k in ("write", "read")])
    tree.edit_metadata(lambda m: [m["override_parameters"].pop(f"checkpoint.num_checkpoints_{k}") for k in ("write", "read")])
    tree.edit_metadata(lambda m: [m["parameters"]["checkpoint"].pop(f"num_checkpoints_{k}") for k in ("write", "read")])


LACKING = [
    ("4.3.1", lambda t: t.metric(checkpoint_size_GB=0), "the summary has no usable metric.checkpoint_size_GB"),
    ("4.3.1", lambda t: t.summary(host_memory_GB=[]), "the summary has no usable host_memory_GB"),
    ("4.3.1", lambda t: t.metric(checkpoint_size_GB=-1), "the summary has no usable metric.checkpoint_size_GB"),
    ("4.3.1", lambda t: t.summary(host_memory_GB=[0]), "the summary has no usable host_memory_GB"),
    ("4.3.1", lambda t: t.summary(host_memory_GB=[-1]), "the summary has no usable host_memory_GB"),
    ("4.3.1", lambda t: t.summary(num_hosts=2, host_memory_GB=[24, -1]), "the summary has no usable host_memory_GB"),
    ("4.3.1", lambda t: t.summary(num_hosts=2, host_memory_GB=[1e308, 1e308]), "the summary has no usable host_memory_GB"),
    ("4.3.1", lambda t: t.summary(num_hosts=0), "the summary has no usable num_hosts"),
    ("4.3.1", lambda t: t.summary(num_hosts=-1), "the summary has no usable num_hosts"),
    ("4.3.4", lambda t: t.summary(num_accelerators=None), "the summary has no num_accelerators"),
    ("4.3.4", lambda t: t.metric(checkpoint_size_GB=math.nan), "the summary has no usable metric.checkpoint_size_GB"),
    ("4.3.4", lambda t: t.metric(checkpoint_size_GB=-104.7), "the summary has no usable metric.checkpoint_size_GB"),
    ("4.3.4", lambda t: t.metric(checkpoint_size_GB=0), "the summary has no usable metric.checkpoint_size_GB"),
    ("4.3.5", lambda t: (t.args(checkpoint_subset=True), t.summary(num_accelerators="x")), "no summary says how many ranks there were"),
    ("4.3.5", lambda t: (t.args(checkpoint_subset=True), t.remove("summary.json")), "no summary says how many ranks there were"),
    ("4.3.5", lambda t: t.args(model="gpt"), "the metadata names no model of the edition"),
    ("4.6.1", lambda t: (t.args(num_processes=None), t.metadata(num_processes=None)), "the metadata has no num_processes"),
    ("4.6.1", lambda t: t.args(model="gpt"), "the metadata names no model of the edition"),
    ("4.6.2", lambda t: t.summary(num_hosts=None), "the summary has no num_hosts"),
    ("4.6.2", lambda t: t.summary(num_accelerators=[8]), "the summary has no num_accelerators"),
    ("4.6.3", lambda t: t.metadata(parameters={}), "the metadata has no parameters"),
    ("4.6.3", lambda t: t.args(model="gpt"), "the metadata names no model of the edition"),
    ("4.7.1", _uncounted, "the metadata does not say how many checkpoints were to be written and read"),
    ("RC-CKP-4", lambda t: (t.args(num_processes=None), t.metadata(num_processes=None)), "the metadata has no num_processes"),
    ("SUB-CKP-1", lambda t: t.parameter("checkpoint.num_checkpoints_read", "ten"), "the metadata has no checkpoint.num_checkpoints_read"),
    ("4.7.4", lambda t: t.capability(simultaneous_read=None), "the system description does not say simultaneous_read"),
    ("4.7.4", lambda t: t.description.unlink(), "there is no system description"),
    ("MLPS-METRIC-2", lambda t: t.metric(checkpoint_size_GB=None), "the summary has no metric.checkpoint_size_GB"),
    ("MLPS-METRIC-2", lambda t: t.summary(num_accelerators=None), "the summary has no num_accelerators"),
    ("MLPS-METRIC-2", lambda t: t.parameter("model.num_layers", "many"), "the size of a checkpoint cannot be computed: model.num_layers must be a whole number of at least 1, given 'many'"),
    ("MLPS-METRIC-2", lambda t: t.stats(lambda e: [e["save_ckpt1"].pop(k) for k in ("duration", "end")]), "a checkpoint of rank 0 has no time"),
]  # fmt: skip


@pytest.mark.parametrize(("rule_id", "change", "reason"), LACKING, ids=[f"{case[0]}-{number}" for number, case in enumerate(LACKING)])
def test_a_record_without_the_field_is_no_evidence(combined, rule_id, change, reason):
    change(combined)
    evaluation = ask(combined, rule_id)
    assert evaluation.findings == ()
    assert [(lack.reason, lack.file) for lack in evaluation.lacking] == [(reason, place_of(combined, reason))]


def test_the_files_of_rank_0_that_are_not_there_are_no_evidence_and_pruned_ones_are_withheld(combined):
    path = combined.runs[0] / "0_per_epoch_stats.json"
    path.write_text("PRUNED BY STAFF\n")
    (lack,) = ask(combined, "MLPS-METRIC-2").lacking
    assert (lack.reason, lack.withheld) == ("no readable times of rank 0 (pruned by its publisher)", True)
    path.write_text("{")
    (lack,) = ask(combined, "MLPS-METRIC-2").lacking
    assert "is no JSON" in lack.reason
    assert not lack.withheld
    path.unlink()
    (lack,) = ask(combined, "MLPS-METRIC-2").lacking
    assert (lack.reason, lack.file, lack.withheld) == ("no readable times of rank 0", leaf_of(combined), False)


def test_a_lost_half_of_two_runs_is_no_evidence_of_the_structure_of_the_result(split):
    split.remove("summary.json", run=1)
    evaluation = ask(split, "4.7.1")
    assert evaluation.findings == ()
    assert [lack.file for lack in evaluation.lacking] == [f"{split.relpath}/{split.runs[1].name}"]


@pytest.mark.parametrize("run", [0, 1])
def test_the_whole_duration_waits_for_both_summaries(split, run):
    split.remove("summary.json", run=run)
    evaluation = ask(split, "4.7.2")
    assert evaluation.findings == ()
    assert [(lack.reason, lack.file) for lack in evaluation.lacking] == [("summary could not be read", leaf_of(split, run))]


@pytest.mark.parametrize(
    "change", [lambda t: t.remove("summary.json"), lambda t: t.remove("summary.json", run=1), lambda t: t.edit_summary(lambda s: s.pop("end"), run=0)],
    ids=["no write summary", "no read summary", "no end"],
)  # fmt: skip
def test_the_remapping_time_waits_for_the_summaries_times(split, change):
    split.capability(remap_time_in_seconds=45)
    change(split)
    evaluation = ask(split, "4.7.3")
    lacking = [("the summaries do not say when writing ended and reading began", split.relpath)]
    assert (evaluation.findings, [(lack.reason, lack.file) for lack in evaluation.lacking]) == ((), lacking)


def test_the_remapping_time_waits_for_the_summaries_of_every_pair(tmp_path):
    tree = CheckpointingTree.write(tmp_path / "tree", division="open", invocations=(*SPLIT, *SPLIT))
    tree.capability(remap_time_in_seconds=1)
    assert ask(tree, "4.7.3").verified
    tree.remove("summary.json", run=3)
    assert not ask(tree, "4.7.3").verified


@pytest.mark.parametrize("value", [None, "soon", True, math.nan, [1]])
def test_a_remapping_time_that_is_no_number_is_no_evidence(split, value):
    split.capability(remap_time_in_seconds=value)
    evaluation = ask(split, "4.7.3")
    reason = "the system description declares no time for remapping"
    lacking = [(reason, "closed/acme/systems/fastfs.yaml")]
    assert (evaluation.findings, [(lack.reason, lack.file) for lack in evaluation.lacking]) == ((), lacking)
    split.description.unlink()
    assert [(lack.reason, lack.file) for lack in ask(split, "4.7.3").lacking] == [(reason, "")]


@pytest.mark.parametrize(
    ("field", "reason"),
    [("start", "nothing says when the run began"), ("end", "nothing says when the run ended")],
)
def test_the_gap_waits_for_the_times_of_both_runs(split, field, reason):
    split.forget_clock(run=1)
    split.edit_summary(lambda s: s.pop(field), run=1)
    evaluation = ask(split, "2.1.24")
    assert (evaluation.findings, [(lack.reason, lack.file) for lack in evaluation.lacking]) == ((), [(reason, leaf_of(split, 1))])


def test_times_that_contradict_each_other_are_no_evidence_of_a_gap(split):
    split.metadata(run=1, invocation_end_time="2026-07-20T00:00:00")
    evaluation = ask(split, "2.1.24")
    lacking = [("the run ended before it began, so its times cannot be used", leaf_of(split, 1))]
    assert [(lack.reason, lack.file) for lack in evaluation.lacking] == lacking


def test_a_single_run_needs_no_times(combined):
    combined.forget_clock()
    combined.edit_summary(lambda s: [s.pop("start"), s.pop("end")])
    assert (ask(combined, "2.1.24").findings, ask(combined, "2.1.24").lacking) == ((), ())


def test_a_run_without_its_configuration_is_no_evidence_of_its_files(combined):
    combined.remove("dlio_config")
    assert [lack.reason for lack in ask(combined, "2.1.26").lacking] == ["there is no dlio_config/"]
