"""Profiles ``serving`` and ``replay`` through our items: from the configuration to the leaf, its figures and its verdict."""

from __future__ import annotations

import json

import pytest
from kv_cache_suite import SECTION, Cache

pytestmark = [pytest.mark.real]

ONE = "  options:\n    - option: 1\n      model: tiny-1b\n"
SERVING = SECTION + "  profile: serving\n  warmup: 1s\n  policy: {chunk_tokens: 16}\n"
CLOSED = SERVING + "  generation_mode: fast\n  load: {requests: 200, outstanding: 2}\n"
OPEN = SERVING + "  load: {model: open, rate: 5.0, outstanding: 4}\n"


@pytest.fixture
def cache(suite):
    return Cache(suite)


def option(cache):
    (leaf,) = cache.leaves
    return json.loads((leaf / "summary.json").read_text())["options"]["1"]["mlps"], leaf


def test_a_closed_loop_becomes_a_leaf_with_figures_of_its_own(cache):
    cache.write(CLOSED, ONE)
    ended = cache.run("-s", "-v")
    assert ended.code == 0, ended.text
    block, leaf = option(cache)
    part = block["serving"]
    assert (block["profile"], part["load"], part["layout"], block["durability"]) == ("serving", "closed", "chunk", "none")
    assert part["requests_per_second"] > 0
    assert block["storage_write_bandwidth_window_gibps"] > 0
    assert (block["comparable"], block["comparable_reasons"][-1]) == (False, "workload_config")
    assert "profile" in block["comparable_reasons"]
    assert "request: service time, closed loop" in ended.text
    assert "requests/s" in ended.text
    assert "the official tool would have said" not in ended.text
    assert "is other work than the rule book's" in ended.text
    metadata = json.loads(next(leaf.glob("*metadata.json")).read_text())
    assert metadata["mlps"]["engine"]["profile"] == "serving"
    assert metadata["parameters"]["serving"]["load"]["outstanding"] == 2
    assert cache.left() == []


@pytest.mark.full
def test_an_open_load_is_measured_from_the_intended_arrival(cache):
    cache.write(OPEN, ONE)
    ended = cache.run("-s", "-v")
    assert ended.code == 0, ended.text
    part = option(cache)[0]["serving"]
    assert (part["latencies"], part["finished"], part["requests"]) == ("from the intended arrival", True, 50)
    assert "request: from the intended arrival" in ended.text


@pytest.mark.full
def test_a_load_that_storage_does_not_keep_up_with_fails_its_item_with_figures(cache):
    cache.write(OPEN.replace("rate: 5.0, outstanding: 4", "rate: 20.0, outstanding: 1") + "  generation_mode: realistic\n", ONE)
    ended = cache.run()
    assert ended.code == 1, ended.text
    assert "the storage did not keep up" in ended.text
    assert "waited, besides" in ended.text
    assert cache.leaves == []
    assert cache.left() == []
    assert len(cache.reasons) == 1


@pytest.mark.full
def test_a_trace_is_replayed(cache):
    rows = [{"timestamp": 100 * n, "input_length": 1024, "output_length": 3, "hash_ids": [0, n % 4 + 1]} for n in range(40)]
    (cache.suite.folder / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    section = (
        SERVING.replace("profile: serving", "profile: replay").replace("{chunk", "{order: fifo, promotion: true, chunk")
        + "  load: {model: open, outstanding: 4}\n"
    )
    cache.write(section + "  trace: {format: mooncake, path: trace.jsonl, passes: 2}\n", ONE)
    ended = cache.run("-s", "-v")
    assert ended.code == 0, ended.text
    part = option(cache)[0]["serving"]
    assert (part["profile"], part["trace"]["passes"], part["order"], part["promotion"]) == ("replay", 2, "fifo", True)
    assert part["requests_left_out"] > 0
    assert "arrive after the window and were left out" in " ".join(ended.text.split())


@pytest.mark.full
@pytest.mark.parametrize(
    ("section", "words"),
    [
        (SECTION + "  load: {outstanding: 3}\n", "kvcache.load: has no meaning in profile mlc-v3"),
        (SECTION + "  warmup: 1s\n", "kvcache.warmup: has no meaning in profile mlc-v3"),
        (SECTION + "  io: {layout: chunk}\n", "kvcache.io.layout: given chunk"),
        (SECTION + "  profile: replay\n", "profile replay plays a trace"),
        (SERVING + "  trace: {format: mooncake, path: x}\n", "profile replay plays a trace"),
        (SERVING + "  load: {model: open}\n", "an open load needs a rate"),
        (SECTION + "  profile: replay\n  trace: {format: mooncake, path: nothing.jsonl}\n", "nothing.jsonl cannot be read"),
    ],
)
def test_what_does_not_go_together_is_told_before_anything_runs(cache, section, words):
    cache.write(section, ONE)
    ended = cache.run("-k", "preflight")
    assert ended.code != 0, ended.text
    assert words in " ".join(ended.text.split()), ended.text


@pytest.mark.full
def test_the_storage_is_filled_once_before_the_first_pass_and_every_result_says_so(cache):
    cache.write(SECTION.replace("capacity: 1GiB", "capacity: 64MiB") + "  precondition: true\n", ONE)
    ended = cache.run("-s")
    assert ended.code == 0, ended.text
    assert "each of 2 client(s) writes 128.00 MiB, twice what it uses" in ended.text
    assert "the storage was filled: 256.00 MiB by 2 client(s)" in ended.text
    (leaf,) = cache.leaves
    assert json.loads(next(leaf.glob("*metadata.json")).read_text())["mlps"]["preconditioned"] == "written"
    assert cache.left() == []
    assert "not repeated: 128.00 MiB a client" in cache.run("-s", "-k", "precondition").text


@pytest.mark.full
def test_a_key_of_the_work_is_named_in_the_leaf_and_before(cache):
    cache.write(SECTION, ONE)
    ended = cache.run("-s", "-k", "preflight or option1")
    assert ended.code == 0, ended.text
    assert "num_users makes every option another work than the edition's" in ended.text
    record = json.loads(next(cache.waiting[0].glob("option_1/trial_0/rank_0/kvcache_results_*.json")).read_text())["mlps"]
    assert record["comparable"] is False
    assert {"model", "num_users", "duration", "trials", "start_delay", "capacity", "workload_config"} <= set(record["comparable_reasons"])
