"""Profiles ``serving`` and ``replay`` of the configuration, and keys that make another work."""

from __future__ import annotations

from pathlib import Path

import kv_cache_cases as cases
import pytest
from kv_cache_cases import plan_of

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.units import MIB
from pytest_mlpstorage.verdict import Category, Severity
from pytest_mlpstorage.workloads import kv_cache_preflight
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD
from pytest_mlpstorage.workloads.kv_cache_changes import change_findings, work_changes
from pytest_mlpstorage.workloads.kv_cache_figures import shown, view_of
from pytest_mlpstorage.workloads.kv_cache_job import job_of
from pytest_mlpstorage.workloads.kv_cache_serving import serving_findings

SERVING = "  profile: serving\n"
TRACE = "  trace: {format: mooncake, path: t.jsonl}\n"


def the_job(plan):
    return job_of(plan, plan.case.steps[0], Path("/leaf/option_1/trial_0"), "20261126_010203")


def test_the_sanctioned_work_changes_nothing_and_has_no_warm_up(tmp_path):
    plan = plan_of(tmp_path)
    assert [work_changes(plan, option) for option in plan.options] == [(), (), ()]
    assert list(change_findings(plan)) == []
    job = the_job(plan)
    assert (job.serving, job.changed, job.warmup_seconds, job.durability) == (None, (), 0, "fsync")
    assert list(serving_findings(plan)) == []


CHANGES = {
    "model": "  model: tiny-1b\n", "num_users": "  num_users: 3\n", "duration": "  duration: 299s\n", "gpu_mem": "  gpu_mem: 1MiB\n",
    "cpu_mem": "  cpu_mem: 5GiB\n", "generation_mode": "  generation_mode: fast\n", "seed": "  seed: 43\n", "trials": "  trials: 2\n",
    "start_delay": "  start_delay: 89s\n", "end_delay": "  end_delay: 0s\n", "inter_option_delay": "  inter_option_delay: 0s\n",
    "capacity": "  capacity: 900GiB\n", "io.durability": "  io: {durability: fdatasync}\n",
    "io.compressible_fraction": "  io: {compressible_fraction: 0.5}\n", "workload_config": "  workload_config: w.yaml\n",
}  # fmt: skip


@pytest.mark.parametrize("key", CHANGES)
def test_each_key_that_changes_the_work_is_named_and_makes_it_open(tmp_path, key):
    (tmp_path / "w.yaml").write_text("decode: {batch_size: 16}\n")
    plan = plan_of(tmp_path, CHANGES[key] + cases.CLOSED, division="open")
    assert work_changes(plan, plan.options[0]) == (key,)
    assert the_job(plan).changed == (key,)
    (finding,) = change_findings(plan)
    assert (finding.severity, finding.category, finding.field) == (Severity.INFO, Category.OPEN, f"kvcache.{key}")
    assert "every option another work" in finding.message


@pytest.mark.parametrize(
    "section", ["  io: {verify: full}\n", "  io: {chunk: 1MiB}\n", "  clients_per_host: 2\n", "  preconditioned: true\n"]
)
def test_how_bytes_are_moved_is_no_other_work(tmp_path, section):
    plan = plan_of(tmp_path, section + cases.CLOSED, division="open")
    assert work_changes(plan, plan.options[0]) == ()


def test_a_key_of_one_option_is_told_of_that_one(tmp_path):
    plan = plan_of(tmp_path, "  options:\n    - option: 1\n    - option: 2\n      cpu_mem: 1GiB\n", division="open")
    (finding,) = change_findings(plan)
    assert "makes option 2 another work" in finding.message


def test_what_serving_does_unless_it_is_told_otherwise(tmp_path):
    plan = plan_of(tmp_path, SERVING + cases.CLOSED, division="open")
    job = the_job(plan)
    serving = job.serving
    assert (job.profile, serving.load, serving.outstanding, serving.requests, serving.rate_per_second) == (
        "serving",
        "closed",
        32,
        2000,
        None,
    )
    assert (serving.warmup_seconds, serving.layout, serving.rename, serving.order, serving.promotion) == (10, "chunk", True, "lru", False)
    assert (serving.chunk_tokens, job.durability, job.max_concurrent_allocations, job.changed) == (256, "none", 0, ())
    assert job.workers == 32
    # Three options with a warm-up of 10 s each pass.
    assert sum(map(plan.planned_seconds, plan.case.steps)) == 4500 + 9 * 10
    (finding,) = serving_findings(plan)
    assert (finding.severity, finding.category) == (Severity.INFO, Category.OPEN)
    assert "never CLOSED" in finding.message


@pytest.mark.parametrize(
    ("section", "at_once", "entry_bytes", "words"),
    [
        (SERVING, 32, 256 * 131072, "any number of writes at once"),
        (SERVING + "  max_concurrent_allocs: 5\n  policy: {chunk_tokens: 64}\n", 5, 64 * 131072, "at most 5 writes at once"),
        (SERVING + "  max_concurrent_allocs: 9\n  load: {outstanding: 7}\n", 7, 256 * 131072, "at most 9 writes at once"),
        ("  profile: replay\n" + TRACE, 32, 512 * 131072, "any number of writes at once"),
        ("  profile: replay\n  trace: {format: burstgpt, path: t.csv}\n", 32, 256 * 131072, "any number of writes at once"),
    ],
)
def test_a_client_stores_chunks_and_needs_room_for_those_that_it_stores_at_once(
    tmp_path, monkeypatch, section, at_once, entry_bytes, words
):
    monkeypatch.setattr(kv_cache_preflight, "mpi_findings", lambda _config, _ranks: iter(()))
    one = "  options:\n    - option: 1\n"

    def space(free):
        plan = plan_of(tmp_path, section + one, division="open", free=int(free / 0.95) + 2)
        return plan, [f.severity for f in kv_cache_preflight.preflight(plan) if f.rule == "MLPS-SPACE-1" and "at once" in f.message]

    plan, found = space(at_once * entry_bytes)
    assert found == []
    assert words in (line := plan.lines()[1])
    assert f"at most {entry_bytes // MIB}.00 MiB" in line
    assert plan.options[0].drain_seconds == the_job(plan).longest_drain_seconds
    assert space(at_once * entry_bytes - 9)[1] == [Severity.WARNING]
    assert space(entry_bytes - 9)[1] == [Severity.ERROR]


def test_settings_tell_of_the_stores_at_a_time_that_this_profile_has(tmp_path):
    def told(section):
        made = cases.session_of(tmp_path, cases.text(section + cases.CLOSED, division="open"))
        found = {s.key: (s.value, str(s.origin)) for s in WORKLOAD.settings(made.cases("kvcache")[0], made.config)}
        return found["option1.max_concurrent_allocs"]

    assert told(SERVING + "  max_concurrent_allocs: 5\n") == (5, "c.yaml:6:26")
    assert told(SERVING) == (0, "default")
    assert told("") == (16, "edition 3.0")


def test_every_key_of_serving_reaches_the_ranks(tmp_path):
    section = SERVING + (
        "  load: {model: open, outstanding: 7, rate: 2.5, requests: 9}\n"
        "  policy: {order: fifo, promotion: true, rename: false, chunk_tokens: 64}\n"
        "  warmup: 3s\n  max_concurrent_allocs: 5\n  io: {layout: object, durability: fsync}\n"
    )
    job = the_job(plan_of(tmp_path, section + cases.CLOSED, division="whatif"))
    serving = job.serving
    assert (serving.load, serving.outstanding, serving.rate_per_second, serving.requests) == ("open", 7, 2.5, 9)
    assert (serving.order, serving.promotion, serving.rename, serving.chunk_tokens) == ("fifo", True, False, 64)
    assert (serving.warmup_seconds, serving.layout) == (3, "object")
    assert (job.max_concurrent_allocations, job.durability) == (5, "fsync")


REFUSED = {
    "a load in mlc-v3": ("  load: {outstanding: 2}\n", "open", "kvcache.load: has no meaning in profile mlc-v3"),
    "a policy in mlc-v3": ("  policy: {order: fifo}\n", "open", "kvcache.policy: has no meaning"),
    "a warm-up in mlc-v3": ("  warmup: 1s\n", "open", "kvcache.warmup: has no meaning"),
    "stores in mlc-v3": ("  max_concurrent_allocs: 1\n", "open", "kvcache.max_concurrent_allocs: has no meaning"),
    "a trace in mlc-v3": (TRACE, "open", "kvcache.trace: has no meaning"),
    "chunks in mlc-v3": ("  io: {layout: chunk}\n", "open", "kvcache.io.layout: given chunk"),
    "serving in closed": (SERVING, "closed", "kvcache.profile: given serving"),
    "replay in closed": ("  profile: replay\n" + TRACE, "closed", "kvcache.profile: given replay"),
    "replay without a trace": ("  profile: replay\n", "open", "profile replay plays a trace"),
    "serving with a trace": (SERVING + TRACE, "open", "profile replay plays a trace"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_refused_by_its_key(tmp_path, name):
    section, division, words = REFUSED[name]
    with pytest.raises(ConfigurationError) as caught:
        plan_of(tmp_path, section + cases.CLOSED, division=division)
    assert words in caught.value.message


def test_passes_of_another_load_are_never_mixed_with_these(tmp_path):
    def fingerprint(more):
        return plan_of(tmp_path, SERVING + more + cases.CLOSED, division="open").fingerprint

    texts = ["", "  warmup: 1s\n", "  load: {outstanding: 3}\n", "  policy: {order: fifo}\n", "  io: {durability: fsync}\n"]
    assert len({fingerprint(text) for text in texts}) == len(texts)


PART = {
    "load": "closed", "requests_per_second": 3.25, "chunk_hit_rate": 0.5, "time_to_finish_s": None, "request_latency_ms": {"p50": 1.0, "p95": 2.4},
}  # fmt: skip
ENTRY = {
    "aggregated_read_bandwidth_gbps": 9.0,
    "mlps": {"storage_read_bandwidth_window_gibps": 1.5, "official_over_window_read": 6.0, "overload_factor": 2.0, "serving": PART},
}


def test_figures_of_serving_are_its_own_and_their_latencies_carry_their_label():
    view = view_of(ENTRY)
    assert view == {
        "read_gib_per_second": 1.5, "requests_per_second": 3.25, "chunk_hit_rate": 0.5, "request_service_p50_ms": 1.0, "request_service_p95_ms": 2.4,
    }  # fmt: skip
    text = shown({f"option 1 {name}": value for name, value in view.items()})
    assert text == "option 1: read 1.5 GiB/s, 3.25 requests/s, p95 2 ms of service time, closed loop"
    assert view_of({**ENTRY, "trial_count": 2})["requests_per_second"] == 3.25 / 2
    entry = {"mlps": {**ENTRY["mlps"], "serving": {**PART, "load": "open"}}}
    assert view_of(entry)["request_from_arrival_p95_ms"] == 2.4
