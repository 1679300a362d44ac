"""Trees for the rules on the size of a training result's data: the valid tree, changed in one place."""

import math

from training_tree import FILES, TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write
RECORD_BYTES = 146_600_628


def valid(tree):
    """Leave the tree as it is."""


def _generated(tree, **values):
    tree.edit_leaf("datagen", lambda m: m["parameters"]["dataset"].update(values))


def _no_generation(tree):
    tree.leaves("datagen")[0].rename(tree.root / "gone")


def _flat(metadata):
    metadata["parameters"] = {f"dataset.{key}": value for key, value in metadata["parameters"]["dataset"].items()}


PASSING = {
    "3.1.1": [valid, lambda t: t.edit_metadata(_flat)],
    "3.1.2": [
        valid,
        lambda t: t.parameter("dataset", "num_files_train", "28000"),
        lambda t: t.edit_summary(lambda s: s.update(host_memory_GB=["128.0", 128.0])),
        # 28 000 files of this size hold five times 764.567… GiB and not five times more.
        lambda t: t.edit_summary(lambda s: s.update(host_memory_GB=[28_000 * RECORD_BYTES / 5 / 1024**3])),
        lambda t: t.edit_metadata(
            lambda m: m["parameters"]["dataset"].update(record_length=m["parameters"]["dataset"].pop("record_length_bytes"))
        ),
    ],
    "3.2.1": [
        valid,
        lambda t: _generated(t, num_files_train=str(FILES)),
        lambda t: _generated(t, num_files_train=FILES + 1),
        lambda t: _generated(t, num_files_train=FILES / 2, num_samples_per_file="2"),
        lambda t: t.parameter("dataset", "num_files_train", FILES + 1, run=1),
    ],
}

FAILING = {
    "3.1.1": [
        (lambda t: t.edit_metadata(lambda m: m.pop("args"), run=2), "does not record the command line"),
        (lambda t: t.edit_metadata(lambda m: m.update(args={}), run=2), "required args"),
        (lambda t: t.edit_metadata(lambda m: m["parameters"].pop("dataset"), run=2), "data set's parameters; required parameters.dataset"),
        (lambda t: t.edit_metadata(lambda m: m["parameters"].update(dataset={}), run=2), "measured an object of 0 keys"),
        (lambda t: t.edit_metadata(lambda m: m["parameters"].update(dataset=["a"]), run=2), "measured a list of 1 values"),
        (lambda t: t.edit_metadata(lambda m: m.pop("parameters"), run=2), "data set's parameters"),
    ],
    "3.1.2": [
        (lambda t: t.parameter("dataset", "num_files_train", 27_999), "too few files"),
        (lambda t: t.edit_summary(lambda s: s.update(num_accelerators=9)), "too few files"),
        (lambda t: t.edit_summary(lambda s: s.update(host_memory_GB=[1024.0])), "floor by memory"),
        (lambda t: t.edit_summary(lambda s: s.update(host_memory_GB=[28_000.001 * RECORD_BYTES / 5 / 1024**3])), "required 28001"),
        (lambda t: t.parameter("dataset", "record_length_bytes", 0), "record"),
        (lambda t: t.edit_metadata(lambda m: m["parameters"]["dataset"].pop("record_length_bytes")), "record"),
        (lambda t: t.edit_metadata(lambda m: m["parameters"]["dataset"].pop("num_files_train")), "num_files_train"),
        (lambda t: t.parameter("dataset", "num_samples_per_file", {}), "num_samples_per_file; measured an object of 0 keys"),
        (lambda t: t.parameter("reader", "batch_size", "many"), "batch_size"),
        (lambda t: t.parameter("reader", "batch_size", -7), "positive"),
        (lambda t: t.parameter("dataset", "record_length_bytes", math.nan), "record"),
        (lambda t: t.parameter("reader", "batch_size", 10**4000), "no usable reader.batch_size"),
        (lambda t: t.edit_summary(lambda s: s.update(host_memory_GB=[0, 0.0])), "memory of a host must be a positive number"),
    ],
    "3.2.1": [
        (lambda t: _generated(t, num_files_train=FILES - 1), f"measured {(FILES - 1) * RECORD_BYTES} bytes"),
        (lambda t: t.parameter("dataset", "num_files_train", FILES + 1, run=0), f"required at least {(FILES + 1) * RECORD_BYTES} bytes"),
        (lambda t: _generated(t, num_samples_per_file=0), "less data than the first run reads; measured 0 bytes"),
        (lambda t: _generated(t, record_length_bytes=RECORD_BYTES - 0.01), f"measured {FILES * RECORD_BYTES - 280} bytes"),
        (lambda t: _generated(t, num_files_train=None), "does not record how much data it made"),
        (lambda t: _generated(t, record_length_bytes="long"), "does not record how much data it made"),
        (lambda t: t.second("datagen", "20260713_080200", lambda m: m["parameters"]["dataset"].update(num_files_train=9)), "less data"),
        (_no_generation, "no data generation to compare"),
    ],
}
