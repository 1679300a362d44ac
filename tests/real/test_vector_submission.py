"""An open submission with a vector database, by the real writer and zvec: it passes its rules, and one change of it does not."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from submission_mutations_vector import CLOSED_ONLY, VECTOR, VECTOR_CHANGES
from whole_submission import TWO_FILE_SYSTEMS, submission, told

pytestmark = [
    pytest.mark.real,
    pytest.mark.full,
    pytest.mark.skipif(find_spec("zvec") is None, reason="zvec is not installed (pip install 'pytest-mlpstorage[vectordb]')"),
    pytest.mark.skipif(not TWO_FILE_SYSTEMS, reason="needs a second file system"),
]

VECTORS = """vectordb:
  num_vectors: 3000
  dimension: 32
  cold_queries: 200
  duration: 3s
  recall_queries: 200
  thresholds: {min_queries: 100}
  workloads:
    - {engine: zvec, index_type: DISKANN, search: {search_ef: 30}, run: {num_query_processes: 2}}
"""

OF_THE_HOUR = "MLPS-VDB-07"
"""How far the rates of the runs lie apart is the machine's matter."""


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    with submission(tmp_path_factory.mktemp("vectors"), VECTORS, division="open") as made:
        yield made


@pytest.fixture(scope="module")
def after(packed):
    return told(packed, VECTOR)


def test_the_result_is_open_and_every_limit_of_its_own_is_shown_to_the_reviewer(packed):
    judged = packed.judged(packed.folder / "submission")
    assert judged.code == 0, judged.text
    (result,) = judged.results
    found = {(one["rule"], one["severity"], one["category"]) for one in result["findings"]} - {(OF_THE_HOUR, "info", "CLOSED")}
    assert result["verdict"] == "OPEN", judged.text
    assert found == {
        # Nobody published what these are held against.
        ("5.1.1", "info", "CLOSED"), ("5.3.2", "info", "CLOSED"), ("5.3.3", "info", "CLOSED"), ("EDN-02", "info", "CLOSED"),
        # Another database than that of the closed division.
        ("5.6.5", "warning", "CLOSED"), ("MLPS-ENGINE-1", "info", "OPEN"),
        # It was measured with a limit that is less than the default, and a reviewer is told so.
        ("MLPS-VDB-02", "warning", "CLOSED"),
    }  # fmt: skip
    assert "(it was measured with min_queries 100)" in json.dumps(result["findings"])


def test_there_is_a_change_for_every_rule_that_is_asked(after):
    asked = {(kind, rule): elsewhere for kind, rule, _, elsewhere in after["asked"] if kind == "vector_database"}
    # What measured vectors is no DLIO: the rule is asked as of every result, and says nothing.
    assert set(VECTOR_CHANGES) == set(asked) - {("vector_database", "EDN-03")}
    moved = {key for key, mutation in VECTOR_CHANGES.items() if mutation.several == CLOSED_ONLY}
    assert moved | {("vector_database", "5.6.2")} == {key for key, elsewhere in asked.items() if elsewhere}


@pytest.mark.parametrize("rule", [rule for _, rule in VECTOR_CHANGES])
def test_a_change_is_told_by_its_rule_and_an_own_limit_costs_no_verdict(after, rule):
    mutation = VECTOR_CHANGES["vector_database", rule]
    (severity,) = (weight for kind, asked, weight, _ in after["asked"] if (kind, asked) == ("vector_database", rule))
    severity = mutation.no_worse or severity
    before = {(place["kind"], finding["line"]) for place in after["before"] for finding in place["told"]}
    places = after["after"][f"vector_database {rule}"]
    new = [
        (place["kind"], finding["rule"], finding["severity"])
        for place in places
        for finding in place["told"]
        if (place["kind"], finding["line"]) not in before
    ]
    assert ("vector_database", rule, severity) in new, (mutation.words, new)
    verdicts = {place["verdict"] for place in places if place["kind"] == "vector_database"}
    if rule.startswith("MLPS-VDB-"):
        assert verdicts == {"OPEN"}, (mutation.words, new)
    elif severity == "error":
        assert verdicts == {"INVALID"}, (mutation.words, new)
