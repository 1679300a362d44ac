"""The official parameters, as data."""

from __future__ import annotations

import subprocess
import sys

from pytest_mlpstorage.dlio.keys import ENGINES, nearest, official_keys


def test_every_key_of_the_closed_and_open_lists_is_known_to_an_engine():
    wanted = [
        "dataset.num_files_train",
        "dataset.num_subfolders_train",
        "dataset.data_folder",
        "dataset.format",
        "dataset.num_samples_per_file",
        "reader.read_threads",
        "reader.computation_threads",
        "reader.transfer_size",
        "reader.prefetch_size",
        "reader.odirect",
        "reader.data_loader",
        "storage.storage_root",
        "storage.storage_type",
        "storage.storage_options.prefetch_window",
        "checkpoint.checkpoint_folder",
        "framework",
    ]
    assert [key for key in wanted if key not in official_keys()] == []


def test_record_length_is_spelled_as_each_engine_does():
    keys = official_keys()
    assert keys["dataset.record_length"].engines == ("dlio-2.0.0",)
    assert keys["dataset.record_length_bytes"].engines == ("dlio-mlcommons-3.0.0",)
    assert keys["reader.read_threads"].engines == ENGINES


def test_every_key_has_a_type_and_a_line_of_meaning():
    for key, entry in official_keys().items():
        assert entry.type in ("int", "float", "bool", "str", "size", "duration", "any"), key
        assert entry.help, key
        assert "\n" not in entry.help


def test_what_is_measured_in_bytes_is_a_size_and_what_is_measured_in_seconds_a_time():
    """So that a value carries its unit (design §4); what tells its unit by its name takes a bare number too."""
    active = {key: entry for key, entry in official_keys().items() if not entry.inert and entry.type != "bool"}
    for unit, kind in (("bytes", "size"), ("seconds", "duration")):
        assert {key for key, entry in active.items() if entry.type == kind} == {key for key, e in active.items() if unit in e.help.lower()}


def test_what_the_tool_records_is_read_by_no_engine():
    inert = {key for key, entry in official_keys().items() if entry.inert}
    assert inert == {"dataset.num_files_generated", "dataset.total_disk_bytes"}


def test_the_nearest_key_is_found_by_likeness_and_by_its_last_part():
    assert nearest("reader.read_thread", official_keys()) == "reader.read_threads"
    assert nearest("batch_size", official_keys()) == "reader.batch_size"
    assert nearest("zzz", official_keys()) is None


def test_loading_the_keys_imports_no_engine():
    code = "import sys; from pytest_mlpstorage.dlio.keys import official_keys as k; k(); print(sorted(sys.modules))"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "official" not in imported
    assert not [name for name in ("dlio_benchmark", "torch", "numpy", "mpi4py") if f"'{name}'" in imported]
