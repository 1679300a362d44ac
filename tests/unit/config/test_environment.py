"""``MLPS_<FAMILY>_<KEY>``: official parameters from the environment, below the YAML and above the edition."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict

from pytest_mlpstorage.config import FamilySchema, KeySpec, Origin, Setting
from pytest_mlpstorage.config.show import show

CACHE = "kvcache: {num_users: 5}\n"
THREADS = "training.workloads.0.reader.read_threads"


def _value(config, key):
    return {setting.key: (setting.value, str(setting.origin)) for setting in config.settings}[key]


def test_a_variable_sets_an_official_parameter_and_is_shown_as_its_origin(load, good):
    config = load(good, environ={"MLPS_TRAINING_READER_READ_THREADS": "8"})
    assert _value(config, THREADS) == (8, "environment MLPS_TRAINING_READER_READ_THREADS")
    assert config.families["training"].items[0].parameters["reader.read_threads"].value == 8
    assert any(line.split() == [THREADS, "8", "environment", "MLPS_TRAINING_READER_READ_THREADS"] for line in show(config))
    assert config.warnings == ()


def test_option_beats_entry_beats_section_beats_environment_beats_edition(load, good):
    variable = {"MLPS_TRAINING_READER_READ_THREADS": "8"}
    section = good.replace("  workloads:", "  reader: {read_threads: 1}\n  workloads:")
    entry = section + "      reader.read_threads: 2\n"
    assert _value(load(section, environ=variable), THREADS) == (1, "c.yaml:6:26")
    assert _value(load(entry, environ=variable), THREADS) == (2, "c.yaml:11:28")
    assert _value(load(entry, "reader.read_threads=3", environ=variable), THREADS) == (3, "--mlps-set")
    edition = Setting(THREADS, 4, Origin("edition", "edition 3.0"))
    assert _value(load(good, environ=variable).with_settings([edition]), THREADS) == (8, "environment MLPS_TRAINING_READER_READ_THREADS")
    assert _value(load(good).with_settings([edition]), THREADS) == (4, "edition 3.0")


def test_the_sections_own_keys_have_their_variables_too(load, good):
    config = load(good, environ={"MLPS_TRAINING_MEASURED_RUNS": "3"})
    assert _value(config, "training.measured_runs") == (3, "environment MLPS_TRAINING_MEASURED_RUNS")
    written = good.replace("  workloads:", "  measured_runs: 4\n  workloads:")
    assert _value(load(written, environ={"MLPS_TRAINING_MEASURED_RUNS": "3"}), "training.measured_runs") == (4, "c.yaml:6:18")
    assert load(good + CACHE, environ={"MLPS_KVCACHE_MODE": "realistic"}).families["kvcache"].own.mode == "realistic"


def test_a_family_without_entries_takes_its_parameters_itself(load, good):
    config = load(good + "kvcache: {mode: fast}\n", environ={"MLPS_KVCACHE_NUM_USERS": "9"})
    assert _value(config, "kvcache.num_users") == (9, "environment MLPS_KVCACHE_NUM_USERS")


def test_values_are_read_as_in_the_yaml(load, good):
    environ = {
        "MLPS_TRAINING_READER_TRANSFER_SIZE": "256KiB",
        "MLPS_TRAINING_READER_ODIRECT": "off",
        "MLPS_TRAINING_TRAIN_COMPUTATION_TIME": "1e-3",
        "MLPS_TRAINING_STORAGE_STORAGE_OPTIONS": "{library: s3}",
        "MLPS_TRAINING_FRAMEWORK": "1.0",
    }
    parameters = load(good, environ=environ).families["training"].items[0].parameters
    assert {key: setting.value for key, setting in parameters.items()} == {
        "reader.transfer_size": 262144,
        "reader.odirect": False,
        "train.computation_time": 0.001,
        "storage.storage_options": {"library": "s3"},
        "framework": "1.0",
    }


def test_wrong_values_are_told_once_with_the_name_of_their_variable_beside_all_other_errors(refuse, good):
    two = good + "    - {model: flux, accelerator: b200, accelerators: many}\n"
    environ = {
        "MLPS_TRAINING_READER_READ_THREADS": "x",
        "MLPS_TRAINING_READER_TRANSFER_SIZE": "4096",
        "MLPS_TRAINING_WARMUP_RUNS": "9",
        "MLPS_TRAINING_FRAMEWORK": "a\x07",
    }
    assert refuse(two, environ=environ) == [
        "c.yaml:10:54: training.workloads.1.accelerators: given 'many'; allowed an integer",
        "MLPS_TRAINING_FRAMEWORK: training.framework: given the character U+0007; allowed printable text",
        "MLPS_TRAINING_WARMUP_RUNS: training.warmup_runs: given 9; allowed 5 or less",
        "MLPS_TRAINING_READER_READ_THREADS: training.reader.read_threads: given 'x'; allowed an integer",
        "MLPS_TRAINING_READER_TRANSFER_SIZE: training.reader.transfer_size: given 4096; "
        "a size with its unit is needed, such as 512GiB; allowed units: B, KiB, MiB, GiB, TiB, PiB, kB, KB, MB, GB, TB, PB",
    ]


def test_a_placeholder_in_a_variable_collects_like_one_in_the_file(load, good):
    config = load(good, environ={"MLPS_TRAINING_READER_DATA_LOADER": "<loader>"})
    assert [(p.key, str(p.origin)) for p in config.placeholders] == [
        ("training.workloads.0.reader.data_loader", "environment MLPS_TRAINING_READER_DATA_LOADER")
    ]


class Own(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def test_a_name_that_means_two_keys_is_one_error_that_names_both(refuse, load, good):
    keys = {"direct.io": KeySpec("bool"), "direct-io": KeySpec("bool"), "cache.size": KeySpec("int")}
    families = [
        FamilySchema("kv", Own, {"cache.num.users": KeySpec("int"), **keys}, None),
        FamilySchema("kv_cache", Own, {"num.users": KeySpec("int")}, None),
    ]
    text = "division: whatif\nsubmitter: acme\nsystem: box\nkv: {}\n"
    environ = {"MLPS_KV_DIRECT_IO": "true"}
    assert refuse(text, environ=environ, families=families) == [
        "MLPS_KV_DIRECT_IO: means kv.direct.io or kv.direct-io; allowed a name of one key: set it in the YAML or with --mlps-set"
    ]
    # A family that is not configured takes nothing, so here the name has one meaning; with both it has two.
    environ = {"MLPS_KV_CACHE_NUM_USERS": "3"}
    assert _value(load(text, environ=environ, families=families), "kv.cache.num.users")[0] == 3
    (line,) = refuse(text + "kv_cache: {}\n", environ=environ, families=families)
    assert line.startswith("MLPS_KV_CACHE_NUM_USERS: means kv.cache.num.users or kv_cache.num.users; ")


def test_a_name_of_a_suite_key_and_of_a_parameter_is_an_error_too(refuse):
    family = FamilySchema("data", Own, {"dir": KeySpec("str")}, None)
    text = "division: whatif\nsubmitter: acme\nsystem: box\ndata: {}\n"
    (line,) = refuse(text, environ={"MLPS_DATA_DIR": "/x"}, families=[family])
    assert line.startswith("MLPS_DATA_DIR: means data_dir or data.dir; ")


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("MLPS_DATADIR", " (did you mean 'MLPS_DATA_DIR'?)"),
        ("MLPS_TRAINING_READER_READ_THREAD", " (did you mean 'MLPS_TRAINING_READER_READ_THREADS'?)"),
        ("MLPS_TRAINING_READ_THREADS", " (did you mean 'MLPS_TRAINING_READER_READ_THREADS'?)"),
        ("MLPS_READER_READ_THREADS", " (did you mean 'MLPS_TRAINING_READER_READ_THREADS'?)"),
        ("MLPS_TRAINNING_TRAIN_EPOCHS", " (did you mean 'MLPS_TRAINING_TRAIN_EPOCHS'?)"),
        ("MLPS_DEADLINE", " (did you mean 'MLPS_LAUNCH_DEADLINE'?)"),
        # Nothing is near: a shared beginning is no likeness.
        ("MLPS_TRAINING_FOO", ""),
        ("MLPS_TRAINING_READER", ""),
        ("MLPS_TRAINING_WORKLOADS", ""),
        ("MLPS_TRAINING_MODEL", ""),
        ("MLPS_LAUNCH_PAD", ""),
        ("MLPS_USER_NAME", ""),
        ("MLPS_OTHER_READ_THREADS", ""),
        ("MLPS_SYSADMIN", ""),
        ("MLPS_QQQ", ""),
        ("MLPS_", ""),
        # The family is not configured in this file.
        ("MLPS_KVCACHE_NUM_USERS", " (kvcache is not configured)"),
    ],
)
def test_a_variable_that_sets_nothing_is_warned_of_with_what_is_near_or_nothing(load, good, variable, hint):
    assert load(good, environ={variable: "1"}).warnings == (f"environment variables that set nothing: {variable}{hint}",)


def test_what_was_given_beside_the_file_is_kept_without_variables_that_set_no_key(load, good, tmp_path):
    environ = {"MLPS_SYSTEM": "a", "MLPS_DIVISION": "", "MLPS_RUN_ID": "1", "MLPS_TORCH_SOURCE": "https://me:secret@host/", "HOME": "/"}
    given = load(good, "data_dir=d", environ=environ).given
    assert (given.assignments, given.environment) == (("data_dir=d",), {"MLPS_SYSTEM": "a"})
    assert given.directory == str(tmp_path)
