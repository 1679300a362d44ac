"""What a client's record of itself weighs in the verdict of its run, and what is said where there is none."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from pytest_mlpstorage.results.kv_cache_evidence import RankEvidence, evidence_names, folded
from pytest_mlpstorage.rules import evaluate
from pytest_mlpstorage.verdict import Category, Severity

RULE = "MLPS-TRUST-1"


def _examples():
    spec = importlib.util.spec_from_file_location("told_kv_cache_trust", Path(__file__).parent / "examples" / "kv_cache_trust.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLES = _examples()
says, record, UNPROVED = EXAMPLES.says, EXAMPLES.record, EXAMPLES.UNPROVED


def said(tree):
    result = tree.read()
    (evaluation,) = [one for one in evaluate(result) if one.rule.id == RULE]
    return evaluation


WEIGHTS = {
    "an error": (says(("residency", "error", "warm")), "native", Severity.ERROR, Category.INVALID),
    "a warning": (says(("client_bound", "warning", "busy")), "native", Severity.WARNING, Category.CLOSED),
    "information": (says(("kernel_bytes", "info", "nothing was asked")), "native", Severity.INFO, Category.CLOSED),
    "memory": (says(("memory", "warning", "tmpfs")), "native", Severity.WARNING, Category.OPEN),
    "memory under the official tool": (says(target={"storage": "memory"}), "official", Severity.WARNING, Category.OPEN),
    "unproved": (says(("kernel_bytes", "warning", UNPROVED), direct={"direct": "unproved"}), "native", Severity.WARNING, Category.OPEN),
    "unproved of the official tool": (
        says(("kernel_bytes", "warning", UNPROVED), direct={"direct": "unproved"}), "official", Severity.WARNING, Category.CLOSED
    ),
    "counters that differ": (says(("kernel_bytes", "warning", "0.95"), direct={"direct": "refuted"}), "native", Severity.WARNING, Category.CLOSED),
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_note_weighs_what_it_weighed_for_the_client(tmp_path, name):
    bend, engine, severity, category = WEIGHTS[name]
    tree = EXAMPLES.write(tmp_path, engine=engine)
    bend(tree)
    (finding,) = said(tree).findings
    assert (finding.severity, finding.category, finding.field) == (severity, category, "notes")


def test_that_memory_has_no_counter_is_no_second_finding(tmp_path):
    tree = EXAMPLES.write(tmp_path)
    says(("memory", "warning", "tmpfs"), ("kernel_bytes", "warning", UNPROVED), direct={"direct": "unproved"})(tree)
    assert [finding.message for finding in said(tree).findings] == ["tmpfs"]
    says(("kernel_bytes", "warning", UNPROVED), places=[(1, 0, 1)], direct={"direct": "unproved"})(tree)
    assert [(finding.message, finding.category) for finding in said(tree).findings] == [("tmpfs", Category.OPEN), (UNPROVED, Category.OPEN)]
    assert said(tree).findings[1].file.endswith("rank_1/evidence.json")


def test_the_gravest_comes_first_and_each_check_has_its_own_finding(tmp_path):
    tree = EXAMPLES.write(tmp_path)
    says(("interposers", "warning", "a"), ("client_bound", "warning", "b"))(tree)
    says(("interposers", "error", "c"), ("client_bound", "warning", "other"), places=[(3, 2, 3)])(tree)
    assert [(f.message, f.measured) for f in said(tree).findings] == [
        ("c", "1 of 36 records of clients"),
        ("a", "1 of 36 records of clients"),
        ("b", "2 of 36 records of clients"),
    ]


LOST = {
    "one client's": (lambda t: record(t).unlink(), "1 clients left no evidence.json", "option_1/trial_0/rank_0", False),
    "every client's": (
        lambda t: [p.unlink() for p in t.leaf.rglob("evidence.json")],
        "36 clients left no",
        "option_1/trial_0/rank_0",
        False,
    ),
    "damaged": (lambda t: record(t).write_text("{"), "what a client recorded of itself cannot be read", "rank_0/evidence.json", False),
    "no notes": (lambda t: record(t).write_text("{}"), "its notes cannot be read", "rank_0/evidence.json", False),
    "pruned": (lambda t: record(t).write_text("PRUNED BY STAFF"), "was pruned by its publisher", "rank_0/evidence.json", True),
}


@pytest.mark.parametrize("name", LOST)
def test_a_record_of_ours_that_is_gone_is_no_evidence(tmp_path, name):
    bend, words, place, withheld = LOST[name]
    tree = EXAMPLES.write(tmp_path)
    bend(tree)
    evaluation = said(tree)
    assert evaluation.findings == ()
    (lack,) = evaluation.lacking
    assert (words in lack.reason, lack.file.endswith(place), lack.withheld) == (True, True, withheld), lack


def test_of_a_run_of_another_tool_nothing_is_said(tmp_path):
    tree = EXAMPLES.write(tmp_path)
    EXAMPLES.foreign(tree)
    assert (said(tree).findings, said(tree).lacking) == ((), ())


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {"notes": 5},
        {"notes": [[]]},
        {"notes": [{"check": 1, "level": "info", "message": ""}]},
        {"notes": [{"check": "", "level": [], "message": ""}]},
    ],
)
def test_any_damage_is_told_and_raises_nothing(raw):
    one = RankEvidence.from_json(raw if isinstance(raw, dict) else None, (1, 0, 0))
    assert one.problem
    assert one.notes == ()


def test_facts_of_other_kinds_are_not_known():
    one = RankEvidence.from_json(
        {"notes": [], "direct": {"direct": ["proved"]}, "target": "memory", "window_overlap": float("nan")}, (1, 0, 0)
    )
    assert (one.direct, one.memory, one.overlap, one.problem) == (None, False, None, "")


def test_only_files_where_a_client_leaves_them_are_its_evidence():
    names = [
        "option_2/trial_0/rank_10/evidence.json",
        "option_2/trial_0/rank_9/evidence.json",
        "evidence.json",
        "option_1/trial_0/rank_1/evidence.json.bak",
    ]
    assert evidence_names(names) == {names[1]: (2, 0, 9), names[0]: (2, 0, 10)}


def test_words_of_several_clients_are_kept_with_their_places():
    text = {"notes": [{"check": "c", "level": "info", "message": "a\n b"}]}
    (note,) = folded([RankEvidence.from_json(text, (1, 0, 1)), RankEvidence.from_json(json.loads(json.dumps(text)), (1, 0, 0))])
    assert note.messages == (("a b", ((1, 0, 1), (1, 0, 0))),)
    assert note.places == ((1, 0, 0), (1, 0, 1))
