"""What rules on vector databases, on provenance and on editions tell where they pass: the figure that the tree holds, and the limit."""

import importlib.util
from pathlib import Path

import pytest

from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.verdict import Severity


def example(name):
    spec = importlib.util.spec_from_file_location(f"met_examples_{name}", Path(__file__).parent / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLAIN, OWN, SUBMITTED = (example(name) for name in ("vector_database", "vector_database_own", "vector_database_submission"))
PROVENANCE, OPEN, KV_CACHE = (example(name) for name in ("provenance", "provenance_open", "provenance_kv_cache"))
POINTERS, SUBMISSION = example("code_pointers"), example("submission")


def asked(module, rule_id, bend, tmp_path):
    """What a rule says of the valid tree of some examples, changed by ``bend``."""
    tree = module.write(tmp_path / "tree", **getattr(module, "WRITTEN_AS", {}).get(rule_id, {}))
    bend(tree)
    subject = next(iter(read_tree(tree.root).results)) if (tree.root / "whatif").exists() else tree.read()
    rule = next(rule for rule in rules_for(subject) if rule.id == rule_id)
    return rule.evaluate(subject, edition_of(subject))


def rates(*values):
    return lambda tree: [tree.summary(run=number, throughput_qps=rate) for number, rate in enumerate(values)]


FIGURES = [
    (PLAIN, "5.1.1", lambda t: t.summary(run=None, num_vectors=5000), ("5000 vectors of 1536 dimensions", "both above 0 (no scales were published)")),
    (PLAIN, "5.1.2", lambda t: (t.edit_load(lambda s: s.update(dimension=768)), t.summary(run=None, dimension=768)), ("768 dimensions searched", "768 dimensions, as were loaded")),
    (PLAIN, "5.2.1", lambda t: t.edit_load(lambda s: s.update(inserted_vectors=7, num_vectors="7")), ("7 vectors inserted", "7 vectors, as declared")),
    (PLAIN, "5.2.2", lambda t: (t.edit_load(lambda s: s.update(index_type="HNSW")), t.summary(run=None, index_type="HNSW")), ("HNSW searched", "HNSW, as was built")),
    (PLAIN, "5.3.2", lambda t: t.summary(recall=0.9321), ("0.5 to 0.9321; 0.5 to 0.9321", "a highest recall above 0 and at most 1; any mean: no minimum was published")),
    (PLAIN, "5.3.3", lambda t: t.summary(run=3, query_count=9000), ("8594 to 9000 queries", "a count above 0 (no minimum was published)")),
    (PLAIN, "5.3.5", lambda t: t.edit("result_verdict.json", lambda v: v["flat_setup"].pop("ok")), ("not given; 1.0", "flat_setup.ok: true or not given; a coverage of at least 1.0")),
    (PLAIN, "RC-VDB-2", lambda t: (t.args(run=0, runtime="45"), t.args(run=1, runtime=90.5)), ("45 to 90.5 seconds", "at least 30 seconds, of a run that ends by time")),
    (PLAIN, "RC-VDB-2", lambda t: (t.args(runtime=None), t.args(run=2, queries=100)), ("no time given (default 60 seconds), ends by queries", "at least 30 seconds, of a run that ends by time")),
    (OWN, "MLPS-VDB-01", OWN.steady("recall", 0.95, 2, recall_min=OWN.limit(0.9)), ("0.9 to 0.95", "a recall of at least 0.9")),
    (OWN, "MLPS-VDB-02", OWN.steady("queries", 12_345, 0), ("10000 to 12345 searches", "at least 10000 searches that succeeded")),
    (OWN, "MLPS-VDB-03", OWN.cold("read_4kib_per_query", 9.25), ("1.0 to 9.25", "reads of 4 KiB a search: at least 1.0")),
    (OWN, "MLPS-VDB-06", OWN.residence("page-cache", OWN.run("memory.index_bytes", 5 * 2**29)), ("2.5", "an index / memory ratio of at least 2.0")),
    (OWN, "MLPS-VDB-07", rates(100, 110, 100, 110, 105), ("0.0425918", "a coefficient of variation of at most 0.1")),
    (OWN, "MLPS-VDB-09", OWN.load("load.distinct_ids", None), ("1000000 rows, ids not counted", "1000000 rows, as many distinct ids if counted")),
    (OWN, "MLPS-VDB-10", OWN.both(OWN.run("engine.params_effective", {"max_degree": 64, "pq": 0}), OWN.load("engine.params_effective", {"max_degree": 64, "pq": 0})), ("2 of 2 parameters told back", "each as it was asked for")),
    (SUBMITTED, "5.6.4", lambda t: (t.override(index__M=32), t.override(run=1, index__M=16, run__mode="timed")), ("2 parameters overridden", "only the 20 parameters of the closed list")),
    (SUBMITTED, "5.6.5", lambda t: t.override(database__port=1), ("DISKANN in milvus; 1 parameter overridden", "one of the 6 indexes named for it; open division: only the 22 parameters of both lists")),
    (POINTERS, "2.1.6", POINTERS.valid, ("12 leaves name 1 image", "an image for each leaf, in a pool of the package")),
    (PROVENANCE, "EDN-01", PROVENANCE.stamps(rules_edition="2.0"), ("edition 3.0, edition 2.0", "one that exists: 0.5 or 1.0 or 2.0 or 3.0")),
    (PROVENANCE, "EDN-03", PROVENANCE.stamp("dlio", commit="f6796ed"), ("DLIO f6796ed", "one of 10 accepted revisions (3.0.2, 3.0.4)")),
    (OPEN, "EDN-02", OPEN.of_no_class, ("hash 0000000000000000, of no class", "open division: free")),
]  # fmt: skip


@pytest.mark.parametrize(("module", "rule_id", "bend", "told"), FIGURES, ids=[f"{n}-{case[1]}" for n, case in enumerate(FIGURES)])
def test_the_told_figure_is_that_of_the_tree(module, rule_id, bend, told, tmp_path):
    assert asked(module, rule_id, bend, tmp_path).met == told


NOT_ASKED = [
    (OWN, "MLPS-VDB-01", OWN.foreign(OWN.valid), ("not measured by this suite", "asked of what this suite measured")),
    (OWN, "MLPS-VDB-07", OWN.foreign(OWN.valid), ("not measured by this suite", "asked of what this suite measured")),
    (OWN, "MLPS-VDB-03", OWN.residence("memory"), ("index held in memory", "asked of an index on storage")),
    (OWN, "MLPS-VDB-06", OWN.valid, ("index not read through the page cache", "asked where it is read through it")),
    (OWN, "MLPS-VDB-08", OWN.run("phases", [OWN.RUN["phases"][1]]), ("no cold phase", "asked where there is one")),
    (SUBMITTED, "5.5.1", SUBMITTED.valid, ("no object storage described", "asked of a database on object storage")),
    (PROVENANCE, "PROV-01", lambda t: t.unstamp(), ("no record declared", "asked of a leaf that has or declares one")),
    (PROVENANCE, "EDN-02", lambda t: t.unstamp(), ("no run with a provenance record", "asked of runs that have one")),
    (KV_CACHE, "EDN-03", KV_CACHE.valid, ("not measured by DLIO", "asked of training and checkpointing")),
    (SUBMISSION, "EDN-04", SUBMISSION.without_manifest, ("no manifest", "asked where there is one")),
    (SUBMISSION, "PROV-02", SUBMISSION.without_manifest, ("no manifest", "asked where there is one")),
]


@pytest.mark.parametrize(("module", "rule_id", "bend", "told"), NOT_ASKED, ids=[f"{n}-{case[1]}" for n, case in enumerate(NOT_ASKED)])
def test_a_rule_without_a_cause_says_so(module, rule_id, bend, told, tmp_path):
    assert asked(module, rule_id, bend, tmp_path).met == told


BROKEN = [
    (PLAIN, "5.2.1", lambda t: t.edit_load(lambda s: s.update(inserted_vectors=5))),
    (PLAIN, "5.3.1", lambda t: t.runs[4].rename(t.runs[4].with_name("old"))),
    (OWN, "MLPS-VDB-01", OWN.steady("recall", 0.1)),
    (OWN, "MLPS-VDB-01", OWN.steady("recall", 0.5, recall_min=OWN.limit(0.4))),
    (OWN, "MLPS-VDB-07", rates(100, 100, 100, 100, 150)),
    (SUBMITTED, "5.6.4", lambda t: t.override(database__port=1)),
    (POINTERS, "2.1.6", POINTERS.without),
]


@pytest.mark.parametrize(("module", "rule_id", "bend"), BROKEN, ids=[f"{n}-{case[1]}" for n, case in enumerate(BROKEN)])
def test_a_demand_that_is_broken_is_not_told_as_met(module, rule_id, bend, tmp_path):
    evaluation = asked(module, rule_id, bend, tmp_path)
    assert evaluation.findings
    assert evaluation.met == ("", "")


def test_one_run_that_breaks_a_limit_is_not_among_the_figures_that_hold(tmp_path):
    evaluation = asked(OWN, "MLPS-VDB-02", OWN.both(OWN.steady("queries", 11_000), OWN.steady("queries", 5, 2)), tmp_path)
    assert [finding.measured for finding in evaluation.findings] == [5]
    assert evaluation.met == ("11000 searches", "at least 10000 searches that succeeded")


def test_a_limit_that_was_recorded_is_the_one_that_is_told_in_a_result_that_claims_nothing(tmp_path):
    bend = OWN.whatif(OWN.steady("queries", 50, min_queries=OWN.limit(20)))
    evaluation = asked(OWN, "MLPS-VDB-02", bend, tmp_path)
    assert {finding.severity for finding in evaluation.findings} == {Severity.INFO}
    assert evaluation.met == ("50 searches", "at least 20 searches that succeeded")


def test_no_figure_is_rounded_to_the_other_side_of_its_limit(tmp_path):
    evaluation = asked(OWN, "MLPS-VDB-01", OWN.steady("recall", 0.9000000001), tmp_path)
    assert evaluation.met == ("0.9000000001", "a recall of at least 0.9")


def test_damaged_values_are_told_without_raising(tmp_path):
    phases = [{"name": "cold", "failed": "many", "read_4kib_per_query": 10**300}, {"name": ["steady"]}]
    for rule_id in ("MLPS-VDB-03", "MLPS-VDB-04"):
        asked(OWN, rule_id, OWN.both(OWN.run("phases", phases), OWN.run("engine.residence", "page-cache")), tmp_path / rule_id)
    digits = 10**399
    evaluation = asked(
        PLAIN, "5.2.1", lambda t: t.edit_load(lambda s: s.update(num_vectors=digits, inserted_vectors=digits)), tmp_path / "n"
    )
    assert evaluation.met[0] == f"1{'0' * 79} vectors inserted"
