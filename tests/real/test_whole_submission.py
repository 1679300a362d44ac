"""A whole submission, scaled down, by the real writer and engines: it passes its own rules, and one change of it does not.

Only the scale of the edition differs (scaled_edition.py). The data stand on a disk, the results in memory: closed wants two file systems.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from submission_changes import OPEN_ONLY, SEPARATE, TOGETHER
from submission_mutations_around import MOVES, MUTATIONS
from whole_submission import TWO_FILE_SYSTEMS, submission, told

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_spec("dlio_benchmark") is None, reason="the DLIO environment is not installed"),
    pytest.mark.skipif(not TWO_FILE_SYSTEMS, reason="needs a second file system"),
]

TRAINING = """training:
  workloads:
    - {model: unet3d, accelerator: b200, accelerators: 2}
"""

CHECKPOINTING = """checkpointing:
  invocations: %s
  workloads:
    - {model: llama3-8b, accelerator: b200, accelerators: 2}
"""

CACHES = """kvcache:
  clients_per_host: 2
  options:
    - option: 1
    - option: 2
    - option: 3
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with submission(tmp_path_factory.mktemp("whole"), TRAINING + CHECKPOINTING % TOGETHER + CACHES) as made:
        yield made


@pytest.fixture(scope="module")
def separate(tmp_path_factory):
    """One whose checkpoints one run wrote and another one read."""
    with submission(tmp_path_factory.mktemp("separate"), CHECKPOINTING % SEPARATE) as made:
        yield made


@pytest.fixture(scope="module")
def told_of_whole(whole):
    return told(whole, TOGETHER)


@pytest.fixture(scope="module")
def told_of_separate(separate):
    return told(separate, SEPARATE)


def of_the_hour(finding: dict) -> bool:
    """Whether it tells that the machine was busy: a client of the caches was the limit itself, or began late."""
    return (finding["rule"], finding["severity"], finding["category"]) == ("MLPS-TRUST-1", "warning", "CLOSED")


def test_each_result_is_open_by_its_engine_and_has_no_other_finding(whole):
    judged = whole.judged(whole.folder / "submission")
    assert judged.code == 0, judged.text
    families = sorted(result["benchmark_type"] for result in judged.results)
    assert families == ["checkpointing", "kv_cache", "training"], judged.text
    for result in judged.results:
        told = [(finding["rule"], finding["category"]) for finding in result["findings"] if not of_the_hour(finding)]
        expected = [("MLPS-ENGINE-1", "OPEN")]
        if result["benchmark_type"] == "kv_cache":
            # How a hash of its class is made is not published, so no edition can hold it.
            expected.insert(0, ("EDN-02", "CLOSED"))
        assert (result["verdict"], told) == ("OPEN", expected), (result, judged.text)
    assert [submission["verdict"] for submission in judged.submissions] == ["OPEN"], judged.text


def test_checkpoints_of_two_runs_are_told_their_time_and_nothing_more(separate):
    judged = separate.judged(separate.folder / "submission")
    assert judged.code == 0, judged.text
    (result,) = judged.results
    told = {(finding["rule"], finding["severity"], finding["category"]) for finding in result["findings"]}
    assert told == {("MLPS-ENGINE-1", "info", "OPEN"), ("4.7.2", "info", "CLOSED")}, judged.text
    assert [result["verdict"], judged.submissions[0]["verdict"]] == ["OPEN", "OPEN"], judged.text


def test_an_accepted_dlio_is_all_that_the_training_lacks_to_be_closed(told_of_whole):
    after = told_of_whole["after"]["accepted"]
    verdicts = {
        place["kind"]: (place["verdict"], [finding["rule"] for finding in place["told"] if not of_the_hour(finding)]) for place in after
    }
    assert verdicts == {
        "package": ("", []),
        "submission": ("OPEN", []),
        "system": ("", []),
        "training": ("CLOSED", []),
        "checkpointing": ("OPEN", ["MLPS-ENGINE-1"]),
        "kv_cache": ("OPEN", ["EDN-02", "MLPS-ENGINE-1"]),
    }


def test_there_is_a_change_for_every_rule_that_is_asked(told_of_whole, told_of_separate):
    asked = {(kind, rule): open_only for of in (told_of_whole, told_of_separate) for kind, rule, _, open_only in of["asked"]}
    # What measured a KV cache is no DLIO: the rule is asked as of every result, and says nothing.
    assert set(MUTATIONS) == set(asked) - {("kv_cache", "EDN-03")}
    assert {key for key, mutation in MUTATIONS.items() if mutation.several == OPEN_ONLY} == {key for key in asked if asked[key]}


def new_findings(of: dict, name: str) -> list[tuple[dict, dict]]:
    """Findings after a change that were not there before, each with the place that it was told of."""
    before = {(place["kind"], finding["line"]) for place in of["before"] for finding in place["told"]}
    places = of["after"][name]
    return [(place, finding) for place in places for finding in place["told"] if (place["kind"], finding["line"]) not in before]


@pytest.mark.parametrize(("kind", "rule"), MUTATIONS, ids=" ".join)
def test_a_change_is_told_by_its_rule(request, kind, rule):
    mutation = MUTATIONS[kind, rule]
    of = request.getfixturevalue({TOGETHER: "told_of_whole", SEPARATE: "told_of_separate"}[mutation.base])
    (severity,) = (severity for asked_kind, asked_rule, severity, _ in of["asked"] if (asked_kind, asked_rule) == (kind, rule))
    severity = mutation.no_worse or severity
    new = new_findings(of, f"{kind} {rule}")
    assert (kind, rule, severity) in [(place["kind"], f["rule"], f["severity"]) for place, f in new], (mutation.words, new)
    if severity != "error":
        return
    # What is wrong around the results is wrong with all of them, but for the top of the package, which stands for no single one.
    families = {"training", "checkpointing", "kv_cache"} if mutation.base == TOGETHER else {"checkpointing"}
    failed = {kind} if kind in families else set() if kind == "package" else families
    verdicts = {place["verdict"] for place in of["after"][f"{kind} {rule}"] if place["kind"] in {*failed, "submission"}}
    assert verdicts == {"INVALID"}, (mutation.words, new)


@pytest.mark.parametrize("name", MOVES)
def test_what_stands_in_the_place_of_another_is_found(told_of_whole, name):
    mutation, rules = MOVES[name]
    new = new_findings(told_of_whole, name)
    assert set(rules) <= {finding["rule"] for _, finding in new}, (mutation.words, new)
    assert [place["verdict"] for place in told_of_whole["after"][name] if place["kind"] == "submission"] == ["INVALID"]
