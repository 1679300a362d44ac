"""Round 1.0 as a whole: the published results judged by hand, what lacks evidence, hostile values, metrics."""

import csv
import dataclasses
import json
import math
from collections import Counter
from pathlib import Path

import pytest
from round_v1_tree import RoundV1Tree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import rules_for
from pytest_mlpstorage.rules.aggregate_v1 import aggregate_v1, population_stdev
from pytest_mlpstorage.verdict import Category, Severity

CORPUS = Path(__file__).parents[3] / ".." / "shared" / "corpora" / "v1.0"
BOOK = edition("1.0")
NOT_OF_THE_RUNS = {"V1-11", "V1-13"}
"""Rules that only the column ``expected_all_rules`` counts."""

WORDS = {
    "gap between runs longer than a run": ("V1-11", "the time between two runs is longer"),
    "dataset < 5x host memory": ("V1-9", "smaller than 5 × the memory of all hosts"),
    "workload yaml template edited": ("V1-12", "the workload template was edited"),
    "system description: missing": ("V1-13", "no description under its name"),
    "system pdf missing": ("V1-13", "no PDF under its name"),
}
# A script that is not in the tree asked for more accelerators than ran. The reviewer noted it beside the reasons; no rule
# knows of the script, and what ran is consistent in itself.
NOTES = ("summary says",)


@pytest.fixture
def tree(tmp_path):
    return RoundV1Tree.write(tmp_path / "tree")


def evaluate(result):
    return {rule.id: rule.evaluate(result, BOOK) for rule in rules_for(result) if rule.id.startswith("V1-")}


def corpus():
    if not CORPUS.is_dir():
        pytest.skip("the published round 1.0 is not beside this checkout")
    return CORPUS


def rows():
    if not CORPUS.is_dir():
        return []
    with (CORPUS / "expected.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def errors(evaluations, *, without=frozenset()):
    return [f for rule_id, e in evaluations.items() if rule_id not in without for f in e.findings if f.severity is Severity.ERROR]


def test_the_groups_found_in_the_published_tree_are_those_that_were_judged_by_hand():
    expected = sorted(row["group_path"] for row in rows())
    assert sorted(result.relpath for result in read_tree(corpus()).results) == expected
    assert len(expected) == 19


@pytest.fixture(scope="module")
def published():
    return read_tree(corpus())


@pytest.mark.parametrize("row", [pytest.param(row, id=row["group_path"]) for row in rows()])
def test_a_published_result_is_judged_as_by_hand_and_for_the_same_reasons(row, published):
    result = published.load(published.place(row["group_path"]))
    evaluations = evaluate(result)
    assert [e.lacking for e in evaluations.values() if e.lacking] == []
    for column, without in (("expected_performance_rules", NOT_OF_THE_RUNS), ("expected_all_rules", frozenset())):
        found = errors(evaluations, without=without)
        assert ("INVALID" if found else "VALID") == row[column], [f.line() for f in found]
    reasons = [reason for reason in row["why"].split("; ") if reason and not reason.startswith(NOTES)]
    for reason in reasons:
        rule_id, words = next(said for start, said in WORDS.items() if reason.startswith(start))
        key = reason.partition("edited: ")[2]
        assert any(words in f.line() and key in f.line() for f in evaluations[rule_id].findings), reason
    # And no others: each finding is one of the reasons.
    assert {f.rule for f in errors(evaluations)} == {WORDS[start][0] for start in WORDS for reason in reasons if reason.startswith(start)}
    identity = (result.model, result.accelerator, len(result.runs), result.submitter, result.system, result.division.value)
    assert identity == (row["model"], row["accelerator"], int(row["runs"]), row["submitter"], row["system"], row["division"])


@pytest.mark.parametrize("row", [pytest.param(row, id=row["group_path"]) for row in rows()])
def test_the_metrics_of_a_published_result_are_those_of_its_report(row, published):
    result = published.load(published.place(row["group_path"]))
    report = next(
        path for folder in (result.root / result.relpath, (result.root / result.relpath).parent) for path in folder.glob("mlperf*")
    )
    overall = json.loads(report.read_text())["overall"]
    metrics = aggregate_v1(result)
    assert len(metrics) == 4
    assert {key: pytest.approx(value) for key, value in metrics.items()} == {key: overall[key] for key in metrics}


def test_every_rule_of_the_round_that_a_program_can_decide_is_there(tree):
    assert sorted(evaluate(tree.read())) == sorted(f"V1-{number}" for number in range(1, 15) if number != 6)


def test_a_valid_result_has_no_finding_and_all_evidence(tree):
    assert [(e.findings, e.lacking) for e in evaluate(tree.read()).values() if e.findings or e.lacking] == []


def group(name):
    return f"Closed/acme/results/fastfs/unet3d-h100/{name}"


NO_SUMMARY = {"summary could not be read": ("V1-2", "V1-4", "V1-7", "V1-8", "V1-9", "V1-10", "V1-11", "V1-14")}
NO_OVERRIDES = {"overrides.yaml could not be read": ("V1-4", "V1-5", "V1-12")}
NO_CONFIG = {"config.yaml could not be read": ("V1-8", "V1-9", "V1-12")}
NO_MODEL = {"there is no minimum for model unknown": ("V1-7",)}
SUMMARY, CONFIG, OVERRIDES = (group(f"run3/{name}") for name in ("summary.json", "configs/config.yaml", "configs/overrides.yaml"))
NO_CPUS = {"the summary has no usable host_cpu_count": ("V1-10",)}

LACKING = {
    "summary": (lambda t: t.remove("summary.json", run=2), NO_SUMMARY, {group("run3")}),
    "configs": (
        lambda t: t.remove("configs", run=2),
        {**NO_CONFIG, **NO_MODEL, "overrides.yaml could not be read": ("V1-4", "V1-5")},
        {CONFIG, OVERRIDES, group("run3")},
    ),
    "config.yaml": (lambda t: t.remove("configs/config.yaml", run=2), NO_CONFIG, {CONFIG}),
    "overrides.yaml": (lambda t: t.remove("configs/overrides.yaml", run=2), {**NO_OVERRIDES, **NO_MODEL}, {OVERRIDES, group("run3")}),
    "no YAML": (lambda t: t.put("configs/config.yaml", "a: [", run=2), NO_CONFIG, {CONFIG}),
    "no workload": (lambda t: t.put("configs/config.yaml", "workload: 5", run=2), NO_CONFIG, {CONFIG}),
    "the workload's name": (
        lambda t: t.overrides(lambda given: given[1:], run=2),
        {**NO_MODEL, "overrides.yaml could not be read": ("V1-4",), "there is no released template of an unknown workload": ("V1-12",)},
        {OVERRIDES, group("run3")},
    ),
    "a known workload": (
        lambda t: t.overrides(lambda given: ["workload=bert_h100", *given[1:]], run=2),
        {"there is no minimum for model bert": ("V1-7",), "there is no released template bert_h100": ("V1-12",)},
        {OVERRIDES, group("run3")},
    ),
    "num_hosts": (lambda t: t.without("num_hosts", run=2), {"the summary has no num_hosts": ("V1-9", "V1-10")}, {SUMMARY}),
    "host_memory_GB": (lambda t: t.without("host_memory_GB", run=2), {"the summary has no host_memory_GB": ("V1-9", "V1-10")}, {SUMMARY}),
    "num_accelerators": (
        lambda t: t.without("num_accelerators", run=2),
        {"the summary has no num_accelerators": ("V1-4",), "num_accelerators is not recorded": ("V1-8", "V1-9")},
        {SUMMARY},
    ),
    "num_samples_per_file": (
        lambda t: t.without("num_samples_per_file", run=2),
        {"the summary has no num_samples_per_file": ("V1-4",), "num_samples_per_file is not recorded": ("V1-8", "V1-9")},
        {SUMMARY},
    ),
    "num_files_train": (lambda t: t.without("num_files_train", run=2), {"the summary has no num_files_train": ("V1-4",)}, {SUMMARY}),
    "any number of files": (
        lambda t: t.without("num_files_train", run=2) or t.config(drop=["dataset.num_files_train"], run=2),
        {"the summary has no num_files_train": ("V1-4",), "num_files_train is not recorded": ("V1-8", "V1-9")},
        {SUMMARY},
    ),
    "batch size": (
        lambda t: t.config(drop=["reader.batch_size"], run=2),
        {"workload.reader.batch_size is not recorded": ("V1-8", "V1-9")},
        {CONFIG},
    ),
    "host_meminfo": (lambda t: t.without("host_meminfo", run=2), {"the summary has no host_meminfo.MemTotal": ("V1-10",)}, {SUMMARY}),
    "MemTotal": (
        lambda t: t.summary(host_meminfo={"MemTotal": "much"}, run=2),
        {"the summary has no host_meminfo.MemTotal": ("V1-10",)},
        {SUMMARY},
    ),
    "host_cpu_count": (lambda t: t.without("host_cpu_count", run=2), NO_CPUS, {SUMMARY}),
    "CPUs": (lambda t: t.summary(host_cpu_count=[64, "many"], run=2), NO_CPUS, {SUMMARY}),
    "any CPU": (lambda t: t.summary(host_cpu_count=[0], run=2), NO_CPUS, {SUMMARY}),
    "start": (lambda t: t.without("start", run=2), {"the summary has no start": ("V1-11",)}, {SUMMARY}),
    "end": (lambda t: t.without("end", run=2), {"the summary has no end": ("V1-11",)}, {SUMMARY}),
}


@pytest.mark.parametrize("what", LACKING)
def test_a_record_that_is_not_there_is_no_evidence_for_the_rules_that_read_it(what, tree):
    bend, reasons, files = LACKING[what]
    bend(tree)
    lacking = {rule_id: e.lacking for rule_id, e in evaluate(tree.read()).items() if e.lacking}
    assert {rule_id: {lack.reason for lack in said} for rule_id, said in lacking.items()} == {
        rule_id: {reason} for reason, rules in reasons.items() for rule_id in rules
    }
    assert {lack.file for said in lacking.values() for lack in said} == files
    assert not any(lack.withheld for said in lacking.values() for lack in said)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("summary.json", ["V1-1", "V1-10", "V1-11", "V1-14", "V1-2", "V1-4", "V1-7", "V1-8", "V1-9"]),
        ("configs/overrides.yaml", ["V1-12", "V1-3", "V1-4", "V1-5", "V1-7"]),
    ],
)
def test_what_the_publisher_removed_is_no_finding(name, rules, tree):
    tree.put(name, "PRUNED BY STAFF\n", run=1)
    evaluations = evaluate(tree.read())
    assert [f for e in evaluations.values() for f in e.findings] == []
    assert sorted(rule_id for rule_id, e in evaluations.items() if e.lacking) == rules


def test_a_report_that_the_publisher_removed_is_withheld(tree):
    (tree.result_dir / "mlperf_storage_report.json").write_text("PRUNED BY STAFF")
    evaluation = evaluate(tree.read())["V1-14"]
    assert evaluation.findings == ()
    assert [(lack.file, lack.withheld) for lack in evaluation.lacking] == [(group("mlperf_storage_report.json"), True)]


def test_a_description_that_the_publisher_removed_is_withheld(tree):
    tree.description.write_text("PRUNED BY STAFF")
    evaluation = evaluate(tree.read())["V1-13"]
    assert evaluation.findings == ()
    place = tree.description.relative_to(tree.root).as_posix()
    assert [(lack.reason, lack.file, lack.withheld) for lack in evaluation.lacking] == [
        ("the system description was removed by its publisher", place, True)
    ]


def test_the_descriptions_of_systems_may_lie_outside_the_tree_that_is_judged(tree):
    read = read_tree(tree.submission / "results")
    (place,) = read.result_places
    evaluation = evaluate(read.load(place))["V1-13"]
    assert evaluation.findings == ()
    assert [lack.reason for lack in evaluation.lacking] == ["the folder with the descriptions of systems lies outside the tree"]
    assert [e for e in evaluate(read.load(place)).values() if e.findings] == []


def test_one_damaged_key_of_all_runs_is_one_finding_with_a_count(tree):
    tree.config({"reader.read_threads": 32})
    (finding,) = evaluate(tree.read())["V1-12"].findings
    assert (finding.count, finding.measured, finding.required, finding.category) == (5, "32", "4", Category.INVALID)


HOSTILE = [
    None,
    True,
    False,
    [],
    {},
    [{}],
    "",
    "x",
    -1,
    0,
    1e308,
    -1e308,
    math.nan,
    math.inf,
    10**300,
    "1e999",
    ["a"],
    [math.nan],
    [1e308] * 3,
]
SUMMARY_KEYS = [
    "start", "end", "num_accelerators", "num_hosts", "metric", "num_files_train", "num_samples_per_file", "host_cpu_count",
    "host_memory_GB", "host_meminfo",
]  # fmt: skip
METRIC_KEYS = [
    "train_au_mean_percentage",
    "train_au_meet_expectation",
    "train_throughput_mean_samples_per_second",
    "train_io_mean_MB_per_second",
]


def _nothing_raises(tree):
    result = tree.read()
    for evaluation in evaluate(result).values():
        for finding in evaluation.findings:
            assert finding.line()
    assert all(math.isfinite(value) for value in aggregate_v1(result).values())


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_no_value_of_a_file_raises(value, tree):
    before = [(path / "summary.json").read_text() for path in tree.runs]
    for keys in (SUMMARY_KEYS[:5], SUMMARY_KEYS[5:], METRIC_KEYS):
        for run, key in enumerate(keys):
            tree.summary(lambda s, key=key: (s["metric"] if key in METRIC_KEYS else s).update({key: value}), run=run)
        _nothing_raises(tree)
        for path, text in zip(tree.runs, before, strict=True):
            (path / "summary.json").write_text(text)
    tree.report(lambda r: r["overall"].update(dict.fromkeys(r["overall"], value)))
    tree.report(lambda r: r["runs"].update(run1=value))
    _nothing_raises(tree)
    tree.describe(lambda d: d.update(networks=value, nodes=[value], storage_system={**d["storage_system"], "version": value}))
    _nothing_raises(tree)
    tree.report(lambda r: r.update(runs=value, overall=value))
    tree.config({"dataset.record_length": value, "reader.batch_size": value, "train.total_training_steps": value, "metric": value})
    tree.overrides(lambda given: [value, *given])
    _nothing_raises(tree)


def test_no_rule_of_the_round_raises_for_a_result_without_a_run(tree):
    result = dataclasses.replace(tree.read(), runs=())
    for evaluation in evaluate(result).values():
        assert evaluation.rule.id


def test_a_rule_of_the_round_asked_of_a_leaf_of_another_layout_does_not_raise(tmp_path):
    from training_tree import TrainingTree

    result = TrainingTree.write(tmp_path / "tree").read()
    for rule in rules_for(RoundV1Tree.write(tmp_path / "v1").read()):
        if rule.id.startswith("V1-"):
            rule.evaluate(result, BOOK)


def test_metrics_are_mean_and_population_deviation_over_the_runs(tree):
    metrics = aggregate_v1(tree.read())
    assert metrics["train_throughput_mean_samples_per_second"] == 102.0
    assert metrics["train_throughput_stdev_samples_per_second"] == pytest.approx(math.sqrt(2))
    assert set(metrics) == {f"train_throughput_{figure}_{unit}_per_second" for figure in ("mean", "stdev") for unit in ("samples", "MB")}


@pytest.mark.parametrize(
    ("bend", "kept"),
    [
        (lambda t: t.remove("summary.json"), 0),
        (lambda t: t.runs[4].rename(t.submission / "gone"), 0),
        (lambda t: t.metric(run=3, train_io_mean_MB_per_second=None), 2),
        (lambda t: t.metric(train_throughput_mean_samples_per_second="fast"), 2),
        (lambda t: t.metric(train_throughput_mean_samples_per_second=1e308), 2),
    ],
    ids=["no summary", "four runs", "no rate", "a text", "beyond all measure"],
)
def test_a_metric_that_the_runs_do_not_give_is_absent(bend, kept, tree):
    bend(tree)
    assert len(aggregate_v1(tree.read())) == kept


def test_the_deviation_of_no_values_is_refused():
    with pytest.raises(ValueError, match="no values"):
        population_stdev([])


def test_whatif_runs_of_any_number_have_metrics(tmp_path):
    tree = RoundV1Tree.write(tmp_path, division="whatif", runs=2)
    result = tree.read()
    assert result.division.value == "whatif"
    assert len(aggregate_v1(result)) == 4
    assert Counter(f.severity for f in errors(evaluate(result)))[Severity.ERROR] == 1
