"""Tables of round 2.0, whose read bandwidth stands unconverted under a heading of another unit; files that are there and say nothing."""

import json

import pytest
from round_v2_tree import IO_MIB, RoundTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.rules import all_rules

BOOK = edition("2.0")


@pytest.fixture
def training(tmp_path):
    return RoundTree.training(tmp_path / "tree")


def published(tree, value, *, column="Training - Read B/W (GiB/s)", accelerator="A100"):
    """A table of the submitter with one figure, and what the rule on tables says of it."""
    row = {
        "Organization": "acme", "Division": "CLOSED", "Benchmark Type": "training", "Model": "Unet3D", "Name": "fastfs",
        "Training - Accelerator Type": accelerator, column: value,
    }  # fmt: skip
    (tree.root / "closed/acme/results/results.json").write_text(json.dumps([row]))
    (table,) = (r for r in all_rules() if r.id == "MLPS-TABLE-1")
    return [(f.measured, f.field) for f in table.evaluate(tree.read(), BOOK).findings]


def differ(in_the_table, column="Training - Read B/W (GiB/s)", *, by_the_runs=IO_MIB):
    """What is told of a figure on which table and runs disagree: both values, and neither as the right one."""
    return f"{in_the_table} in the table, {by_the_runs} by the runs", f"row 1, {column}"


@pytest.mark.parametrize("column", ["Training - Read B/W (GiB/s)", "Read B/W (GiB/s)"])
def test_the_table_of_the_round_is_compared_with_the_figure_that_it_holds_unconverted(column, training):
    assert published(training, IO_MIB, column=column) == []
    assert published(training, f"{IO_MIB + 0.004:.3f}", column=column) == []
    assert published(training, round(IO_MIB / 1024, 2), column=column) == []  # what its heading says it is
    assert published(training, IO_MIB + 0.006, column=column) == [differ(f"{IO_MIB + 0.006}", column)]
    assert published(training, "fast", column=column) == [differ("'fast'", column)]
    assert published(training, "", column=column) == []


def test_of_a_model_on_two_accelerators_the_table_is_compared_with_that_of_its_row(training):
    for leaf in training.runs:
        copy = training.add_run(name=leaf.name.replace("20250619", "20250620"))
        training.edit(training.metadata_of(copy), lambda m: m["args"].update(accelerator_type="h100"))
        training.edit(copy / "summary.json", lambda s: s["metric"].update(train_io_mean_MB_per_second=77.0))
    assert published(training, IO_MIB) == []
    assert published(training, 77.0, accelerator="H100") == []
    assert published(training, 77.0) == [differ("77.0")]
    assert published(training, IO_MIB, accelerator="h100") == [differ(IO_MIB, by_the_runs=77.0)]
    assert published(training, 1.0, accelerator="") == []  # nobody knows which of them is meant


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("overrides.yaml", "++workload.a=1", "a file holds no list of overrides"),
        ("overrides.yaml", "{a: 1}", "a file holds no list of overrides"),
        ("config.yaml", "[1]", "a file holds no mapping 'workload'"),
        ("config.yaml", "workload: [1]", "a file holds no mapping 'workload'"),
        ("config.yaml", "{a: 1}", "a file holds no mapping 'workload'"),
        ("config.yaml", "", None),
        ("overrides.yaml", "[]", None),
    ],
)
def test_a_configuration_that_is_no_such_is_a_finding_on_its_file(name, content, words, training):
    (training.runs[1] / "dlio_config" / name).write_text(content)
    (rule,) = (r for r in all_rules() if r.id == "V2-TRNSUB-check_num_runs")
    said = [(f.message, f.file.rpartition("/")[2]) for f in rule.evaluate(training.read(), BOOK).findings]
    assert said == ([(words, name)] if words else [])


@pytest.mark.parametrize("counts", [((10, 0), (0, 10)), ((10, 10),)])
def test_a_summary_that_says_nothing_is_no_evidence_of_anything(counts, tmp_path):
    tree = RoundTree.checkpointing(tmp_path / "tree", counts=counts)
    (tree.runs[0] / "summary.json").write_text("{}")
    (rule,) = (r for r in all_rules() if r.id == "V2-CKP-check_num_processes")
    reasons = [lacking.reason for lacking in rule.evaluate(tree.read(), BOOK).lacking]
    assert reasons == ["the summary says nothing"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("results.json", "[{", "a table of results cannot be read"),
        ("results.json", "", "a table of results cannot be read"),
        ("results.json", "PRUNED BY STAFF", None),
        ("results.json", '{"a": 1}', None),
        ("results.csv", "a,b\n1", None),
    ],
)
def test_a_table_of_an_older_round_that_cannot_be_read_is_told(name, content, words, training):
    (training.run_dir / name).write_text(content)
    (rule,) = (r for r in all_rules() if r.id == "MLPS-TABLE-1")
    said = [(f.message, f.severity.value, f.file.rpartition("/")[2]) for f in rule.evaluate(training.read(), BOOK).findings]
    assert said == ([(words, "warning", name)] if words else [])
