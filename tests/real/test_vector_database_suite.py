"""Vectors loaded and searched through our items with stand-in engines: found again, set aside, judged, and each fault by its own name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import faulty_engines
import pytest

from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import evaluate

pytestmark = [pytest.mark.real]

RULES = Path(__file__).parents[2] / "rules"
SECTION = """  num_vectors: 3000
  dimension: 16
  runs: 2
  k: 5
  cold_queries: 40
  duration: 1s
  recall_queries: 100
  build_deadline: 3s
  answer_deadline: 3s
  thresholds: {min_queries: 1, cold_proof: if-root, working_set_ratio_min: 0}
  workloads:
"""
ENTRY = "    - {engine: %s, index_type: %s, run: {num_query_processes: 2}%s}\n"


class Vectors:
    """The small suite with a vectordb section."""

    def __init__(self, suite):
        self.suite = suite
        self.write()

    def write(self, engine="stand_in", index="DISKANN", more="", section=SECTION, division="whatif"):
        head = f"division: {division}\nsubmitter: test\nsystem: small\nvectordb:\n"
        (self.suite.folder / "suite.yaml").write_text(head + section + ENTRY % (engine, index, more))

    def result(self, engine="stand_in", index="DISKANN", division="whatif"):
        return self.suite.results / f"{division}/test/results/small/vector_database/{engine}/{index}"

    def leaves(self, phase="run", **where):
        return sorted((self.result(**where) / phase).glob("2*"))

    def collection_as(self, engine):
        """Let an engine with a fault in its searches find the whole collection of the one without."""
        base = self.suite.folder / "mlps-data/vector_database"
        shutil.copytree(base / "stand_in-DISKANN", base / f"{engine}-DISKANN")
        mark = base / f"{engine}-DISKANN/.mlps-collection.json"
        mark.write_text(mark.read_text().replace('"stand_in"', f'"{engine}"'))

    def __getattr__(self, name):
        return getattr(self.suite, name)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return faulty_engines.installed(tmp_path_factory.mktemp("site"))


@pytest.fixture
def vectors(suite, site, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH", "")])))
    return Vectors(suite)


def summary_of(leaf):
    return json.loads((leaf / "summary.json").read_text())


def test_a_load_and_two_runs_become_a_result_that_the_rules_read(vectors):
    ended = vectors.run("-s")
    assert ended.code == 0, ended.text
    (load,) = vectors.leaves("datagen")
    first, second = vectors.leaves()
    assert {path.name for path in first.iterdir()} >= {
        "summary.json", "result_verdict.json", "recall_stats.json", "statistics.json", "config.json", "samples", "fs_separation.json",
        ".mlps-code-image", "provenance.json", f"vector_database_{first.name}_metadata.json",
        "vector_database_run.stdout.log", "vector_database_run.stderr.log",
    }  # fmt: skip
    assert (load / f"vector_database_{load.name}_metadata.json").is_file()
    for leaf in (first, second):
        mlps = summary_of(leaf)["mlps"]
        assert mlps["scored_phase"] == "steady"
        assert [one["name"] for one in mlps["phases"]] == ["cold", "steady"]
        assert mlps["thresholds"]["recall_min"] == {"id": "MLPS-VDB-01", "severity": "error", "source": "default", "value": 0.9}
        assert mlps["thresholds"]["min_queries"]["source"] == "configured"
    (result,) = read_tree(vectors.results).results
    assert (result.engine, result.index, len(result.runs), len(result.datagen)) == ("stand_in", "DISKANN", 2, 1)
    errors = {e.rule.id for e in evaluate(result) if any(f.severity.value == "error" for f in e.findings)}
    # Two runs of a second, by another database; on one file system, and with a p99.9 only where a busy machine made 1000 searches.
    assert errors - {"5.4.2", "5.3.4"} == {"5.3.1", "5.6.2", "RC-VDB-2"}
    command = [sys.executable, "-m", "pytest", str(RULES), f"--results-dir={vectors.results}", "-p", "no:cacheprovider"]
    judged = subprocess.run(command, cwd=vectors.folder, capture_output=True, text=True, timeout=120)
    assert "WHATIF" in judged.stdout, judged.stdout + judged.stderr


@pytest.mark.full
def test_what_is_finished_is_found_and_a_removed_run_alone_is_done_again(vectors):
    assert vectors.run().code == 0
    first, second = vectors.leaves()
    ended = vectors.run("-s")
    assert ended.code == 0, ended.text
    for item in ("datagen", "1", "2"):
        assert f"stand_in-DISKANN {item}: found, not repeated" in ended.text
    assert vectors.leaves() == [first, second]
    shutil.rmtree(second)
    ended = vectors.run("-s")
    assert ended.code == 0, ended.text
    assert "stand_in-DISKANN 1: found, not repeated" in ended.text
    assert "stand_in-DISKANN 2: done in this start: missing" in ended.text
    assert vectors.leaves()[0] == first
    assert len(vectors.leaves()) == 2
    table = vectors.results / "whatif/test/results/results.json"
    (row,) = json.loads(table.read_text())
    assert (row["VDB - Index Type"], row["VDB - Vector Count"], row["VDB - Recall Percentage"]) == ("DISKANN", 3000, 100.0)
    ended = vectors.run("--mlps-rerun=run", "-k", "test_preflight or (test_run and 1)")
    assert not table.exists()
    ended = vectors.run("--mlps-rerun=datagen")
    assert ended.code == 0, ended.text
    assert first not in vectors.leaves()
    assert len(vectors.leaves()) == 2
    assert len(vectors.leaves("datagen")) == 1


@pytest.mark.full
def test_other_parameters_under_the_same_name_are_refused_and_nothing_is_lost(vectors):
    assert vectors.run().code == 0
    standing = vectors.leaves()
    vectors.write(more=", index: {max_degree: 8}")
    ended = vectors.run()
    assert ended.code == 1
    assert "index.max_degree: 64 in the tree, 8 planned" in ended.text
    assert vectors.leaves() == standing


def test_a_run_without_its_collection_says_what_to_do_first(vectors):
    ended = vectors.run("-k", "test_run")
    assert ended.code == 1
    assert "no whole collection mlps_diskann_3000x16" in ended.text
    assert "test_datagen and stand_in-DISKANN" in ended.text
    assert vectors.evidence() == []


@pytest.mark.full
def test_a_memory_resident_index_bears_its_mark_and_no_verdict_on_storage(vectors):
    vectors.write(index="HNSW")
    ended = vectors.run("-s", "-v")
    assert ended.code == 0, ended.text
    leaf = vectors.leaves(index="HNSW")[0]
    assert summary_of(leaf)["mlps"]["marks"] == ["memory-resident"]
    assert "no verdict on storage" in ended.text
    assert "memory-resident" in ended.text.split("leaf")[-1]
    assert "error: [MLPS-VDB-03]" not in ended.text


@pytest.mark.full
@pytest.mark.parametrize(
    ("engine", "rule", "words", "item"),
    [
        ("short_answers", "own threshold MLPS-VDB-04: ", "no search of the steady phase succeeded (", "test_run["),
        ("raising", "[MLPS-VDB-04] own threshold: ", "the search failed on purpose", "test_result["),
        ("stale_answers", "[MLPS-VDB-01] own threshold: ", "found too few of the exact neighbours", "test_result["),
        ("from_memory", "[MLPS-VDB-03] own threshold: ", "read less from storage than 1 × 4 KiB", "test_result["),
    ],
)
def test_each_fault_of_searches_fails_an_item_under_its_own_limit(vectors, engine, rule, words, item):
    assert vectors.run("-k", "datagen").code == 0
    vectors.collection_as(engine)
    vectors.write(engine)
    ended = vectors.run("-k", "not datagen")
    assert ended.code == 1, ended.text
    assert rule in ended.text
    assert words in ended.text
    assert item in ended.text.split("short test summary")[-1]


@pytest.mark.full
@pytest.mark.parametrize(
    ("engine", "item", "words"),
    [
        ("crashing_build", "test_datagen", "engine crashing_build crashed: SIGSEGV"),
        ("hanging_build", "test_datagen", "engine hanging_build was not done with the phase build after 3 s"),
        ("loses_rows", "test_datagen", "MLPS-VDB-09"),
    ],
)
def test_a_load_that_fails_is_one_failure_with_its_evidence_and_the_next_start_loads_anew(vectors, engine, item, words):
    vectors.write(engine)
    ended = vectors.run()
    assert ended.code == 1
    assert words in ended.text
    assert "1 failed, 2 passed, 3 skipped" in ended.text
    assert vectors.leaves("datagen", engine=engine) == []
    (kept,) = vectors.evidence()
    assert words in kept["reason"]
    ended = vectors.run("-s", "-k", "datagen")
    assert ended.code == 1
    assert "was not finished; the collection is made anew" in ended.text


def test_two_ranks_search_together_and_no_query_is_asked_by_both(vectors):
    vectors.write(section=SECTION.replace("runs: 2", "runs: 1\n  clients_per_host: 2"))
    ended = vectors.run("-s")
    assert ended.code == 0, ended.text
    (leaf,) = vectors.leaves()
    assert len(list((leaf / "samples").iterdir())) == 4
    cold, steady = summary_of(leaf)["mlps"]["phases"]
    assert (cold["queries"], cold["workers"], cold["hosts"], steady["workers"]) == (160, 4, 1, 4)
    assert json.loads((leaf / f"vector_database_{leaf.name}_metadata.json").read_text())["num_processes"] == 2


def test_a_crash_in_a_search_is_a_named_failure(vectors):
    assert vectors.run("-k", "datagen").code == 0
    vectors.collection_as("crashing")
    vectors.write("crashing")
    ended = vectors.run("-k", "not datagen")
    assert ended.code == 1
    assert "engine crashing crashed: SIGSEGV ended worker" in ended.text
    assert "exit code 139" in ended.text
    assert vectors.leaves(engine="crashing") == []


@pytest.mark.full
def test_parameters_that_did_not_take_effect_are_told(vectors):
    vectors.write("other_parameters")
    ended = vectors.run("-s")
    assert ended.code == 0, ended.text
    assert "warning: [MLPS-VDB-10] own threshold: the engine uses other parameters" in ended.text
    vectors.write("other_parameters", section=SECTION.replace("min_queries: 1", "severity: {MLPS-VDB-10: error}, min_queries: 1"))
    ended = vectors.run()
    assert ended.code == 1
    assert "[MLPS-VDB-10]" in ended.text


@pytest.mark.parametrize(
    ("engine", "index", "more", "words"),
    [
        ("stand_inn", "DISKANN", "", "did you mean 'stand_in'"),
        ("stand_in", "AISAQ", "", "stand_in offers no index 'AISAQ'"),
        ("stand_in", "DISKANN", ", index: {M: 16}", "DISKANN has no such build parameter"),
        ("stand_in", "DISKANN", ", index: {max_degree: 200}", "max_degree: 200 is outside from 1 to 100"),
        ("stand_in", "DISKANN", ", dataset: {num_shards: 4}", "has no shards"),
    ],
)
def test_what_an_engine_cannot_do_fails_at_preflight(vectors, engine, index, more, words):
    vectors.write(engine, index, more)
    ended = vectors.run()
    assert ended.code == 1
    assert words in ended.text
    assert "test_preflight[" in ended.text.split("short test summary")[-1]


def test_a_dry_run_shows_the_commands_and_writes_nothing(vectors):
    ended = vectors.run("--mlps-dry-run", "-s")
    assert ended.code == 0, ended.text
    assert ended.text.count("-m pytest_mlpstorage.vectordb ") == 3
    assert not (vectors.folder / "mlps-data").exists()
    assert not list(vectors.results.glob("whatif"))
