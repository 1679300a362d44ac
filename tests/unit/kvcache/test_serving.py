"""The work of an inference server: shared chunks of real prefixes, loaded once, written where absent, as a fixed list of operations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.events import Kind, Reason
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.population import population
from pytest_mlpstorage.kvcache.schedule import FLAG_PREFIX, REQUEST_DTYPE
from pytest_mlpstorage.kvcache.serving import ServingOptions, compile_serving
from pytest_mlpstorage.kvcache.trace_generator import conversation_trace
from pytest_mlpstorage.kvcache.traces import block_hit_rate
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.kvcache.work_list import work_list

MODEL = model("tiny-1b")


def serving(requests=300, users=8, seed=42, **options):
    rate = options.pop("rate_per_second", None)
    people = population(seed, users)
    return compile_serving(MODEL, people, effective_seed=seed, requests=requests, rate_per_second=rate, options=ServingOptions(**options))


def by_conversation(schedule):
    talks = {}
    for place in range(len(schedule)):
        talks.setdefault(int(schedule.requests["conversation"][place]), []).append((place, schedule.chunks_of(place).tolist()))
    return talks


class TestSchedule:
    def test_it_has_exactly_the_requests_asked_for_and_no_clock(self):
        schedule = serving()
        assert len(schedule) == 300
        assert schedule.requests.dtype == REQUEST_DTYPE
        assert not schedule.requests["t_arrival_ns"].any()
        assert (schedule.duration_ns, schedule.chunk_tokens, len(schedule.first_chunk)) == (0, 256, 301)

    def test_a_prompt_has_as_many_chunks_as_it_fills(self):
        schedule = serving()
        sizes = np.diff(schedule.first_chunk)
        assert (sizes == schedule.requests["context"] // 256).all()

    def test_a_later_turn_begins_with_everything_that_was_said(self):
        later = 0
        for turns in by_conversation(serving()).values():
            for (_, before), (_, after) in itertools.pairwise(turns):
                assert after[: len(before)] == before
                assert len(set(after)) == len(after)
                later += 1
        assert later > 100

    def test_a_prompt_grows_by_the_answer_and_the_next_question(self):
        schedule = serving(later_turn_part=8, prefix_probability=0.0)
        rows = schedule.requests
        for turns in by_conversation(schedule).values():
            for (one, _), (other, _) in itertools.pairwise(turns):
                question = int(rows["context"][other]) - int(rows["context"][one]) - int(rows["generate"][one])
                assert 1 <= question <= 25_000 // 8

    def test_conversations_share_nothing_but_system_prompts(self):
        schedule = serving(prefix_probability=0.5, system_prompt_tokens=1024)
        shared = 3 * 1024 // 256
        owners, prompts = {}, set()
        for talk, turns in by_conversation(schedule).items():
            for place, chunks in turns:
                prompt = int(schedule.requests["flags"][place]) & FLAG_PREFIX
                common = [chunk for chunk in chunks if chunk < shared]
                assert common == list(range((prompt - 1) * 4, prompt * 4))[: len(chunks)] if prompt else common == []
                prompts.add(prompt)
                for chunk in chunks[len(common) :]:
                    assert owners.setdefault(chunk, talk) == talk
        assert prompts == {0, 1, 2, 3}

    def test_a_conversation_keeps_its_system_prompt(self):
        schedule = serving(prefix_probability=0.5)
        for turns in by_conversation(schedule).values():
            assert len({int(schedule.requests["flags"][place]) for place, _ in turns}) == 1

    def test_chunks_are_numbered_without_gaps_below_the_stamps_limit(self):
        schedule = serving(prefix_probability=0.0)
        system = 3 * 2048 // 256
        assert sorted(set(schedule.chunks.tolist())) == list(range(system, system + len(set(schedule.chunks.tolist()))))

    def test_prompts_are_clipped_to_the_models_window(self):
        schedule = serving(max_context_tokens=3000)
        assert schedule.requests["context"].max() == 3000
        assert np.diff(schedule.first_chunk).max() == 11

    def test_more_requests_begin_as_fewer(self):
        few, many = serving(100), serving(300)
        assert (
            many.requests[["user", "turn", "context", "generate", "flags"]][:100]
            == few.requests[["user", "turn", "context", "generate", "flags"]]
        ).all()

    def test_the_checksum_speaks_of_chunks_options_and_count(self):
        prints = {
            serving().sha256,
            serving(301).sha256,
            serving(chunk_tokens=128).sha256,
            serving(later_turn_part=4).sha256,
            serving(seed=43).sha256,
            serving(rate_per_second=5.0).sha256,
        }
        assert len(prints) == 6
        assert serving().sha256 == serving().sha256

    def test_open_arrivals_come_at_the_rate_in_order_and_unevenly(self):
        schedule = serving(2000, rate_per_second=100.0)
        times = schedule.requests["t_arrival_ns"]
        assert schedule.duration_ns == 20 * 10**9
        assert (np.diff(times) >= 0).all()
        assert times[0] >= 0
        assert times[-1] < schedule.duration_ns
        gaps = np.diff(times) / 1e7
        assert gaps.mean() == pytest.approx(1, rel=0.05)
        assert gaps.std() == pytest.approx(1, rel=0.1)  # as of a Poisson process

    @settings(max_examples=20, deadline=None)
    @given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 99), st.sampled_from([16, 256, 512]), st.integers(0, 700))
    def test_any_work_can_be_compiled(self, requests, users, seed, chunk, system):
        schedule = serving(requests, users, seed, chunk_tokens=chunk, system_prompt_tokens=system)
        assert len(schedule) == requests
        assert schedule.first_chunk[-1] == len(schedule.chunks)

    @pytest.mark.parametrize(
        "options",
        [
            {"chunk_tokens": 0},
            {"later_turn_part": 0},
            {"max_context_tokens": 0},
            {"system_prompt_tokens": -1},
            {"rate_per_second": 0.0},
            {"rate_per_second": float("inf")},
            {"requests": 0},
            {"users": 0},
        ],
    )
    def test_what_is_no_work_is_refused(self, options):
        with pytest.raises(ConfigurationError, match="allowed"):
            serving(**options)

    def test_more_chunks_than_have_numbers_are_refused(self):
        with pytest.raises(ConfigurationError, match="16,777,216"):
            serving(20_000, users=50, chunk_tokens=1)


def listed(*prompts, capacity=1000, tiers=None):
    """The operations of hand-made prompts, each a list of chunks of 10 bytes, as (request, kind, chunk, tier, depends on)."""
    first = np.cumsum([0, *map(len, prompts)])
    chunks = np.array([chunk for prompt in prompts for chunk in prompt], "<u4")
    schedule = Schedule(
        np.zeros(len(prompts), REQUEST_DTYPE), "tiny-1b", 1, 1, 0, "0" * 64, chunks=chunks, first_chunk=first, chunk_tokens=256
    )
    done = work_list(schedule, TierPolicy(tiers or (capacity,)), 10)
    return done, [
        (int(op["request"]), Kind(int(op["kind"])).name, int(op["entry"]), int(op["tier"]), int(op["depends_on"])) for op in done.operations
    ]


class TestWorkList:
    def test_absent_chunks_are_written_and_present_ones_loaded_once(self):
        done, operations = listed([1, 2], [1, 2, 3])
        assert operations == [
            (0, "WRITE", 1, 0, -1),
            (0, "WRITE", 2, 0, -1),
            (1, "READ", 1, 0, 0),
            (1, "READ", 2, 0, 1),
            (1, "WRITE", 3, 0, -1),
        ]
        assert (done.hits, done.lookups) == (2, 5)
        assert set(done.operations["bytes"]) == {10}
        assert [Reason(int(reason)).name for reason in done.operations["reason"]] == ["PREFILL", "PREFILL", "PREFIX", "PREFIX", "PREFILL"]

    def test_what_is_present_behind_the_first_absent_chunk_is_neither_read_nor_written(self):
        done, operations = listed([1, 3], [1, 2, 3])
        assert operations[2:] == [(1, "READ", 1, 0, 0), (1, "WRITE", 2, 0, -1)]
        assert done.hits == 1

    def test_a_full_cache_deletes_the_oldest_after_its_last_use_and_writes_it_anew_after_that(self):
        _, operations = listed([1, 2], [1, 3], [2], capacity=20)
        assert operations[2:] == [
            (1, "READ", 1, 0, 0),
            (1, "DELETE", 2, 0, 1),
            (1, "WRITE", 3, 0, 3),
            (2, "DELETE", 1, 0, 2),
            (2, "WRITE", 2, 0, 5),
        ]

    def test_a_demotion_is_a_read_above_and_a_write_below(self):
        done, operations = listed([1], [2], [1], tiers=(12, 100))
        assert operations == [
            (0, "WRITE", 1, 0, -1),
            (1, "EVICT_READ", 1, 0, 0),
            (1, "EVICT_WRITE", 1, 1, 1),
            (1, "WRITE", 2, 0, 2),
            (2, "READ", 1, 1, 2),
        ]
        assert done.operations["reason"][1] == done.operations["reason"][2] == Reason.EVICTION

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.lists(st.integers(0, 15), max_size=6, unique=True), max_size=30), st.integers(1, 12))
    def test_in_its_order_every_read_finds_what_was_written_and_every_dependence_points_back(self, prompts, most):
        _, operations = listed(*prompts, capacity=10 * most)
        held = set()
        for row, (_, kind, chunk, _, needs) in enumerate(operations):
            assert needs < row
            if kind == "WRITE":
                assert chunk not in held
                held.add(chunk)
            else:
                assert chunk in held
                if kind == "DELETE":
                    held.remove(chunk)
            assert len(held) <= most

    def test_a_fixed_list_has_a_checksum_of_its_own(self):
        one, other = listed([1, 2], [1])[0], listed([1, 2], [2])[0]
        assert one.sha256 == listed([1, 2], [1])[0].sha256 != other.sha256

    def test_an_unlimited_cache_hits_as_a_trace_says(self):
        trace = conversation_trace(requests=500)
        schedule = Schedule(
            np.zeros(500, REQUEST_DTYPE), "tiny-1b", 1, 1, 0, "", chunks=trace.blocks, first_chunk=trace.first, chunk_tokens=512
        )
        done = work_list(schedule, TierPolicy((10**9,)), 1)
        assert done.hits / done.lookups == block_hit_rate(trace, None)
