"""Rules of edition 2.0 beyond their examples: no evidence, any value anywhere, real trees."""

import json
import math
from pathlib import Path

import pytest
import yaml
from round_v2_tree import RANKS, RoundTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.reader import read_checkpointing, read_training
from pytest_mlpstorage.results.records import CheckpointingResult, TrainingResult
from pytest_mlpstorage.rules import all_rules
from pytest_mlpstorage.rules.aggregate_v2 import aggregate_training_v2
from pytest_mlpstorage.verdict import Category, Division, Severity

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora" / "v2.0"
BOOK = edition("2.0")
MODELS = BOOK.checkpointing.models
RULES = {rule.id: rule for rule in all_rules() if rule.id.startswith("V2-")}
TRAINING = {rule_id: rule for rule_id, rule in RULES.items() if rule.subject is TrainingResult}
CHECKPOINTING = {rule_id: rule for rule_id, rule in RULES.items() if rule.subject is CheckpointingResult}
JUNK = [None, 5, -1, 0, 10**300, 1e308, math.nan, math.inf, True, "", "x", [], [1], {}, {"a": 1}, "2025-06-19T08:00:00"]


@pytest.fixture
def training(tmp_path):
    return RoundTree.training(tmp_path / "tree")


@pytest.fixture
def checkpointing(tmp_path):
    return RoundTree.checkpointing(tmp_path / "tree")


def ask(tree, rule_id):
    return RULES[rule_id].evaluate(tree.read(), BOOK)


def lacking(tree, rule_id):
    return [(item.reason, item.file.rpartition("/")[2]) for item in ask(tree, rule_id).lacking]


def test_the_rules_are_those_of_the_list_and_all_of_edition_2_0():
    assert set(TRAINING) == {
        "V2-TRN-check_benchmark_type",
        "V2-TRN-check_num_files_train",
        "V2-TRN-check_allowed_params",
        "V2-TRN-check_workflow_parameters",
        "V2-TRN-check_odirect_supported_model",
        "V2-TRN-check_au_success",
        "V2-TRNSUB-check_num_runs",
        "V2-TRNSUB-check_inter_test_times",
    }
    assert set(CHECKPOINTING) == {
        "V2-CKP-check_num_processes",
        "V2-CKP-check_allowed_params",
        "V2-CKP-check_clear_cache_requirement",
        "V2-CKPSUB-check_num_runs",
        "V2-CKPSUB-check_filesystem_cache",
    }
    assert {rule.editions for rule in RULES.values()} == {("2.0",)}


# -- no evidence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule_id", "reason"),
    [
        ("V2-TRN-check_benchmark_type", "nothing says of which benchmark the run is"),
        ("V2-TRN-check_num_files_train", "nothing says with what parameters the run ran"),
        ("V2-TRN-check_allowed_params", "nothing says which parameters were overridden"),
        ("V2-TRN-check_workflow_parameters", "nothing says workflow.checkpoint"),
        ("V2-TRN-check_odirect_supported_model", "nothing says with what parameters the run ran"),
    ],
)
def test_a_training_run_with_neither_record_is_no_evidence(training, rule_id, reason):
    training.without_config(run=1)
    training.without_metadata(run=1)
    assert lacking(training, rule_id) == [(reason, training.runs[1].name)]
    assert ask(training, rule_id).findings == ()


@pytest.mark.parametrize(
    ("rule_id", "reason"),
    [
        ("V2-CKP-check_num_processes", "nothing says in which form and with how many ranks the run ran"),
        ("V2-CKP-check_allowed_params", "nothing says which parameters were overridden"),
        ("V2-CKP-check_clear_cache_requirement", "nothing says how many checkpoints the run wrote and read"),
        ("V2-CKPSUB-check_num_runs", "nothing says how many checkpoints the run wrote and read"),
        ("V2-CKPSUB-check_filesystem_cache", "nothing says how many checkpoints the run wrote and read"),
    ],
)
def test_a_checkpointing_run_with_neither_record_is_no_evidence(checkpointing, rule_id, reason):
    checkpointing.without_config(run=1)
    checkpointing.without_metadata(run=1)
    assert lacking(checkpointing, rule_id) == [(reason, checkpointing.runs[1].name)]
    assert ask(checkpointing, rule_id).findings == ()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"host_memory_GB": None}, "the summary has no host_memory_GB"), ({"num_accelerators": None}, "the summary has no num_accelerators")],
)
def test_a_summary_without_hosts_or_accelerators_gives_no_floor(training, fields, reason):
    training.summary(run=2, **fields)
    assert lacking(training, "V2-TRN-check_num_files_train") == [(reason, "summary.json")]


@pytest.mark.parametrize("fields", [{"start": None}, {"end": None}, {"start": "x"}, {"end": "2025-06-19T00:00:00"}])
def test_a_run_without_its_times_leaves_the_gaps_unknown(training, fields):
    training.move(4, 1000)
    training.summary(run=2, **fields)
    assert lacking(training, "V2-TRNSUB-check_inter_test_times") == [("the summary has no start with an end after it", "summary.json")]
    assert ask(training, "V2-TRNSUB-check_inter_test_times").findings == ()


def test_a_run_that_took_no_time_has_its_times(training):
    training.summary(run=2, end="2025-06-19T08:10:00")
    assert lacking(training, "V2-TRNSUB-check_inter_test_times") == []


@pytest.mark.parametrize(
    ("run", "fields", "reason"),
    [
        (1, {"num_hosts": None}, "the summary does not say how many ranks ran on how many hosts"),
        (1, {"num_hosts": 0}, "the summary does not say how many ranks ran on how many hosts"),
        (1, {"num_accelerators": 0}, "the summary does not say how many ranks ran on how many hosts"),
        (1, {"host_meminfo": None}, "the summary has no usable host_meminfo.Cached"),
        (1, {"host_meminfo": {"Cached": "-5242880 kB"}}, "the summary has no usable host_meminfo.Cached"),
        (0, {"host_memory_GB": None}, "the summary has no usable host_memory_GB"),
        (0, {"host_memory_GB": [0]}, "the summary has no usable host_memory_GB"),
        (0, {"host_memory_GB": [-5]}, "the summary has no usable host_memory_GB"),
        (0, {"host_memory_GB": [1e308, 1e308]}, "the summary has no usable host_memory_GB"),
    ],
)
def test_a_run_that_read_and_does_not_say_from_what_is_no_evidence(checkpointing, run, fields, reason):
    checkpointing.parameter("checkpoint.num_checkpoints_read", 10, run=0)
    checkpointing.summary(run=run, **fields)
    for rule_id in ("V2-CKP-check_clear_cache_requirement", "V2-CKPSUB-check_filesystem_cache"):
        assert lacking(checkpointing, rule_id) == [(reason, "summary.json")]


def test_a_run_that_only_wrote_needs_nothing(checkpointing):
    checkpointing.summary(run=0, num_hosts=None, host_memory_GB=None, host_meminfo=None)
    assert lacking(checkpointing, "V2-CKP-check_clear_cache_requirement") == []


def test_a_model_that_the_edition_does_not_have_is_told_once(checkpointing):
    old = checkpointing.result_dir
    object.__setattr__(checkpointing, "model", "llama3-7b")
    old.rename(checkpointing.result_dir)
    for rule_id in ("V2-CKP-check_clear_cache_requirement", "V2-CKPSUB-check_filesystem_cache"):
        assert lacking(checkpointing, rule_id) == [("the edition has no such model", "llama3-7b")]


def test_the_size_that_a_run_recorded_only_warns(checkpointing):
    checkpointing.parameter("checkpoint.num_checkpoints_read", 10, run=0)
    checkpointing.summary(run=0, host_memory_GB=[314.5])
    (finding,) = ask(checkpointing, "V2-CKP-check_clear_cache_requirement").findings
    assert (finding.severity, finding.category) == (Severity.WARNING, Category.CLOSED)
    assert ask(checkpointing, "V2-CKPSUB-check_filesystem_cache").findings == ()
    checkpointing.metric(run=0, checkpoint_size_GB=0)
    assert ask(checkpointing, "V2-CKP-check_clear_cache_requirement").findings == ()


def test_a_run_of_which_every_record_is_there_lacks_nothing(training, checkpointing):
    for tree, rules in ((training, TRAINING), (checkpointing, CHECKPOINTING)):
        for rule_id in rules:
            assert (ask(tree, rule_id).findings, ask(tree, rule_id).lacking) == ((), ())


def test_in_whatif_a_low_utilization_is_a_warning(training):
    training.to("whatif")
    training.metric(train_au_mean_percentage=10)
    (finding,) = ask(training, "V2-TRN-check_au_success").findings
    assert (finding.severity, finding.count) == (Severity.WARNING, 5)


# -- any value, real trees ----------------------------------------------------------------------------------------------


def ways(node, way=()):
    for key, value in node.items() if isinstance(node, dict) else ():
        yield (*way, key)
        yield from ways(value, (*way, key))


def replaced(node, way, value):
    if not way:
        return value
    return {**node, way[0]: replaced(node[way[0]], way[1:], value)}


@pytest.mark.parametrize("family", ["training", "checkpointing"])
@pytest.mark.parametrize("record", ["summary", "metadata", "config"])
def test_any_value_anywhere_is_a_finding_or_fine_and_never_a_crash(family, record, tmp_path):
    tree = RoundTree.training(tmp_path / "tree", runs=2) if family == "training" else RoundTree.checkpointing(tmp_path / "tree")
    leaf = tree.runs[0]
    path = {"summary": leaf / "summary.json", "metadata": tree.metadata_of(leaf), "config": leaf / "dlio_config" / "config.yaml"}[record]
    document = yaml.safe_load(path.read_text())
    rules = TRAINING if family == "training" else CHECKPOINTING
    for way in list(ways(document)):
        for value in JUNK:
            path.write_text((yaml.safe_dump if record == "config" else json.dumps)(replaced(document, way, value)))
            result = tree.read()
            for rule in rules.values():
                evaluation = rule.evaluate(result, BOOK)
                assert all(len(finding.line()) < 2_000 for finding in evaluation.findings)
                assert all(said.file.startswith(result.relpath) for said in (*evaluation.findings, *evaluation.lacking))
            if family == "training":
                aggregate_training_v2(result, BOOK)


def test_the_trees_of_the_tool_are_judged_for_the_right_reasons():
    if not CORPORA.is_dir():
        pytest.skip("the shared corpora are not here")
    reasons = {}
    for kind, read in (("training", read_training), ("checkpointing", read_checkpointing)):
        for path in sorted((CORPORA / kind).iterdir()):
            relpath = path.relative_to(CORPORA).as_posix()
            place = SubjectPlace(kind, relpath, Division.CLOSED, "2.0", "2.0", submitter="a", system="b", model=path.name)
            result = read(place, root=CORPORA)
            rules = TRAINING if kind == "training" else CHECKPOINTING
            errors = [f for rule in rules.values() for f in rule.evaluate(result, BOOK).findings if f.severity is Severity.ERROR]
            reasons[path.name] = sorted({f.rule for f in errors})
    assert reasons == {
        "cosmoflow": ["V2-TRN-check_num_files_train", "V2-TRNSUB-check_num_runs"],
        "resnet50": ["V2-TRN-check_num_files_train", "V2-TRNSUB-check_num_runs"],
        # One of its runs recorded that it writes no checkpoints, and DLIO's own configuration says that it did.
        "unet3d": [
            "V2-TRN-check_au_success",
            "V2-TRN-check_num_files_train",
            "V2-TRNSUB-check_inter_test_times",
            "V2-TRNSUB-check_num_runs",
        ],
        "llama3-8b": ["V2-CKP-check_clear_cache_requirement", "V2-CKPSUB-check_filesystem_cache", "V2-CKPSUB-check_num_runs"],
        "llama3-70b": ["V2-CKPSUB-check_num_runs"],
        "llama3-405b": ["V2-CKPSUB-check_num_runs"],
        "llama3-1t": ["V2-CKPSUB-check_num_runs"],
    }


def test_a_valid_tree_has_the_ranks_of_a_full_run_of_the_smallest_model():
    assert MODELS["llama3-8b"].processes == RANKS
