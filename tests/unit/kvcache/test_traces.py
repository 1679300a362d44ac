"""Trace readers: rows as they are published, every kind of bad row by its line, and the public figures of the block cache."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.trace_generator import conversation_trace, write_mooncake
from pytest_mlpstorage.kvcache.traces import block_hit_rate
from pytest_mlpstorage.kvcache.traces_burstgpt import read_burstgpt
from pytest_mlpstorage.kvcache.traces_mooncake import read_mooncake

GOOD = {"timestamp": 27482, "input_length": 1500, "output_length": 52, "hash_ids": [46, 47, 2353]}
HEAD = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"


def mooncake(tmp_path, *lines):
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return read_mooncake(path)


def burstgpt(tmp_path, text):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    return read_burstgpt(path)


class TestMooncake:
    def test_times_are_milliseconds_and_count_from_the_first(self, tmp_path):
        trace = mooncake(tmp_path, GOOD, "", {**GOOD, "timestamp": 27482.5, "output_length": 1, "hash_ids": [46, 47, 9]})
        assert trace.requests["t_arrival_ns"].tolist() == [0, 500_000]
        assert trace.requests["context"].tolist() == [1500, 1500]
        assert trace.requests["generate"].tolist() == [52, 1]
        assert (trace.format, trace.block_tokens, trace.unique_blocks, trace.out_of_order) == ("mooncake", 512, 4, 0)

    def test_blocks_are_numbered_as_they_appear(self, tmp_path):
        trace = mooncake(tmp_path, GOOD, {**GOOD, "hash_ids": [46, 9]})
        assert trace.blocks.tolist() == [0, 1, 2, 0, 3]
        assert trace.first.tolist() == [0, 3, 5]

    def test_each_request_is_a_session_of_its_own(self, tmp_path):
        assert mooncake(tmp_path, GOOD, GOOD).requests["session"].tolist() == [0, 1]

    def test_rows_out_of_order_are_sorted_and_counted(self, tmp_path):
        trace = mooncake(tmp_path, GOOD, {**GOOD, "timestamp": 5, "input_length": 7})
        assert trace.requests["context"].tolist() == [7, 1500]
        assert trace.out_of_order == 1

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            ("{", "no JSON"),
            ("[1]", "no JSON object"),
            ("NaN", "no JSON object"),
            ({k: v for k, v in GOOD.items() if k != "hash_ids"}, "hash_ids is missing"),
            ({k: v for k, v in GOOD.items() if k != "timestamp"}, "timestamp is missing"),
            ({**GOOD, "timestamp": -1}, "timestamp"),
            ({**GOOD, "timestamp": float("nan")}, "timestamp"),
            ({**GOOD, "timestamp": True}, "timestamp"),
            ({**GOOD, "timestamp": "5"}, "timestamp"),
            ({**GOOD, "timestamp": 10**17}, "timestamp"),
            ({**GOOD, "timestamp": int("9" * 400)}, "timestamp"),
            ({**GOOD, "input_length": 0}, "input_length"),
            ({**GOOD, "input_length": 1.5}, "input_length"),
            ({**GOOD, "input_length": 2**32}, "input_length"),
            ({**GOOD, "input_length": None}, "input_length"),
            ({**GOOD, "output_length": -1}, "output_length"),
            ({**GOOD, "output_length": [1]}, "output_length"),
            ({**GOOD, "hash_ids": "46"}, "hash_ids"),
            ({**GOOD, "hash_ids": {"46": 1}}, "hash_ids"),
            ({**GOOD, "hash_ids": [46, "47"]}, "hash_ids"),
            ({**GOOD, "hash_ids": [46, -1]}, "hash_ids"),
            ({**GOOD, "hash_ids": [46, False]}, "hash_ids"),
            ({**GOOD, "hash_ids": [46, 46]}, "hash_ids"),
            ({**GOOD, "hash_ids": []}, "hash_ids"),
            ("[" * 100_000, "no JSON"),
        ],
    )
    def test_a_bad_row_is_an_error_with_its_line(self, tmp_path, row, why):
        with pytest.raises(ConfigurationError) as error:
            mooncake(tmp_path, GOOD, "", row, GOOD)
        assert str(error.value).splitlines()[0].startswith("[MLPS-E150] trace.jsonl:3: ")
        assert why in str(error.value)

    def test_values_at_their_limits_are_taken(self, tmp_path):
        row = {"timestamp": 0, "input_length": 1, "output_length": 0, "hash_ids": [0]}
        assert len(mooncake(tmp_path, row, {**row, "input_length": 2**32 - 1, "hash_ids": [2**62]})) == 2

    def test_a_trace_without_rows_is_an_error(self, tmp_path):
        with pytest.raises(ConfigurationError, match="no request"):
            mooncake(tmp_path, "")

    @pytest.mark.parametrize("content", [b'{"timestamp": "\xff"}\n', b"\x00\n"])
    def test_bytes_that_are_no_text_are_an_error_with_its_line(self, tmp_path, content):
        path = tmp_path / "trace.jsonl"
        path.write_bytes(json.dumps(GOOD).encode() + b"\n" + content)
        with pytest.raises(ConfigurationError, match=r"trace\.jsonl:2: "):
            read_mooncake(path)

    @pytest.mark.parametrize("name", [".", "nowhere"])
    def test_a_file_that_cannot_be_read_is_an_error(self, tmp_path, name):
        for read in (read_mooncake, read_burstgpt):
            with pytest.raises(ConfigurationError, match="cannot be read"):
                read(tmp_path / name)

    @settings(max_examples=60, deadline=None)
    @given(
        line=st.one_of(
            st.text(max_size=30),
            st.dictionaries(
                st.sampled_from(sorted(GOOD)),
                st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=3)),
                min_size=3,
            ).map(json.dumps),
        )
    )
    def test_any_line_is_a_row_or_an_error_of_its_line(self, tmp_path_factory, line):
        line = " ".join(line.splitlines())
        try:
            assert 1 <= len(mooncake(tmp_path_factory.mktemp("any"), GOOD, line)) <= 2
        except ConfigurationError as error:
            refused = str(error)
        else:
            return
        assert "trace.jsonl:2: " in refused


class TestBurstGPT:
    def test_rows_as_they_are_published(self, tmp_path):
        trace = burstgpt(tmp_path, HEAD + "5,ChatGPT,472,18,490,Conversation log\n45.5,GPT-4,1087,230,1317,API log\n")
        assert trace.requests["t_arrival_ns"].tolist() == [0, 40_500_000_000]
        assert trace.requests["context"].tolist() == [472, 1087]
        assert trace.requests["generate"].tolist() == [18, 230]
        assert (trace.format, trace.block_tokens, trace.unique_blocks, len(trace.blocks)) == ("burstgpt", 0, 0, 0)

    def test_a_thousand_users_take_turns_where_no_session_is_named(self, tmp_path):
        trace = burstgpt(tmp_path, HEAD + "1,m,1,1,2,x\n" * 1002)
        assert trace.requests["session"].tolist() == [*range(1000), 0, 1]

    def test_sessions_of_newer_files_are_numbered_as_they_appear(self, tmp_path):
        text = "Timestamp,Session ID,Request tokens,Response tokens,Total tokens\n1,b,1,1,2\n2,a,1,1,2\n3,b,1,1,2\n"
        assert burstgpt(tmp_path, text).requests["session"].tolist() == [0, 1, 0]

    def test_columns_may_stand_in_any_order_with_a_byte_order_mark(self, tmp_path):
        trace = burstgpt(tmp_path, "\ufeffResponse tokens,Timestamp,Request tokens,Total tokens\n3,0,4,7\n")
        assert (trace.requests["context"][0], trace.requests["generate"][0]) == (4, 3)

    def test_an_answer_of_nothing_is_a_row(self, tmp_path):
        assert burstgpt(tmp_path, HEAD + "1,m,5,0,5,x\n").requests["generate"].tolist() == [0]

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            ("1,m,5,3", "4 columns where the head has 6"),
            ("1,m,5,3,8,x,y", "7 columns where the head has 6"),
            ("x,m,5,3,8,x", "Timestamp"),
            ("nan,m,5,3,8,x", "Timestamp"),
            ("-1,m,5,3,8,x", "Timestamp"),
            ("1e300,m,5,3,8,x", "Timestamp"),
            (",m,5,3,8,x", "Timestamp"),
            ("1,m,0,3,3,x", "Request tokens"),
            ("1,m,5.5,3,8,x", "Request tokens"),
            ("1,m,4294967296,3,8,x", "Request tokens"),
            ("1,m," + "9" * 5000 + ",3,8,x", "Request tokens"),
            ("1,m,5,-3,2,x", "Response tokens"),
            ("1,m,5,,8,x", "Response tokens"),
            ("1,m,5,٣,8,x", "Response tokens"),
            ("1,m,5,1_0,15,x", "Response tokens"),
        ],
    )
    def test_a_bad_row_is_an_error_with_its_line(self, tmp_path, row, why):
        with pytest.raises(ConfigurationError) as error:
            burstgpt(tmp_path, f"{HEAD}1,m,5,3,8,x\n\n{row}\n")
        assert str(error.value).splitlines()[0].startswith("[MLPS-E150] trace.csv:4: ")
        assert why in str(error.value)

    @pytest.mark.parametrize("head", ["", "Timestamp,Request tokens\n", "time,Request tokens,Response tokens\n", '"\n'])
    def test_a_head_without_the_columns_is_an_error(self, tmp_path, head):
        with pytest.raises(ConfigurationError, match=r"trace\.csv:1: "):
            burstgpt(tmp_path, head)

    def test_a_trace_without_rows_is_an_error(self, tmp_path):
        with pytest.raises(ConfigurationError, match="no request"):
            burstgpt(tmp_path, HEAD)


PUBLIC = {1_000: 0.044, 10_000: 0.211, 30_000: 0.326, 50_000: 0.355, None: 0.366}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "generated.jsonl"
    write_mooncake(conversation_trace(), path)
    return path


@pytest.fixture(scope="module")
def generated(written):
    return read_mooncake(written)


class TestCalibration:
    def test_what_the_generator_writes_is_read_back(self, generated):
        made = conversation_trace()
        for field in ("t_arrival_ns", "context", "generate"):
            assert (generated.requests[field] == made.requests[field]).all()
        assert (generated.blocks == made.blocks).all()
        assert (generated.first == made.first).all()

    def test_it_has_the_requests_and_blocks_of_the_public_trace(self, generated):
        trace = generated
        assert len(trace) == 12_031
        assert len(trace.blocks) == pytest.approx(288_500, rel=0.01)
        assert trace.unique_blocks == pytest.approx(182_790, rel=0.01)

    @pytest.mark.parametrize(("capacity", "rate"), PUBLIC.items())
    def test_it_hits_as_often_as_the_public_trace(self, generated, capacity, rate):
        assert block_hit_rate(generated, capacity) == pytest.approx(rate, abs=0.005)

    def test_the_tier_policy_hits_exactly_as_often_as_a_plain_lru(self):
        trace = conversation_trace(requests=2000)
        policy, hits = TierPolicy((3_000,)), 0
        for block in trace.blocks.tolist():
            if block in policy:
                hits += 1
                policy.touch(block)
            else:
                policy.place(block, 1)
        assert hits / len(trace.blocks) == block_hit_rate(trace, 3_000)
        assert 0.1 < hits / len(trace.blocks) < 0.3

    @pytest.mark.parametrize("seed", [2, 3, 42])
    def test_other_seeds_give_other_traces_of_the_same_kind(self, seed):
        trace = conversation_trace(seed)
        assert trace.blocks.tolist() != conversation_trace().blocks.tolist()
        for capacity, rate in PUBLIC.items():
            assert block_hit_rate(trace, capacity) == pytest.approx(rate, abs=0.02)

    def test_a_cache_without_blocks_has_no_hits(self):
        assert block_hit_rate(conversation_trace(requests=0), None) == 0.0
