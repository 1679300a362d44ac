"""The schedule of a flood: its distributions, conversations, prefixes and phases."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.population import Template, population
from pytest_mlpstorage.kvcache.schedule import (
    FLAG_PREFIX,
    FLAG_RAG,
    PHASE_DECODE,
    PHASE_PREFILL,
    PHASE_PREFILL_DECODE,
    REQUEST_DTYPE,
    FloodOptions,
    compile_flood,
    earlier_entries,
)

MODEL = model("llama3.1-8b")


def flood(seed=42, users=20, seconds=30, options=None, templates=None):
    people = population(seed, users) if templates is None else population(seed, users, templates)
    return compile_flood(MODEL, people, effective_seed=seed, duration_seconds=seconds, options=options or FloodOptions())


@pytest.fixture(scope="module")
def whole():
    """Option 1 as sanctioned."""
    return flood(42, 200, 300)


def test_requests_come_in_order_of_arrival_and_within_the_window(whole):
    rows = whole.requests
    assert rows.dtype == REQUEST_DTYPE
    assert (np.diff(rows["t_arrival_ns"]) >= 0).all()
    assert rows["t_arrival_ns"][0] >= 0
    assert rows["t_arrival_ns"][-1] < whole.duration_ns == 300 * 10**9
    assert len(whole) == pytest.approx(483 * 300, rel=0.01)
    assert (whole.model_key, whole.users, whole.effective_seed) == ("llama3.1-8b", 200, 42)


def test_each_user_waits_its_think_time_give_or_take_a_fifth(whole):
    for user in population(42, 200)[::37]:
        times = whole.requests["t_arrival_ns"][whole.requests["user"] == user.index]
        gaps = np.diff(times, prepend=0) / (user.think_seconds * 1e9)
        assert gaps.min() >= 0.8 - 1e-6
        assert gaps.max() <= 1.2 + 1e-6
        assert gaps.mean() == pytest.approx(1.0, abs=0.03)


def test_sizes_are_drawn_from_a_quarter_to_the_whole_of_the_users_own(whole):
    prompts = np.array([0, 5, 9, 6])[whole.requests["flags"] & FLAG_PREFIX]
    drawn = whole.requests["context"] + prompts
    for user in population(42, 200)[::23]:
        mine = whole.requests["user"] == user.index
        assert (whole.requests["qos"][mine] == user.qos_number).all()
        for values, most in ((drawn[mine], user.context_tokens), (whole.requests["generate"][mine], user.generate_tokens)):
            assert most // 4 <= values.min() < most // 4 + most // 10
            assert most - most // 10 < values.max() <= most


def test_the_mean_context_is_5640_tokens_over_users_but_fewer_over_requests():
    """Users of short contexts think shorter, so they ask more often: 4,423 tokens are expected over requests."""
    users = population(7, 3000)
    assert sum(user.context_tokens for user in users) / len(users) * 0.625 == pytest.approx(5640, rel=0.03)
    assert flood(7, 3000, 10).requests["context"].mean() == pytest.approx(4423, rel=0.03)


def test_a_drawn_context_from_10000_tokens_on_is_prefill_only(whole):
    prompts = np.array([0, 5, 9, 6])[whole.requests["flags"] & FLAG_PREFIX]
    drawn = whole.requests["context"] + prompts
    assert ((whole.requests["phase"] == PHASE_PREFILL) == (drawn >= 10_000)).all()
    assert set(whole.requests["phase"]) == {PHASE_PREFILL, PHASE_PREFILL_DECODE}


@pytest.mark.parametrize(("tokens", "phase"), [(9_999, PHASE_PREFILL_DECODE), (10_000, PHASE_PREFILL)])
def test_the_edge_of_the_phase(tokens, phase):
    fixed = Template("fixed", (tokens, tokens), (10, 10), (0.1, 0.1))
    rows = flood(users=3, seconds=20, templates=(fixed,)).requests
    drawn = rows["context"] + np.array([0, 5, 9, 6])[rows["flags"] & FLAG_PREFIX]
    top = drawn == tokens
    edge = compile_flood(
        MODEL,
        population(1, 1, (fixed,)),
        effective_seed=1,
        duration_seconds=20,
        options=FloodOptions(prefix_probability=0, smallest_part=1),
    )
    assert (rows["phase"][top] == phase).all()
    assert set(edge.requests["context"]) == {tokens}
    assert set(edge.requests["phase"]) == {phase}


def test_a_conversation_goes_on_with_four_in_five(whole):
    rows = whole.requests
    assert (rows["turn"] > 1).mean() == pytest.approx(0.8, abs=0.01)
    assert len(np.unique(rows["conversation"])) == (rows["turn"] == 1).sum()
    assert set(np.unique(rows["conversation"])) == set(range((rows["turn"] == 1).sum()))


def test_turns_of_a_conversation_follow_each_other_and_their_entries_lie_side_by_side(whole):
    rows = np.sort(whole.requests, order=["entry"])
    assert (rows["entry"] == np.arange(len(rows))).all()
    follow = rows["conversation"][1:] == rows["conversation"][:-1]
    assert (rows["turn"][1:][follow] == rows["turn"][:-1][follow] + 1).all()
    assert (rows["turn"][1:][~follow] == 1).all()
    assert (rows["t_arrival_ns"][1:][follow] > rows["t_arrival_ns"][:-1][follow]).all()
    assert (rows["user"][1:][follow] == rows["user"][:-1][follow]).all()
    assert list(earlier_entries(70, 1)) == []
    assert list(earlier_entries(70, 3)) == [68, 69]


def test_a_conversation_ends_after_its_fiftieth_turn():
    rows = flood(users=2, seconds=300, options=FloodOptions(continue_probability=1.0)).requests
    mine = rows[rows["user"] == 1]
    assert mine["turn"].max() == 50
    assert list(mine["turn"][48:52]) == [49, 50, 1, 2]
    assert mine["conversation"][50] == mine["conversation"][49] + 1


def test_without_conversations_each_request_stands_alone():
    rows = flood(options=FloodOptions(multi_turn=False)).requests
    assert set(rows["turn"]) == {1}
    assert len(np.unique(rows["conversation"])) == len(rows)


def test_a_system_prompt_takes_its_words_off_the_context():
    plain, prefixed = (
        flood(options=FloodOptions(prefix_probability=0.0)).requests,
        flood(options=FloodOptions(prefix_probability=1.0)).requests,
    )
    taken = plain["context"].astype(int) - prefixed["context"]
    assert not (plain["flags"] & FLAG_PREFIX).any()
    assert set(zip(prefixed["flags"].tolist(), taken.tolist(), strict=True)) == {(1, 5), (2, 9), (3, 6)}
    assert (plain["generate"] == prefixed["generate"]).all()
    assert (plain["t_arrival_ns"] == prefixed["t_arrival_ns"]).all()


def test_a_fifth_of_the_requests_begin_with_a_system_prompt(whole):
    share = np.bincount(whole.requests["flags"] & FLAG_PREFIX, minlength=4) / len(whole)
    assert share[0] == pytest.approx(0.8, abs=0.01)
    assert share[1:] == pytest.approx([0.2 / 3] * 3, abs=0.005)


def test_no_context_shrinks_below_one_token():
    tiny = Template("tiny", (4, 4), (1, 1), (0.1, 0.1))
    rows = flood(users=2, seconds=20, templates=(tiny,), options=FloodOptions(prefix_probability=1.0)).requests
    assert set(rows["context"]) == {1}
    assert set(rows["generate"]) == {1}


def test_a_changed_distribution_does_not_shift_the_others():
    base, other = flood().requests, flood(options=FloodOptions(continue_probability=0.5, rag=True)).requests
    for field in ("t_arrival_ns", "user", "qos", "context", "generate", "phase"):
        assert (base[field] == other[field]).all()


def test_a_longer_pass_begins_as_the_shorter():
    short, long = flood(seconds=10).requests, flood(seconds=30).requests
    fields = ["t_arrival_ns", "user", "turn", "context", "generate", "flags"]
    assert (long[: len(short)][fields] == short[fields]).all()


def test_more_users_do_not_change_the_work_of_the_others():
    few, many = flood(users=5).requests, flood(users=9).requests
    fields = ["t_arrival_ns", "turn", "context", "generate", "flags", "entry"]
    assert (many[many["user"] < 5][fields] == few[fields]).all()


def test_retrievals_are_asked_by_a_tenth_and_evenly_of_each_document():
    schedule = flood(users=50, seconds=60, options=FloodOptions(rag=True))
    asked = schedule.requests["flags"] & FLAG_RAG != 0
    assert asked.mean() == pytest.approx(0.1, abs=0.02)
    assert list(schedule.retrievals["request"]) == list(np.flatnonzero(asked))
    counts = np.bincount(schedule.retrievals["document"], minlength=10)
    assert counts / counts.sum() == pytest.approx([0.1] * 10, abs=0.04)
    assert len(np.unique(schedule.retrievals["draw"])) == len(schedule.retrievals)
    assert len(flood().retrievals) == 0


def test_prefill_only_never_decodes():
    rows = flood(options=FloodOptions(mode="prefill")).requests
    assert set(rows["phase"]) == {PHASE_PREFILL}


def test_decode_only_reads_ten_entries_a_user_that_are_there_before():
    schedule = flood(users=4, options=FloodOptions(mode="decode"))
    rows = schedule.requests
    assert set(rows["phase"]) == {PHASE_DECODE}
    assert (schedule.preloaded_entries, schedule.preloaded_tokens) == (40, 2048)
    assert set(rows["entry"]) == set(range(40))
    assert set(rows["context"]) == {2048}
    assert flood().preloaded_entries == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), users=st.integers(0, 6), seconds=st.floats(0.001, 8))
def test_any_flood_can_be_compiled(seed, users, seconds):
    schedule = compile_flood(MODEL, population(seed, users), effective_seed=seed, duration_seconds=seconds)
    rows = schedule.requests
    assert sorted(rows["entry"]) == list(range(len(rows)))
    assert (rows["context"] >= 1).all()
    assert (rows["generate"] >= 1).all()
    assert (rows["t_arrival_ns"] < schedule.duration_ns).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"effective_seed": -1}, "seed -1"), ({"duration_seconds": 0}, "duration"), ({"duration_seconds": float("nan")}, "duration")],
)
def test_what_cannot_be_compiled_is_said(change, words):
    with pytest.raises(ConfigurationError, match=words):
        compile_flood(MODEL, population(42, 1), **{"effective_seed": 1, "duration_seconds": 1, **change})


def test_a_think_time_of_nothing_is_refused():
    idle = dataclasses.replace(population(42, 1)[0], think_seconds=0.0)
    with pytest.raises(ConfigurationError, match="think time"):
        compile_flood(MODEL, (idle,), effective_seed=1, duration_seconds=1)


def test_more_requests_than_entries_have_numbers_are_refused():
    busy = dataclasses.replace(population(42, 1)[0], think_seconds=1e-6)
    with pytest.raises(ConfigurationError, match="16,777,216"):
        compile_flood(MODEL, (busy,), effective_seed=1, duration_seconds=60)
