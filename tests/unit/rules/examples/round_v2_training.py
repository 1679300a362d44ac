"""Training results of edition 2.0 that each rule passes and that it fails: the valid one, changed in one place."""

import math

from round_v2_tree import RoundTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = RoundTree.training


def valid(tree):
    """Leave the tree as it is."""


def several(*bends):
    def bend(tree):
        for one in bends:
            one(tree)

    return bend


def as_model(model):
    """The same runs under another model's directory."""

    def bend(tree):
        old = tree.result_dir
        object.__setattr__(tree, "model", model)
        old.rename(tree.result_dir)

    return bend


def second_accelerator(runs, accelerator="h100"):
    """More runs of the same model, on another accelerator."""

    def bend(tree):
        for number in range(runs):
            leaf = tree.add_run(like=number, name=f"20250620_08{5 * number:02d}00")
            tree.edit(tree.metadata_of(leaf), lambda m: m["args"].update(accelerator_type=accelerator))

    return bend


PASSING = {
    "V2-TRN-check_benchmark_type": [
        valid,
        RoundTree.without_config,
        RoundTree.without_metadata,
        lambda t: t.metadata(lambda m: m.update(benchmark_type="TRAINING")),
    ],
    "V2-TRN-check_num_files_train": [
        valid,
        RoundTree.without_config,
        RoundTree.without_metadata,
        # 99 % of 500 steps × 8 accelerators × batch 7; both floors are rounded down.
        lambda t: t.parameter("dataset.num_files_train", "27720"),
        lambda t: t.summary(host_memory_GB=[764.6]),
        lambda t: t.summary(host_memory_GB=["256", 256, 252]),
        lambda t: t.metadata(lambda m: m["combined_params"]["dataset"].update(num_files_train=1)),
        several(
            lambda t: t.parameter("dataset.record_length_bytes", 114660.07),
            lambda t: t.parameter("dataset.num_samples_per_file", 1251),
            lambda t: t.summary(host_memory_GB=[503.41]),
        ),
    ],
    "V2-TRN-check_allowed_params": [
        valid,
        RoundTree.without_config,
        RoundTree.without_metadata,
        *(
            lambda t, key=key: t.override(key, "1")
            for key in (
                "dataset.num_subfolders_train",
                "reader.read_threads",
                "reader.computation_threads",
                "reader.transfer_size",
                "reader.prefetch_size",
                "reader.odirect",
                "storage.storage_root",
                "storage.storage_type",
                "checkpoint.checkpoint_folder",
                "workflow.checkpoint",
            )
        ),
        lambda t: t.given("++hydra.run.dir=/results"),
        lambda t: t.given("+workload.reader.read_threads=8"),
        lambda t: t.given("workload=unet3d_h100"),
    ],
    "V2-TRN-check_workflow_parameters": [
        valid,
        RoundTree.without_config,
        RoundTree.without_metadata,
        lambda t: t.config(workflow__checkpoint="True"),
        # What ran decides, not what the tool recorded.
        lambda t: t.metadata(lambda m: m["combined_params"]["workflow"].update(checkpoint=False)),
        several(lambda t: t.parameter("workflow.checkpoint", False), as_model("resnet50")),
    ],
    "V2-TRN-check_odirect_supported_model": [
        valid,
        as_model("resnet50"),
        lambda t: t.parameter("reader.odirect", True),
        several(lambda t: t.parameter("reader.odirect", "False"), as_model("cosmoflow")),
    ],
    "V2-TRN-check_au_success": [
        valid,
        lambda t: t.metric(train_au_mean_percentage=90),
        lambda t: t.metric(train_au_mean_percentage="90.0"),
        lambda t: t.metric(train_au_mean_percentage=100),
        lambda t: t.metric(train_au_meet_expectation="fail"),
        several(lambda t: t.metric(train_au_mean_percentage=70), as_model("cosmoflow")),
        several(lambda t: t.metric(train_au_mean_percentage=90), as_model("resnet50")),
    ],
    "V2-TRNSUB-check_num_runs": [
        valid,
        second_accelerator(5),
        lambda t: (t.run_dir / ".DS_Store").write_text("x"),
        lambda t: (t.run_dir / "results.json").write_text("[]"),
        # What the publisher emptied was there.
        lambda t: (t.runs[0] / "summary.json").write_text("PRUNED BY STAFF\n"),
        several(RoundTree.without_metadata, lambda t: t.given("a=b")),
    ],
    "V2-TRNSUB-check_inter_test_times": [
        valid,
        # The average run takes 240 s and ends 60 s before the next.
        lambda t: t.move(4, 180),
        lambda t: t.move(0, -180),
        # One begins as the one before ends.
        lambda t: t.move(4, -60),
        second_accelerator(1),
        # Two at once, on two accelerators.
        second_accelerator(5),
        # The first by name ran last.
        lambda t: t.move(0, 1500),
    ],
}

FAILING = {
    "V2-TRN-check_benchmark_type": [
        (
            lambda t: t.metadata(lambda m: m.update(benchmark_type="checkpointing"), run=3),
            "none of training; measured checkpointing; required training",
        ),
        (several(RoundTree.without_metadata, lambda t: t.config(workflow__train=False)), "none of training; measured"),
        (several(RoundTree.without_metadata, lambda t: t.config(workflow__train="maybe")), "measured maybe"),
    ],
    "V2-TRN-check_num_files_train": [
        (
            lambda t: t.parameter("dataset.num_files_train", 27_719, run=2),
            "floor by steps is floor(500 steps × 8 accelerators × batch 7 / 1 samples/file) = 28000; measured 27719; required at least 27720",
        ),
        (lambda t: t.config(dataset__num_files_train=100), "too few files"),
        (several(RoundTree.without_config, lambda t: t.override("dataset.num_files_train", 100)), "measured 100"),
        (lambda t: t.summary(host_memory_GB=[780.0]), "floor by memory"),
        (lambda t: t.summary(num_accelerators=9), "too few files"),
        (
            lambda t: t.parameter("dataset.num_files_train", "many"),
            "no usable dataset.num_files_train; measured many; required a whole number",
        ),
        (lambda t: t.parameter("dataset.num_samples_per_file", None), "no usable dataset.num_samples_per_file"),
        (lambda t: t.parameter("reader.batch_size", [7]), "no usable reader.batch_size; measured a list of 1 values"),
        (lambda t: t.parameter("reader.batch_size", -7), "positive"),
        (lambda t: t.parameter("dataset.record_length_bytes", 0), "the size of a record is not known"),
        (lambda t: t.parameter("dataset.record_length_bytes", "wide"), "positive"),
        (lambda t: t.summary(host_memory_GB=[1e308, 1e308]), "cannot be computed"),
    ],
    "V2-TRN-check_allowed_params": [
        (
            lambda t: t.override("train.epochs", "1", run=1),
            "train.epochs is in no list of parameters that a submission may set; measured 1; in closed/",
        ),
        (
            lambda t: t.override("dataset.format", "hdf5"),
            "dataset.format is allowed only in the open division: under open/ the result would be OPEN",
        ),
        (lambda t: t.override("storage.storage_options.prefetch_window", 1), "is in no list"),
        (lambda t: t.given("++workload.train.epochs=1"), "dlio_config/overrides.yaml:++workload.train.epochs=1"),
        (lambda t: t.given("workload.metric.au=0.5"), "metric.au is in no list"),
        (lambda t: t.given("~workload.reader.shuffle"), "reader.shuffle is in no list"),
        (several(RoundTree.without_metadata, lambda t: t.given("++workload.train.epochs=1")), "train.epochs"),
        (several(lambda t: t.to("open"), lambda t: t.override("train.epochs", 1)), "is in no list"),
        (
            several(lambda t: t.to("open"), lambda t: t.override("framework", "jax")),
            "framework is set, which only the open division allows; measured jax",
        ),
        (several(lambda t: t.to("whatif"), lambda t: t.override("framework", "jax")), "is allowed only in the open division"),
        (
            lambda t: t.metadata(lambda m: (m.update(override_parameters={"train.epochs": 2}), m.pop("params_dict"))),
            "override_parameters.train.epochs",
        ),
    ],
    "V2-TRN-check_workflow_parameters": [
        (lambda t: t.config(workflow__checkpoint=False), "a run of unet3d wrote no checkpoints; measured"),
        (lambda t: t.config(workflow__checkpoint="sometimes", run=4), "measured sometimes; required true; in closed/"),
        (
            several(RoundTree.without_config, lambda t: t.metadata(lambda m: m["combined_params"]["workflow"].update(checkpoint=False))),
            "wrote no",
        ),
    ],
    "V2-TRN-check_odirect_supported_model": [
        (
            several(lambda t: t.parameter("reader.odirect", "True"), as_model("resnet50")),
            "resnet50 does not support reader.odirect; measured",
        ),
        (several(lambda t: t.config(reader__odirect=1, run=2), as_model("cosmoflow")), "required only for unet3d"),
    ],
    "V2-TRN-check_au_success": [
        (
            lambda t: t.metric(run=3, train_au_mean_percentage=89.99999999),
            "below the minimum; measured 89.99999999; required 90.0; in closed/",
        ),
        (lambda t: t.metric(run=0, train_au_mean_percentage=None), "a run has no accelerator utilization; required 90.0"),
        (lambda t: t.metric(run=0, train_au_mean_percentage=math.nan), "has no accelerator utilization"),
        (lambda t: t.metric(train_au_mean_percentage=100.1), "is no percentage"),
        (lambda t: t.metric(train_au_mean_percentage=-0.1), "is no percentage"),
        (
            several(lambda t: t.metric(train_au_mean_percentage=69.9), as_model("cosmoflow")),
            "below the minimum; measured 69.9; required 70.0",
        ),
        (several(lambda t: t.metric(train_au_mean_percentage=89), as_model("resnet50")), "required 90.0"),
        (as_model("retinanet"), "the edition has no such model; measured retinanet; required one of unet3d, resnet50, cosmoflow"),
    ],
    "V2-TRNSUB-check_num_runs": [
        (
            lambda t: t.runs[4].rename(t.result_dir / "gone"),
            "the finished runs on a100 are not as many as a result has; measured 4; required 5; in closed/acme/results/fastfs/training/unet3d/run",
        ),
        (RoundTree.add_run, "measured 6; required 5"),
        (lambda t: t.crash(2), "a run directory holds no finished run; required a summary.json"),
        (lambda t: t.crash(2), "measured 4; required 5"),
        (lambda t: (t.run_dir / "20250619_235959").mkdir(), "a run directory holds no finished run"),
        (lambda t: (t.runs[1] / "summary.json").write_text("{"), "a file is no JSON"),
        (lambda t: (t.runs[1] / "dlio_config" / "config.yaml").write_text("a: [1"), "a file is no YAML"),
        (lambda t: t.metadata_of(t.runs[1]).write_text(""), "a file is empty"),
        (
            lambda t: t.runs[1].rename(t.run_dir / "run1"),
            "is not named as a timestamp and was not read; measured run1; required YYYYMMDD_HHMMSS",
        ),
        (
            lambda t: [run.rename(t.result_dir / run.name) for run in t.runs],
            "the finished runs are not as many as a result has; measured 0",
        ),
        (second_accelerator(4), "the finished runs on h100 are not as many as a result has; measured 4; required 5"),
        (several(RoundTree.without_metadata, lambda t: t.runs[0].rename(t.result_dir / "gone")), "the finished runs on a100"),
        (lambda t: t.metadata(lambda m: m["args"].update(accelerator_type="H100"), run=0), "on h100 are not as many"),
    ],
    "V2-TRNSUB-check_inter_test_times": [
        (
            lambda t: t.move(4, 180.000001),
            "more time passed than a run takes on the average; measured 240.000001 s; required at most 240 s; in closed/",
        ),
        (lambda t: t.move(0, -181), "measured 241 s"),
        # A short run makes the average 192 s; the idle time after it is 300 s.
        (lambda t: t.summary(run=2, end="2025-06-19T08:10:00"), "required at most 192 s"),
        (lambda t: t.summary(run=0, start="2025-06-19T23:00:00", end="2025-06-19T23:04:00"), "more time passed"),
        (several(second_accelerator(5), lambda t: t.move(9, 500)), "measured 560 s"),
        (lambda t: t.move(0, 420), "measured -120 s"),
        (lambda t: t.move(4, -61), "starts before the one before it has ended; measured -1 s; required at least 0 s"),
        (several(second_accelerator(5), lambda t: t.move(9, -60.5)), "measured -0.5 s"),
        # A run inside another: none of the two follows the other, and what comes after it is no gap.
        (lambda t: t.summary(run=1, end="2025-06-19T08:14:00"), "measured -240 s"),
    ],
}
