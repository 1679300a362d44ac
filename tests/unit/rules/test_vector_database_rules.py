"""What the rules on vector databases say where evidence is missing, under a profile, on published runs, of values of any kind."""

import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vector_database_lacking import LACKING, without_load_summary
from vector_database_tree import VectorDatabaseTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.base import Unknown
from pytest_mlpstorage.results.records import Leaf
from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.verdict import Category, Severity


@pytest.fixture
def tree(tmp_path):
    return VectorDatabaseTree.write(tmp_path / "tree")


def of_vectors(result):
    return [rule for rule in rules_for(result) if "vector_database" in rule.function.__module__]


def said(result, rule_id, book=None):
    rule = next(rule for rule in of_vectors(result) if rule.id == rule_id)
    return rule.evaluate(result, book or edition_of(result))


def errors(result, rule_id, book=None):
    return [f for f in said(result, rule_id, book).findings if f.severity is Severity.ERROR]


def published(**values):
    """Edition 3.0 as if values that nobody published had been."""
    book = edition("3.0")
    return book.model_copy(update={"vector_database": book.vector_database.model_copy(update=values)})


def numbered(*cases):
    """Cases whose ids are their rule and their position: several of one rule differ in nothing else that could be a name."""
    return [pytest.param(*case, id=f"{case[0]}-{n}") for n, case in enumerate(cases)]


@pytest.mark.parametrize(("rule_id", "bend", "reason"), numbered(*LACKING))
def test_what_is_not_recorded_is_no_evidence(tree, rule_id, bend, reason):
    bend(tree)
    evaluation = said(tree.read(), rule_id)
    assert [f.line() for f in evaluation.findings if f.severity is not Severity.INFO] == []
    assert reason in " | ".join(item.reason for item in evaluation.lacking)


@pytest.mark.parametrize(
    ("rule_id", "removed", "reason"),
    [
        ("5.1.1", "result_verdict.json", "result_verdict.json is not there or could not be read"),
        ("5.1.1", "config.json", "config.json is not there or could not be read"),
        ("5.3.3", "statistics.json", "statistics.json is not there or could not be read"),
        ("5.3.4", "statistics.json", "statistics.json is not there or could not be read"),
        ("5.6.3", "config.json", "config.json is not there or could not be read"),
    ],
)
def test_a_run_on_one_node_lacks_the_evidence_of_a_file_that_is_missing_once(tmp_path, rule_id, removed, reason):
    tree = VectorDatabaseTree.write(tmp_path / "tree", form="single-node")
    tree.remove(removed, run=3)
    evaluation = said(tree.read(), rule_id)
    assert [item.reason for item in evaluation.lacking] == [reason]
    assert errors(tree.read(), rule_id) == []


def test_the_recall_of_a_run_on_one_node_is_also_found_beside_its_statistics(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree", form="single-node")
    tree.remove("statistics.json", run=3)
    assert said(tree.read(), "5.3.2").lacking == ()


def test_a_run_on_one_node_is_a_database_by_its_metadata(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree", form="single-node")
    assert errors(tree.read(), "5.6.2") == []
    tree.remove(f"vector_database_{tree.runs[0].name}_metadata.json")
    assert [item.reason for item in said(tree.read(), "5.6.2").lacking] == ["the metadata is not there or could not be read"]
    tree.args(run=1, vdb_engine=None)
    assert len(errors(tree.read(), "5.6.2")) == 1


def test_the_figures_of_a_summary_are_not_taken_from_other_files(tree):
    tree.edit("summary.json", lambda s: s.pop("throughput_qps"), run=0)
    tree.text("statistics.json", json.dumps({"throughput_qps": 5}))
    assert len(errors(tree.read(), "5.3.4")) == 1


def test_a_result_without_a_run_is_no_evidence(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree", runs=0)
    result = tree.read()
    for rule in of_vectors(result):
        if rule.id in {"5.2.1", "5.3.1", "5.5.1", "MLPS-FILES-1"} or rule.id.startswith("MLPS-VDB-"):
            continue
        lacking = [(item.reason, item.file) for item in rule.evaluate(result, edition_of(result)).lacking]
        assert ("there is no run", f"{result.relpath}/run") in lacking, rule.id
    assert [f.measured for f in errors(result, "5.3.1")] == [0]


def test_without_an_engine_level_the_index_is_the_last_level_all_the_same(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree", place="HNSW")
    result = tree.read()
    assert result.engine is None
    for rule in of_vectors(result):
        assert [f.line() for f in rule.evaluate(result, edition_of(result)).findings if f.severity is not Severity.INFO] == []


def test_another_database_is_open_at_best_and_invalid_only_under_closed(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree", division="open", place="zvec/DISKANN", database="zvec")
    tree.override(diskann__pq_chunk_num=16)
    result = tree.read()
    for rule in of_vectors(result):
        assert [f.line() for f in rule.evaluate(result, edition_of(result)).findings if f.severity is Severity.ERROR] == []
    (engine,) = said(result, "MLPS-ENGINE-1").findings
    assert (engine.severity, engine.category, engine.count) == (Severity.INFO, Category.OPEN, 6)
    (warning,) = said(result, "5.6.5").findings
    assert (warning.severity, warning.category, warning.count) == (Severity.WARNING, Category.CLOSED, 5)


def test_the_lists_apply_to_an_open_result_as_soon_as_its_database_is_the_closed_one(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree", division="open")
    tree.override(index__nlist=1)
    assert len(errors(tree.read(), "5.6.5")) == 1
    tree.summary(run=0, database={"database": "pgvector"})
    assert errors(tree.read(), "5.6.5") == []


def test_the_profile_of_the_round_takes_what_the_round_took(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree", form="single-node")
    tree.remove("result_verdict.json")
    tree.remove("fs_separation.json", run=1)
    tree.args(storage_root=None)
    result, relaxed = tree.read(), edition("3.0").relaxed()
    for rule_id in ("5.3.5", "5.4.1", "5.4.2", "MLPS-FILES-1"):
        assert errors(result, rule_id), rule_id
        assert errors(result, rule_id, relaxed) == [], rule_id
        assert said(result, rule_id, relaxed).findings, rule_id
    tree.text("result_verdict.json", "{")
    tree.remove("statistics.json", run=2)
    tree.remove("config.json", run=2)
    assert len(errors(tree.read(), "5.3.5", relaxed)) == 1
    assert [f.file for f in errors(tree.read(), "MLPS-FILES-1", relaxed)] == [f"{result.relpath}/run/{result.runs[2].name}"]


@pytest.mark.parametrize(
    ("distributed", "taken"), [(False, True), ("False", True), (True, False), (None, False)], ids=["no", "no in words", "yes", "unsaid"]
)
def test_only_a_load_on_one_node_may_lack_its_summary_under_the_profile(tree, distributed, taken):
    without_load_summary(tree)
    tree.edit_load_metadata(lambda m: m["args"].update(distributed=distributed))
    assert (errors(tree.read(), "MLPS-FILES-1", edition("3.0").relaxed()) == []) == taken


@pytest.mark.parametrize(
    ("rule_id", "values", "passes"),
    [
        ("5.1.1", {"scales": ((1_000_000, 1536),)}, True),
        ("5.1.1", {"scales": ((1_000_000, 512), (2_000_000, 1536))}, False),
        ("5.3.2", {"minimum_recall": 0.5}, True),
        ("5.3.2", {"minimum_recall": 0.5001}, False),
        ("5.3.3", {"minimum_queries": 8594}, True),
        ("5.3.3", {"minimum_queries": 8595}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["summary", "single-node"])
def test_a_limit_is_held_against_the_runs_once_it_is_published(tmp_path, rule_id, values, passes, form):
    result = VectorDatabaseTree.write(tmp_path / "tree", form=form).read()
    evaluation = said(result, rule_id, published(**values))
    assert (evaluation.findings == ()) == passes
    assert evaluation.lacking == ()
    told = {
        "5.1.1": ("the data set has none of the edition's scales", "1000000 × 1536", "1000000 × 512 or 2000000 × 1536"),
        "5.3.2": ("the recall of a run is below the minimum", 0.5, 0.5001),
        "5.3.3": ("a run made too few queries", 8594, 8595),
    }
    for finding in evaluation.findings:
        assert (finding.message, finding.measured, finding.required, finding.count) == (*told[rule_id], 5)
        assert (finding.severity, finding.category) == (Severity.ERROR, Category.INVALID)
        fields = {
            "summary": {"5.1.1": "num_vectors", "5.3.2": "recall", "5.3.3": "query_count"},
            "single-node": {"5.1.1": "flat_setup.total_vectors", "5.3.2": "recall", "5.3.3": "total_queries"},
        }
        file = {"summary": "summary.json", "single-node": "result_verdict.json" if rule_id == "5.1.1" else "statistics.json"}
        assert (finding.file, finding.field) == (f"{result.runs[0].relpath}/{file[form]}", fields[form][rule_id])


def test_a_minimum_recall_is_held_against_the_mean_and_not_the_highest(tree):
    tree.summary(run=None, recall={"max_recall": 1.0, "mean_recall": 0.2})
    (finding,) = errors(tree.read(), "5.3.2", published(minimum_recall=0.9))
    assert (finding.measured, finding.required, finding.count) == (0.2, 0.9, 5)
    tree.summary(run=None, recall={"max_recall": 1.0})
    assert len(errors(tree.read(), "5.3.2", published(minimum_recall=0.9))) == 1


def test_what_was_never_published_is_said_and_weighs_nothing(tree):
    for rule_id, value in (("5.1.1", "1000000 × 1536"), ("5.3.2", 0.5), ("5.3.3", 8594)):
        (finding,) = said(tree.read(), rule_id).findings
        assert (finding.severity, finding.category, finding.measured, finding.count) == (Severity.INFO, Category.CLOSED, value, 5)
    assert isinstance(edition("3.0").vector_database.result_reduction, Unknown)


@pytest.mark.parametrize(
    ("rule_id", "bend"),
    [
        ("5.2.1", lambda t: t.edit_load(lambda s: s.update(inserted_vectors=2_000_000))),
        ("5.3.5", lambda t: t.text("result_verdict.json", '{"valid": true}')),
    ],
    ids=["5.2.1", "5.3.5"],
)
def test_what_costs_no_verdict_is_a_warning(tree, rule_id, bend):
    bend(tree)
    (finding,) = said(tree.read(), rule_id).findings
    assert (finding.severity, finding.category) == (Severity.WARNING, Category.CLOSED)


def test_what_a_plan_knows_is_judged_before_anything_runs(tree):
    result = tree.read()
    metadata = result.runs[0].metadata
    leaf = Leaf(path=tree.root / "nowhere", relpath="x", name=result.runs[0].name, phase="run", metadata=metadata, planned=True)
    plan = dataclasses.replace(result, runs=(leaf,) * 5, datagen=(), planned=True)
    asked = [rule for rule in of_vectors(plan) if rule.preflight]
    assert {rule.id for rule in asked} == {"5.3.1", "5.4.1", "5.6.2", "5.6.3", "5.6.4", "MLPS-ENGINE-1", "RC-VDB-1", "RC-VDB-2"}
    for rule in asked:
        evaluation = rule.evaluate(plan, edition_of(plan))
        assert evaluation.findings == (), rule.id
        assert [item.reason for item in evaluation.lacking] in ([], ["there is no datagen"]), rule.id
    other = dataclasses.replace(leaf, metadata=dataclasses.replace(metadata, raw={}, args={"vdb_engine": "zvec", "runtime": 5}))
    plan = dataclasses.replace(plan, runs=(other,))
    assert [f.measured for f in said(plan, "MLPS-ENGINE-1").findings] == ["zvec"]
    assert [f.measured for f in said(plan, "RC-VDB-2").findings] == ["5 seconds"]


ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["1", "-1", "NaN", 10**400])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["max_recall", "x", "database", "ok"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    where=st.sampled_from(["summary.json", "statistics.json", "config.json", "result_verdict.json", "metadata", "args", "load"]),
    form=st.sampled_from(["summary", "single-node"]),
    pick=st.integers(0, 40),
    value=ANY,
    division=st.sampled_from(["closed", "open"]),
)
def test_a_value_of_any_kind_in_any_place_never_raises(tmp_path_factory, where, form, pick, value, division):
    tree = VectorDatabaseTree.write(tmp_path_factory.mktemp("any"), form=form, division=division)

    def put(content):
        keys = sorted(content)
        content[keys[pick % len(keys)]] = value

    if where == "metadata":
        tree.edit_metadata(put)
    elif where == "args":
        tree.edit_metadata(lambda m: put(m["args"]))
    elif where == "load" and form == "summary":
        tree.edit_load(put)
    elif (tree.runs[0] / where).is_file():
        tree.edit(where, put)
    result = tree.read()
    for rule in of_vectors(result):
        rule.evaluate(result, edition_of(result))


def test_every_load_is_judged_though_an_earlier_one_cannot_be(tree):
    for name, content in (("20260721_090000", None), ("20260721_093000", {"num_vectors": 5, "inserted_vectors": 4, "dimension": 7})):
        leaf = tree.load.with_name(name) if content is None else tree.result_dir / "datagen" / name
        leaf.mkdir()
        if content is not None:
            (leaf / "summary.json").write_text(json.dumps(content))
    result = tree.read()
    assert [f.measured for f in errors(result, "5.2.1")] == [4]
    assert [f.required for f in errors(result, "5.1.2")] == ["7"]
    assert len(errors(result, "5.2.2")) == 1
    assert [item.reason for item in said(result, "5.2.1").lacking] == ["there is no summary"]
