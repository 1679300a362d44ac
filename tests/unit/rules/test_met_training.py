"""What rules on training tell of what they found met: the figures of the tree, their range over the runs, and what was not asked."""

import pytest
from training_tree import FILES, TrainingTree

from pytest_mlpstorage.rules import edition_of, rules_for


def met(tree, rule_id, *, relaxed=False):
    """What a rule that passes measured and requires."""
    result = tree.read()
    book = edition_of(result)
    rule = next(rule for rule in rules_for(result) if rule.id == rule_id)
    evaluation = rule.evaluate(result, book.relaxed() if relaxed else book)
    assert [f.line() for f in evaluation.findings if f.severity.value != "info"] == []
    assert evaluation.lacking == ()
    return evaluation.met


def _manifest(tree):
    generation = tree.leaves("datagen")[0]
    tree.edit_metadata(lambda m: m.update(datagen_manifest_file="m.json"), run=2)
    (tree.runs[2] / "m.json").write_text(f'{{"source_datagen_result_dir": "{generation.name}", "num_files_train": {FILES}}}')


CHANGED = [
    ("3.3.2", lambda t: t.edit_metric(train_au_mean_percentage=93.2), "93.2 %; success; 97.2 %"),
    ("3.3.2", lambda t: t.edit_metric(train_au_mean_percentage=90.00000000001), "90.00000000001 %; success; 97.2 %"),
    ("3.1.2", lambda t: t.parameter("dataset", "num_files_train", 28_007), "28007 files"),
    (
        "3.2.1",
        lambda t: t.edit_leaf("datagen", lambda m: m["parameters"]["dataset"].update(num_files_train=FILES + 1)),
        "4104964184628 bytes",
    ),
    ("3.3.1", _manifest, "28000 files; 28000 files; no manifest, manifest of 28000 files"),
    ("3.3.3", lambda t: t.edit_summary(lambda s: s.update(num_accelerators=5)), "5 accelerators"),
    ("3.3.6", lambda t: t.edit_summary(lambda s: s.update(num_hosts=4)), "8 accelerators on 4 hosts, 2 each"),
    ("3.4.1", lambda t: t.edit_metadata(lambda m: m["args"].update(data_dir="/elsewhere")), "data in /elsewhere; results in /results"),
    ("3.6.2", lambda t: t.override(reader__read_threads=8), "overridden and allowed: 4"),
    ("ACC-TRN", lambda t: t.edit_metadata(lambda m: m.update(accelerator="MI355")), "MI355"),
    ("RC-TRN-6", lambda t: t.parameter("reader", "odirect", True), "direct I/O on, unet3d"),
    ("SUB-2", lambda t: t.edit_metadata(lambda m: m.update(model=None), run=1), "model unet3d in 5 runs; accelerator b200 in 6 runs"),
    ("2.1.13", lambda t: t.leaves("datagen")[0].rename(t.result_dir / "datagen" / "20260713_080102"), "20260713_080102; 1 directory"),
    (
        "DG-TRN-2",
        lambda t: t.edit_leaf("datagen", lambda m: m["parameters"]["dataset"].update(num_files_train="7")),
        "command datagen; 7 files",
    ),
]


@pytest.mark.parametrize(("rule_id", "bend", "measured"), CHANGED, ids=[f"{r}-{n}" for n, (r, _, _) in enumerate(CHANGED)])
def test_a_changed_value_is_the_figure_that_is_told(tree, rule_id, bend, measured):
    bend(tree)
    assert met(tree, rule_id)[0] == measured


RANGES = [
    ("3.3.2", lambda t: t.edit_metric(run=3, train_au_mean_percentage=91.5), "91.5 to 97.2 %; success; 97.2 %"),
    ("3.3.2", lambda t: t.edit_metric(run=3, train_au_percentage=[0, 97.5]), "97.2 %; success; 0.0 to 97.5 %"),
    ("3.1.2", lambda t: t.parameter("dataset", "num_files_train", 28_001, run=5), "28000 to 28001 files"),
    ("3.3.3", lambda t: t.edit_summary(lambda s: s.update(num_accelerators=4), run=1), "4 to 8 accelerators"),
    ("2.1.18", lambda t: t.rename_run(5, "20260713_083759"), "300 to 479 s"),
]


@pytest.mark.parametrize(("rule_id", "bend", "measured"), RANGES, ids=[f"{r}-{n}" for n, (r, _, _) in enumerate(RANGES)])
def test_runs_that_differ_are_told_as_their_range(tree, rule_id, bend, measured):
    bend(tree)
    assert met(tree, rule_id)[0] == measured


def test_the_limit_that_a_run_was_held_against_is_told(tree):
    assert met(tree, "3.3.2")[1] == "at least 90 % mean utilization; the emulator's verdict: success; 0 to 100 % in every epoch"
    assert met(tree, "2.1.18")[1] == "less than 480 s, 2 × the shortest run"
    assert met(tree, "2.1.17")[1] == "named YYYYMMDD_HHMMSS; exactly 6 (1 warm-up + 5 measured)"
    tree.edit_summary(lambda s: s.update(host_memory_GB=[28_000 * 146_600_628 / 5 / 1024**3]))
    assert met(tree, "3.1.2")[1] == "at least 28000 files, the floor by memory"


def test_while_the_round_ran_the_tolerance_and_the_absent_minimum_are_told(tree):
    assert met(tree, "3.1.2", relaxed=True)[1] == "at least 27999 files, the floor by steps, 1 fewer tolerated"
    assert met(tree, "3.3.2", relaxed=True)[1].startswith("0 to 100 % mean utilization, no minimum in force")


NOT_ASKED = [
    ("3.3.1", "no manifest", "where there is one"),
    ("3.3.3", "2 hosts", "asked of runs on one host"),
    ("3.3.4", "2 hosts", "asked of runs on one host"),
    ("3.4.2", "object storage", "asked where data lie on a filesystem"),
]


@pytest.mark.parametrize(("rule_id", "measured", "required"), NOT_ASKED, ids=[rule_id for rule_id, _, _ in NOT_ASKED])
def test_a_demand_without_a_cause_says_so(tree, rule_id, measured, required):
    tree.edit_summary(lambda s: s.update(num_hosts=2))
    tree.describe(benchmark_API="object")
    told = met(tree, rule_id)
    assert measured in told[0]
    assert required in told[1]


def test_hosts_are_compared_only_where_a_run_records_several(tree):
    assert met(tree, "3.3.7") == ("no run that records several hosts", "asked of runs on several hosts")
    hosts = [{"memory": {"total": size}, "cpu": {"num_cores": 8}} for size in (100, 150)]
    tree.edit_metadata(lambda m: m.update(system_info={"hosts": hosts}))
    measured, required = met(tree, "3.3.7")
    assert measured == "100 to 150 bytes of memory, 8 cores; 2 hosts without a recorded difference"
    assert required == "the largest at most 1.5 × the smallest; no difference that the tool recorded"
    del hosts[1]["cpu"]
    tree.edit_metadata(lambda m: m.update(system_info={"hosts": hosts}))
    assert met(tree, "3.3.7")[0].startswith("100 to 150 bytes of memory, 8 cores (1 of 2 hosts recorded); ")


def test_one_run_has_no_neighbour(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree", runs=1)
    assert met(tree, "2.1.18") == ("1 run", "asked of neighbouring runs")


def test_what_the_open_division_frees_is_told_apart(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree", division="open")
    assert met(tree, "3.6.3") == ("overridden and allowed: 3", "only those of the closed list, or set by the tool")
    tree.override(dataset__format="hdf5", framework="jax")
    assert met(tree, "3.6.3") == (
        "overridden and allowed: 3; overridden and refused in closed: 2",
        "only those of the closed list, or set by the tool; open division: those of the open list too",
    )


def test_what_is_enough_by_less_than_a_byte_does_not_look_like_less(tree):
    # 28 000 records of 146600628.00001 bytes are 0.28 bytes above a whole number.
    for change in (tree.edit_metadata, lambda c: tree.edit_leaf("datagen", c)):
        change(lambda m: m["parameters"]["dataset"].update(record_length_bytes=146_600_628.00001))
    assert met(tree, "3.2.1") == ("4104817584001 bytes", "at least 4104817584001 bytes, as the first run reads")


def test_a_file_that_the_publisher_emptied_is_there_and_told_as_not_read(tree):
    next(tree.leaves("datagen")[0].glob("*_metadata.json")).write_text("PRUNED BY STAFF\n")
    assert met(tree, "2.1.14") == ("all 4 kinds of file and dlio_config/", "4 kinds of file and dlio_config/ in a data generation")


def test_what_gave_a_finding_is_not_told_as_met(tree):
    tree.edit_metric(train_au_mean_percentage=12.0)
    (tree.runs[1] / "summary.json").write_text("{")
    tree.parameter("dataset", "num_files_train", 9)
    result = tree.read()
    told = {rule.id: rule.evaluate(result, edition_of(result)).met for rule in rules_for(result) if rule.id in ("3.3.2", "3.1.2")}
    assert told == {"3.3.2": ("success; 97.2 %", "the emulator's verdict: success; 0 to 100 % in every epoch"), "3.1.2": ("", "")}
