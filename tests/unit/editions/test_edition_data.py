"""The values of the editions: run counts, limits, checkpoint models, KV cache, vector database, files, revisions."""

import re

import pytest

from pytest_mlpstorage.editions import edition, edition_names
from pytest_mlpstorage.editions.base import Unknown
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.verdict import Division, Severity

MODELS = ("llama3-8b", "llama3-70b", "llama3-405b", "llama3-1t")


def test_the_utilisation_minimum_of_each_edition_is_the_published_one():
    assert dict(edition("3.0").training.au_minimum) == {"unet3d": 0.90, "retinanet": 0.85}
    for name in ("1.0", "2.0"):
        assert dict(edition(name).training.au_minimum) == {"unet3d": 0.90, "resnet50": 0.90, "cosmoflow": 0.70}


@pytest.mark.parametrize("name", edition_names())
def test_the_metric_of_a_template_is_the_minimum_of_its_edition(name):
    training = edition(name).training
    for template in training.templates.values():
        if template.status == "sanctioned" and not template.unknown:
            assert template.parameters["metric"]["au"] == training.au_minimum[template.model]


@pytest.mark.parametrize(("name", "warmup", "measured"), [("1.0", 0, 5), ("2.0", 0, 5), ("3.0", 1, 5)])
def test_the_run_directories_are_the_warm_up_and_the_measured_runs(name, warmup, measured):
    book = edition(name)
    assert (book.training.warmup_runs, book.training.measured_runs) == (warmup, measured)
    assert book.training.run_directories == book.runs_per_result["training"] == warmup + measured


def test_the_gap_between_runs_is_start_to_start_in_3_0_and_idle_time_before():
    gap = edition("3.0").training.run_gap
    assert (gap.measure, gap.factor, gap.of, gap.equal_passes) == ("start_to_start", 2, "shortest", False)
    for name in ("1.0", "2.0"):
        gap = edition(name).training.run_gap
        assert (gap.measure, gap.factor, gap.of, gap.equal_passes) == ("idle", 1, "mean", True)


@pytest.mark.parametrize(("name", "rounding", "fraction"), [("1.0", "floor", 1.0), ("2.0", "floor", 0.99), ("3.0", "ceil", 1.0)])
def test_the_constants_of_the_data_set_floors_are_500_steps_and_5_times_the_memory(name, rounding, fraction):
    sizing = edition(name).training.sizing
    assert (sizing.minimum_steps, sizing.memory_multiple) == (500, 5)
    assert (sizing.rounding, sizing.accepted_fraction) == (rounding, fraction)


@pytest.mark.parametrize("name", edition_names())
def test_every_division_has_models_and_accelerators_and_templates_only_of_those(name):
    training = edition(name).training
    assert set(training.models_by_division) == set(training.accelerators_by_division) == set(Division)
    for model, accelerator in training.templates:
        assert model in training.models_for(Division.WHATIF)
        assert accelerator in training.accelerators_for(Division.WHATIF)


def test_the_other_limits_of_training_are_the_published_ones():
    training = edition("3.0").training
    assert (training.min_accelerators_single_host, training.host_gb_per_accelerator, training.node_capability_ratio) == (4, 0.5, 1.5)
    assert (training.odirect_models, training.prefetch_sizes) == (("unet3d",), (0, 1, 2))
    assert (edition("1.0").training.identical_hosts_tolerance, edition("3.0").client_memory_tolerance) == (0.01, 0.10)
    assert edition("2.0").training.checkpoint_required_models == ("unet3d",)
    assert len(training.injected_keys) == 10


@pytest.mark.parametrize(
    ("pair", "files", "samples", "batch", "seconds", "threads", "epochs", "au"),
    [
        (("retinanet", "b200"), 1170301, 1, 24, 0.04755, 8, 8, 0.85),
        (("retinanet", "mi355"), 1170301, 1, 36, 0.071325, 8, 8, 0.85),
        (("unet3d", "a100"), 168, 1, 7, 0.636, 4, 5, 0.90),
        (("unet3d", "h100"), 168, 1, 7, 0.323, 4, 5, 0.90),
        (("resnet50", "a100"), 1024, 1251, 400, 0.435, 8, 5, 0.90),
        (("resnet50", "h100"), 1024, 1251, 400, 0.224, 8, 5, 0.90),
        (("cosmoflow", "a100"), 524288, 1, 1, 0.00551, 4, 5, 0.70),
        (("cosmoflow", "h100"), 524288, 1, 1, 0.0035, 4, 5, 0.70),
        (("dlrm", "b200"), 1024, 4718592, 12288, 0.000375, 4, 1, 0.70),
        (("dlrm", "mi355"), 1024, 4718592, 18432, 0.0005625, 4, 1, 0.70),
        (("flux", "b200"), 4296, 288, 48, 1.35, 8, 1, 0.90),
        (("flux", "mi355"), 4296, 288, 72, 2.025, 8, 1, 0.90),
    ],
)
def test_the_table_of_training_workloads_is_the_published_one(pair, files, samples, batch, seconds, threads, epochs, au):
    p = edition("3.0").training.template(*pair).parameters
    assert (p["dataset"]["num_files_train"], p["dataset"]["num_samples_per_file"]) == (files, samples)
    assert (p["reader"]["batch_size"], p["reader"]["read_threads"]) == (batch, threads)
    assert (p["train"]["computation_time"], p["train"]["epochs"], p["metric"]["au"]) == (seconds, epochs, au)


@pytest.mark.parametrize(
    ("pair", "fmt", "record", "files", "batch", "seconds", "epochs", "au"),
    [
        (("retinanet", "a100"), "jpeg", 153600, 1743042, 16, 0.210, 5, 0.85),
        (("retinanet", "h100"), "jpeg", 153600, 1743042, 16, 0.180, 5, 0.85),
        (("dlrm", "a100"), "npz", 512, 65536, 8192, 0.007, 1, 0.70),
        (("dlrm", "h100"), "npz", 512, 65536, 8192, 0.005, 1, 0.70),
        (("flux", "a100"), "jpeg", 307200, 1099776, 8, 1.1, 5, 0.80),
        (("flux", "h100"), "jpeg", 307200, 1099776, 8, 0.85, 5, 0.80),
    ],
)
def test_the_table_of_superseded_previews_is_the_published_one(pair, fmt, record, files, batch, seconds, epochs, au):
    p = edition("3.0").training.templates[pair].parameters
    assert (p["dataset"]["format"], p["dataset"]["record_length_bytes"], p["dataset"]["num_files_train"]) == (fmt, record, files)
    assert (p["reader"]["batch_size"], p["train"]["computation_time"], p["train"]["epochs"], p["metric"]["au"]) == (
        batch,
        seconds,
        epochs,
        au,
    )


# -- checkpointing ------------------------------------------------------------------------------------------------------


def test_edition_1_0_has_training_only():
    book = edition("1.0")
    assert (book.checkpointing, book.kv_cache, book.vector_database) == (None, None, None)


def test_the_process_counts_and_gates_of_the_checkpoint_models_are_the_published_ones():
    for name in ("2.0", "3.0"):
        models = edition(name).checkpointing.models
        assert tuple(models) == MODELS
        assert [models[m].processes for m in MODELS] == [8, 64, 512, 1024]
        assert [models[m].gate_gb for m in MODELS] == [105, 912, 5290, 18000]
        assert [models[m].processes_per_instance for m in MODELS] == [8, 8, 256, 512]
    assert [edition("3.0").checkpointing.models[m].open_multiple for m in MODELS] == [1, 8, 256, 512]
    assert [edition("2.0").checkpointing.models[m].open_multiple for m in MODELS] == [8, 8, 256, 512]


def test_the_estimates_and_sizes_of_the_checkpoint_models_are_the_published_ones():
    two, three = (edition(name).checkpointing.models for name in ("2.0", "3.0"))
    assert [(two[m].tool_model_gb, two[m].tool_optimizer_gb) for m in MODELS] == [(15, 90), (130, 781), (756, 4536), (2203, 13222)]
    assert [(three[m].tool_model_gb, three[m].tool_optimizer_gb) for m in MODELS] == [(15, 90), (130, 781), (755, 4533), (2571, 15426)]
    assert [three[m].published_size for m in MODELS] == ["105 GB", "912 GB", "5.29 TB", "18 TB"]
    assert [two[m].published_subset_size for m in MODELS] == ["105 GB", "114 GB", "94 GB", "161 GB"]


@pytest.mark.parametrize("model", MODELS)
def test_the_checkpoint_models_of_2_0_and_3_0_are_the_same_work(model):
    two, three = (edition(name).checkpointing.model(model) for name in ("2.0", "3.0"))
    assert two.parameters == three.parameters
    assert two.derived == three.derived


@pytest.mark.parametrize("model", MODELS)
def test_the_parallelism_of_a_model_gives_its_process_count(model):
    entry = edition("3.0").checkpointing.model(model)
    parallelism = entry.parameters["model"]["parallelism"]
    assert parallelism["tensor"] * parallelism["pipeline"] * entry.data_parallel == entry.processes
    assert entry.parameters["model"]["name"] == entry.dlio_name
    assert entry.configured_data_parallel == entry.processes // entry.processes_per_instance


def rank_bytes(entry, data_parallel, rank):
    """(model, optimizer) bytes of a rank by the formula of the rule book, written out plainly."""
    block, split = entry.parameters["model"], entry.parameters["model"]["parallelism"]
    t, (tp, pp) = block["transformer"], (split["tensor"], split["pipeline"])
    hidden, ffn, vocab, layers = t["hidden_size"], t["ffn_hidden_size"], t["vocab_size"], block["num_layers"]
    dkv = hidden // t["num_attention_heads"] * t["num_kv_heads"]
    matrices = [hidden * (hidden + 2 * dkv), hidden * hidden, 3 * ffn * hidden]
    total = 2 * vocab * hidden + hidden + layers * (2 * hidden + sum(matrices))
    shard = data_parallel if split["zero_stage"] == 3 else 1
    stage, copy = rank // tp % pp, rank // (tp * pp)
    mine = layers // pp + (stage < layers % pp)
    elements = mine * (2 * (hidden // shard) + sum(m // tp // shard for m in matrices))
    if stage == 0:
        elements += vocab * hidden // tp // shard
    if stage == pp - 1:
        elements += vocab * hidden // tp // shard + hidden // shard
    model = 0 if split["zero_stage"] == 1 and copy else 2 * elements
    return model, 12 * (total // (data_parallel * tp * pp) + 5 * hidden), total


@pytest.mark.parametrize("model", MODELS)
def test_the_derived_sizes_of_a_model_follow_from_its_parameters(model):
    entry = edition("3.0").checkpointing.model(model)
    ranks = [rank_bytes(entry, entry.data_parallel, rank) for rank in range(entry.processes)]
    derived = entry.derived
    assert ranks[0][2] == derived.parameters
    assert {optimizer for _, optimizer, _ in ranks} == {derived.optimizer_bytes_per_rank}
    counts = {}
    for written, _, _ in ranks:
        counts[written] = counts.get(written, 0) + 1
    counts.pop(0, None)
    assert counts == dict(derived.model_bytes_by_rank)
    gib = 1024**3
    assert sum(m for m, _, _ in ranks) / gib == pytest.approx(derived.model_gib, abs=5e-5)
    assert sum(o for _, o, _ in ranks) / gib == pytest.approx(derived.optimizer_gib, abs=5e-5)
    assert sum(m + o for m, o, _ in ranks) / gib == pytest.approx(derived.total_gib, abs=5e-5)


@pytest.mark.parametrize("model", MODELS)
def test_the_derived_size_of_the_first_8_ranks_is_that_of_the_subset(model):
    entry = edition("3.0").checkpointing.model(model)
    ranks = [rank_bytes(entry, entry.data_parallel, rank) for rank in range(8)]
    assert sum(m + o for m, o, _ in ranks) / 1024**3 == pytest.approx(entry.derived.subset_gib, abs=5e-5)


def test_an_unknown_checkpoint_model_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigurationError, match=r"'llama3-8B'; allowed: .*; did you mean llama3-8b\?"):
        edition("3.0").checkpointing.model("llama3-8B")


def test_a_checkpoint_of_3_0_is_one_combined_invocation_or_writes_then_reads():
    checkpointing = edition("3.0").checkpointing
    assert checkpointing.closed_invocations == (((10, 10),), ((10, 0), (0, 10)))
    assert (checkpointing.failover_gap_seconds, checkpointing.subset_models) == (30, ("llama3-8b",))
    assert (checkpointing.accelerators_per_host_above, checkpointing.data_to_memory_ratio, checkpointing.remap_time_fraction) == (4, 3, 0.5)
    assert (checkpointing.checkpoints_written, checkpointing.checkpoints_read, checkpointing.metric_list_length) == (10, 10, 10)
    assert dict(checkpointing.accelerator_memory_gb) == {"b200": 180, "mi355": 288, "h100": 80, "a100": 80}
    assert edition("2.0").checkpointing.subset_models == MODELS


def test_a_checkpoint_run_belongs_to_its_class_whatever_the_accelerator():
    book = edition("3.0")
    assert book.comparability_class("closed", "checkpointing", "llama3-8b", "mi355", "68df04b7240e3fb0") == "llama3-8b-A"
    assert book.comparability_class("closed", "checkpointing", "llama3-70b", None, "c48a92d225d70ce8") is None
    assert edition("2.0").comparability_class("closed", "checkpointing", "llama3-70b", None, "c48a92d225d70ce8") == "llama3-70b-B"


def test_a_training_run_is_in_no_class_of_another_division_model_accelerator_or_hash():
    book = edition("3.0")
    assert book.comparability_class("closed", "training", "unet3d", "b200", "f636f5a57473fca2") == "unet3d-b200-A"
    for division, model, accelerator, config_hash in (
        ("open", "unet3d", "b200", "f636f5a57473fca2"),
        ("closed", "retinanet", "b200", "f636f5a57473fca2"),
        ("closed", "unet3d", "mi355", "f636f5a57473fca2"),
        ("closed", "unet3d", "b200", "0000000000000000"),
    ):
        assert book.comparability_class(division, "training", model, accelerator, config_hash) is None


def test_a_class_whose_hash_is_not_published_matches_nothing():
    assert isinstance(edition("3.0").comparability_classes["llama3.1-8b-A"].hashes, Unknown)
    assert edition("3.0").comparability_class("closed", "kv_cache", "llama3.1-8b", None, "") is None


# -- KV cache and vector database -----------------------------------------------------------------------------------------


def test_the_kv_cache_options_are_the_published_table():
    cache = edition("3.0").kv_cache
    table = {
        number: (
            o.model,
            o.users_per_client,
            o.duration_seconds,
            o.gpu_memory_gb,
            o.cpu_memory_gb,
            o.max_concurrent_allocations,
            o.generation_mode,
        )
        for number, o in cache.options.items()
    }
    assert table == {
        1: ("llama3.1-8b", 200, 300, 0, 0, 16, "none"),
        2: ("llama3.1-8b", 100, 300, 0, 4, 16, "none"),
        3: ("llama3.1-70b-instruct", 70, 300, 0, 0, 4, "none"),
    }
    assert (cache.trials, cache.seed, cache.inter_option_delay_seconds, cache.runs) == (3, 42, 90, 1)
    assert cache.option(2).name == "Storage Throughput"


def test_an_unknown_kv_cache_option_is_refused_with_the_numbers():
    with pytest.raises(ConfigurationError, match="unknown KV cache option 4; allowed: 1, 2, 3"):
        edition("3.0").kv_cache.option(4)


def test_the_shipped_vector_configurations_are_1_and_10_million_vectors():
    vectors = edition("3.0").vector_database
    default, large = vectors.configuration("default"), vectors.configuration("10m")
    assert (default.num_vectors, default.dimension, default.num_shards, default.chunk_size) == (1000000, 1536, 1, 100000)
    assert (large.num_vectors, large.dimension, large.num_shards, large.chunk_size) == (10000000, 1536, 10, 1000000)
    assert default.benchmark["recall_k"] == 10
    assert vectors.index_types_closed == ("DISKANN", "HNSW", "AISAQ")
    assert set(vectors.defaults) <= set(vectors.closed_keys)
    with pytest.raises(ConfigurationError, match=r"'10M'; allowed: 10m, default; did you mean 10m\?"):
        vectors.configuration("10M")


def test_every_class_of_a_vector_configuration_is_one_of_the_edition():
    book = edition("3.0")
    assert {c.comparability_class for c in book.vector_database.configurations.values()} <= set(book.comparability_classes)


# -- files, revisions, profile --------------------------------------------------------------------------------------------

RUN_FILES = ["training_run.stdout.log", "training_run.stderr.log", "0_output.json", "0_per_epoch_stats.json", "summary.json", "dlio.log"]


@pytest.mark.parametrize("name", edition_names())
def test_every_pattern_of_an_edition_is_a_regular_expression(name):
    book = edition(name)
    for files in (*book.required_files.values(), book.every_leaf):
        if not isinstance(files, Unknown):
            for pattern in (*files.any_of, *files.exactly_one):
                re.compile(pattern)
    assert re.search(book.timestamp_pattern, "20260713_090822")
    assert not re.search(book.timestamp_pattern, "20260713-090822")


def test_the_files_of_a_complete_training_run_satisfy_the_patterns_and_each_missing_one_shows():
    patterns = edition("3.0").required_files["training/run"].any_of

    def unmet(files):
        return [pattern for pattern in patterns if not any(re.search(pattern, name) for name in files)]

    assert unmet(RUN_FILES) == []
    for missing in RUN_FILES:
        assert len(unmet([name for name in RUN_FILES if name != missing])) == 1


def test_the_dlio_configuration_folder_holds_exactly_three_files():
    for kind in ("training/datagen", "training/run", "checkpointing/run"):
        folders = edition("3.0").required_files[kind].folders
        assert dict(folders) == {"dlio_config": {"config.yaml", "hydra.yaml", "overrides.yaml"}}


def test_a_rank_file_of_the_kv_cache_is_found_below_option_trial_and_rank():
    pattern = edition("3.0").required_files["kv_cache/run"].any_of[1]
    assert re.search(pattern, "option_1/trial_2/rank_0/kvcache_results_x.json")
    assert not re.search(pattern, "option_1/rank_0/kvcache_results_x.json")


def test_the_files_that_edition_2_0_does_not_name_are_unknown():
    assert isinstance(edition("2.0").required_files["training/run"], Unknown)


def test_ten_dlio_revisions_are_accepted_in_full_or_shortened():
    book = edition("3.0")
    assert len({r.commit for r in book.dlio_revisions}) == 10
    assert all(re.fullmatch(r"[0-9a-f]{40}", r.commit) for r in book.dlio_revisions)
    assert book.accepts_revision("edaf4bb3d6343ef2fb6b9f6dbafa6102032ae8bf")
    assert book.accepts_revision("EDAF4BB")
    assert not book.accepts_revision("edaf")
    assert not book.accepts_revision("")
    assert not book.accepts_revision("0" * 40)


def test_the_profile_of_the_round_weighs_less_only_in_3_0():
    profile = edition("3.0").round_profile
    assert profile.missing_files == 1
    assert set(profile.severity.values()) == {Severity.WARNING}
    assert "3.6.2" in profile.inactive
    assert edition("1.0").round_profile is edition("2.0").round_profile is None


def test_only_edition_3_0_is_current_and_may_be_declared():
    assert [(name, edition(name).current, edition(name).checkable) for name in edition_names()] == [
        ("1.0", False, False), ("2.0", False, False), ("3.0", True, True),
    ]  # fmt: skip
