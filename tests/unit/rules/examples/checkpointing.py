"""Trees that the rules on a checkpointing result pass and fail: one run that wrote and read, changed in one place.

A function takes the tree (a ``CheckpointingTree``) and breaks or bends it, as in ``training.py``.
"""

import math
import shutil

from checkpointing_tree import HOST_GIB, CheckpointingTree

from pytest_mlpstorage.results.records import CheckpointingResult

SUBJECT = CheckpointingResult
write = CheckpointingTree.write


def valid(tree):
    """Leave the tree as it is."""


def _rename(tree, model):
    tree.result_dir.rename(tree.result_dir.with_name(model))
    object.__setattr__(tree, "model", model)


def _again(tree, times):
    """More runs like the first."""
    for number in range(times):
        tree_leaf = tree.result_dir / f"20260721_001{number}00"
        shutil.copytree(tree.runs[0], tree_leaf)
        (tree_leaf / f"checkpointing_{tree.runs[0].name}_metadata.json").rename(tree_leaf / f"checkpointing_{tree_leaf.name}_metadata.json")


def _api(tree, api):
    tree.edit(tree.description, lambda d: d["system_under_test"]["solution"]["architecture"].update(benchmark_API=api))


def _df(tree, row):
    tree.remove("fs_separation.json")
    (tree.runs[0] / "checkpointing_run.stdout.log").write_text(f"Filesystem 1K-blocks Used Available Use% Mounted on\n{row}\n\n")


PASSING = {
    "2.1.21": [valid],
    "2.1.22": [valid, lambda t: (t.result_dir / "notes.json").write_text("{}")],
    "2.1.23": [
        valid,
        lambda t: shutil.copytree(t.runs[0], t.result_dir / "20260721_000900"),
        lambda t: (t.result_dir / ".DS_Store").mkdir(),
    ],
    "2.1.25": [valid, lambda t: (t.runs[0] / "dlio.log").write_text("PRUNED BY STAFF\n")],
    "2.1.26": [valid, lambda t: (t.runs[0] / "dlio_config" / "._config.yaml").write_text("x")],
    "4.3.1": [valid, lambda t: t.metric(checkpoint_size_GB=3 * HOST_GIB), lambda t: t.summary(num_hosts=2, host_memory_GB=[HOST_GIB, 0])],
    "4.3.2": [
        valid,
        lambda t: t.parameter("checkpoint.fsync", "True"),
        lambda t: t.parameter("checkpoint.fsync", 1),
        lambda t: t.override("checkpoint.fsync", "true"),
    ],
    "4.3.4": [
        valid,
        lambda t: t.metadata(accelerator="B200"),
        lambda t: t.metadata(accelerator="h100"),
        lambda t: t.metric(checkpoint_size_GB=8 * 180),
        lambda t: (t.metadata(accelerator=None), t.args(accelerator_type="mi355")),
    ],
    "4.3.6": [valid, lambda t: t.edit_metadata(lambda m: [m["args"].pop(f"num_checkpoints_{k}") for k in ("read", "write")])],
    "4.4.1": [valid, lambda t: t.args(checkpoint_folder="s3://bucket/fast")],
    "4.4.2": [valid, lambda t: (t.remove("fs_separation.json"), _api(t, "object"))],
    "4.7.1": [valid, lambda t: t.args(num_checkpoints_read="10"), lambda t: t.forget_clock()],
    "4.7.2": [valid, lambda t: t.edit_summary(lambda s: s.pop("start"))],
    "4.7.3": [valid, lambda t: t.capability(remap_time_in_seconds=3600)],
    "4.7.4": [valid, lambda t: t.capability(multi_host=False), lambda t: t.capability(simultaneous_write="True")],
    "SUB-CKP-1": [
        valid,
        lambda t: t.parameter("checkpoint.num_checkpoints_write", "10"),
        lambda t: t.override("checkpoint.num_checkpoints_write", 3),
        lambda t: t.args(num_checkpoints_write=3),
    ],
    "GATE-CKP-10": [valid, lambda t: t.metric(save=[1.0] * 10), lambda t: t.metric(save={"a": 1}), lambda t: t.summary(metric=[1])],
}

FAILING = {
    "2.1.21": [(lambda t: _rename(t, "llama3-9b"), "not named as a model"), (lambda t: _rename(t, "LLAMA3-8B"), "not named as a model")],
    "2.1.22": [
        (lambda t: (t.result_dir / "results.json").unlink(), "measured none"),
        (lambda t: (t.result_dir / "results.json").rename(t.result_dir / "Results.json"), "measured Results.json"),
        (lambda t: (t.result_dir / "RESULTS.json").write_text("[]"), "measured RESULTS.json, results.json"),
        (lambda t: ((t.result_dir / "results.json").unlink(), (t.result_dir / "results.json").mkdir()), "measured none"),
    ],
    "2.1.23": [
        (lambda t: shutil.rmtree(t.runs[0]), "measured 0; required 1 or 2"),
        (lambda t: [shutil.copytree(t.runs[0], t.result_dir / f"20260721_0009{n}0") for n in range(2)], "measured 3; required 1 or 2"),
        (lambda t: t.runs[0].rename(t.result_dir / "20260721-000424"), "measured 20260721-000424; required YYYYMMDD_HHMMSS"),
        (lambda t: (t.result_dir / "20260721_0004240").mkdir(), "not named as a timestamp"),
        (lambda t: (t.result_dir / "2026072\u0661_000424").mkdir(), "not named as a timestamp"),
    ],
    "2.1.25": [
        (lambda t: t.remove("dlio.log"), "dlio.log"),
        (lambda t: t.remove("summary.json"), "summary.json"),
        (lambda t: t.remove("checkpointing_run.stdout.log"), "checkpointing_run.stdout.log"),
        (lambda t: t.remove("checkpointing_run.stderr.log"), "checkpointing_run.stderr.log"),
        (lambda t: [t.remove(f"{rank}_output.json") for rank in range(8)], "output.json"),
        (lambda t: [t.remove(f"{rank}_per_epoch_stats.json") for rank in range(8)], "per_epoch_stats.json"),
        (lambda t: t.remove("dlio_config"), "dlio_config/"),
        (lambda t: t.remove_metadata(), "no metadata file"),
        (lambda t: (t.runs[0] / "summary.json").write_text("{"), "is no JSON"),
        (lambda t: (t.runs[0] / f"checkpointing_{t.runs[0].name}_metadata.json").write_text("[]"), "not an object"),
    ],
    "2.1.26": [
        (lambda t: t.remove("dlio_config/hydra.yaml"), "does not hold exactly"),
        (lambda t: (t.runs[0] / "dlio_config" / "more.yaml").write_text("{}"), "more.yaml"),
    ],
    "4.3.1": [
        (lambda t: t.metric(checkpoint_size_GB=3 * HOST_GIB - 0.001), "is small against the memory"),
        (lambda t: t.summary(num_hosts=2, host_memory_GB=[HOST_GIB, HOST_GIB]), "48.0 GiB of memory on 2 host(s)"),
        (lambda t: t.metric(checkpoint_size_GB="71.9"), "required at least 3 × the memory"),
    ],
    "4.3.2": [
        (lambda t: t.parameter("checkpoint.fsync", False), "measured False"),
        (lambda t: t.parameter("checkpoint.fsync", "false"), "not forced to stable storage"),
        (lambda t: t.parameter("checkpoint.fsync", 0), "measured 0; required checkpoint.fsync true"),
        (lambda t: t.parameter("checkpoint.fsync", [True]), "measured a list"),
        (lambda t: t.override("checkpoint.fsync", "False"), "measured False; required checkpoint.fsync true"),
        (lambda t: t.override("checkpoint.fsync", "False"), ":override_parameters.checkpoint.fsync"),
        (lambda t: t.parameter("checkpoint.fsync", None), ":parameters.checkpoint.fsync"),
        (lambda t: t.edit_metadata(lambda m: m["parameters"]["checkpoint"].pop("fsync")), "measured missing"),
    ],
    "4.3.4": [
        (lambda t: t.metadata(accelerator=None), "no accelerator is named"),
        (lambda t: t.metadata(accelerator=""), "measured none; required b200, mi355, h100, a100"),
        (lambda t: t.metadata(accelerator="tpu"), "not in the edition's table; measured tpu"),
        (lambda t: t.metric(checkpoint_size_GB=8 * 180 + 0.5), "larger than the memory of 8 accelerators of 180 GB"),
        (lambda t: t.summary(num_accelerators=0), "at most 0"),
        (lambda t: (t.metadata(accelerator="a100"), t.metric(checkpoint_size_GB=641)), "measured 641.0; required at most 640"),
    ],
    "4.3.6": [
        (lambda t: t.edit_summary(lambda s: s["metric"].pop("save_checkpoint_io_mean_GB_per_second")), "that wrote checkpoints is missing"),
        (lambda t: t.metric(load_checkpoint_duration_mean_seconds=math.nan), "that read checkpoints is missing or no number"),
        (lambda t: t.metric(load_checkpoint_io_mean_GB_per_second=0), "is not above 0"),
        (lambda t: t.metric(save_checkpoint_duration_mean_seconds=-1), "metric.save_checkpoint_duration_mean_seconds"),
        (lambda t: t.metric(save_checkpoint_duration_mean_seconds=[6.0]), "is missing or no number"),
        (lambda t: t.summary(metric=None), "metric.load_checkpoint_io_mean_GB_per_second"),
    ],
    "4.4.1": [
        (lambda t: t.args(checkpoint_folder="/results/"), "one directory; measured /results/"),
        (lambda t: t.args(checkpoint_folder=None), "gave no checkpoint_folder"),
        (lambda t: t.args(checkpoint_folder=["/fast"]), "gave no checkpoint_folder"),
        (lambda t: t.args(checkpoint_folder=" "), "gave no checkpoint_folder"),
        (lambda t: t.edit_metadata(lambda m: m["args"].pop("results_dir")), "gave no results_dir; required args.results_dir"),
    ],
    "4.4.2": [
        (lambda t: t.edit(t.runs[0] / "fs_separation.json", lambda p: p.update(same_filesystem=True)), "lie on one filesystem"),
        (lambda t: t.remove("fs_separation.json"), "a listing of df in checkpointing_run.stdout.log"),
        (lambda t: _df(t, "/dev/sda 9 1 8 1% /"), "lie on one filesystem"),
        (lambda t: _api(t, "file") or t.remove("fs_separation.json"), "nothing shows"),
    ],
    "4.7.1": [
        (lambda t: t.args(num_checkpoints_read=0), "measured (10, 0); required (10, 10) or (10, 0) then (0, 10)"),
        (lambda t: t.args(num_checkpoints_write=9), "not those of a closed result"),
        (lambda t: _again(t, 5), "(10, 10), (10, 10), (10, 10), (10, 10) …"),
        (lambda t: _again(t, 3), "(10, 10), (10, 10), (10, 10), (10, 10); required"),
    ],
    "4.7.4": [
        (lambda t: t.capability(simultaneous_write=False), "a system without simultaneous_write"),
        (lambda t: t.capability(simultaneous_read="false"), "a system without simultaneous_read"),
    ],
    "SUB-CKP-1": [
        (lambda t: t.parameter("checkpoint.num_checkpoints_write", "9"), "checkpoints written; measured 9"),
        (lambda t: t.parameter("checkpoint.num_checkpoints_read", 11), "checkpoints read; measured 11; required 10"),
        (lambda t: _again(t, 1), "checkpoints written; measured 20"),
    ],
    "GATE-CKP-10": [
        (lambda t: t.metric(save_checkpoint_durations=[1.0] * 9), "measured 9; required 10"),
        (lambda t: t.metric(save_checkpoint_durations=[1.0] * 11), ":metric.save_checkpoint_durations"),
        (lambda t: t.metric(empty=[]), "measured 0"),
    ],
}  # fmt: skip
