"""What the rules on the KV cache say where evidence is missing, on published runs, and of values of any kind."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kv_cache_lacking import LACKING
from kv_cache_tree import KVCacheTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.records import Leaf
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.verdict import Category, Division, Severity

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"


@pytest.fixture
def tree(tmp_path):
    return KVCacheTree.write(tmp_path / "tree")


def said(result, rule_id, *, relaxed=False):
    rule = next(rule for rule in rules_for(result) if rule.id == rule_id)
    book = edition_of(result)
    return rule.evaluate(result, book.relaxed() if relaxed else book)


def of_kv_cache(result):
    return [rule for rule in rules_for(result) if "kv_cache" in rule.function.__module__]


def lacking(tree, rule_id):
    evaluation = said(tree.read(), rule_id)
    assert [f.line() for f in evaluation.findings if f.severity is not Severity.INFO] == []
    return " | ".join(item.reason for item in evaluation.lacking)


def numbered(*cases):
    """Cases whose ids are their rule and their position: several of one rule differ in nothing else that could be a name."""
    return [pytest.param(*case, id=f"{case[0]}-{n}") for n, case in enumerate(cases)]


@pytest.mark.parametrize(("rule_id", "bend", "reason"), numbered(*LACKING))
def test_what_is_not_recorded_is_no_evidence(tree, rule_id, bend, reason):
    bend(tree)
    assert reason in lacking(tree, rule_id)


def test_pruned_files_of_ranks_cost_no_verdict(tree):
    tree.option(1, aggregated_device_read_p95_ms=...)
    tree.rank_file(1).write_text("PRUNED BY STAFF\n")
    for rule_id in ("6.3.4.1", "6.3.4.2", "6.3.4.5"):
        (lack,) = said(tree.read(), rule_id).lacking
        assert lack.withheld
    tree.rank_file(2).unlink()
    assert [lack.withheld for lack in said(tree.read(), "6.3.4.1").lacking] == [True, False]


def test_a_result_without_a_run_is_no_evidence_for_any_rule(tree):
    tree.leaf.rename(tree.root / "gone")
    result = tree.read()
    for rule in of_kv_cache(result):
        evaluation = rule.evaluate(result, edition_of(result))
        assert evaluation.findings == ()
        assert [(item.reason, item.file) for item in evaluation.lacking] == [("there is no run", f"{result.relpath}/run")], rule.id


@pytest.mark.parametrize(
    ("rule_id", "division", "bend", "severity", "category"),
    numbered(
        ("6.3.1.1", "closed", lambda t: t.command("--duration 300", "--duration 60"), Severity.ERROR, Category.INVALID),
        ("6.3.3.1", "open", lambda t: t.edit_metadata(lambda m: m.update(num_processes=9)), Severity.WARNING, Category.CLOSED),
        ("6.3.4.2", "closed", lambda t: t.option(1, aggregated_avg_throughput_tokens_per_sec=1), Severity.WARNING, Category.CLOSED),
        ("6.3.4.4", "closed", lambda t: t.edit_ranks(lambda r: r["summary"]["cache_stats"].update(storage_entries=0), option=2), Severity.INFO, Category.OPEN),
        ("6.3.4.4", "closed", lambda t: t.edit_ranks(lambda r: r["summary"]["cache_stats"].update(storage_entries=0), option=1), Severity.ERROR, Category.INVALID),
        ("6.4.1", "closed", lambda t: (t.leaf / "fs_separation.json").unlink(), Severity.INFO, Category.CLOSED),
        ("6.6.1", "closed", lambda t: t.command("--seed-base", "--enable-rag --seed-base"), Severity.ERROR, Category.INVALID),
        ("6.6.2", "open", lambda t: t.command("--seed-base", "--enable-rag --seed-base"), Severity.INFO, Category.OPEN),
        ("6.6.2", "open", lambda t: t.command("--seed-base", "--num-gpus 2 --seed-base"), Severity.WARNING, Category.CLOSED),
        ("6.6.2", "open", lambda t: t.command("--duration 300", "--duration 60"), Severity.INFO, Category.OPEN),
        ("6.6.2", "open", lambda t: t.command("--model llama3.1-8b", "--model tiny-1b"), Severity.WARNING, Category.CLOSED),
        ("6.6.2", "open", lambda t: t.command("--max-concurrent-allocs 16", "--max-concurrent-allocs 1"), Severity.ERROR, Category.INVALID),
        ("MLPS-ENGINE-1", "closed", lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": "native"})), Severity.INFO, Category.OPEN),
        ("MLPS-FILES-1", "closed", lambda t: (t.leaf / "summary.json").rename(t.leaf / "kvcache_run_summary.json"), Severity.WARNING, Category.CLOSED),
        ("REP-KVC-1", "closed", lambda t: t.option(1, partial_failure=True), Severity.ERROR, Category.INVALID),
    ),
)  # fmt: skip
def test_a_finding_weighs_what_its_rule_says(tmp_path, rule_id, division, bend, severity, category):
    tree = KVCacheTree.write(tmp_path / "tree", division=division)
    bend(tree)
    (first, *_) = said(tree.read(), rule_id).findings
    assert (first.severity, first.category) == (severity, category)


def test_an_open_run_may_have_other_users_but_the_same_in_every_pass(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree", division="open")
    tree.command("--num-users 200", "--num-users 20")
    assert said(tree.read(), "6.3.3.2").findings == ()
    tree.command("--num-users 20", "--num-users 10", passes=(2,))
    (finding,) = said(tree.read(), "6.3.3.2").findings
    assert (finding.measured, finding.required) == ("10", "one number of users in every pass")


def test_the_older_wrapper_takes_the_users_from_its_table(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree", form="older")
    assert lacking(tree, "6.3.3.2") == ""
    tree.command("--option 2", "--option 1")
    assert "option 2" in lacking(tree, "6.3.3.2")


def test_an_open_result_need_not_have_every_option(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree", division="open")
    tree.edit_summary(lambda s: (s["options"].pop("1"), s["options"].pop("2")))
    assert said(tree.read(), "6.3.4.5").findings == ()
    tree.edit_summary(lambda s: s.update(options={}))
    assert len(said(tree.read(), "6.3.4.5").findings) == 3


def test_an_option_that_nobody_describes_may_have_had_memory_in_open_only(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree", division="open")
    shutil.copytree(tree.leaf / "option_1", tree.leaf / "option_4")
    tree.edit_summary(lambda s: s["options"].update({"4": s["options"]["1"]}))
    tree.edit_ranks(lambda r: r["summary"]["cache_stats"].update(storage_entries=0), option=4)
    (finding,) = said(tree.read(), "6.3.4.4").findings
    assert (finding.severity, finding.category) == (Severity.INFO, Category.OPEN)


def test_every_rule_judges_the_latest_run_that_is_free_of_errors(tree):
    later = tree.leaf.with_name("20260722_000000")
    shutil.copytree(tree.leaf, later)
    (later / f"kv_cache_{tree.leaf.name}_metadata.json").rename(later / f"kv_cache_{later.name}_metadata.json")
    tree.edit_summary(lambda s: s.update(trial_failures=[1], total_ranks=99), run=1)
    result = tree.read()
    assert [rule.id for rule in of_kv_cache(result) if any(f.severity is Severity.ERROR for f in said(result, rule.id).findings)] == []
    (told,) = said(result, "REP-KVC-1").findings
    assert (told.severity, told.file) == (Severity.INFO, f"{result.relpath}/run/{later.name}")
    tree.edit_summary(lambda s: s.update(trial_failures={}), run=1)
    assert said(tree.read(), "6.3.3.1").findings


def test_a_valid_native_run_passes_all_rules_and_is_open_at_best(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree", form="native", mlps={"engine": "native"})
    for path in tree.leaf.glob("option_*/trial_*/rank_*"):
        (path / "evidence.json").write_text('{"notes": []}')
    result = tree.read()
    for rule in of_kv_cache(result):
        evaluation = said(result, rule.id)
        assert evaluation.lacking == ()
        assert [f.line() for f in evaluation.findings if rule.id != "MLPS-ENGINE-1"] == []
    assert said(result, "MLPS-ENGINE-1").findings[0].category is Category.OPEN


def test_what_a_plan_knows_is_judged_before_anything_runs(tree):
    result = tree.read()
    leaf = result.runs[0]
    planned = Leaf(path=tree.root / "nowhere", relpath=leaf.relpath, name=leaf.name, phase="run", metadata=leaf.metadata, planned=True)
    plan = dataclasses.replace(result, runs=(planned,), planned=True)
    asked = [rule for rule in of_kv_cache(plan) if rule.preflight]
    assert {rule.id for rule in asked} >= {"6.3.1.1", "6.3.2.1", "6.3.2.2", "6.3.3.2", "6.4.1", "6.6.1", "MLPS-ENGINE-1"}
    for rule in asked:
        evaluation = rule.evaluate(plan, edition_of(plan))
        assert (evaluation.findings, evaluation.lacking) == ((), ()), rule.id
    unsaid = dataclasses.replace(planned, metadata=dataclasses.replace(leaf.metadata, mlps={"step": "x"}))
    evaluation = said(dataclasses.replace(plan, runs=(unsaid,)), "MLPS-ENGINE-1")
    assert [item.reason for item in evaluation.lacking] == ["the plan does not say which engine will measure"]


def test_open_arguments_have_flags_only_under_their_own_names():
    book = edition("3.0").kv_cache
    assert set(book.open_flags) <= set(book.open_arguments)
    assert not {flag for flags in book.open_flags.values() for flag in flags} & {
        *book.pass_flags,
        *book.closed_arguments,
        *book.open_arguments,
    }


ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["1", "-1", "NaN", 10**400])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["1", "x", "options", "summary", "hosts"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    where=st.sampled_from(["summary", "option", "metadata", "args", "parameters", "rank", "cache"]),
    pick=st.integers(0, 40),
    value=ANY,
    division=st.sampled_from(["closed", "open"]),
)
def test_a_value_of_any_kind_in_any_place_never_raises(tmp_path_factory, where, pick, value, division):
    tree = KVCacheTree.write(tmp_path_factory.mktemp("any"), division=division)

    def put(content):
        if not isinstance(content, dict):
            return
        keys = [*sorted(content), "options", "sequence", "features", "config"]
        content[keys[pick % len(keys)]] = value

    change = {
        "summary": lambda: tree.edit_summary(put),
        "option": lambda: tree.edit_summary(lambda s: put(s["options"]["2"])),
        "metadata": lambda: tree.edit_metadata(put),
        "args": lambda: tree.edit_metadata(lambda m: put(m["args"])),
        "parameters": lambda: tree.edit_metadata(lambda m: put(m["parameters"])),
        "rank": lambda: tree.edit_rank(lambda r: put(r["summary"])),
        "cache": lambda: tree.edit_rank(lambda r: put(r["summary"]["cache_stats"])),
    }
    change[where]()
    result = tree.read()
    for rule in of_kv_cache(result):
        rule.evaluate(result, edition_of(result))


def published_results(kind):
    if not (CORPORA / "v3.0").is_dir():
        pytest.skip("the published round v3.0 is not beside this checkout")
    tree = read_tree(CORPORA / "v3.0")
    return [tree.load(place) for place in tree.result_places if place.kind == kind]


def test_the_published_runs_break_no_rule_but_those_on_files_that_the_corpus_left_out():
    results = published_results("kv_cache")
    assert results
    for result in results:
        assert result.division is Division.CLOSED
        errors = {rule.id for rule in of_kv_cache(result) if any(f.severity is Severity.ERROR for f in said(result, rule.id).findings)}
        assert errors <= {"6.3.3.3", "MLPS-FILES-1"}


def test_the_published_partial_failure_is_an_error(tree):
    path = CORPORA / "examples" / "v3.0_kvcache_summary_partial_failure.json"
    if not path.is_file():
        pytest.skip("the examples of published files are not beside this checkout")
    (tree.leaf / "summary.json").write_bytes(path.read_bytes())
    summary = json.loads(path.read_text())
    result = tree.read()
    (finding,) = [f for f in said(result, "REP-KVC-1").findings if f.severity is Severity.ERROR]
    assert "a part of it failed" in finding.message
    assert f"{sum(len(o['missing_files']) for o in summary['options'].values())} files of ranks are missing" in finding.message
    assert any("another number of trials" in f.message for f in said(result, "6.3.2.1").findings)


@pytest.mark.parametrize(
    ("profile", "findings"), [("mlc-v3", 1), ("serving", 2), ("replay", 2), ("", 1), (None, 1), (["serving"], 2), (7, 2)]
)
def test_other_work_is_told_beside_the_engine(tree, profile, findings):
    tree.edit_metadata(lambda m: m.update(mlps={"engine": {"name": "native", "profile": profile}}))
    evaluation = said(tree.read(), "MLPS-ENGINE-1")
    assert [f.category for f in evaluation.findings] == [Category.OPEN] * findings
