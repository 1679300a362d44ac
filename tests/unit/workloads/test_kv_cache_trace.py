"""The trace of profile ``replay``: where it is found, when it is read, and that its content tells passes apart."""

from __future__ import annotations

import json

import kv_cache_cases as cases
import pytest
from kv_cache_cases import plan_of

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache import serving_work
from pytest_mlpstorage.verdict import Severity
from pytest_mlpstorage.workloads.kv_cache_serving import serving_findings, serving_of

TRACE = "  trace: {format: mooncake, path: t.jsonl}\n"


def test_a_trace_is_found_beside_the_configuration_and_read_before_anything_runs(tmp_path, monkeypatch):
    section = "  profile: replay\n" + TRACE + "  load: {model: open}\n" + cases.CLOSED
    plan = plan_of(tmp_path, section, division="open")
    findings = list(serving_findings(plan))
    assert [f.severity for f in findings] == [Severity.INFO, Severity.ERROR]
    assert "t.jsonl cannot be read" in findings[1].message
    (tmp_path / "t.jsonl").write_text(json.dumps({"timestamp": 0, "input_length": 9, "output_length": 1, "hash_ids": [1]}) + "\n")
    read = []
    whole = serving_work.read_trace
    monkeypatch.setattr(serving_work, "read_trace", lambda trace: read.append(trace) or whole(trace))
    assert [f.severity for f in serving_findings(plan)] == [Severity.INFO]
    assert len(read) == 1, "all options play the same"
    assert serving_of(plan, plan.options[0]).trace.path == str(tmp_path / "t.jsonl")


def test_passes_of_another_trace_under_the_same_name_are_never_mixed_either(tmp_path):
    plan = plan_of(tmp_path, "  profile: replay\n" + TRACE + cases.CLOSED, division="open")
    found = [plan.fingerprint]
    for context in (9, 10):
        (tmp_path / "t.jsonl").write_text(json.dumps({"timestamp": 0, "input_length": context, "output_length": 1, "hash_ids": [1]}) + "\n")
        found.append(plan.fingerprint)
    assert len(set(found)) == 3


@pytest.mark.parametrize("key", ["trace: {format: mooncake, path: ~nobody-here/t.jsonl}", "workload_config: ~nobody-here/c.yaml"])
def test_a_file_in_the_home_of_nobody_is_refused_by_its_key(tmp_path, key):
    with pytest.raises(ConfigurationError, match="no home directory for ~nobody-here"):
        plan_of(tmp_path, f"  profile: replay\n  {key}\n" + cases.CLOSED, division="open")
