"""What a user may set in ``vectordb:``, what is refused there with its place, and what a plan makes of it."""

from __future__ import annotations

import json

import pytest
import vector_database_cases as cases
from vector_database_cases import MILVUS, PGVECTOR, SMALL, ZVEC, plan_of

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.workloads.base import Step
from pytest_mlpstorage.workloads.vector_database import WORKLOAD
from pytest_mlpstorage.workloads.vector_database_job import job_of, make_job
from pytest_mlpstorage.workloads.vector_database_records import result_of_plan


def refused(folder, section, *assignments):
    with pytest.raises(ConfigurationError) as caught:
        cases.load(folder, cases.text(section), *assignments)
    return caught.value.message


SECTIONS = {
    "  num_vectors: 0\n" + ZVEC: "vectordb.num_vectors: given 0; allowed 1 or more",
    "  scale: 2m\n" + ZVEC: "vectordb.scale: given '2m'; allowed quick, small, 1m, 10m",
    "  cold_duration: 5\n" + ZVEC: "vectordb.cold_duration",
    "  thresholds: {recall_min: 2}\n" + ZVEC: "vectordb.thresholds.recall_min: given 2; allowed 1.0 or less",
    "  thresholds: {recal_min: 0.9}\n" + ZVEC: "did you mean 'recall_min'?",
    "  thresholds: {severity: {MLPS-VDB-11: error}}\n" + ZVEC: "vectordb.thresholds.severity",
    "  thresholds: {severity: {MLPS-VDB-01: fatal}}\n" + ZVEC: "vectordb.thresholds.severity",
    "  runs: 0\n" + ZVEC: "vectordb.runs: given 0; allowed 1 or more",
    "  workloads: []\n": "vectordb.workloads: given an empty list",
    "  workloads:\n    - {engine: zvec}\n": "vectordb.workloads.0.index_type: missing",
    "  workloads:\n    - {engine: zvec, index_type: diskann}\n": "given diskann; allowed upper case: DISKANN",
    "  workloads:\n    - {engine: a/b, index_type: HNSW}\n": "given a/b; allowed letters",
    ZVEC + "    - {engine: zvec, index_type: DISKANN}\n": "zvec with DISKANN stands in entry 0 too",
    "  workloads:\n    - {engine: zvec, index_type: HNSW, index: {max_degre: 3}}\n": "did you mean",
    "  workloads:\n    - {engine: zvec, index_type: HNSW, search: {search_ef: 0}}\n": "search.search_ef: given 0; allowed an integer of at least 1",
}


@pytest.mark.parametrize("section", SECTIONS)
def test_what_cannot_be_is_refused_with_its_key(section, tmp_path):
    assert SECTIONS[section] in refused(tmp_path, section)


def test_the_edition_gives_runs_and_duration_and_the_engines_table_the_rest(tmp_path):
    plan = plan_of(tmp_path, ZVEC)
    assert [step.name for step in plan.case.steps] == ["datagen", "1", "2", "3", "4", "5"]
    assert (plan.rows, plan.dim, plan.metric, plan.runtime_seconds) == (1_000_000, 1536, "COSINE", 60.0)
    assert dict(plan.build) == {"max_degree": 64, "search_list_size": 100, "pq_chunk_num": 0}
    assert dict(plan.search) == {"search_ef": 200}
    assert plan.case.id == "zvec-DISKANN"
    assert plan.result_dir() == tmp_path / "mlps-results/whatif/acme/results/box/vector_database/zvec/DISKANN"


def test_parameters_of_the_engines_own_go_beside_the_official_ones(tmp_path):
    entry = "{engine: zvec, index_type: DISKANN, index: {max_degree: 32, engine_parameters: {pq_chunk_num: 16}}}"
    plan = plan_of(tmp_path, f"  workloads:\n    - {entry}\n", "vectordb.search.search_ef=50")
    assert (plan.build["max_degree"], plan.build["pq_chunk_num"], plan.search["search_ef"]) == (32, 16, 50)
    assert plan.overrides["index.max_degree"] == 32


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{engine: zvecc, index_type: DISKANN}", "no vector database engine is called 'zvecc'"),
        ("{engine: zvec, index_type: AISAQ}", "zvec offers no index 'AISAQ'"),
        ("{engine: zvec, index_type: DISKANN, index: {search_list_size: 200}}", "cannot be used"),
        ("{engine: zvec, index_type: DISKANN, index: {metric_type: HAMMING}}", "zvec knows no metric 'HAMMING'"),
        ("{engine: zvec, index_type: DISKANN, uri: 'http://node1:1'}", "vectordb.workloads.uri: zvec is embedded and has no address"),
        ("{engine: zvec, index_type: DISKANN, dataset: {collection_name: ../x}}", "dataset.collection_name: '../x' is no name of letters"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_the_plan(entry, words, tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        plan_of(tmp_path, f"  workloads:\n    - {entry}\n")
    assert words in caught.value.message


def test_more_neighbours_than_vectors_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"vectordb\.k: 10 neighbours of 9 vectors cannot be"):
        plan_of(tmp_path, SMALL, "vectordb.num_vectors=9")
    assert plan_of(tmp_path, SMALL, "vectordb.num_vectors=10").rows == 10


def test_a_collection_is_named_after_what_it_holds(tmp_path):
    names = {plan_of(tmp_path, SMALL, *more).name for more in ((), ("vectordb.seed=8",), ("vectordb.index.max_degree=32",))}
    assert len(names) == 3
    assert all(name.startswith("mlps_diskann_5000x32_") for name in names)
    # How it is searched changes nothing of what it holds.
    assert plan_of(tmp_path, SMALL, "vectordb.search.search_ef=50").name in names
    assert plan_of(tmp_path, SMALL, "vectordb.dataset.collection_name=mine").name == "mine"


def test_one_rank_loads_and_all_clients_search_each_with_its_own_queries(tmp_path):
    plan = plan_of(tmp_path, SMALL, "vectordb.clients_per_host=3", "vectordb.run.num_query_processes=2", names="h0, h1", hosts=(256, 256))
    load, first = plan.case.steps[:2]
    assert (plan.ranks, plan.processes) == (6, 12)
    assert make_job(plan, load, staged=tmp_path, scratch=tmp_path, write=False).ranks == 1
    assert make_job(plan, first, staged=tmp_path, scratch=tmp_path, write=False).ranks == 6
    job = job_of(plan, plan.case.steps[2], tmp_path)
    assert (job.run_number, job.workers, job.processes, job.phases) == (1, 2, 6, ("cold", "steady"))
    assert job.stream_queries == 100 + 7501
    assert job.thresholds["recall_min"] == {"id": "MLPS-VDB-01", "value": 0.9, "severity": "error", "source": "default"}
    assert type(job).from_json(job.to_json()) == job


def test_a_server_is_reached_by_its_address_or_started_in_the_folder_of_the_case(tmp_path):
    own = job_of(plan_of(tmp_path, PGVECTOR), Step("1", "run"), tmp_path)
    assert (own.where, own.server_dir) == ("", str(tmp_path / "mlps-data/vector_database/pgvector-HNSW/server"))
    given = job_of(plan_of(tmp_path, MILVUS), Step("1", "run"), tmp_path)
    assert (given.where, given.server_dir, given.storage_backend) == ("http://127.0.0.1:1", "", "")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://root:geheim@node1:19530/db", "http://root:***@node1:19530/db"),
        ("postgresql://bench:geheim@node1/bench", "postgresql://bench:***@node1/bench"),
        ("host=node1 password=geheim user=bench", "host=node1 password=*** user=bench"),
        ("host=node1 password='ge heim'", "host=node1 password=***"),
        ("postgresql://node1/bench?user=b&PASSWORD=geheim&sslmode=require", "postgresql://node1/bench?user=b&PASSWORD=***&sslmode=require"),
        ("http://node1:19530", "http://node1:19530"),
        ("http://user@node1:19530", "http://user@node1:19530"),
        ("http://root:ge@heim@node1:19530", "http://root:***@node1:19530"),
    ],
)
def test_a_password_is_given_to_the_engine_and_told_to_nobody_else(tmp_path, uri, shown):
    section = f'  workloads:\n    - {{engine: milvus, index_type: DISKANN, uri: "{uri}"}}\n'
    plan = plan_of(tmp_path, section)
    run = plan.case.steps[1]
    record = plan.metadata(run, plan.leaf_parent(run) / "20261126_010203").to_json()
    (storage_root,) = [setting.value for setting in WORKLOAD.settings(plan.case, plan.config) if setting.key == "storage.storage_root"]
    assert record["parameters"]["storage"]["storage_root"] == plan.dataset_parameters["uri"] == storage_root == shown
    assert not any("heim" in text for text in (json.dumps(record), *plan.lines()))
    assert job_of(plan, run, tmp_path).where == uri


def test_the_record_of_a_run_is_what_the_rules_read(tmp_path):
    plan = plan_of(tmp_path, SMALL, division="open")
    record = plan.metadata(plan.case.steps[1], plan.leaf_parent(plan.case.steps[1]) / "20261126_010203")
    raw = record.to_json()
    assert (raw["benchmark_type"], raw["model"], raw["command"]) == ("vector_database", "zvec_DISKANN", "run")
    assert raw["args"]["runtime"] == 5
    assert raw["parameters"]["index"]["max_degree"] == 64
    assert raw["override_parameters"] == {}
    planned = result_of_plan(plan)
    assert (planned.engine, planned.index, len(planned.runs), planned.planned) == ("zvec", "DISKANN", 2, True)


def test_every_setting_of_a_case_says_where_it_came_from(tmp_path):
    config = cases.load(tmp_path, cases.text(SMALL), "vectordb.search.search_ef=50")
    (case,) = WORKLOAD.cases(config)
    told = {setting.key: (setting.value, setting.origin.kind) for setting in WORKLOAD.settings(case, config)}
    assert told["dataset.num_vectors"] == (5000, "yaml")
    assert told["search.search_ef"] == (50, "option")
    assert told["index.max_degree"] == (64, "default")
    assert told["index.metric_type"] == ("COSINE", "edition")
    assert told["run.runtime"] == ("5s", "yaml")


def test_the_lines_of_a_plan_say_what_the_result_can_be(tmp_path):
    lines = "\n".join(plan_of(tmp_path).lines())
    assert "CLOSED needs milvus and the official code image" in lines
    assert "OPEN or whatif" in lines
    memory = "\n".join(plan_of(tmp_path, SMALL.replace("DISKANN", "HNSW")).lines())
    assert "memory-resident" in memory
    assert "no verdict on storage" in memory
    assert "CLOSED needs" not in "\n".join(plan_of(tmp_path, MILVUS).lines())


def test_the_effective_configuration_is_shown_without_a_password(tmp_path):
    made = cases.session_of(tmp_path, cases.text(MILVUS.replace("http://", "http://root:geheim@")))
    told = "\n".join(made.show())
    assert "geheim" not in told
    assert told.count("http://root:***@127.0.0.1:1") == 2, "as it was given, and as a parameter of the book"
