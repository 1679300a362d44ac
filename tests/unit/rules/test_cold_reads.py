"""What MLPS-COLD-1 says where the record cannot tell, is damaged, or was made by another tool."""

import dataclasses
import json

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.results.page_cache import HostIoSince, HostPageCache, PageCacheRecord, write_page_cache
from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.verdict import Category, Severity

HOST = HostPageCache("n1", "cachestat", "fadvise", 10, 10, 1000, 500, 0, 0.5)
BLIND = dataclasses.replace(
    HOST, method="unavailable: tmpfs keeps its files in memory", drop_method="none", resident_bytes_after=None, bytes_sampled=0
)
UNCOUNTED = HostIoSince("n1", "unavailable: tmpfs has no storage below it", None, 1.0)


def said(tree):
    subject = tree.read()
    rule = next(rule for rule in rules_for(subject) if rule.id == "MLPS-COLD-1")
    return rule.evaluate(subject, edition_of(subject))


@pytest.fixture
def tree(tmp_path):
    return TrainingTree.write(tmp_path / "tree", runs=1)


def recorded(tree, **fields):
    record = PageCacheRecord("run", True, (HOST,), (HostIoSince("n1", "diskstats sda", 1000, 1.0),), (), 1000, 1000)
    write_page_cache(tree.runs[0], dataclasses.replace(record, **fields))
    return said(tree)


def test_a_filesystem_in_memory_is_not_verified_and_no_finding(tree):
    found = recorded(tree, hosts=(BLIND,), counters=(UNCOUNTED,), rank_read_bytes=0)
    assert found.findings == ()
    assert [lack.reason for lack in found.lacking] == [
        "what lay in memory is not known of 1 host(s): unavailable: tmpfs keeps its files in memory",
        "what the storage delivered is not known: unavailable: tmpfs has no storage below it",
    ]


def test_findings_and_lacks_name_the_record(tree):
    place = f"{tree.runs[0].relative_to(tree.root).as_posix()}/page_cache.json"
    lacking = [
        recorded(tree, hosts=(BLIND,), counters=(UNCOUNTED,), rank_read_bytes=0).lacking,
        recorded(tree, asked_bytes=None).lacking,
        recorded(tree, asked_bytes=0).lacking,
    ]
    assert [len(lacks) for lacks in lacking] == [2, 1, 1]
    assert {lack.file for lacks in lacking for lack in lacks} == {place}
    assert lacking[1][0].reason == lacking[2][0].reason == "the record does not say how many bytes were asked for"
    warm = recorded(tree, hosts=(dataclasses.replace(HOST, resident_bytes_after=1000),)).findings
    short = recorded(tree, counters=(HostIoSince("n1", "diskstats sda", 799, 1.0),), rank_read_bytes=0).findings
    assert [(finding.file, finding.field) for finding in (*warm, *short)] == [(place, "resident_bytes_after"), (place, "device_read_bytes")]
    assert [finding.required for finding in (*warm, *short)] == ["at most 1%", "at least 80% of 1000"]
    assert recorded(tree, counters=(HostIoSince("n1", "diskstats sda", 800, 1.0),), rank_read_bytes=0).findings == ()


def test_one_host_without_a_counter_makes_the_sum_unknown(tree):
    found = recorded(tree, counters=(HostIoSince("n1", "diskstats sda", 100, 1.0), UNCOUNTED), rank_read_bytes=None)
    assert found.findings == ()
    assert [lack.reason for lack in found.lacking] == [
        "what the storage delivered is not known: unavailable: tmpfs has no storage below it"
    ]


def test_a_warm_host_is_found_among_hosts_that_cannot_tell(tree):
    found = recorded(tree, hosts=(BLIND, dataclasses.replace(HOST, resident_bytes_after=11)))
    assert [finding.measured for finding in found.findings] == ["11 of 1000 bytes (1.1%) of 10 sampled files on 1 of 2 host(s)"]
    assert len(found.lacking) == 1


def test_a_finding_is_a_warning_that_leaves_a_result_closed(tree):
    (finding,) = recorded(tree, hosts=(dataclasses.replace(HOST, resident_bytes_after=1000),)).findings
    assert (finding.severity, finding.category) == (Severity.WARNING, Category.CLOSED)


def test_a_record_without_the_bytes_asked_for_is_no_evidence(tree):
    for asked in (None, 0):
        found = recorded(tree, asked_bytes=asked)
        assert (found.findings, [lack.reason for lack in found.lacking]) == ((), ["the record does not say how many bytes were asked for"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "page_cache.json is empty"),
        ("[]", "page_cache.json holds a JSON list, not an object"),
        ("{", "page_cache.json is no JSON"),
        ("PRUNED BY STAFF\n", "page_cache.json could not be read (pruned by its publisher)"),
        ("{}", "what lay in memory is not known of any host(s): the record does not say"),
    ],
)
def test_a_damaged_record_is_no_evidence(tree, text, reason):
    (tree.runs[0] / "page_cache.json").write_text(text)
    found = said(tree)
    assert found.findings == ()
    assert found.lacking[0].reason.startswith(reason)
    assert found.lacking[0].withheld is text.startswith("PRUNED")


_ODD = [
    None,
    True,
    [],
    {},
    [1],
    {"a": []},
    "x",
    "",
    -1,
    10**400,
    3 * 10**350,
    1 << 62,
    1e308,
    float("nan"),
    "9" * 5000,
    [[]],
    [{"host": []}],
]


@pytest.mark.parametrize("value", _ODD, ids=lambda value: repr(value)[:20])
def test_a_field_of_another_kind_never_raises(tree, value):
    whole = dataclasses.replace(PageCacheRecord("run", True, (HOST,), (UNCOUNTED,), (), 1000, 1000)).to_json()
    fields = (
        [(key,) for key in whole]
        + [("hosts", 0, key) for key in whole["hosts"][0]]
        + [("counters", 0, key) for key in whole["counters"][0]]
    )
    for path in fields:
        record = json.loads(json.dumps(whole))
        inner = record
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        (tree.runs[0] / "page_cache.json").write_text(json.dumps(record))
        evaluation = said(tree)
        assert all(len(finding.line()) < 1000 for finding in evaluation.findings)


def test_a_record_that_was_taken_from_a_run_of_ours_is_missed(tree):
    found = said(tree)
    assert found.findings == ()
    assert {lack.reason for lack in found.lacking} == {"page_cache.json is not there"}


def test_another_tools_run_without_a_record_is_not_spoken_of(tree):
    tree.edit_metadata(lambda m: m.pop("mlps", None))
    found = said(tree)
    assert (found.findings, found.lacking) == ((), ())
