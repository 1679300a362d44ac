"""One change of the whole submission for every rule that is asked of its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from submission_changes import (
    CHECKPOINT,
    CHECKPOINTING,
    GENERATED,
    MANIFEST,
    METADATA,
    OPEN_ONLY,
    RUN,
    SEPARATE,
    SIZED,
    SUBMISSION,
    TABLE,
    TRAINING,
    Mutation,
    added,
    added_beside,
    called,
    change,
    checkpointed,
    described,
    field,
    generated,
    gone,
    later,
    later_time,
    measured,
    of_run,
    with_smaller_host,
    written,
)

__all__ = ["CHECKPOINTING_CHANGES", "TRAINING_CHANGES"]

_LOST_PROVENANCE = "the provenance record of a run is lost"
_WARM = "the files lay in the host's memory when their reading began"

TRAINING_CHANGES: Final[Mapping[tuple[str, str], Mutation]] = {
    ("training", "2.1.9"): change("a run says that it had two hosts, one client is described", measured("num_hosts", to=2)),
    ("training", "2.1.11"): change("the workload's directory has the name of no model", called(TRAINING, "unet3d-b")),
    ("training", "2.1.12"): change("there is a fourth phase", added(f"{TRAINING}/tuning/notes.txt")),
    ("training", "2.1.13"): change("the data generation is no timestamp", called(GENERATED, "first")),
    ("training", "2.1.14"): change("a log of the data generation is lost", gone(f"{GENERATED}/training_datagen.stdout.log")),
    ("training", "2.1.15"): change("a file of DLIO's configuration is lost of the generation", gone(f"{GENERATED}/dlio_config/hydra.yaml")),
    ("training", "2.1.16"): change("the table of runs is lost", gone(f"{TRAINING}/run/results.json")),
    ("training", "2.1.17"): change("a run is taken away", gone(RUN, 5)),
    ("training", "2.1.18"): change("the last run began an hour later", called(RUN, lambda name: later(name, hours=1), 5)),
    ("training", "2.1.19"): change("a log of a run is lost", gone(f"{RUN}/training_run.stderr.log", 2)),
    ("training", "2.1.20"): change(
        "a file stands in DLIO's configuration of a run", added_beside(f"{RUN}/dlio_config/hydra.yaml", "x.yaml")
    ),
    ("training", "3.1.1"): change("a run does not record its command line", of_run("args")),
    ("training", "3.1.2"): change("a run had one file too few", of_run("parameters", "dataset", "num_files_train", to=lambda n: n - 1)),
    ("training", "3.2.1"): change("one file was not generated", generated("parameters", "dataset", "num_files_train", to=lambda n: n - 1)),
    ("training", "3.3.1"): change(
        "the datasize record demands one file more",
        field(f"{SIZED}/{METADATA}", "parameters", "dataset", "num_files_train", to=lambda n: n + 1),
    ),
    ("training", "3.3.2"): change("a run is a hair below the utilization", measured("metric", "train_au_mean_percentage", to=89.999)),
    ("training", "3.3.3"): change("a run had one accelerator", measured("num_accelerators", to=1)),
    ("training", "3.3.4"): change("a run was started for two hosts and ran on one", of_run("args", "hosts", to=["one", "two"])),
    ("training", "3.3.6"): change("two accelerators ran on three hosts", measured("num_hosts", to=3)),
    ("training", "3.3.7"): change("a second host with a tenth of the memory", of_run("system_info", "hosts", to=with_smaller_host)),
    ("training", "3.3.8"): change("a run has no rate of any epoch", measured("metric", "train_throughput_samples_per_second", to=[])),
    ("training", "3.4.1"): change("a run was given no data directory", of_run("args", "data_dir")),
    ("training", "3.4.2"): change("the probe found one filesystem", field(f"{RUN}/fs_separation.json", "same_filesystem", to=True, nth=2)),
    ("training", "3.6.2"): change("a run set a parameter of the open list", of_run("override_parameters", "train.epochs", to=5)),
    ("training", "3.6.3"): change(
        "an open run set a parameter of no list",
        of_run("override_parameters", "model.type", to="mlp"),
        called("closed", "open"),
        several=OPEN_ONLY,
    ),
    ("training", "ACC-TRN"): change("a run emulated what no division accepts", of_run("accelerator", to="v100")),
    ("training", "DG-TRN-2"): change("the data generation says it was a run", generated("command", to="run")),
    ("training", "EDN-01"): change("the manifest declares an edition that is none", field(MANIFEST, "rules_edition", to="9.0")),
    ("training", "EDN-02"): change(
        "a run is stamped with the hash of no class", field(f"{RUN}/provenance.json", "core_config", "hash", to="0" * 16, nth=2)
    ),
    ("training", "EDN-03"): change("a run does not say which engine measured, and its stamp knows none", of_run("mlps", "engine")),
    ("training", "MLPS-COLD-1"): change(
        _WARM, field(f"{RUN}/page_cache.json", "hosts", 0, to=lambda host: {**host, "resident_bytes_after": host["bytes_sampled"]}, nth=2)
    ),
    ("training", "MLPS-ENGINE-1"): change("a run's data were read by a plug-in", of_run("mlps", "engine", "reader", to="fast")),
    ("training", "MLPS-LEAF-1"): change("a run was made as an experiment", of_run("mlps", "not_for_submission", to=True)),
    ("training", "MLPS-METRIC-1"): change(
        "a rank's utilization of an epoch is another", field(f"{RUN}/1_output.json", "2", "au", "block1", to=lambda au: au - 5, nth=2)
    ),
    ("training", "MLPS-NAME-1"): change("the submitter is a placeholder", called(SUBMISSION, "your-company")),
    ("training", "MLPS-TABLE-1"): change(
        "the table publishes another rate", field(TABLE, 2, "Training - Read B/W (GiB/s)", to=lambda r: r + 1)
    ),
    ("training", "PROV-01"): change(_LOST_PROVENANCE, gone(f"{RUN}/provenance.json", 2)),
    ("training", "RC-TRN-1"): change("a run says it is of another benchmark", of_run("benchmark_type", to="checkpointing")),
    ("training", "RC-TRN-2"): change("a run names another model", of_run("model", to="retinanet")),
    ("training", "RC-TRN-6"): change(
        "direct I/O is on, and the run is of a model that may not",
        of_run("parameters", "reader", "odirect", to=True),
        of_run("model", to="retinanet"),
        several="the one model of this submission is the one that may",
    ),
    ("training", "SUB-2"): change("a run emulated another accelerator", of_run("accelerator", to="h100")),
}
"""By kind of subject and id of rule."""

CHECKPOINTING_CHANGES: Final[Mapping[tuple[str, str], Mutation]] = {
    ("checkpointing", "2.1.9"): change(
        "the clients are described with twice the memory", described("clients", 0, "chassis", "memory_capacity", to=lambda gib: 2 * gib)
    ),
    ("checkpointing", "2.1.21"): change("the model's directory has the name of no model", called(CHECKPOINTING, "llama3-9b")),
    ("checkpointing", "2.1.22"): change("the table of runs is lost", gone(f"{CHECKPOINTING}/results.json")),
    ("checkpointing", "2.1.23"): change("the run's directory is no timestamp", called(CHECKPOINT, "first")),
    ("checkpointing", "2.1.24"): change(
        "the reading run began and ended an hour later",
        *(checkpointed(f"invocation_{of}_time", to=lambda time: later_time(time, hours=1), nth=1) for of in ("start", "end")),
        several="a run that began after its end gives no time to compare",
        base=SEPARATE,
    ),
    ("checkpointing", "2.1.25"): change("a log of the run is lost", gone(f"{CHECKPOINT}/checkpointing_run.stdout.log")),
    ("checkpointing", "2.1.26"): change("a file of DLIO's configuration is lost", gone(f"{CHECKPOINT}/dlio_config/overrides.yaml")),
    ("checkpointing", "4.3.1"): change("a checkpoint is tiny", written("metric", "checkpoint_size_GB", to=1e-6)),
    ("checkpointing", "4.3.2"): change("fsync was off", checkpointed("parameters", "checkpoint", "fsync", to=False)),
    ("checkpointing", "4.3.3"): change("the run was asked for another model", checkpointed("args", "model", to="llama3-70b")),
    ("checkpointing", "4.3.4"): change(
        "a checkpoint is larger than the accelerators' memory", written("metric", "checkpoint_size_GB", to=400.0)
    ),
    ("checkpointing", "4.3.5"): change(
        "the subset form with four ranks",
        checkpointed("args", "checkpoint_subset", to=True),
        written("num_accelerators", to=4),
        several="the model of this submission has the subset form with just the ranks of its full one",
    ),
    ("checkpointing", "4.3.6"): change("the run has no rate of writing", written("metric", "save_checkpoint_io_mean_GB_per_second")),
    ("checkpointing", "4.4.1"): change("the run was given no folder", checkpointed("args", "checkpoint_folder")),
    ("checkpointing", "4.4.2"): change("the record of the probe is lost", gone(f"{CHECKPOINT}/fs_separation.json")),
    ("checkpointing", "4.6.1"): change("the run was asked for four ranks", checkpointed("args", "num_processes", to=4)),
    ("checkpointing", "4.6.2"): change("the ranks were spread over two hosts", written("num_hosts", to=2)),
    ("checkpointing", "4.6.3"): change("the model had a layer less", checkpointed("parameters", "model", "num_layers", to=lambda n: n - 1)),
    ("checkpointing", "4.6.4"): change(
        "an open run was asked for no rank", checkpointed("args", "num_processes", to=0), called("closed", "open"), several=OPEN_ONLY
    ),
    ("checkpointing", "4.7.1"): change("nine checkpoints were to be read", checkpointed("args", "num_checkpoints_read", to=9)),
    ("checkpointing", "4.7.2"): change("nothing says when the first write began", written("start", nth=0), base=SEPARATE),
    ("checkpointing", "4.7.3"): change(
        "the system needs an hour for remapping", described("solution", "capabilities", "remap_time_in_seconds", to=3600), base=SEPARATE
    ),
    ("checkpointing", "4.7.4"): change(
        "not all clients may read at once", described("solution", "capabilities", "simultaneous_read", to=False)
    ),
    ("checkpointing", "EDN-01"): change(
        "the run is stamped with an edition that is none", field(f"{CHECKPOINT}/provenance.json", "rules_edition", to="9.0")
    ),
    ("checkpointing", "EDN-02"): change(
        "the run is stamped with the hash of no class", field(f"{CHECKPOINT}/provenance.json", "core_config", "hash", to="0" * 16)
    ),
    ("checkpointing", "EDN-03"): change(
        "the run does not say which engine measured, and its stamp knows none", checkpointed("mlps", "engine")
    ),
    ("checkpointing", "GATE-CKP-10"): change(
        "nine values of ten checkpoints", written("metric", "save_checkpoint_duration_stdev_seconds", to=[0.1] * 9)
    ),
    ("checkpointing", "MLPS-COLD-1"): change(
        "the storage delivered half of what was asked for",
        field(f"{CHECKPOINT}/page_cache.json", "asked_bytes", to=lambda asked: 2 * asked),
    ),
    ("checkpointing", "MLPS-ENGINE-1"): change("the run does not say which engine measured", checkpointed("mlps", "engine")),
    ("checkpointing", "MLPS-LEAF-1"): change("the run was made as an experiment", checkpointed("mlps", "not_for_submission", to=True)),
    ("checkpointing", "MLPS-METRIC-2"): change(
        "the mean of the rates is another", written("metric", "load_checkpoint_io_mean_GB_per_second", to=lambda rate: 1.01 * rate)
    ),
    ("checkpointing", "MLPS-NAME-1"): change("the submitter is a placeholder", called(SUBMISSION, "your-company")),
    ("checkpointing", "MLPS-TABLE-1"): change(
        "the table publishes another rate", field(TABLE, 0, "Checkpointing - Write B/W (GiB/s)", to=lambda rate: rate + 1)
    ),
    ("checkpointing", "PROV-01"): change(
        "the run is stamped with another code image",
        field(f"{CHECKPOINT}/provenance.json", "tool", "code_image", to=f"md5-tree-v2:{'0' * 32}"),
    ),
    ("checkpointing", "RC-CKP-1"): change("the run says it is of another benchmark", checkpointed("benchmark_type", to="training")),
    ("checkpointing", "RC-CKP-4"): change("the run was asked for no accelerator", checkpointed("args", "num_processes", to=0)),
    ("checkpointing", "RC-CKP-5"): change(
        "an open run was asked for the subset form with four ranks",
        checkpointed("args", "checkpoint_subset", to=True),
        checkpointed("args", "num_processes", to=4),
        called("closed", "open"),
        several=OPEN_ONLY,
    ),
    ("checkpointing", "SUB-2"): change(
        "the reading run had another accelerator", checkpointed("accelerator", to="mi355", nth=1), base=SEPARATE
    ),
    ("checkpointing", "SUB-CKP-1"): change(
        "nine checkpoints were to be written", checkpointed("parameters", "checkpoint", "num_checkpoints_write", to=9)
    ),
}
"""By kind of subject and id of rule."""
