"""The verdicts over the published corpora are the stored ones; a change is a diff that somebody reviews."""

import importlib.util
import json
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("judged_corpora", Path(__file__).with_name("judged_corpora.py"))
judged_corpora = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(judged_corpora)

AGAIN = "if that is meant, store them anew and review the diff: python tests/snapshots/judged_corpora.py"


@pytest.mark.skipif(not judged_corpora.CORPORA.is_dir(), reason="the published corpora are not beside this repository")
@pytest.mark.parametrize("corpus", judged_corpora.PROFILES)
def test_the_verdicts_over_a_published_round_are_the_stored_ones(corpus):
    now, names = judged_corpora.judged(corpus)
    changed = list(judged_corpora.differences(judged_corpora.stored(corpus), json.loads(json.dumps(now)), names))
    assert not changed, "\n".join(["", *changed, AGAIN])


@pytest.mark.skipif(not judged_corpora.CORPORA.is_dir(), reason="the published corpora are not beside this repository")
@pytest.mark.parametrize("corpus", judged_corpora.PROFILES)
def test_what_is_stored_names_nobody(corpus):
    text = (judged_corpora.FOLDER / f"{corpus}.json").read_text()
    levels = {part for name in judged_corpora.judged(corpus)[1].values() for part in name.split("/")}
    usual = {"training", "checkpointing", "vector_database", "kv_cache", "results", "systems", "closed", "Closed", "run", "runs", "."}
    assert [level for level in sorted(levels - usual) if len(level) > 3 and f'"{level}' in text] == []


def test_a_difference_says_where_and_what():
    before = {"strict": {"results": {"aa": {"verdict": "CLOSED", "findings": ["A error ×1"]}}}}
    after = {"strict": {"results": {"aa": {"verdict": "INVALID", "findings": ["B error ×1"]}, "bb": {"verdict": "OPEN"}}}}
    lines = list(judged_corpora.differences(before, after, {"aa": "closed/a"}))
    assert lines == [
        " strict results\n  closed/a findings: - A error ×1",
        " strict results\n  closed/a findings: + B error ×1",
        " strict results\n  closed/a verdict: CLOSED → INVALID",
        " strict results bb: None → {'verdict': 'OPEN'}",
    ]
