"""The package under an edition in which only the scale differs: sizes of models, lengths of runs, processes and memory.

The edition stands in a copy of the package that the test puts before the installed one: the product has no way to be judged by
other numbers than the rule book's.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from pytest_mlpstorage.editions.core_config import core_config_hash

REPO = Path(__file__).parents[2]
RECORD_BYTES = 1024**2
STEPS, EPOCHS, COMPUTATION_SECONDS = 10, 3, 0.8
"""Enough of computing that a busy machine keeps the accelerators busy and the gaps between runs (2.1.18) short against the runs."""

PROCESSES = 2
SHAPE = {"vocab_size": 4096, "hidden_size": 256, "ffn_hidden_size": 1024, "num_attention_heads": 8, "num_kv_heads": 2}
LAYERS = 4
TRIALS, USERS, CACHE_SECONDS = 2, 3, 4
SEARCH_SECONDS = 2


def environment(folder: Path) -> dict[str, str]:
    """Copy package and suites to ``folder``/scaled, scale edition 3.0 down there, and return an environment that imports the copy."""
    copied = copy_of_package(folder / "scaled")
    path = folder / "scaled" / "pytest_mlpstorage" / "editions" / "v3.0.yaml"
    path.write_text(yaml.safe_dump(scaled(yaml.safe_load(path.read_text(encoding="utf-8"))), sort_keys=False), encoding="utf-8")
    return copied


def copy_of_package(folder: Path) -> dict[str, str]:
    """Copy package and suites to a folder, and return an environment that imports them from there."""
    for name in ("pytest_mlpstorage", "benchmarks", "rules"):
        shutil.copytree(REPO / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return {**os.environ, "PYTHONPATH": str(folder)}


def scaled(edition: dict[str, Any]) -> dict[str, Any]:
    """The data of edition 3.0 with a data set of MiB, runs of seconds, a language model of two ranks and caches of three users."""
    edition = {key: value for key, value in edition.items() if not key.startswith("x-")}
    _training(edition["training"])
    _checkpointing(edition["checkpointing"])
    _kv_cache(edition["kv_cache"])
    edition["vector_database"]["minimum_runtime_seconds"] = SEARCH_SECONDS
    templates = {(t["model"], t["accelerator"]): t for t in edition["training"]["templates"]}
    for named in edition["comparability_classes"].values():
        if named["family"] == "training" and named["model"] == "unet3d":
            parameters = templates[named["model"], named["accelerator"]]["parameters"]
            named["hashes"] = [{"hash": core_config_hash(parameters, "training"), "template": "unet3d_b200"}]
        elif named["family"] == "checkpointing" and named["model"] == "llama3-8b":
            parameters = edition["checkpointing"]["models"]["llama3-8b"]["parameters"]
            named["hashes"] = [{"hash": core_config_hash(parameters, "checkpointing"), "template": "llama3-8b"}]
    return edition


def _training(training: dict[str, Any]) -> None:
    training["sizing"].update(minimum_steps=STEPS, memory_multiple=0)
    training.update(min_accelerators_single_host=PROCESSES, host_gb_per_accelerator=0.0)
    for template in training["templates"]:
        if (template["model"], template["accelerator"]) == ("unet3d", "b200"):
            parameters = template["parameters"]
            parameters["dataset"].update(
                record_length_bytes=RECORD_BYTES, record_length_bytes_stdev=RECORD_BYTES // 2, record_length_bytes_resize=RECORD_BYTES // 64
            )
            parameters["train"].update(epochs=EPOCHS, computation_time=COMPUTATION_SECONDS)


def _checkpointing(checkpointing: dict[str, Any]) -> None:
    checkpointing.update(
        accelerators_per_host_above=PROCESSES - 1,
        min_accelerators_per_host_text=PROCESSES,
        data_to_memory_ratio=1e-6,
        subset_processes=PROCESSES,
    )
    model = checkpointing["models"]["llama3-8b"]
    model.update(processes=PROCESSES, processes_per_instance=PROCESSES, data_parallel=PROCESSES, gate_gb=1)
    model["parameters"]["model"].update(num_layers=LAYERS, transformer=SHAPE)
    model["parameters"]["checkpoint"]["time_between_checkpoints"] = 0


def _kv_cache(cache: dict[str, Any]) -> None:
    cache.update(trials=TRIALS, inter_option_delay_seconds=0, start_delay_seconds=0, end_delay_seconds=0)
    for option in cache["options"].values():
        # In seconds no memory of a whole GB would overflow: what storage did would be chance.
        option.update(model="tiny-1b", users_per_client=USERS, duration_seconds=CACHE_SECONDS, cpu_memory_gb=0)
