"""What findings of edition 2.0 say, whole: message, measured, required, file and field; and values at the edges."""

import pytest
from round_v2_tree import RoundTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.rules import all_rules
from pytest_mlpstorage.rules.aggregate_v2 import aggregate_training_v2

BOOK = edition("2.0")
RULES = {rule.id: rule for rule in all_rules() if rule.id.startswith("V2-")}


@pytest.fixture
def training(tmp_path):
    return RoundTree.training(tmp_path / "training")


@pytest.fixture
def checkpointing(tmp_path):
    return RoundTree.checkpointing(tmp_path / "checkpointing")


def lines(tree, rule_id):
    """Findings as lines, with the leaf's own path cut off."""
    result = tree.read()
    said = [finding.line() for finding in RULES[rule_id].evaluate(result, BOOK).findings]
    return [line.removeprefix(f"[{rule_id}] ").replace(f"{result.relpath}/", "").replace(result.relpath, ".") for line in said]


def rename(tree, model):
    old = tree.result_dir
    object.__setattr__(tree, "model", model)
    old.rename(tree.result_dir)


def test_a_run_of_another_benchmark_names_the_record_that_says_so(training):
    training.metadata(lambda m: m.update(benchmark_type="checkpointing"), run=0)
    name = training.runs[0].name
    wanted = "a run is none of training; measured {}; required training; in run/{}"
    assert lines(training, "V2-TRN-check_benchmark_type") == [
        wanted.format("checkpointing", f"{name}/training_{name}_metadata.json:benchmark_type")
    ]
    training.without_metadata()
    training.config(run=0, workflow__train="no")
    assert lines(training, "V2-TRN-check_benchmark_type") == [wanted.format("no", f"{name}/dlio_config/config.yaml:workflow.train")]


def test_parameters_that_are_wrong_are_named_with_the_file_that_says_them(training):
    name = training.runs[0].name
    training.config(run=0, workflow__checkpoint="no", reader__odirect=1)
    assert lines(training, "V2-TRN-check_workflow_parameters") == [
        f"a run of unet3d wrote no checkpoints; measured no; required true; in run/{name}/dlio_config/config.yaml:workflow.checkpoint"
    ]
    rename(training, "resnet50")
    assert lines(training, "V2-TRN-check_odirect_supported_model") == [
        "resnet50 does not support reader.odirect; measured 1; required only for unet3d;"
        f" in run/{name}/dlio_config/config.yaml:reader.odirect"
    ]


def test_an_override_is_named_with_the_record_that_holds_it(training, checkpointing):
    for tree, rule_id, place in ((training, "V2-TRN", "run/"), (checkpointing, "V2-CKP", "")):
        name = tree.runs[0].name
        tree.override("metric.au", "0.5", run=0)
        tree.given("++workload.train.epochs=1", run=0)
        assert lines(tree, f"{rule_id}-check_allowed_params") == [
            "metric.au is in no list of parameters that a submission may set; measured 0.5;"
            f" in {place}{name}/{tree.family}_{name}_metadata.json:params_dict.metric.au",
            "train.epochs is in no list of parameters that a submission may set; measured 1;"
            f" in {place}{name}/dlio_config/overrides.yaml:++workload.train.epochs=1",
        ]


def test_a_run_without_records_does_not_hide_what_a_later_one_set(training, checkpointing):
    for tree, rule_id in ((training, "V2-TRN-check_allowed_params"), (checkpointing, "V2-CKP-check_allowed_params")):
        tree.crash(0)
        tree.override("train.epochs", "1", run=1)
        evaluation = RULES[rule_id].evaluate(tree.read(), BOOK)
        assert (len(evaluation.findings), len(evaluation.lacking)) == (1, 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "the accelerator utilization of a run is below the minimum"),
        (0.5, "the accelerator utilization of a run is below the minimum"),
        (100.5, "the accelerator utilization of a run is no percentage"),
    ],
)
def test_a_utilization_is_told_with_its_place(training, value, message):
    training.metric(run=0, train_au_mean_percentage=value)
    name = training.runs[0].name
    assert lines(training, "V2-TRN-check_au_success") == [
        f"{message}; measured {float(value)}; required 90.0; in run/{name}/summary.json:metric.train_au_mean_percentage"
    ]


def test_a_model_that_the_edition_does_not_have_is_told_of_the_result(training, checkpointing):
    rename(training, "retinanet")
    assert lines(training, "V2-TRN-check_au_success") == [
        "the edition has no such model; measured retinanet; required one of unet3d, resnet50, cosmoflow; in ."
    ]
    rename(checkpointing, "llama3-7b")
    assert lines(checkpointing, "V2-CKP-check_num_processes") == [
        "the edition has no such model; measured llama3-7b; required one of llama3-8b, llama3-70b, llama3-405b, llama3-1t; in ."
    ]


def test_a_gap_is_told_of_the_run_that_came_late(training):
    training.move(4, 200)
    name = training.runs[4].name
    said = "between two runs more time passed than a run takes on the average; measured 260 s; required at most 240 s"
    assert lines(training, "V2-TRNSUB-check_inter_test_times") == [f"{said}; in run/{name}/summary.json:start"]


def test_the_limit_of_a_gap_is_the_editions(training):
    strict = BOOK.training.run_gap.model_copy(update={"equal_passes": False, "factor": 0.5})
    book = BOOK.model_copy(update={"training": BOOK.training.model_copy(update={"run_gap": strict})})
    rule = RULES["V2-TRNSUB-check_inter_test_times"]
    assert rule.evaluate(training.read(), book).findings == ()
    training.move(4, 60)
    (finding,) = rule.evaluate(training.read(), book).findings
    assert (finding.measured, finding.required) == ("120 s", "at most 120 s")
    assert RULES["V2-TRNSUB-check_inter_test_times"].evaluate(training.read(), BOOK).findings == ()


def test_a_number_of_ranks_is_told_with_its_place(checkpointing):
    name = checkpointing.runs[0].name
    checkpointing.summary(run=0, num_accelerators=1)
    assert lines(checkpointing, "V2-CKP-check_num_processes") == [
        f"a run of llama3-8b had another number of ranks; measured 1; required 8; in {name}/summary.json:num_accelerators"
    ]
    checkpointing.parameter("checkpoint.mode", "half", run=0)
    assert lines(checkpointing, "V2-CKP-check_num_processes") == [
        f"a run has an unknown form; measured half; required default or subset; in {name}/dlio_config/config.yaml:checkpoint.mode"
    ]


def test_what_could_be_read_from_memory_is_told_with_its_place(checkpointing):
    name = checkpointing.runs[1].name
    checkpointing.summary(run=1, host_meminfo={"Cached": "419430400 kB"})
    assert lines(checkpointing, "V2-CKP-check_clear_cache_requirement") == [
        "a run could read checkpoints from memory; measured 400.00 GiB cached;"
        f" required at most 315.00 GiB, 3 × what the host writes of a checkpoint; in {name}/summary.json:host_meminfo.Cached"
    ]
    assert lines(checkpointing, "V2-CKPSUB-check_filesystem_cache") == [
        "runs of the result could read checkpoints from memory; measured 1 of 1 runs that read; required none; in ."
    ]


def test_too_few_checkpoints_are_told_of_the_result(checkpointing):
    checkpointing.parameter("checkpoint.num_checkpoints_write", 9, run=0)
    assert lines(checkpointing, "V2-CKPSUB-check_num_runs") == [
        "the checkpoints written by all runs are not as many as a result has; measured 9; required 10; in ."
    ]


def test_what_stands_in_the_way_of_a_metric_is_told_of_every_accelerator(training):
    training.metric(train_io_mean_MB_per_second=None)
    training.metadata(lambda m: m["args"].update(accelerator_type="h100"), run=0)
    assert len(aggregate_training_v2(training.read(), BOOK).problems) == 5
