"""Models of the KV cache: bytes per token of the book's table, entries of the sanctioned options, shapes, unknown names."""

from __future__ import annotations

import dataclasses
import math

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.models import MODELS, OFFERED, KVModel, model

TABLE = {
    "tiny-1b": 24_576,
    "mistral-7b": 131_072,
    "llama2-7b": 524_288,
    "llama3.1-8b": 131_072,
    "llama3.1-70b-instruct": 327_680,
    "deepseek-v3": 70_272,
    "qwen3-32b": 262_144,
    "gpt-oss-120b": 73_728,
    "gpt-oss-20b": 49_152,
}


@pytest.mark.parametrize(("key", "size"), TABLE.items())
def test_bytes_per_token_follow_from_the_columns(key, size):
    assert model(key).key == key
    assert model(key).bytes_per_token == size


def test_the_table_is_whole_and_in_the_order_of_the_book():
    assert list(MODELS) == list(TABLE)
    assert tuple(TABLE)[:5] == OFFERED
    assert [m.kind for m in MODELS.values()] == ["gqa", "gqa", "mha", "gqa", "gqa", "mla", "gqa", "gqa", "gqa"]


def test_every_model_of_the_sanctioned_options_is_known():
    for number, tokens, gib in ((1, 16_384, 2.0), (3, 16_384, 5.0)):
        used = model(edition("3.0").kv_cache.option(number).model)
        assert used.entry_bytes(tokens) / 2**30 == gib


def test_a_mean_context_of_option_1_is_705_mib():
    assert round(model("llama3.1-8b").entry_bytes(5640) / 2**20) == 705


@pytest.mark.parametrize("key", TABLE)
def test_the_shape_of_an_entry_holds_its_bytes(key):
    entry = model(key)
    assert math.prod(entry.shape(7)) * entry.dtype_bytes == entry.entry_bytes(7)


def test_shapes_as_the_file_says_them():
    assert model("llama3.1-8b").shape(5) == (32, 2, 5, 8, 128)
    assert model("deepseek-v3").shape(5) == (61, 5, 576)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float16", 2), ("bfloat16", 2), ("int8", 1), ("fp4", 2)])
def test_bytes_of_an_element(dtype, size):
    assert dataclasses.replace(model("tiny-1b"), dtype=dtype).bytes_per_token == 12_288 * size


def test_tensor_parallelism_takes_the_first_part_of_the_flat_array():
    assert model("llama3.1-8b").entry_bytes(100, 4) == 100 * 131_072 // 4
    odd = KVModel("odd", 1, 3, 1, 1, 3, "mha", dtype="float32")
    assert odd.entry_bytes(1, 4) == 4  # 6 elements, 1 of them, never a part of one
    with pytest.raises(ConfigurationError, match="tensor parallelism 0"):
        odd.entry_bytes(1, 0)


def test_an_unknown_model_is_named_with_the_nearest():
    with pytest.raises(ConfigurationError, match=r"unknown KV cache model 'llama3\.1-80b'.*did you mean llama3\.1-8b\?"):
        model("llama3.1-80b")
