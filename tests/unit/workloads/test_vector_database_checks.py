"""Own limits MLPS-VDB-01 to -10, each just kept and just broken."""

from __future__ import annotations

import pytest
from vector_database_cases import PGVECTOR, SMALL, plan_of, summary

from pytest_mlpstorage.verdict import Category, Severity
from pytest_mlpstorage.workloads.vector_database_checks import load_findings, run_findings, series_findings

STRICT = "  thresholds: {cold_proof: required}\n" + SMALL


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path, STRICT)


def told(findings):
    return [(finding.rule, finding.severity) for finding in findings]


def test_a_run_that_keeps_every_limit_says_nothing(plan):
    assert told(run_findings(plan, summary(), "f")) == []
    assert told(load_findings(plan, summary(), "f")) == []


KEPT = [
    {"steady__recall": 0.9},
    {"steady__queries": 10_000},
    {"steady__read_4kib_per_query": 1.0},
    {"cold__queries": 1},
    {"cold__recall": 0.1},  # only the scored phase is held against it
]
BROKEN = [
    ({"steady__recall": 0.8999}, "MLPS-VDB-01", Severity.ERROR, "found too few of the exact neighbours"),
    ({"steady__recall": None}, "MLPS-VDB-01", Severity.ERROR, "nothing is known of the recall"),
    ({"steady__queries": 9_999}, "MLPS-VDB-02", Severity.ERROR, "made too few searches"),
    ({"steady__read_4kib_per_query": 0.99}, "MLPS-VDB-03", Severity.ERROR, "the steady phase read less"),
    ({"cold__read_4kib_per_query": 0.0}, "MLPS-VDB-03", Severity.ERROR, "the cold phase read less"),
    ({"cold__read_4kib_per_query": None}, "MLPS-VDB-03", Severity.ERROR, "nothing is known of what searches of the cold phase read"),
    ({"cold__failed": 1, "cold__failures": {"short": 1}}, "MLPS-VDB-04", Severity.ERROR, "(1 short)"),
    ({"mlps__cold_proof": {"verified": False, "statement": "cold: not verified, why"}}, "MLPS-VDB-08", Severity.WARNING, "why"),
    ({"mlps__engine__params_effective": {"max_degree": 32}}, "MLPS-VDB-10", Severity.WARNING, "other parameters"),
]


@pytest.mark.parametrize("changes", KEPT, ids=str)
def test_a_value_at_its_limit_is_kept(plan, changes):
    assert told(run_findings(plan, summary(**changes), "f")) == []


@pytest.mark.parametrize(("changes", "rule", "severity", "words"), BROKEN, ids=[str(case[0]) for case in BROKEN])
def test_a_value_beyond_its_limit_is_one_finding_that_begins_with_its_kind(plan, changes, rule, severity, words):
    (finding,) = run_findings(plan, summary(**changes), "f")
    assert (finding.rule, finding.severity, finding.category) == (rule, severity, Category.CLOSED)
    assert finding.message.startswith("own threshold: ")
    assert words in finding.message


def test_an_engine_that_says_nothing_of_its_parameters_breaks_nothing(plan):
    assert told(run_findings(plan, summary(mlps__engine__params_effective={"max_degree": None}), "f")) == []


@pytest.mark.parametrize(
    ("changes", "rule", "severity"),
    [
        ({"mlps__load": {"rows": 4999, "distinct_ids": 4999}}, "MLPS-VDB-09", Severity.ERROR),
        ({"mlps__load": {"rows": 5000, "distinct_ids": 2500}}, "MLPS-VDB-09", Severity.ERROR),
        ({"mlps__dataset__contrast": 1.49}, "MLPS-VDB-05", Severity.WARNING),
    ],
)
def test_a_load_that_breaks_a_limit(plan, changes, rule, severity):
    assert told(load_findings(plan, summary(**changes), "f")) == [(rule, severity)]


def test_a_load_whose_engine_cannot_count_ids_is_believed(plan):
    assert told(load_findings(plan, summary(mlps__load={"rows": 5000, "distinct_ids": None}), "f")) == []


def test_searches_that_memory_answers_are_an_error_only_where_storage_was_meant(tmp_path):
    none = {"read_4kib_per_query": 0.0}
    reads = {f"{phase}__{key}": value for phase in ("cold", "steady") for key, value in none.items()}
    both = summary(**reads, mlps__engine__residence="page-cache")
    cached = plan_of(tmp_path, "  thresholds: {working_set_ratio_min: 0}\n" + PGVECTOR)
    found = [finding for finding in run_findings(cached, both, "f") if finding.rule == "MLPS-VDB-03"]
    assert [finding.severity for finding in found] == [Severity.ERROR, Severity.INFO]
    assert "memory answered them" in found[1].message
    resident = plan_of(tmp_path, SMALL.replace("DISKANN", "HNSW"))
    held = summary(**reads, mlps__engine__residence="memory")
    found = [finding for finding in run_findings(resident, held, "f") if finding.rule == "MLPS-VDB-03"]
    assert [finding.severity for finding in found] == [Severity.INFO, Severity.INFO]
    assert "no verdict on storage" in found[0].message


def test_an_index_that_fits_into_memory_is_a_warning_for_engines_that_read_through_it(tmp_path):
    plan, room = plan_of(tmp_path, PGVECTOR), {"host_bytes": 2**30, "limit": None}
    fits = summary(mlps__engine__residence="page-cache", mlps__memory={"index_bytes": 10**6, **room})
    assert ("MLPS-VDB-06", Severity.WARNING) in told(run_findings(plan, fits, "f"))
    large = summary(mlps__engine__residence="page-cache", mlps__memory={"index_bytes": 2**31, **room})
    assert "MLPS-VDB-06" not in {rule for rule, _ in told(run_findings(plan, large, "f"))}
    elsewhere = summary(mlps__engine__residence="page-cache", mlps__memory={"index_bytes": 10**6, "host_bytes": None})
    assert "MLPS-VDB-06" not in {rule for rule, _ in told(run_findings(plan, elsewhere, "f"))}
    assert "MLPS-VDB-06" not in {rule for rule, _ in told(run_findings(plan_of(tmp_path), summary(), "f"))}


def test_weights_and_values_are_those_of_the_configuration(tmp_path):
    section = "  thresholds: {recall_min: 0.995, min_queries: 5, severity: {MLPS-VDB-01: warning, MLPS-VDB-02: info}}\n" + SMALL
    plan = plan_of(tmp_path, section)
    assert told(run_findings(plan, summary(steady__queries=4), "f")) == [("MLPS-VDB-01", Severity.WARNING), ("MLPS-VDB-02", Severity.INFO)]
    assert plan.thresholds["MLPS-VDB-01"].source == "configured"
    assert plan.thresholds["MLPS-VDB-04"].source == "default"


def test_parameters_that_do_not_take_effect_are_an_error_where_something_is_claimed(tmp_path):
    changed = summary(mlps__engine__params_effective={"max_degree": 32})
    assert told(run_findings(plan_of(tmp_path, division="open"), changed, "f")) == [("MLPS-VDB-10", Severity.ERROR)]


def test_the_spread_of_the_runs_is_told(plan):
    assert told(series_findings(plan, [summary(throughput_qps=rate) for rate in (100.0, 100.0, 120.0)], "f")) == []
    assert told(series_findings(plan, [summary(throughput_qps=rate) for rate in (100.0, 100.0, 140.0)], "f")) == [
        ("MLPS-VDB-07", Severity.INFO)
    ]
    assert told(series_findings(plan, [summary(throughput_qps=100.0)], "f")) == []


@pytest.mark.parametrize("damage", [{}, {"mlps": None}, {"mlps": []}, {"mlps": {"phases": "x", "scored_phase": 3, "engine": []}}])
def test_a_damaged_summary_raises_nothing(plan, damage):
    assert {rule for rule, _ in told(run_findings(plan, damage, "f"))} >= {"MLPS-VDB-01", "MLPS-VDB-02"}
    assert ("MLPS-VDB-09", Severity.ERROR) in told(load_findings(plan, damage, "f"))
