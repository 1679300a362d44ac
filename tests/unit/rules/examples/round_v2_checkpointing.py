"""Checkpointing results of edition 2.0 that each rule passes and that it fails: the valid one, changed in one place."""

from round_v2_tree import RoundTree

from pytest_mlpstorage.results.records import CheckpointingResult

SUBJECT = CheckpointingResult
write = RoundTree.checkpointing


def valid(tree):
    """Leave the tree as it is."""


def several(*bends):
    def bend(tree):
        for one in bends:
            one(tree)

    return bend


def as_model(model, processes=8, mode=None):
    """The same runs under another model's directory, with its number of ranks."""

    def bend(tree):
        old = tree.result_dir
        object.__setattr__(tree, "model", model)
        old.rename(tree.result_dir)
        tree.summary(num_accelerators=processes)
        if mode is not None:
            tree.parameter("checkpoint.mode", mode)

    return bend


def counted(*counts):
    """The runs' numbers of checkpoints (written, read); one more run for each pair beyond them."""

    def bend(tree):
        while len(tree.runs) < len(counts):
            tree.add_run(name=f"20250619_23000{len(tree.runs)}")
        for run, (writes, reads) in enumerate(counts):
            tree.parameter("checkpoint.num_checkpoints_write", writes, run=run)
            tree.parameter("checkpoint.num_checkpoints_read", reads, run=run)

    return bend


def memory(gib, *, hosts=1):
    return lambda tree: tree.summary(host_memory_GB=[gib / hosts] * hosts, num_hosts=hosts)


def cached(kib):
    return lambda tree: tree.summary(host_meminfo={"Cached": kib})


def datasize_record(tree):
    """What the tool's ``datasize`` left beside the runs."""
    leaf = tree.add_run(name="20250619_000000")
    (leaf / "summary.json").unlink()
    tree.edit(tree.metadata_of(leaf), lambda m: m["args"].update(command="datasize"))


COMBINED = counted((10, 10), (0, 0))
UNSIZED = several(lambda t: t.metric(checkpoint_size_GB=None))
TO_OPEN = several(lambda t: t.to("open"))

PASSING = {
    "V2-CKP-check_num_processes": [
        valid,
        RoundTree.without_config,
        RoundTree.without_metadata,
        as_model("llama3-70b", 64),
        as_model("llama3-405b", 512, "default"),
        as_model("llama3-1t", 1024),
        *(as_model(model, 8, "subset") for model in ("llama3-8b", "llama3-70b", "llama3-405b", "llama3-1t")),
        several(TO_OPEN, as_model("llama3-8b", 16)),
        several(TO_OPEN, as_model("llama3-70b", 8)),
        several(TO_OPEN, as_model("llama3-405b", 256)),
        several(TO_OPEN, as_model("llama3-1t", 2048)),
        several(TO_OPEN, as_model("llama3-1t", 8, "subset")),
        lambda t: t.summary(num_accelerators=None),
        datasize_record,
    ],
    "V2-CKP-check_allowed_params": [
        valid,
        RoundTree.without_config,
        RoundTree.without_metadata,
        lambda t: t.override("checkpoint.mode", "subset"),
        lambda t: t.given("++workload.model.parallelism.data=8"),
    ],
    "V2-CKP-check_clear_cache_requirement": [
        valid,
        several(COMBINED, memory(315), UNSIZED),
        several(COMBINED, memory(315, hosts=2), UNSIZED),
        # The last of three hosts has two of eight ranks: 26.25 GiB of a checkpoint.
        several(COMBINED, memory(3 * 78.75, hosts=3), UNSIZED),
        several(counted((10, 0), (0, 0)), memory(9_999)),
        memory(9_999),
        several(cached("330301440 kB"), UNSIZED),
        several(cached(330301440), UNSIZED),
        several(cached("330301440kB"), UNSIZED),
        # By the tool's formula, eight ranks in subset mode write the whole optimizer and eight shares of the model.
        several(as_model("llama3-405b", 8, "subset"), COMBINED, memory(13_678.875), UNSIZED),
        several(as_model("llama3-70b", 64), COMBINED, memory(2_733), UNSIZED),
        several(as_model("llama3-405b", 512), COMBINED, memory(64 * 3 * 82.6875, hosts=64), UNSIZED),
        datasize_record,
    ],
    "V2-CKPSUB-check_num_runs": [
        valid,
        RoundTree.without_config,
        RoundTree.without_metadata,
        counted((10, 10), (0, 0)),
        counted((5, 5), (5, 0), (0, 5)),
        counted(*((1, 0) for _ in range(9)), (1, 10)),
        datasize_record,
        lambda t: t.config(checkpoint={}),
        lambda t: (t.result_dir / "results.json").write_text("[]"),
        lambda t: (t.result_dir / ".DS_Store").mkdir(),
        lambda t: t.metadata(lambda m: m["combined_params"]["checkpoint"].update(num_checkpoints_write=7)),
    ],
    "V2-CKPSUB-check_filesystem_cache": [valid, several(COMBINED, memory(315)), memory(9_999), cached("330301440 kB")],
}

FAILING = {
    "V2-CKP-check_num_processes": [
        (
            lambda t: t.summary(num_accelerators=16),
            "llama3-8b had another number of ranks; under open/ the result would be OPEN; measured 16; required 8;",
        ),
        (lambda t: t.summary(num_accelerators=9), "a run of llama3-8b had another number of ranks; measured 9; required 8; in closed/"),
        (as_model("llama3-70b", 8), "would be OPEN; measured 8; required 64"),
        (as_model("llama3-405b", 8), "had another number of ranks; measured 8; required 512"),
        (as_model("llama3-1t", 512), "would be OPEN; measured 512; required 1024"),
        (
            as_model("llama3-70b", 64, "subset"),
            "in subset mode had another number of ranks; under open/ the result would be OPEN; measured 64; required 8",
        ),
        (as_model("llama3-8b", 8, "half"), "an unknown form; measured half; required default or subset; in closed/"),
        (as_model("llama3-8b", 8, ["subset"]), "an unknown form; measured a list of 1 values"),
        (several(TO_OPEN, as_model("llama3-8b", 12)), "measured 12; required 8, or a multiple of 8"),
        (several(TO_OPEN, as_model("llama3-8b", 0)), "had another number of ranks; measured 0"),
        (several(TO_OPEN, as_model("llama3-8b", -8)), "had another number of ranks; measured -8"),
        (several(TO_OPEN, as_model("llama3-405b", 8)), "measured 8; required 512, or a multiple of 256"),
        (several(lambda t: t.to("whatif"), as_model("llama3-8b", 16)), "measured 16; required 8;"),
        (as_model("llama3-7b"), "the edition has no such model; measured llama3-7b; required one of llama3-8b, llama3-70b"),
        (
            several(lambda t: t.summary(num_accelerators=None), lambda t: t.metadata(lambda m: m["args"].update(num_processes=4))),
            "measured 4",
        ),
    ],
    "V2-CKP-check_allowed_params": [
        (
            lambda t: t.override("checkpoint.fsync", "False"),
            "checkpoint.fsync is in no list of parameters that a submission may set; measured",
        ),
        (lambda t: t.override("workflow.checkpoint", True, run=1), "workflow.checkpoint is in no list"),
        (lambda t: t.given("++workload.model.num_layers=1"), "model.num_layers is in no list"),
        (several(TO_OPEN, lambda t: t.override("checkpoint.fsync", "False")), "checkpoint.fsync is in no list"),
    ],
    "V2-CKP-check_clear_cache_requirement": [
        (
            several(COMBINED, memory(315.01)),
            "could read checkpoints from memory; measured hosts with 315.01 GiB of memory each; required at most 315.00 GiB, 3 × what",
        ),
        (several(COMBINED, memory(631, hosts=2)), "memory each; required at most 157.50 GiB"),
        (several(COMBINED, memory(3 * 78.8, hosts=3)), "required at most 78.75 GiB"),
        (several(COMBINED, memory(20_000, hosts=16)), "required at most 39.38 GiB"),
        (cached("330301441 kB"), "could read checkpoints from memory; measured 315.00 GiB cached; required at most 315.00 GiB"),
        (cached(4e8), "GiB cached"),
        (several(as_model("llama3-405b", 8, "subset"), COMBINED, memory(13_679)), "required at most 13678.88 GiB"),
        (several(as_model("llama3-70b", 64), COMBINED, memory(2_734)), "required at most 2733.00 GiB"),
        (several(as_model("llama3-405b", 512), COMBINED, memory(64 * 249, hosts=64)), "required at most 248.06 GiB"),
        # What a run recorded of its size makes a warning, never an error.
        (
            several(COMBINED, memory(314.5)),
            "by the size of the checkpoints that it recorded; measured hosts with 314.50 GiB of memory each; required at most 314.11",
        ),
        (
            several(COMBINED, memory(314, hosts=2), lambda t: t.metric(checkpoint_size_GB=100)),
            "recorded; measured hosts with 157.00 GiB of memory each; required at most 150.00",
        ),
        (
            several(cached("230301440 kB"), lambda t: t.metric(checkpoint_size_GB=50)),
            "that it recorded; measured 219.63 GiB cached; required at most 150.00",
        ),
    ],
    "V2-CKPSUB-check_num_runs": [
        (counted((9, 0), (0, 10)), "the checkpoints written by all runs are not as many as a result has; measured 9; required 10"),
        (counted((10, 0), (0, 11)), "the checkpoints read by all runs are not as many as a result has; measured 11; required 10"),
        (counted((5, 5), (5, 5)), "too many runs both write and read; measured 2; required at most 1"),
        (counted((20, 0), (-10, 10)), "a negative number of checkpoints; measured -10; required 0"),
        (lambda t: t.crash(1), "a run directory holds no finished run"),
        (lambda t: t.crash(1), "the checkpoints read by all runs are not as many as a result has; measured 0; required 10"),
        (
            lambda t: (t.result_dir / "first").mkdir(),
            "not named as a timestamp and was not read; measured first; required YYYYMMDD_HHMMSS; in closed/acme/results/fastfs/checkpointing/llama3-8b/first",
        ),
        (
            lambda t: [run.rename(t.result_dir.parent / run.name) for run in t.runs],
            "written by all runs are not as many as a result has; measured 0",
        ),
        (several(datasize_record, lambda t: t.metadata(lambda m: m["args"].update(command="run"), run=0)), "holds no finished run"),
        (several(datasize_record, lambda t: (t.runs[0] / "summary.json").write_text("{}")), "measured 20; required 10"),
    ],
    "V2-CKPSUB-check_filesystem_cache": [
        (
            several(COMBINED, memory(315.01)),
            "runs of the result could read checkpoints from memory; measured 1 of 1 runs that read; required none; in closed/acme/",
        ),
        (several(counted((5, 0), (5, 5), (0, 5)), cached("430301440 kB")), "measured 1 of 2 runs that read"),
    ],
}
