"""What the rules of rounds 1.0 and 2.0 tell of a demand that is met: the figure that the tree holds beside the limit that it was held to."""

import pytest
from round_v1_tree import RoundV1Tree
from round_v2_tree import RoundTree

from pytest_mlpstorage.rules import edition_of, rules_for


@pytest.fixture
def first(tmp_path):
    """A result of round 1.0."""
    return RoundV1Tree.write(tmp_path / "first")


@pytest.fixture
def training(tmp_path):
    return RoundTree.training(tmp_path / "training")


@pytest.fixture
def checkpointing(tmp_path):
    return RoundTree.checkpointing(tmp_path / "checkpointing")


def met(tree, rule_id):
    """Measured and required of a rule, by kind of demand: (measured, required)."""
    result = tree.read()
    rule = next(rule for rule in rules_for(result) if rule.id == rule_id)
    return rule.evaluate(result, edition_of(result)).met


def renamed(tree, model):
    old = tree.result_dir
    object.__setattr__(tree, "model", model)
    old.rename(tree.result_dir)


@pytest.mark.parametrize(("fixture", "rule_id"), [("first", "V1-7"), ("training", "V2-TRN-check_au_success")])
def test_the_utilization_of_the_runs_is_told_as_their_range_and_never_rounded_onto_the_minimum(fixture, rule_id, request):
    tree = request.getfixturevalue(fixture)
    tree.metric(train_au_mean_percentage=93.2)
    assert met(tree, rule_id) == ("93.2 %", "at least 90 %")
    tree.metric(run=3, train_au_mean_percentage=90.00000000001)
    assert met(tree, rule_id) == ("90.00000000001 to 93.2 %", "at least 90 %")


@pytest.mark.parametrize(("fixture", "rule_id"), [("first", "V1-7"), ("training", "V2-TRN-check_au_success")])
def test_a_run_below_the_minimum_is_told_by_its_finding_alone(fixture, rule_id, request):
    tree = request.getfixturevalue(fixture)
    tree.metric(train_au_mean_percentage=93.2)
    tree.metric(run=1, train_au_mean_percentage=12.5)
    assert met(tree, rule_id) == ("93.2 %", "at least 90 %")


def test_the_times_between_runs_stand_beside_what_a_run_takes(first, training):
    first.summary(run=4, start="2024-08-20T08:21:00.000001", end="2024-08-20T08:25:00.000001")
    assert met(first, "V1-11") == ("60 to 120 s", "at most 240 s, 1 × the mean run, between two runs")
    training.move(4, 12.5)
    assert met(training, "V2-TRNSUB-check_inter_test_times") == ("60 to 72.5 s", "at most 240 s, 1 × the mean run, between two runs")


def test_a_data_set_is_told_with_the_floor_that_its_own_hosts_and_accelerators_make(first, training):
    first.summary(host_memory_GB=[512.9])
    assert met(first, "V1-9") == ("28000 files", "at least 18750 files, 5 × the memory of all hosts (512 GiB)")
    first.summary(num_accelerators=4)
    assert met(first, "V1-8") == ("28000 files", "at least 14000 files, for the least number of steps")
    training.summary(host_memory_GB=[764.6])
    assert met(training, "V2-TRN-check_num_files_train") == ("28000 files", "at least 27720 files, 99 % of the floor by memory")


def test_hosts_that_differ_within_the_tolerance_are_told_as_a_range(first):
    first.summary(host_memory_GB=[256.5], run=2)
    first.summary(host_cpu_count=[48])
    measured, required = met(first, "V1-10")
    assert measured == "256.00 to 256.50 GiB; 48 CPUs"
    assert required == "memory as on the first host and in the first run, ± 1%; CPUs the same on all hosts, between runs ± 1%"


def test_what_is_equal_in_all_runs_is_told_and_what_differs_is_left_to_its_finding(first):
    first.summary(num_accelerators=16)
    assert met(first, "V1-4") == ("unet3d, h100, 16 accelerators, 28000 files, 1 samples/file", "the same in all runs")
    first.summary(num_accelerators=8, run=0)
    assert met(first, "V1-4") == ("unet3d, h100, 28000 files, 1 samples/file", "the same in all runs")


def test_a_report_counts_what_it_has_in_common_with_its_runs(first):
    required = "what the runs give, but for rounding; one with the values of each of 5 runs"
    assert met(first, "V1-14") == ("10 overall values equal; 5 entries", required)
    first.report(lambda report: report["runs"].pop("run2"))
    assert met(first, "V1-14") == ("10 overall values equal", "what the runs give, but for rounding")


def test_checkpoints_are_counted_over_all_runs_and_memory_stands_beside_its_limit(checkpointing):
    checkpointing.parameter("checkpoint.num_checkpoints_read", 4, run=0)
    checkpointing.parameter("checkpoint.num_checkpoints_read", 6, run=1)
    checkpointing.summary(host_memory_GB=[300.0])
    assert met(checkpointing, "V2-CKPSUB-check_num_runs")[0] == "2 directories; 10 written, 10 read; 1 runs do both"
    measured, required = met(checkpointing, "V2-CKP-check_clear_cache_requirement")
    assert measured == "300.00 GiB; 1.00 GiB"
    assert required == ("at most 315.00 GiB of memory each, 3 × what a host writes; at most 315.00 GiB cached, 3 × what a host writes")
    assert met(checkpointing, "V2-CKPSUB-check_filesystem_cache")[0] == "0 of 2 runs that read"


def test_each_accelerator_of_a_result_is_told_with_its_own_runs(training):
    for number in range(5):
        leaf = training.add_run(like=number, name=f"20250620_08{5 * number:02d}00")
        training.edit(training.metadata_of(leaf), lambda m: m["args"].update(accelerator_type="h100"))
    measured, required = met(training, "V2-TRNSUB-check_num_runs")
    assert measured == "10 directories; 5 runs on a100, 5 runs on h100"
    assert required == "a finished run in each, named as a timestamp; 5 runs on each accelerator"


def test_a_rule_without_a_cause_says_that_it_was_not_asked(first, training, checkpointing):
    first.summary(host_memory_GB=[0.5])
    assert met(first, "V1-9") == ("0 whole GiB on a host", "asked where a host has one or more")
    renamed(training, "resnet50")
    assert met(training, "V2-TRN-check_workflow_parameters") == ("resnet50", "asked only of unet3d")
    checkpointing.parameter("checkpoint.num_checkpoints_read", 0)
    for rule_id in ("V2-CKP-check_clear_cache_requirement", "V2-CKPSUB-check_filesystem_cache"):
        assert met(checkpointing, rule_id) == ("no run that reads", "asked of runs that read checkpoints")


def test_what_names_a_run_is_told_by_its_name(first, training):
    assert met(first, "V1-3") == ("unet3d_h100", "<model>_<accelerator> of the round, in the closed division")
    first.overrides(lambda given: ["workload=unet3d_a100", *given[1:]], run=1)
    assert met(first, "V1-3")[0] == "unet3d_h100, unet3d_a100"
    assert met(first, "V1-1") == ("5 runs; a summary in each", "5 runs; one that can be read in each run")
    assert met(first, "V1-2") == ("success", "the emulator's own verdict on each run: success")
    assert met(first, "V1-13")[0] == "fastfs.json, no mistake; fastfs.pdf"
    assert met(training, "V2-TRN-check_benchmark_type") == ("benchmark_type training", "a training run")
    training.without_metadata()
    assert met(training, "V2-TRN-check_benchmark_type") == ("workflow.train True", "a training run")


def test_parameters_are_told_as_they_were_in_force(training, checkpointing):
    assert met(training, "V2-TRN-check_workflow_parameters") == ("workflow.checkpoint true", "true in each run of unet3d")
    assert met(training, "V2-TRN-check_odirect_supported_model") == ("unet3d, reader.odirect off", "on only for unet3d")
    training.parameter("reader.odirect", "True")
    assert met(training, "V2-TRN-check_odirect_supported_model")[0] == "unet3d, reader.odirect on"
    checkpointing.override("checkpoint.mode", "subset", run=0)
    told = ("3 to 4 overrides", "only keys of the closed list, in the open division too")
    assert met(checkpointing, "V2-CKP-check_allowed_params") == told


def test_one_run_alone_has_no_time_between_runs(tmp_path):
    told = ("1 run", "asked between two runs")
    assert met(RoundV1Tree.write(tmp_path / "first", runs=1), "V1-11") == told
    assert met(RoundTree.training(tmp_path / "training", runs=1), "V2-TRNSUB-check_inter_test_times") == told


def test_what_only_the_open_division_lets_pass_is_told_so(tmp_path, training, checkpointing):
    first = RoundV1Tree.write(tmp_path / "first", division="Open")
    assert met(first, "V1-5") == ("6 overrides", "only keys of the closed and open list, the launcher or workflow")
    assert met(first, "V1-12") == ("20 parameters", "the released template's, but for overrides and the open list")
    training.to("open")
    assert met(training, "V2-TRN-check_allowed_params") == ("2 overrides", "only keys of the closed and open list or workflow")
    checkpointing.to("open")
    checkpointing.summary(num_accelerators=16)
    assert met(checkpointing, "V2-CKP-check_num_processes") == ("16 ranks", "8 ranks of llama3-8b, or a multiple of 8 in the open division")


def test_a_description_without_content_is_not_told_as_one_that_was_judged(first):
    first.description.write_text("PRUNED BY STAFF\n")
    assert met(first, "V1-13") == ("fastfs.pdf", "a PDF of its name")
