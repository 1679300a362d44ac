"""Files of checkpoints: names, bytes and counts of the book's table, every ZeRO stage, pipelines and subsets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.checkpointing.shards import ShardFile, largest_file, rank_files, shard_files
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape, checkpoint_size
from pytest_mlpstorage.errors import ConfigurationError

TINY = CheckpointShape(
    layers=4,
    hidden=256,
    ffn_hidden=1024,
    heads=8,
    kv_heads=2,
    vocabulary=4096,
    tensor=1,
    pipeline=1,
    zero_stage=3,
    model_element_bytes=2,
    optimizer_element_bytes=4,
)


def tiny(**changes):
    return CheckpointShape(**{**TINY.__dict__, **changes})


def shape_of(model):
    return CheckpointShape.from_parameters(edition("3.0").template_parameters(model, "checkpointing"))


def total(files):
    return sum(file.bytes for of_rank in files for file in of_rank)


def test_the_tiny_model_has_the_very_names_and_bytes_of_the_fork():
    assert shard_files(TINY, 2) == tuple(
        (
            ShardFile(f"zero_pp_rank_{rank}_mp_rank_0_model_states.pt", 5_900_544),
            ShardFile(f"zero_pp_rank_{rank}_mp_rank_0_optim_states.pt", 35_418_624),
        )
        for rank in range(2)
    )
    assert round(total(shard_files(TINY, 2)) / 1024**3, 9) == 0.076962948


@pytest.mark.parametrize(
    ("model", "processes", "gib", "files", "fewest", "most", "largest"),
    [
        ("llama3-8b", 8, 104.7045, 16, 2, 2, 12_045_637_632),
        ("llama3-70b", 64, 911.2121, 128, 2, 2, 13_103_482_368),
        ("llama3-405b", 512, 5292.2487, 1544, 1, 6, 9_513_171_840),
        ("llama3-1t", 1024, 15426.5893, 2072, 1, 5, 13_865_244_924),
    ],
)
def test_a_whole_checkpoint_is_the_files_of_the_table(model, processes, gib, files, fewest, most, largest):
    shards = shard_files(shape_of(model), processes)
    counts = [len(of_rank) for of_rank in shards]
    assert (sum(counts), min(counts), max(counts), largest_file(shards)) == (files, fewest, most, largest)
    assert round(total(shards) / 1024**3, 4) == gib
    assert total(shards) == checkpoint_size(shape_of(model), processes=processes).total_bytes


@pytest.mark.parametrize(
    ("model", "gib", "files"),
    [("llama3-8b", 104.7045, 16), ("llama3-70b", 113.9015, 16), ("llama3-405b", 98.5447, 48), ("llama3-1t", 143.7239, 32)],
)
def test_a_subset_of_eight_ranks_is_the_files_of_the_table(model, gib, files):
    shards = shard_files(shape_of(model), 8, edition("3.0").checkpointing.models[model].data_parallel)
    assert sum(len(of_rank) for of_rank in shards) == files
    assert round(total(shards) / 1024**3, 4) == gib


@pytest.mark.parametrize(
    ("model", "processes", "by_rank"),
    [
        ("llama3-8b", 8, {2_007_565_312: 8}),
        ("llama3-70b", 64, {2_184_120_320: 64}),
        ("llama3-405b", 512, {3_187_933_184: 232, 3_713_269_760: 8, 2_916_319_232: 8, 2_390_949_888: 8, 0: 256}),
        ("llama3-1t", 1024, {4_595_488_128: 496, 5_425_047_936: 8, 5_425_099_680: 8, 0: 512}),
    ],
)
def test_every_rank_has_the_model_bytes_of_the_book(model, processes, by_rank):
    found = {}
    for of_rank in shard_files(shape_of(model), processes):
        size = sum(file.bytes for file in of_rank if file.name.endswith("_model_states.pt"))
        found[size] = found.get(size, 0) + 1
    assert found == by_rank


def test_without_sharding_the_first_copy_alone_writes_the_model_one_file_a_rank():
    shards = shard_files(tiny(zero_stage=0, tensor=2, pipeline=2), 8)
    names = [[file.name for file in of_rank] for of_rank in shards]
    assert names[:4] == [
        [f"zero_pp_rank_0_mp_rank_{rank}_model_states.pt", f"zero_pp_rank_0_mp_rank_{rank}_optim_states.pt"] for rank in range(4)
    ]
    assert names[4:] == [[f"zero_pp_rank_1_mp_rank_{rank}_optim_states.pt"] for rank in range(4)]
    # Embedding and two layers on the first stage; two layers, head and final norm on the last. Norms are whole on every rank.
    layer = 2 * (2 * 256 + (256 * 384 + 256**2 + 3 * 1024 * 256) // 2)
    head = 2 * (4096 * 256 // 2)
    assert [of_rank[0].bytes for of_rank in shards[:4]] == [head + 2 * layer] * 2 + [2 * layer + head + 2 * 256] * 2


@pytest.mark.parametrize("stage", [1, 2])
def test_a_pipeline_writes_one_file_a_layer(stage):
    shards = shard_files(tiny(zero_stage=stage, pipeline=3, layers=4), 6)
    layer = 2 * (2 * 256 + 256 * 384 + 256**2 + 3 * 1024 * 256)
    head = 2 * 4096 * 256
    optimizer = 4 * 3 * (TINY.parameters // 6 + 5 * 256)
    assert shards[:3] == (
        (
            ShardFile("layer_0-model_0_model_states.pt", head),
            ShardFile("layer_1-model_0_model_states.pt", layer),
            ShardFile("layer_2-model_0_model_states.pt", layer),
            ShardFile("zero_pp_rank_0_mp_rank_0_optim_states.pt", optimizer),
        ),
        (ShardFile("layer_3-model_1_model_states.pt", layer), ShardFile("zero_pp_rank_0_mp_rank_1_optim_states.pt", optimizer)),
        (
            ShardFile("layer_4-model_2_model_states.pt", layer),
            ShardFile("layer_5-model_2_model_states.pt", head),
            ShardFile("layer_6-model_2_model_states.pt", 2 * 256),
            ShardFile("zero_pp_rank_0_mp_rank_2_optim_states.pt", optimizer),
        ),
    )
    assert shards[3:] == tuple((ShardFile(f"zero_pp_rank_1_mp_rank_{part}_optim_states.pt", optimizer),) for part in range(3))


@pytest.mark.parametrize("stage", [1, 2])
def test_without_a_pipeline_all_layers_are_one_file(stage):
    shards = shard_files(tiny(zero_stage=stage, tensor=2), 4)
    assert [[file.name for file in of_rank] for of_rank in shards] == [
        ["model_0_model_states.pt", "zero_pp_rank_0_mp_rank_0_optim_states.pt"],
        ["model_1_model_states.pt", "zero_pp_rank_0_mp_rank_1_optim_states.pt"],
        ["zero_pp_rank_1_mp_rank_0_optim_states.pt"],
        ["zero_pp_rank_1_mp_rank_1_optim_states.pt"],
    ]
    assert shards[0][0].bytes == shards[1][0].bytes == checkpoint_size(tiny(zero_stage=stage, tensor=2), processes=4).model_bytes // 2


def test_a_subset_divides_by_all_copies_though_it_holds_fewer():
    assert shard_files(TINY, 2, 8)[0][0].bytes == 2 * sum(
        elements // 8 for elements in [4096 * 256, *4 * [256, 256, 256 * 384, 256**2, 3 * 1024 * 256], 4096 * 256, 256]
    )


def test_one_rank_is_worked_out_alone_as_with_all_others():
    shape = tiny(zero_stage=1, tensor=2, pipeline=2)
    assert [rank_files(shape, rank, 8) for rank in range(8)] == list(shard_files(shape, 8))
    assert [rank_files(TINY, rank, 2, 8) for rank in range(2)] == list(shard_files(TINY, 2, 8))


def test_sharding_excludes_a_pipeline():
    with pytest.raises(ConfigurationError, match="ZeRO stage 3 excludes pipeline parallelism"):
        shard_files(tiny(pipeline=2), 2)


def test_there_is_no_fourth_stage():
    with pytest.raises(ConfigurationError, match="no ZeRO stage 4"):
        shard_files(tiny(zero_stage=4), 2)


@pytest.mark.parametrize(("processes", "copies"), [(3, None), (6, 2), (0, None)])
def test_ranks_that_cannot_hold_the_model_are_refused(processes, copies):
    with pytest.raises(ConfigurationError):
        shard_files(tiny(zero_stage=1, tensor=2), processes, copies)
    with pytest.raises(ConfigurationError):
        rank_files(tiny(zero_stage=1, tensor=2), 0, processes, copies)


@settings(max_examples=200, deadline=None)
@given(
    layers=st.integers(1, 9),
    hidden=st.integers(1, 40).map(lambda heads: heads * 8),
    tensor=st.integers(1, 4),
    pipeline=st.integers(1, 4),
    stage=st.integers(0, 3),
    copies=st.integers(1, 4),
)
def test_the_files_of_every_rank_add_up_to_its_size_and_no_name_is_used_twice(layers, hidden, tensor, pipeline, stage, copies):
    shape = tiny(layers=layers, hidden=hidden, kv_heads=1, tensor=tensor, pipeline=1 if stage == 3 else pipeline, zero_stage=stage)
    processes = shape.copy_processes * copies
    shards = shard_files(shape, processes)
    size = checkpoint_size(shape, processes=processes)
    assert tuple(sum(file.bytes for file in of_rank) for of_rank in shards) == size.bytes_by_rank
    names = [file.name for of_rank in shards for file in of_rank]
    assert len(set(names)) == len(names)
