"""Sizes of checkpoints: the worked values of the rule book to the byte, the subset form, and numbers that no job has."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.checkpoint_sizing import SHAPE_KEYS, CheckpointShape, checkpoint_size
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import overlay, value_at

MODELS = ("llama3-8b", "llama3-70b", "llama3-405b", "llama3-1t")


def shape_of(model, **changes):
    parameters = edition("3.0").template_parameters(model, "checkpointing")
    return CheckpointShape.from_parameters(overlay(parameters, {key.replace("__", "."): value for key, value in changes.items()}))


# -- the worked values of §3.2 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "parameters"),
    [("llama3-8b", 8_030_261_248), ("llama3-70b", 69_882_617_856), ("llama3-405b", 405_853_388_800), ("llama3-1t", 1_183_035_102_480)],
)
def test_a_model_has_as_many_parameters_as_the_book_derives(model, parameters):
    assert shape_of(model).parameters == parameters


@pytest.mark.parametrize(
    ("model", "processes", "model_gib", "optimizer_gib", "total_gib"),
    [
        ("llama3-8b", 8, 14.9575, 89.7470, 104.7045),
        ("llama3-70b", 64, 130.1837, 781.0284, 911.2121),
        ("llama3-405b", 512, 756.0149, 4536.2338, 5292.2487),
        ("llama3-1t", 1024, 2203.6613, 13222.9280, 15426.5893),
    ],
)
def test_a_whole_checkpoint_is_as_large_as_the_book_derives(model, processes, model_gib, optimizer_gib, total_gib):
    size = checkpoint_size(shape_of(model), processes=processes)
    assert (size.processes, size.data_parallel) == (processes, edition("3.0").checkpointing.models[model].data_parallel)
    assert round(size.model_bytes / 1024**3, 4) == model_gib
    assert round(size.optimizer_bytes / 1024**3, 4) == optimizer_gib
    assert round(size.total_gib, 4) == total_gib
    assert size.total_bytes == size.model_bytes + size.optimizer_bytes == sum(size.bytes_by_rank)


def test_the_smallest_checkpoint_is_what_real_summaries_say_to_the_last_digit():
    assert checkpoint_size(shape_of("llama3-8b"), processes=8).total_gib == 104.70452117919922


@pytest.mark.parametrize("model", MODELS)
def test_every_rank_writes_the_bytes_of_the_edition(model):
    entry = edition("3.0").checkpointing.models[model]
    size = checkpoint_size(shape_of(model), processes=entry.processes)
    counts = {}
    for written in size.model_bytes_by_rank:
        counts[written] = counts.get(written, 0) + 1
    idle = counts.pop(0, 0)
    assert counts == dict(entry.derived.model_bytes_by_rank)
    assert size.optimizer_bytes_per_rank == entry.derived.optimizer_bytes_per_rank
    assert idle == (entry.processes // 2 if shape_of(model).zero_stage == 1 else 0)
    assert size.bytes_by_rank[0] == size.model_bytes_by_rank[0] + entry.derived.optimizer_bytes_per_rank


@pytest.mark.parametrize(
    ("model", "total_gib"), [("llama3-8b", 104.7045), ("llama3-70b", 113.9015), ("llama3-405b", 98.5447), ("llama3-1t", 143.7239)]
)
def test_eight_ranks_of_the_subset_form_write_what_real_runs_of_it_wrote(model, total_gib):
    copies = edition("3.0").checkpointing.models[model].data_parallel
    assert checkpoint_size(shape_of(model), processes=8, data_parallel=copies).total_gib == pytest.approx(total_gib, abs=5e-5)


# -- how it is spread -----------------------------------------------------------------------------------------------------


def test_the_layers_that_do_not_divide_go_to_the_first_stages_and_the_ends_to_the_outer_ones():
    shape = CheckpointShape(5, 8, 16, 2, 1, 32, 2, 3, 1, 2, 4)
    matrices = 8 * (8 + 2 * 4) // 2 + 64 // 2 + 3 * 16 * 8 // 2
    layer, head = 2 * 8 + matrices, 32 * 8 // 2
    assert [shape.stage_bytes(stage, 1) for stage in range(3)] == [2 * (2 * layer + head), 2 * 2 * layer, 2 * (layer + head + 8)]
    assert (
        checkpoint_size(shape, processes=12).model_bytes_by_rank
        == tuple(shape.stage_bytes(stage, 1) for stage in (0, 0, 1, 1, 2, 2)) + (0,) * 6
    )


def test_each_tensor_is_divided_and_rounded_down_by_itself():
    shape = CheckpointShape(1, 7, 5, 7, 7, 3, 1, 1, 3, 2, 4)
    # Tensors of 147, 49, 105, twice 7, twice 21 and 7 elements, each over two copies.
    assert shape.stage_bytes(0, 2) == 2 * (73 + 24 + 52 + 2 * 3 + 2 * 10 + 3)
    assert shape.optimizer_bytes(2) == 4 * 3 * ((2 * 21 + 7 + 14 + 147 + 49 + 105) // 2 + 35)


def test_the_third_stage_of_sharding_divides_the_model_over_its_copies_and_the_first_lets_one_copy_write_it():
    for stage, expected in ((3, 8), (1, 1), (2, 1), (0, 1)):
        size = checkpoint_size(shape_of("llama3-8b", model__parallelism__zero_stage=stage), processes=8)
        assert sum(written > 0 for written in size.model_bytes_by_rank) == expected
        assert size.model_bytes == pytest.approx(2 * 8_030_261_248, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    layers=st.integers(1, 40), heads=st.integers(1, 8), width=st.integers(1, 64), tensor=st.integers(1, 4), pipeline=st.integers(1, 6),
    copies=st.integers(1, 4), zero=st.sampled_from([0, 1, 2, 3]),
)  # fmt: skip
def test_all_ranks_together_write_the_model_once_but_for_what_rounding_and_norms_change(
    layers, heads, width, tensor, pipeline, copies, zero
):
    shape = CheckpointShape(layers, heads * width, 2 * heads * width, heads, heads, 100, tensor, pipeline, zero, 2, 4)
    size = checkpoint_size(shape, processes=tensor * pipeline * copies)
    assert len(size.bytes_by_rank) == size.processes
    norms = 2 * shape.hidden * (2 * layers + 1) * (tensor - 1)
    lost = 2 * (6 * layers + 3) * tensor * copies
    assert 2 * shape.parameters - lost <= size.model_bytes <= 2 * shape.parameters + norms


# -- what cannot be -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [0, -1, 100_001])
def test_a_number_of_ranks_that_no_job_has_is_refused(processes):
    with pytest.raises(ConfigurationError, match="cannot write a checkpoint"):
        checkpoint_size(shape_of("llama3-8b"), processes=processes)


def test_the_most_ranks_are_no_error():
    assert checkpoint_size(shape_of("llama3-8b"), processes=100_000).processes == 100_000


def test_ranks_that_hold_no_whole_copy_are_refused_without_the_subset_form():
    with pytest.raises(ConfigurationError, match="12 ranks are no multiple of the 8"):
        checkpoint_size(shape_of("llama3-70b"), processes=12)


@pytest.mark.parametrize("copies", [0, -2, 1, 10**12 + 1])
def test_copies_that_are_fewer_than_the_ranks_hold_are_refused(copies):
    with pytest.raises(ConfigurationError, match=r"copies of 8 ranks|fewer"):
        checkpoint_size(shape_of("llama3-70b"), processes=9, data_parallel=copies)


def test_the_ranks_may_be_exactly_the_copies():
    assert checkpoint_size(shape_of("llama3-70b"), processes=16, data_parallel=2) == checkpoint_size(shape_of("llama3-70b"), processes=16)


@pytest.mark.parametrize("key", SHAPE_KEYS)
@pytest.mark.parametrize("value", [None, True, "x", -1, 1.5, math.nan, [], {}, 10**13])
def test_a_shape_of_anything_but_numbers_and_types_is_refused_by_name(key, value):
    with pytest.raises(ConfigurationError, match=key.replace(".", r"\.")):
        shape_of("llama3-8b", **{key: value})


def test_zero_is_a_stage_of_sharding_and_no_other_number():
    for key in SHAPE_KEYS:
        if key.endswith("zero_stage"):
            assert shape_of("llama3-8b", **{key: 0}).zero_stage == 0
        else:
            with pytest.raises(ConfigurationError, match="given 0"):
                shape_of("llama3-8b", **{key: 0})


def test_a_value_that_cannot_be_printed_is_named_by_its_kind():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ConfigurationError, match="given a list"):
        CheckpointShape.from_parameters({"model": {"num_layers": deep}})


def test_the_keys_are_those_of_every_model():
    for model in MODELS:
        parameters = edition("2.0").template_parameters(model, "checkpointing")
        assert all(value_at(parameters, key) is not None for key in SHAPE_KEYS)
