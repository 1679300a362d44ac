"""Trees of one run that wrote and read, which the rules on what a run is asked for pass and fail."""

from checkpointing_tree import CheckpointingTree

from pytest_mlpstorage.results.records import CheckpointingResult

SUBJECT = CheckpointingResult
write = CheckpointingTree.write


def valid(tree):
    """Leave the tree as it is."""


def _subset(tree, key):
    tree.args(checkpoint_subset=True)
    tree.parameter(key, {"checkpoint.mode": "subset", "model.parallelism.data": 8}[key])


def _many(tree, number):
    tree.parameter("more", {f"key{n}": n for n in range(number)})


def _deep(tree):
    value = {"x": 1}
    for _ in range(60):
        value = {"x": value}
    tree.parameter("x", value)


PASSING = {
    "4.3.3": [
        valid,
        lambda t: t.args(model="LLaMA3_8B"),
        lambda t: t.edit_metadata(lambda m: m["args"].pop("model")),
        lambda t: t.args(model=8),
        lambda t: t.args(model=""),
    ],
    "4.3.5": [
        valid,
        lambda t: t.args(checkpoint_subset=True),
        lambda t: t.override("checkpoint.mode", "Subset"),
        lambda t: (t.override("checkpoint.mode", "default"), t.summary(num_accelerators=9)),
        lambda t: t.summary(num_accelerators=64),
    ],
    "4.6.1": [valid, lambda t: t.args(num_processes="8"), lambda t: t.edit_metadata(lambda m: m["args"].pop("num_processes"))],
    "4.6.2": [
        valid,
        lambda t: t.summary(num_accelerators=5),
        lambda t: t.summary(num_accelerators=9, num_hosts=2),
        lambda t: t.metadata(verification="OPEN"),
    ],
    "4.6.3": [
        valid,
        lambda t: t.parameter("checkpoint.checkpoint_folder", "/elsewhere"),
        lambda t: t.parameter("checkpoint.fsync", "True"),
        lambda t: (t.parameter("model.num_layers", "32"), t.parameter("checkpoint.num_checkpoints_read", "10")),
        lambda t: (t.parameter("checkpoint.num_checkpoints_read", "0"), t.override("checkpoint.num_checkpoints_read", 0)),
        lambda t: t.override("storage.storage_type", "s3"),
        lambda t: t.parameter("reader", {}),
        lambda t: _subset(t, "checkpoint.mode"),
        lambda t: _subset(t, "model.parallelism.data"),
        lambda t: t.edit_metadata(lambda m: m["parameters"]["checkpoint"].pop("time_between_checkpoints")),
    ],
    "RC-CKP-1": [valid, lambda t: t.metadata(benchmark_type=" Checkpointing ")],
    "RC-CKP-4": [
        valid,
        lambda t: t.metadata(accelerator=None),
        lambda t: t.metadata(accelerator="tpu"),
        lambda t: t.metadata(accelerator="B200"),
    ],
}

FAILING = {
    "4.3.3": [
        (lambda t: t.args(model="llama3-7b"), "measured llama3-7b; required llama3-8b, llama3-70b, llama3-405b, llama3-1t"),
        (lambda t: t.args(model="llama3-38b"), "does not have"),
        (lambda t: t.args(model="llama3-8bit"), "does not have"),
        (lambda t: t.args(model="llama3-70b"), "another model than its directory is named after; measured llama3-70b; required llama3-8b"),
        (lambda t: (t.args(model=None), t.metadata(model=None)), "measured missing"),
    ],
    "4.3.5": [
        (lambda t: (t.args(checkpoint_subset="True"), t.summary(num_accelerators=7)), "another number of ranks; measured 7; required 8"),
        (lambda t: (t.override("checkpoint.mode", " subset"), t.summary(num_accelerators=9)), "another number of ranks"),
        (lambda t: (t.parameter("checkpoint.mode", "subset"), t.args(model="llama3-70b")), "not for this model; measured llama3-70b; required llama3-8b;"),
    ],
    "4.6.1": [
        (lambda t: t.args(num_processes=16), "measured 16; required 8"),
        (lambda t: t.args(num_processes=16), "under open/ the result would be OPEN"),
        (lambda t: t.args(num_processes="4"), "measured 4; required 8"),
        (lambda t: t.args(num_processes=1), "would be OPEN; measured 1; required 8"),
        (lambda t: t.args(num_processes=0), "than a closed run of this model has; measured 0"),
        (lambda t: t.args(num_processes=-8), "than a closed run of this model has; measured -8"),
        (lambda t: t.summary(num_accelerators=7), "the run had another number of ranks than a closed run of this model has; measured 7; required 8"),
        (lambda t: t.args(model="llama3-405b"), "than a closed run of this model has; measured 8; required 512"),
        (lambda t: t.args(model="llama3-70b"), "would be OPEN; measured 8; required 64"),
    ],
    "4.6.2": [
        (lambda t: t.summary(num_hosts=2), "measured 8 accelerators on 2 host(s); required more than 4 on each host"),
        (lambda t: t.summary(num_accelerators=4), "too few accelerators on a host"),
        (lambda t: t.summary(num_accelerators=3), "too few accelerators on a host"),
        (lambda t: t.summary(num_hosts=0), "on 0 host(s)"),
        (lambda t: t.summary(num_hosts=-1), "on -1 host(s)"),
    ],
    "4.6.3": [
        (lambda t: t.parameter("model.num_layers", 31), "model.num_layers is not what the workload has; measured 31; required 32"),
        (lambda t: t.parameter("checkpoint.fsync", False), "checkpoint.fsync is not what the workload has"),
        (lambda t: t.parameter("checkpoint.num_checkpoints_write", 1), "measured 1; required 10"),
        (lambda t: t.parameter("checkpoint.num_checkpoints_write", False), "is not what the workload has"),
        (lambda t: t.parameter("checkpoint.ksm", {"on": True}), "checkpoint.ksm.on is no parameter of the workload; measured True"),
        (lambda t: t.parameter("checkpoint.ksm", None), "measured null"),
        (lambda t: t.parameter("model.parallelism.tensor", True), "measured True; required 1"),
        (lambda t: t.override("reader.read_threads", 8), ":override_parameters.reader.read_threads"),
        (lambda t: t.parameter("train.epochs", 1), ":parameters.train.epochs"),
        (lambda t: t.parameter("checkpoint.mode", "default"), "checkpoint.mode is no parameter"),
        (lambda t: t.parameter("model.parallelism.data", 8), "model.parallelism.data is no parameter"),
        (lambda t: _many(t, 20), "more.key19 is no parameter"),
        (lambda t: (t.parameter("train.epochs", 1), t.override("train.epochs", 1)), ":parameters.train.epochs"),
        (lambda t: _many(t, 21), "more parameters differ from the workload; measured 21; required 0"),
        (_deep, ".x.x is no parameter of the workload; measured an object"),
    ],
    "RC-CKP-1": [
        (lambda t: t.metadata(benchmark_type="training"), "measured training; required checkpointing"),
        (lambda t: t.metadata(benchmark_type=None), "measured missing"),
    ],
    "RC-CKP-4": [
        (lambda t: (t.metadata(accelerator="h100"), t.args(num_processes=1)), "measured 1 × 80 GB; required 105 GB"),
        (lambda t: t.args(model="llama3-405b"), "measured 8 × 180 GB; required 5290 GB"),
    ],
}  # fmt: skip
