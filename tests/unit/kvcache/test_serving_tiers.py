"""A fixed work list at work: nothing is done before what it waits for, and nobody waits for ever."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pytest_mlpstorage.kvcache.events import Kind
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.population import population
from pytest_mlpstorage.kvcache.serving import ServingOptions, compile_serving
from pytest_mlpstorage.kvcache.serving_tiers import Gate
from pytest_mlpstorage.kvcache.work_list import work_list

SIZE = 100


def schedule(requests=40):
    people = population(42, 3)
    return compile_serving(model("tiny-1b"), people, effective_seed=42, requests=requests, options=ServingOptions(chunk_tokens=512))


@pytest.mark.parametrize("promotion", [False, True])
@pytest.mark.parametrize("order", ["lru", "fifo"])
@pytest.mark.parametrize("limits", [[0, 0, 10**6], [0, 0, 2000], [0, 1500, 3000], [1000, 1500, 3000]])
def test_rows_wait_for_earlier_ones_and_a_chunk_is_where_each_row_needs_it(limits, order, promotion):
    work = work_list(schedule(), TierPolicy(limits, order=order), SIZE, promotion=promotion)
    waits = work.waits()
    rows = work.operations
    assert len(waits) == len(rows)
    assert all(before < row for row, earlier in enumerate(waits) for before in earlier)
    places = {}
    used = [0, 0, 0]
    for row in rows:
        chunk, tier, kind = int(row["entry"]), int(row["tier"]), int(row["kind"])
        if kind in (Kind.READ, Kind.EVICT_READ):
            assert places[chunk] == tier
        elif kind == Kind.DELETE:
            assert places.pop(chunk) == tier
            used[tier] -= SIZE
        else:
            if chunk in places:
                used[places[chunk]] -= SIZE
            places[chunk] = tier
            used[tier] += SIZE
        assert all(held <= limit for held, limit in zip(used, limits, strict=True))


def test_a_change_of_a_chunk_waits_for_every_read_of_it():
    work = work_list(schedule(), TierPolicy([0, 0, 2000]), SIZE)
    waits, rows = work.waits(), work.operations
    deleted = np.flatnonzero(rows["kind"] == Kind.DELETE)
    assert len(deleted)
    for row in deleted.tolist():
        same = np.flatnonzero(rows["entry"][:row] == rows["entry"][row])
        written = same[rows["kind"][same] == Kind.WRITE][-1]
        reads = same[(same > written) & (rows["kind"][same] == Kind.READ)]
        assert {int(written), *reads.tolist()} <= set(waits[row])


def test_every_row_belongs_to_one_request_in_order():
    plan = schedule()
    work = work_list(plan, TierPolicy([0, 0, 2000]), SIZE)
    spans = work.rows_of(len(plan))
    assert len(spans) == len(plan)
    assert [row for span in spans for row in span] == list(range(len(work.operations)))
    for request, span in enumerate(spans):
        assert set(work.operations["request"][span.start : span.stop].tolist()) <= {request}


def test_a_gate_opens_when_all_before_are_done_and_when_the_pass_is_over():
    gate = Gate([(), (), (0, 1), (2,)])
    assert gate.wait(0)
    seen = []
    waiting = threading.Thread(target=lambda: seen.append(gate.wait(2)))
    waiting.start()
    gate.done(0)
    waiting.join(0.1)
    assert waiting.is_alive()
    gate.done(1)
    waiting.join(10)
    assert seen == [True]
    late = threading.Thread(target=lambda: seen.append(gate.wait(3)))
    late.start()
    gate.end()
    late.join(10)
    assert seen == [True, False]
    assert not gate.wait(0)
