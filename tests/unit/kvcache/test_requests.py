"""The operations of one request: each list written out by hand from the book's order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.population import population
from pytest_mlpstorage.kvcache.requests import PREFIX_ENTRY, ConversationBook, Operation, Request, decode_reads, operations
from pytest_mlpstorage.kvcache.schedule import FLAG_RAG, PHASE_DECODE, PHASE_PREFILL, PHASE_PREFILL_DECODE, compile_flood

TINY = model("tiny-1b")
BYTES = 24_576


def request(**changes):
    fields = {
        "t_arrival_ns": 0,
        "user": 1,
        "qos": 2,
        "conversation": 4,
        "turn": 1,
        "phase": PHASE_PREFILL_DECODE,
        "context": 100,
        "generate": 70,
        "entry": 50,
        "flags": 0,
    }
    return Request(**{**fields, **changes})


def listed(asked, held=None, **others):
    """The operations, with a cache in which each write is there at once."""
    cache = dict(held or {})
    done = []
    for operation in operations(asked, cache.get, TINY.entry_bytes, **others):
        done.append(operation)
        if operation.kind == "write":
            cache[operation.entry] = operation.bytes
    return done


READ = Operation("read", 50, 100 * BYTES, "decode")
PROBE = Operation("read", 50, 100 * BYTES, "probe")
WRITE = Operation("write", 50, 100 * BYTES, "prefill")


def test_a_first_turn_writes_then_probes_then_reads_once_for_each_32_tokens():
    assert listed(request()) == [WRITE, PROBE, READ, READ, READ]


@pytest.mark.parametrize(("generate", "reads"), [(1, 1), (32, 1), (33, 2), (64, 2), (65, 3), (800, 25)])
def test_a_decode_reads_one_and_the_tokens_over_32_rounded_up(generate, reads):
    assert decode_reads(generate) == reads
    assert listed(request(generate=generate)) == [WRITE, PROBE] + [READ] * reads


def test_a_generation_of_nothing_still_reads_once():
    assert decode_reads(0) == 1


def test_the_batch_of_a_decode_can_be_another():
    assert listed(request(generate=70), decode_batch=64) == [WRITE, PROBE, READ, READ]


def test_a_third_turn_reads_the_first_and_the_second_before_it_writes():
    held = {48: 7, 49: 9}
    expected = [Operation("read", 48, 7, "turn"), Operation("read", 49, 9, "turn"), WRITE, PROBE, READ, READ, READ]
    assert listed(request(turn=3), held) == expected


def test_an_earlier_turn_that_is_gone_is_a_miss_without_bytes():
    assert listed(request(turn=3), {49: 9})[:3] == [Operation("miss", 48, 0, "turn"), Operation("read", 49, 9, "turn"), WRITE]


def test_a_conversation_that_is_forgotten_asks_for_no_earlier_turn():
    assert listed(request(turn=3), {48: 7, 49: 9}, remembered=False) == [WRITE, PROBE, READ, READ, READ]


def test_a_system_prompt_is_missed_first_and_never_read():
    assert listed(request(flags=2, turn=2), {49: 9})[:3] == [
        Operation("miss", PREFIX_ENTRY + 2, 0, "prefix"),
        Operation("read", 49, 9, "turn"),
        WRITE,
    ]


def test_a_prefill_request_ends_with_its_write():
    assert listed(request(phase=PHASE_PREFILL, turn=2), {49: 9}) == [Operation("read", 49, 9, "turn"), WRITE]


def test_an_entry_that_is_there_is_not_written_again():
    assert listed(request(), {50: 100 * BYTES}) == [PROBE, READ, READ, READ]


def test_a_decode_request_reads_neither_earlier_turns_nor_writes():
    assert listed(request(phase=PHASE_DECODE, turn=3), {48: 7, 50: 8}) == [
        Operation("read", 50, 8, "probe"),
        *[Operation("read", 50, 8, "decode")] * 3,
    ]


def test_a_decode_that_finds_nothing_writes_once_and_reads_nothing():
    assert listed(request(phase=PHASE_DECODE)) == [Operation("miss", 50, 0, "probe"), Operation("write", 50, 100 * BYTES, "miss")]


def test_an_entry_that_vanishes_between_reads_is_missed_and_not_written_again():
    held = {50: 8}
    seen = []
    for operation in operations(request(phase=PHASE_DECODE), held.get, TINY.entry_bytes):
        seen.append(operation)
        if len(seen) == 2:
            held.clear()
    miss = Operation("miss", 50, 0, "decode")
    assert seen == [Operation("read", 50, 8, "probe"), Operation("read", 50, 8, "decode"), miss, miss]


def test_an_entry_that_vanishes_right_after_its_write_is_written_once_more():
    seen = list(operations(request(), {}.get, TINY.entry_bytes))
    assert seen == [WRITE, Operation("miss", 50, 0, "probe"), Operation("write", 50, 100 * BYTES, "miss")]


def test_chunks_of_a_document_are_read_between_prefill_and_decode_and_written_where_they_are_missing():
    asked = listed(request(flags=FLAG_RAG), {900: 5}, documents=((900, 512), (901, 512)))
    assert asked == [
        WRITE,
        Operation("read", 900, 5, "rag"),
        Operation("miss", 901, 0, "rag"),
        Operation("write", 901, 512 * BYTES, "rag"),
        PROBE,
        READ,
        READ,
        READ,
    ]


def test_a_request_comes_from_a_row_of_the_schedule_in_plain_numbers():
    schedule = compile_flood(TINY, population(42, 3), effective_seed=42, duration_seconds=5)
    row = Request.of(schedule, 2)
    assert row.entry == schedule.requests["entry"][2]
    assert row.t_arrival_ns == schedule.requests["t_arrival_ns"][2]
    assert all(type(value) is int for value in row)


def test_reads_are_about_four_times_the_writes():
    """Six reads a decode request: 7.5 is the mean over users, and users of short answers ask more often."""
    schedule = compile_flood(model("llama3.1-8b"), population(42, 200), effective_seed=42, duration_seconds=20)
    read = written = decodes = probes = 0
    for place in range(0, len(schedule), 5):
        asked = Request.of(schedule, place)
        for operation in listed(asked):
            read += operation.bytes * (operation.kind == "read")
            written += operation.bytes * (operation.kind == "write")
            decodes += operation.kind == "read"
            probes += operation.reason == "probe"
    assert 5.5 < decodes / probes < 6.5
    assert 3 < read / written < 5.5


class TestConversations:
    def test_a_conversation_is_remembered_until_a_thousand_others_came(self):
        book = ConversationBook(1000)
        for conversation in range(1000):
            book.arrived(conversation)
        assert book.remembers(0)
        book.arrived(1000)
        assert not book.remembers(0)
        assert book.remembers(1)
        assert len(book) == 1000

    def test_another_turn_makes_it_young_again(self):
        book = ConversationBook(2)
        for conversation in (1, 2, 1, 3):
            book.arrived(conversation)
        assert [book.remembers(number) for number in (1, 2, 3)] == [True, False, True]

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 8))
    def test_it_remembers_the_last_ones_that_spoke(self, order, most):
        book = ConversationBook(most)
        for conversation in order:
            book.arrived(conversation)
        last = list(dict.fromkeys(reversed(order)))[:most]
        assert {number for number in range(13) if book.remembers(number)} == set(last)
