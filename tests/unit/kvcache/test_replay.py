"""Traces as schedules: arrivals, speed-up, passes with keys of their own."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.population import QOS
from pytest_mlpstorage.kvcache.replay import compile_replay
from pytest_mlpstorage.kvcache.schedule import PHASE_PREFILL, PHASE_PREFILL_DECODE
from pytest_mlpstorage.kvcache.trace_generator import conversation_trace
from pytest_mlpstorage.kvcache.traces import TraceRow, make_trace

MODEL = model("llama3.1-8b")
PLAIN = make_trace("burstgpt", [TraceRow(0, 7, 9_999, 3), TraceRow(1_000, 8, 10_000, 0), TraceRow(3_001, 7, 1, 1)], 0)


def test_a_row_is_a_request_with_an_entry_of_its_own():
    schedule = compile_replay(PLAIN, MODEL)
    rows = schedule.requests
    assert rows["t_arrival_ns"].tolist() == [0, 1_000, 3_001]
    assert rows["user"].tolist() == [7, 8, 7]
    assert rows["context"].tolist() == [9_999, 10_000, 1]
    assert rows["generate"].tolist() == [3, 0, 1]
    assert rows["entry"].tolist() == rows["conversation"].tolist() == [0, 1, 2]
    assert set(rows["turn"]) == {1}
    assert {QOS[number] for number in rows["qos"]} == {"batch"}
    assert rows["phase"].tolist() == [PHASE_PREFILL_DECODE, PHASE_PREFILL, PHASE_PREFILL_DECODE]
    assert (schedule.duration_ns, schedule.users, schedule.chunk_tokens, len(schedule.chunks)) == (3_002, 2, 0, 0)


@pytest.mark.parametrize(
    ("speedup", "times"), [(1.0, [0, 1_000, 3_001]), (2.0, [0, 500, 1_500]), (0.5, [0, 2_000, 6_002]), (0.0, [0, 0, 0])]
)
def test_a_speed_up_divides_the_gaps_and_none_leaves_no_gap(speedup, times):
    assert compile_replay(PLAIN, MODEL, speedup=speedup).requests["t_arrival_ns"].tolist() == times


@pytest.mark.parametrize("speedup", [-1.0, float("nan"), float("inf")])
def test_a_speed_up_that_is_none_is_refused(speedup):
    with pytest.raises(ConfigurationError, match="speed-up"):
        compile_replay(PLAIN, MODEL, speedup=speedup)


def test_a_speed_so_slow_that_times_run_over_is_refused():
    with pytest.raises(ConfigurationError, match="speed-up"):
        compile_replay(PLAIN, MODEL, speedup=1e-300)


def test_keys_carry_the_pass():
    assert compile_replay(PLAIN, MODEL, pass_number=2).requests["entry"].tolist() == [6, 7, 8]
    trace = conversation_trace(requests=50)
    first, second = compile_replay(trace, MODEL), compile_replay(trace, MODEL, pass_number=1)
    assert (second.chunks == first.chunks + trace.unique_blocks).all()
    assert set(first.chunks).isdisjoint(second.chunks)
    assert first.sha256 != second.sha256


def test_prefix_blocks_become_chunks():
    trace = conversation_trace(requests=50)
    schedule = compile_replay(trace, MODEL)
    assert schedule.chunk_tokens == 512
    assert (schedule.first_chunk == trace.first).all()
    assert schedule.chunks_of(0).tolist() == trace.blocks[: trace.first[1]].tolist()


def test_the_checksum_speaks_of_trace_model_and_speed():
    trace = conversation_trace(requests=50)
    prints = {
        compile_replay(trace, MODEL).sha256,
        compile_replay(trace, MODEL, speedup=2.0).sha256,
        compile_replay(trace, model("tiny-1b")).sha256,
        compile_replay(conversation_trace(2, requests=50), MODEL).sha256,
    }
    assert len(prints) == 4
    assert compile_replay(trace, MODEL).sha256 in prints


def test_more_entries_than_have_numbers_are_refused():
    with pytest.raises(ConfigurationError, match="16,777,216"):
        compile_replay(PLAIN, MODEL, pass_number=2**23)


def test_arrays_are_of_the_widths_of_the_schedule():
    schedule = compile_replay(conversation_trace(requests=5), MODEL)
    assert schedule.chunks.dtype == np.dtype("<u4")
    assert schedule.first_chunk.dtype == np.dtype("<i8")
