"""The configurations in ``configs/`` do what their comments say."""

from pathlib import Path

import pytest

from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.checkpointing import WORKLOAD
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD as KV_CACHE
from pytest_mlpstorage.workloads.vector_database import WORKLOAD as VECTORS

CONFIGS = Path(__file__).parents[3] / "configs"
BLANKS = ["submitter", "system", "data_dir", "results_dir"]


def _load(name, training, tmp_path):
    families = [training, WORKLOAD.schema(), KV_CACHE.schema(), VECTORS.schema()]
    return load_config(CONFIGS / name, families=families, options={}, assignments=[], environ={}, invocation_dir=tmp_path)


def _entries(config):
    return [
        (item.own.model, item.own.accelerator, item.own.accelerators, {key: setting.value for key, setting in item.parameters.items()})
        for item in config.families["training"].items
    ]


def test_quick_runs_two_small_workloads_once_warm_and_twice_measured(training, tmp_path):
    config = _load("quick.yaml", training, tmp_path)
    assert config.division is Division.WHATIF
    assert config.placeholders == config.warnings == ()
    assert (config.data_dir, config.results_dir) == (tmp_path / "mlps-data", tmp_path / "mlps-results")
    assert config.families["training"].own.model_dump() == {"warmup_runs": 1, "measured_runs": 2}
    unet3d, retinanet = _entries(config)
    assert unet3d[:3] == ("unet3d", "b200", 2)
    assert unet3d[3]["dataset.num_files_train"] * unet3d[3]["dataset.record_length_bytes"] == 280 * 1024**2
    assert retinanet[:3] == ("retinanet", "b200", 2)
    assert retinanet[3]["dataset.num_files_train"] * retinanet[3]["dataset.record_length_bytes"] < 150 * 1024**2
    assert "NOT FOR SUBMISSION" in (CONFIGS / "quick.yaml").read_text()


@pytest.mark.parametrize(("name", "division"), [("closed.yaml", Division.CLOSED), ("open.yaml", Division.OPEN)])
def test_closed_and_open_collect_with_the_blanks_a_user_fills_in(name, division, training, tmp_path):
    config = _load(name, training, tmp_path)
    assert config.division is division
    address = ["vectordb.workloads.0.uri"] if name == "closed.yaml" else []
    assert [placeholder.key for placeholder in config.placeholders] == BLANKS + address
    assert [blank.key for blank in config.blanks("training")] == [blank.key for blank in config.blanks()] == BLANKS
    assert [blank.key for blank in config.blanks("vectordb")] == BLANKS + address
    assert config.families["training"].own.model_dump() == {"warmup_runs": None, "measured_runs": None}
    assert {entry[2] for entry in _entries(config)} == {8}


def test_closed_sets_nothing_that_only_open_allows_and_open_does(training, tmp_path):
    closed = {key for entry in _entries(_load("closed.yaml", training, tmp_path)) for key in entry[3]}
    opened = {key for entry in _entries(_load("open.yaml", training, tmp_path)) for key in entry[3]}
    assert closed == {"reader.read_threads"}
    assert opened == {"reader.read_threads", "dataset.num_samples_per_file"}


def test_quick_writes_and_reads_a_thousandth_of_a_model_with_two_ranks(training, tmp_path):
    (item,) = _load("quick.yaml", training, tmp_path).families["checkpointing"].items
    assert (item.own.model, item.own.accelerators) == ("llama3-8b", 2)
    assert [item.parameters[f"checkpoint.num_checkpoints_{way}"].value for way in ("write", "read")] == [3, 3]


def test_closed_asks_for_the_ranks_of_the_model_and_open_for_what_only_open_allows(training, tmp_path):
    (closed,) = _load("closed.yaml", training, tmp_path).families["checkpointing"].items
    (opened,) = _load("open.yaml", training, tmp_path).families["checkpointing"].items
    assert (closed.own.model, closed.own.accelerators, dict(closed.parameters)) == ("llama3-8b", 8, {})
    assert (opened.own.model, opened.own.accelerators, dict(opened.parameters)) == ("llama3-70b", 8, {})


def test_quick_has_every_option_of_the_kv_cache_once_with_two_clients_and_contexts_a_sixteenth_as_long(training, tmp_path):
    from pytest_mlpstorage.kvcache.population import TEMPLATES, scaled_contexts
    from pytest_mlpstorage.kvcache.workload_config import read_workload_config

    config = _load("quick.yaml", training, tmp_path)
    own = config.families["kvcache"].own
    assert (own.clients_per_host, own.trials, own.duration, own.start_delay, own.end_delay, own.inter_option_delay) == (
        2,
        1,
        "5s",
        "0s",
        "0s",
        "0s",
    )
    options = [(item.own.option, item.own.num_users, item.own.cpu_mem) for item in config.families["kvcache"].items]
    assert options == [(1, 8, None), (2, 4, "256MiB"), (3, 4, None)]
    assert read_workload_config(CONFIGS / own.workload_config).templates == scaled_contexts(TEMPLATES, 16)


def test_closed_leaves_the_work_of_the_kv_cache_as_the_edition_has_it_and_open_changes_a_number_of_users(training, tmp_path):
    closed, opened = (_load(name, training, tmp_path).families["kvcache"] for name in ("closed.yaml", "open.yaml"))
    assert [item.own.model_dump(exclude_none=True) for item in closed.items] == [{"option": 1}, {"option": 2}, {"option": 3}]
    assert closed.own.model_dump(exclude_none=True).keys() == {
        "profile",
        "engine",
        "clients_per_host",
        "preconditioned",
        "precondition",
        "io",
    }
    assert [item.own.num_users for item in opened.items] == [100, None, None]
