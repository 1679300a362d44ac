"""The proof of cold reads on a card, of every family."""

import json
import sys
from pathlib import Path

import pytest
from checkpointing_tree import CheckpointingTree

from pytest_mlpstorage.report.subjects import facts_of
from pytest_mlpstorage.results.page_cache import PAGE_CACHE
from pytest_mlpstorage.rules.judging import edition_of

sys.path += [str(Path(__file__).parents[1] / "kvcache"), str(Path(__file__).parents[1] / "rules")]
from examples import cold_reads, vector_database_own
from kv_leaf import OurTree

AU = "train_mean_of_au_percentage"


def told(tree, profile="strict"):
    result = tree.read()
    return facts_of(result, edition_of(result, profile))


# -- cold reads -----------------------------------------------------------------------------------------------------------


def cold(tree):
    found = told(tree).cold_reads
    return found.state, found.text


@pytest.mark.parametrize(
    ("bend", "state", "words"),
    [
        (cold_reads.record, "proved", "nothing of 11.44 MiB sampled lay in memory before the reads, 57.22 MiB asked for"),
        (cold_reads.record, "proved", "57.22 MiB counted by diskstats sda and by the ranks' own counters (6 runs)"),
        (lambda t: cold_reads.host(t, resident_bytes_after=500_000), "refuted", "files lay in the memory of the host"),
        (lambda t: cold_reads.host(t, resident_bytes_after=500_000), "refuted", "2.86 MiB of 11.44 MiB sampled"),
        (lambda t: cold_reads.delivered(t, 1_000_000, None), "refuted", "5.72 MiB counted by diskstats sda (6 runs)"),
        (lambda t: cold_reads.delivered(t, None, None), "unavailable", "what the storage delivered is not known"),
        (cold_reads.without, "unavailable", "the tool that measured it recorded nothing"),
    ],
)
def test_cold_reads_are_as_the_rule_judges_them(tmp_path, bend, state, words):
    tree = cold_reads.write(tmp_path)
    bend(tree)
    assert cold(tree)[0] == state
    assert words in cold(tree)[1]


def test_a_record_of_ours_that_is_gone_proves_nothing(tmp_path):
    tree = cold_reads.write(tmp_path)
    (tree.runs[0] / PAGE_CACHE).unlink()
    assert cold(tree) == ("unavailable", f"{PAGE_CACHE} is not there")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"hosts": 5, "asked_bytes": "x"}', b'{"hosts": [{"resident_bytes_after": 1e400}]}'])
def test_a_damaged_record_is_unavailable_and_raises_nothing(tmp_path, raw):
    tree = cold_reads.write(tmp_path)
    for run in tree.runs:
        (run / PAGE_CACHE).write_bytes(raw)
    assert cold(tree)[0] == "unavailable"


def test_checkpoints_of_another_tool_have_no_record(tmp_path):
    tree = CheckpointingTree.write(tmp_path)
    tree.edit_metadata(lambda m: m.pop("mlps", None))
    assert cold(tree)[0] == "unavailable"


@pytest.mark.parametrize(
    ("bend", "state", "words"),
    [
        (vector_database_own.valid, "proved", "4-KiB reads of storage a search: cold 1, steady 1; cold: verified"),
        (vector_database_own.run("phases.0.read_4kib_per_query", 3.0, 0), "proved", "cold 1 to 3, steady 1"),
        (vector_database_own.run("phases.1.read_4kib_per_query", 0.25), "refuted", "steady 0.25"),
        (vector_database_own.run("phases.1.read_4kib_per_query", None), "unavailable", "cold 1;"),
        (vector_database_own.run("cold_proof.verified", False), "unavailable", "cold: verified"),
        (lambda tree: tree.edit("summary.json", lambda s: s.pop("mlps")), "unavailable", "recorded nothing"),
    ],
)
def test_searches_read_the_storage_cold_and_steady(tmp_path, bend, state, words):
    tree = vector_database_own.write(tmp_path)
    bend(tree)
    assert cold(tree)[0] == state
    assert words in cold(tree)[1]


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, "proved", "direct I/O, by the kernel's counters"),
        ({"direct": "refuted"}, "refuted", "option 2: direct I/O is refuted"),
        ({"direct": "unproved"}, "unavailable", "option 2: no counter of the kernel"),
        ({"storage": "memory"}, "refuted", "option 2: the cache lay in memory"),
        ({"backend": "buffered", "resident_fraction_before_read": 0.005}, "proved", "option 2: 0.5% of what was read"),
        ({"backend": "buffered", "resident_fraction_before_read": 0.5}, "refuted", "option 2: 50.0% of what was read"),
        ({"backend": "buffered", "resident_fraction_before_read": None}, "unavailable", "what of it lay there is not known"),
    ],
)
def test_a_kv_cache_is_as_good_as_the_worst_of_its_options(tmp_path, change, state, words):
    tree = OurTree.write(tmp_path)
    (summary,) = tmp_path.rglob("summary.json")
    content = json.loads(summary.read_text())
    for option in content["options"].values():
        option["mlps"] |= {"direct": "proved", "storage": "file", "backend": "threads"}
    content["options"]["2"]["mlps"] |= change
    summary.write_text(json.dumps(content))
    assert cold(tree)[0] == state
    assert words in cold(tree)[1]


def test_a_kv_cache_without_a_summary_is_unavailable(tmp_path):
    tree = OurTree.write(tmp_path)
    (summary,) = tmp_path.rglob("summary.json")
    summary.write_text("{")
    assert cold(tree)[0] == "unavailable"
