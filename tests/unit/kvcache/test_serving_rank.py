"""Profiles ``serving`` and ``replay`` by a rank alone: what they do, in which order, and what they tell of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError
from pytest_mlpstorage.kvcache.aggregate import RankFigures, aggregate_option
from pytest_mlpstorage.kvcache.events import NEVER, REQUEST_EVENT_DTYPE, Kind, Reason, Tier, read_events
from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.option_block import option_block
from pytest_mlpstorage.kvcache.population import TEMPLATES, scaled_contexts
from pytest_mlpstorage.kvcache.rank import Rank
from pytest_mlpstorage.kvcache.serving_job import ServingJob, TraceJob
from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig
from pytest_mlpstorage.ranks.world import Alone
from pytest_mlpstorage.results.kv_cache_records import RankName

MIB = 1024**2
SMALL = WorkloadConfig(templates=tuple(dataclasses.replace(each, generate_tokens=(2, 9)) for each in scaled_contexts(TEMPLATES, 16)))
CLOSED = ServingJob(load="closed", outstanding=3, requests=40, warmup_seconds=0, chunk_tokens=32)
OPEN = ServingJob(load="open", outstanding=8, rate_per_second=20, warmup_seconds=0.5, chunk_tokens=32)


def a_job(folder, serving, **changes):
    output = folder / "trial_0"
    output.mkdir(parents=True, exist_ok=True)
    plain = KVCacheJob(
        1, 0, "tiny-1b", 3, str(folder / "cache"), str(output), "20261126_010203", duration_seconds=2.0, start_delay_seconds=0,
        end_delay_seconds=0, workload=SMALL, durability="none", max_concurrent_allocations=0, serving=serving,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


def ran(job):
    Rank(job, Alone()).run()
    raw = json.loads(job.rank_file(0).read_text())
    return raw["mlps"], read_events(job.operations_log(0)), read_events(job.requests_log(0), REQUEST_EVENT_DTYPE)


def notes(job):
    return {note["check"]: note for note in json.loads(job.evidence_file(0).read_text())["notes"]}


def slow(folder, layout="chunk", **changes):
    """A closed loop that outlasts its window: its list is long."""
    return a_job(folder, dataclasses.replace(CLOSED, requests=5000, layout=layout), generation_mode="fast", **changes)


def test_a_closed_loop_does_its_list_and_tells_when_it_was_done(tmp_path):
    job = a_job(tmp_path, dataclasses.replace(CLOSED, requests=60), generation_mode="realistic", duration_seconds=60.0)
    block, events, requests = ran(job)
    part = block["serving"]
    assert (block["profile"], part["load"], part["latencies"]) == ("serving", "closed", "service time, closed loop")
    assert (part["requests"], part["finished"], len(requests)) == (60, True, 60)
    assert 1 <= block["window_s"] < part["time_to_finish_s"] < 60
    assert block["window_s"] == int(block["window_s"])
    assert len(block["series_1s"]["read"]["bytes"]) == block["window_s"]
    assert part["chunk_lookups"] == len(job.schedule(0).chunks)
    assert 0 < part["chunk_hit_rate"] < 1
    assert np.count_nonzero(events["kind"] == Kind.READ) == part["chunk_hits"]
    assert part["chunk_bytes"] == 32 * 24_576
    assert part["chunk_file_bytes"] == 32 * 24_576 + 4096
    assert part["backlog_share"] is None
    assert block["comparable_reasons"] == ["direct path", "profile", "io.durability", "workload_config"]
    assert part["request_latency_ms"]["p50"] > 0
    assert not Path(job.cache_dir).exists()


def test_a_closed_loop_does_the_same_operations_in_every_run(tmp_path):
    jobs = [
        a_job(tmp_path / name, dataclasses.replace(CLOSED, requests=50), generation_mode="realistic", duration_seconds=60.0,
              capacity_bytes=24 * MIB, pass_no=place)
        for place, name in enumerate(("one", "two"))
    ]  # fmt: skip
    blocks = [ran(job)[0] for job in jobs]
    assert blocks[0]["executed_sha256"] == blocks[1]["executed_sha256"]
    assert blocks[0]["schedule_sha256"] == blocks[1]["schedule_sha256"]
    assert jobs[0].schedule(0).sha256 == blocks[0]["schedule_sha256"]


def test_present_chunks_are_loaded_once_and_only_absent_ones_are_stored(tmp_path):
    job = a_job(tmp_path, dataclasses.replace(CLOSED, requests=60), generation_mode="realistic", duration_seconds=60.0)
    _, events, _ = ran(job)
    schedule = job.schedule(0)
    stored = events["entry"][events["kind"] == Kind.WRITE].tolist()
    assert sorted(stored) == sorted(set(schedule.chunks.tolist()))
    for request in range(len(schedule)):
        own = events[events["request"] == request]
        assert sorted(own["entry"].tolist()) == sorted(schedule.chunks_of(request).tolist())


def test_a_list_that_is_done_before_a_second_was_measured_is_no_measurement(tmp_path):
    job = a_job(tmp_path, dataclasses.replace(CLOSED, requests=2))
    with pytest.raises(BenchmarkExecutionError, match="at its end before there was a second") as told:
        Rank(job, Alone()).run()
    assert "kvcache.load.requests" in str(told.value.suggestion)
    assert not job.rank_file(0).exists()
    assert not Path(job.cache_dir).exists()


def test_a_window_that_ends_before_the_list_has_no_time_to_finish_and_says_so(tmp_path):
    job = slow(tmp_path)
    block, _, requests = ran(job)
    part = block["serving"]
    assert (part["finished"], part["time_to_finish_s"], block["window_s"]) == (False, None, 2)
    assert len(requests) < 5000
    assert notes(job)["work_list"]["level"] == "info"


TIERS = {
    "a memory tier": {"cpu_memory_bytes": 32 * MIB},
    "both tiers": {"cpu_memory_bytes": 32 * MIB, "gpu_memory_bytes": 16 * MIB},
    "little storage": {"capacity_bytes": 20 * MIB},
    "all of it": {"cpu_memory_bytes": 24 * MIB, "gpu_memory_bytes": 16 * MIB, "capacity_bytes": 32 * MIB},
}


@pytest.mark.parametrize("load", ["closed", "open"])
@pytest.mark.parametrize(
    ("tiers", "order", "promotion"),
    [
        ("a memory tier", "lru", True),
        ("both tiers", "fifo", False),
        ("little storage", "fifo", True),
        ("all of it", "lru", True),
        ("all of it", "fifo", True),
    ],
)
def test_every_tier_order_and_promotion_runs_with_every_stamp_checked(tmp_path, load, order, promotion, tiers):
    serving = dataclasses.replace(CLOSED if load == "closed" else OPEN, order=order, promotion=promotion, warmup_seconds=0.2)
    serving = dataclasses.replace(serving, requests=4000) if load == "closed" else serving
    job = a_job(tmp_path, serving, duration_seconds=1.5, **TIERS[tiers])
    block, events, _ = ran(job)
    assert block["verify_errors"] == 0
    moved_up = events[(events["kind"] == Kind.WRITE) & (events["reason"] == Reason.PREFIX)]
    assert promotion or not len(moved_up)
    assert (block["serving"]["order"], block["serving"]["promotion"]) == (order, promotion)
    if promotion:
        assert not np.count_nonzero(moved_up["tier"] == Tier.STORAGE) or tiers != "little storage"


def test_a_fast_tier_that_is_promoted_to_serves_what_storage_had(tmp_path):
    def upwards(promotion):
        folder = tmp_path / str(promotion)
        job = a_job(
            folder, dataclasses.replace(CLOSED, requests=4000, promotion=promotion), cpu_memory_bytes=16 * MIB, duration_seconds=1.5
        )
        events = ran(job)[1]
        return np.count_nonzero((events["kind"] == Kind.WRITE) & (events["reason"] == Reason.PREFIX) & (events["tier"] == Tier.CPU))

    assert upwards(False) == 0
    assert upwards(True) > 0


def test_an_open_load_counts_from_the_intended_arrival_and_serves_all(tmp_path):
    job = a_job(tmp_path, OPEN)
    block, _, requests = ran(job)
    part = block["serving"]
    assert (part["requests"], part["finished"], len(requests)) == (50, True, 50)
    assert (part["latencies"], part["rate_per_second"]) == ("from the intended arrival", 20)
    assert np.count_nonzero(requests["t_intended"] < 0) > 0
    assert block["arrivals_in_window"] == np.count_nonzero(requests["t_intended"] >= 0)
    inside = requests[(requests["t_done"] >= 0) & (requests["t_done"] < 2 * 10**9)]
    assert part["request_latency_ms"]["max"] == pytest.approx(int((inside["t_done"] - inside["t_intended"]).max()) / 1e6)
    assert "backlog" not in notes(job)
    assert part["backlog_share"] <= 0.05


def test_an_open_load_that_storage_does_not_keep_up_with_is_an_error_with_its_figures(tmp_path):
    job = a_job(tmp_path, dataclasses.replace(OPEN, outstanding=1), generation_mode="realistic")
    block, _, _ = ran(job)
    part, note = block["serving"], notes(job)["backlog"]
    assert part["waiting_at_end"] > 0
    assert part["backlog_share"] > 0.05
    assert part["finished"] is False
    assert note["level"] == "error"
    assert "did not keep up" in note["message"]
    assert f"{part['waiting_at_end']} waited" in note["message"]


def test_a_warm_up_is_before_the_window_and_in_no_figure_of_it(tmp_path):
    job = a_job(tmp_path, dataclasses.replace(OPEN, warmup_seconds=1.0))
    block, events, _ = ran(job)
    early = events["t_complete"] < 0
    assert np.count_nonzero(early & (events["t_complete"] > NEVER)) > 0
    assert block["window_s"] == 2
    counted = sum(block["series_1s"][word]["bytes"][second] for word in ("read", "write") for second in range(2))
    inside = events[(events["t_complete"] >= 0) & (events["t_complete"] < 2 * 10**9) & np.isin(events["kind"], (Kind.READ, Kind.WRITE))]
    assert counted == pytest.approx(int(inside["bytes"].sum()), rel=0.2)
    assert counted < int(events["bytes"].sum())


@pytest.mark.parametrize("layout", ["object", "chunk"])
def test_both_layouts_hold_what_was_stored(tmp_path, layout):
    job = slow(tmp_path, layout)
    block, _, _ = ran(job)
    assert (block["serving"]["layout"], block["verified_bytes"] > 0) == (layout, True)


def test_through_the_page_cache_too(tmp_path):
    block, _, _ = ran(slow(tmp_path, io_path="buffered"))
    assert block["backend"] == "buffered"
    assert block["comparable"] is False


MOONCAKE = [{"timestamp": 100 * place, "input_length": 1024, "output_length": 3, "hash_ids": [0, place % 4 + 1]} for place in range(30)]


def trace_file(folder, form):
    folder.mkdir(parents=True, exist_ok=True)
    if form == "mooncake":
        path = folder / "trace.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in MOONCAKE))
        return str(path)
    path = folder / "trace.csv"
    rows = [f"{place * 0.1},{100 + place},3,{103 + place}" for place in range(30)]
    path.write_text("\n".join(["Timestamp,Request tokens,Response tokens,Total tokens", *rows]) + "\n")
    return str(path)


def replaying(folder, form, load="open", **trace):
    return ServingJob(
        load=load, outstanding=4, warmup_seconds=0.3, chunk_tokens=32, trace=TraceJob(form, trace_file(folder, form), **trace)
    )


@pytest.mark.parametrize("form", ["mooncake", "burstgpt"])
@pytest.mark.parametrize("load", ["open", "closed"])
def test_a_trace_is_replayed_at_its_times_or_in_a_loop(tmp_path, form, load):
    job = a_job(tmp_path, replaying(tmp_path, form, load, passes=2), duration_seconds=30.0, generation_mode="realistic")
    block, events, requests = ran(job)
    part = block["serving"]
    assert (block["profile"], part["requests"], part["finished"], len(requests)) == ("replay", 60, True, 60)
    assert part["trace"] == {"format": form, "speedup": 1.0, "passes": 2}
    assert part["chunk_tokens"] == (512 if form == "mooncake" else 32)
    # A second pass has chunks of its own: it stores again what the first one left.
    writes = events["entry"][events["kind"] == Kind.WRITE]
    assert len(writes) == len(set(writes.tolist())) == (10 if form == "mooncake" else len(job.schedule(0).chunks))
    assert part["chunk_hits"] == (50 + 60 - 10 if form == "mooncake" else 0) or form == "mooncake"


def test_a_trace_that_is_longer_than_the_window_is_cut_and_says_so(tmp_path):
    job = a_job(tmp_path, replaying(tmp_path, "mooncake"), duration_seconds=1.5)
    block, _, requests = ran(job)
    assert len(requests) < 30
    assert block["serving"]["requests_left_out"] == 30 - len(requests)
    assert f"{30 - len(requests)} requests of the trace" in notes(job)["trace"]["message"]


def test_a_job_reads_back_with_how_it_is_served(tmp_path):
    job = a_job(tmp_path, replaying(tmp_path, "mooncake"), changed=("num_users",))
    job.write(tmp_path / "job.json")
    assert KVCacheJob.load(tmp_path / "job.json") == job
    for wrong in ({"serving": []}, {"serving": {"loads": 1}}, {"serving": {"trace": {"form": 1}}}, {"changed": [1]}, {"changed": "x"}):
        with pytest.raises(ConfigurationError, match=r"serving|changed"):
            KVCacheJob.from_json({**job.to_json(), **wrong})


def test_a_trace_that_is_shorter_than_its_warm_up_is_told(tmp_path):
    short = dataclasses.replace(replaying(tmp_path, "mooncake"), warmup_seconds=2.5)
    with pytest.raises(ConfigurationError, match="no second is left"):
        a_job(tmp_path, short).schedule(0)


def test_a_rate_at_which_no_request_comes_in_time_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="no request arrives"):
        Rank(a_job(tmp_path, dataclasses.replace(OPEN, rate_per_second=1e-6)), Alone()).run()


def test_a_list_that_is_too_long_to_compile_is_refused_at_once(tmp_path):
    with pytest.raises(ConfigurationError, match="more than are compiled beforehand") as told:
        a_job(tmp_path, dataclasses.replace(CLOSED, requests=60_000, chunk_tokens=16)).schedule(0)
    assert "kvcache.load.requests" in told.value.suggestion
    open_load = dataclasses.replace(OPEN, rate_per_second=30_000, chunk_tokens=16)
    assert len(a_job(tmp_path, open_load).schedule(0)) == 75_000


def test_the_parts_of_all_ranks_become_one_part_of_the_option(tmp_path):
    block, _, _ = ran(a_job(tmp_path, OPEN))
    raw = json.loads(a_job(tmp_path, OPEN).rank_file(0).read_text())
    found = {(0, rank): RankFigures.from_json(raw, RankName(1, 0, rank, "")) for rank in range(2)}
    part = option_block(aggregate_option(1, found, trials=1, ranks=2, has_memory=False))["serving"]
    for one in (part, block["serving"]):
        assert {key for key, value in one.items() if value is None} == one["null_reasons"].keys()
        assert one["null_reasons"]["trace"] == "the requests are those of no trace"
    assert part["requests"] == 2 * block["serving"]["requests"]
    assert part["requests_per_second"] == pytest.approx(2 * block["serving"]["requests_per_second"])
    assert part["chunk_hit_rate"] == pytest.approx(block["serving"]["chunk_hit_rate"])
    assert (part["latencies"], part["finished"]) == ("from the intended arrival", True)
    assert part["request_latency_ms"]["p50"] == pytest.approx(block["serving"]["request_latency_ms"]["p50"], rel=0.02)
    broken = {**raw, "mlps": {key: value for key, value in raw["mlps"].items() if key != "serving"}}
    found[0, 1] = RankFigures.from_json(broken, RankName(1, 0, 1, ""))
    assert option_block(aggregate_option(1, found, trials=1, ranks=2, has_memory=False))["serving"] is None
