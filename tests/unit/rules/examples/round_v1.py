"""Results of round 1.0 that each rule on their runs passes and that it fails: the valid one, changed in one place."""

import math
import shutil

from round_v1_tree import FILES, HOST_GIB, RoundV1Tree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = RoundV1Tree.write


def valid(tree):
    """Leave the tree as it is."""


def several(*bends):
    def bend(tree):
        for one in bends:
            one(tree)

    return bend


def rename(old, new):
    return lambda t: (t.result_dir / old).rename(t.result_dir / new)


def clients(tree):
    """Put each run's files one level deeper, as where every client had a folder of its own."""
    for run in tree.runs:
        moved = run.rename(run.with_name("moved"))
        run.mkdir()
        moved.rename(run / "c002")
    object.__setattr__(tree, "client", "c002")


def files(count):
    return several(lambda t: t.summary(num_files_train=count), lambda t: t.config({"dataset.num_files_train": count}))


def hosts(count, memory, own=None, cpus=None):
    """Hosts of a run with the memory in GiB and the CPUs as the emulator records them; ``own`` GiB is what the first says of itself."""

    def bend(tree):
        tree.summary(num_hosts=count, host_memory_GB=memory)
        if own is not None:
            tree.summary(host_meminfo={"MemTotal": f"{round(own * 1024**2)} kB"})
        if cpus is not None:
            tree.summary(host_cpu_count=cpus)

    return bend


def start(tree, run, begun, ended):
    tree.summary(run=run, start=f"2024-08-20T{begun}", end=f"2024-08-20T{ended}")


PASSING = {
    "V1-1": [
        valid,
        clients,
        rename("run3", "RUN-3"),
        rename("run3", "unet3d_h100_run_3"),
        rename("run3", "third"),
        lambda t: (t.runs[0] / "._summary.json").write_bytes(b"\0\5\x16\7"),
        several(clients, lambda t: shutil.copytree(t.runs[0] / "c002", t.runs[0] / "c003")),
        lambda t: (t.result_dir / "datagen").mkdir(),
    ],
    "V1-2": [valid, lambda t: t.metric(train_au_meet_expectation=" Success ")],
    "V1-4": [valid, lambda t: t.summary(num_accelerators="8", run=1), lambda t: t.summary(num_files_train=float(FILES), run=1)],
    "V1-7": [
        valid,
        lambda t: t.metric(train_au_mean_percentage=90),
        lambda t: t.metric(train_au_mean_percentage="90.0011"),
        lambda t: t.metric(train_au_mean_percentage=100.0),
        several(lambda t: t.metric(train_au_mean_percentage=70.0), lambda t: t.overrides(lambda o: ["workload=cosmoflow_a100", *o[1:]])),
    ],
    "V1-8": [valid, files(FILES), lambda t: t.config({"train.total_training_steps": 500}), lambda t: t.config(drop=["checkpoint"])],
    "V1-9": [
        valid,
        # floor(5 × 1024 GiB / 146 600 628 B) = 37 500; the half GiB that the host has more does not count.
        several(files(37_500), hosts(1, [1024.5])),
        several(files(FILES), hosts(4, [764.0, 0, 0, 0])),
        several(files(FILES), hosts(1, ["764.59"])),
        several(files(1), hosts(1, [0.99])),
        several(files(37_500), hosts(1, [1024.0]), lambda t: t.config({"train.total_training_steps": 10**6})),
    ],
    "V1-10": [
        valid,
        hosts(4, [4 * HOST_GIB, 0, 0, 0], cpus=[256, 0, 0, 0]),
        hosts(4, [2 * HOST_GIB, HOST_GIB, HOST_GIB, 0], cpus=[128, 64, 64, 0]),
        # Exactly 1 % less and more than the first host.
        hosts(1, [99.0], own=100.0),
        hosts(1, [101.0], own=100.0),
        several(hosts(1, [100.0], own=100.0), lambda t: t.summary(run=2, host_memory_GB=[101.0])),
        lambda t: t.summary(host_cpu_count=64),
        lambda t: t.summary(host_meminfo={"MemTotal": f"  {HOST_GIB * 1024**2} KB "}),
    ],
    "V1-11": [
        valid,
        # Runs of 240 s: an idle time of 240 s passes.
        several(
            lambda t: start(t, 0, "08:00:00", "08:04:00"),
            lambda t: start(t, 1, "08:08:00", "08:12:00"),
            lambda t: start(t, 2, "08:12:00", "08:16:00"),
            lambda t: start(t, 3, "08:17:00", "08:21:00"),
            lambda t: start(t, 4, "08:21:30", "08:25:30"),
        ),
        # The order is that of the clock, not of the names.
        several(lambda t: start(t, 0, "08:22:30", "08:26:30"), lambda t: start(t, 4, "08:00:00", "08:04:00")),
        lambda t: t.summary(lambda s: s.update(start_time=s.pop("start"), end_time=s.pop("end") + "Z")),
    ],
}

FAILING = {
    "V1-1": [
        (lambda t: t.runs[4].rename(t.submission / "gone"), "measured 4; required 5"),
        (lambda t: shutil.copytree(t.runs[4], t.result_dir / "run6"), "measured 6; required 5"),
        (lambda t: t.remove("summary.json"), "did not finish"),
        (lambda t: shutil.rmtree(t.runs[0]) or t.runs[0].with_name("run1").mkdir(), "did not finish"),
        (lambda t: t.put("summary.json", "{", run=1), "is no JSON"),
        (lambda t: t.put("summary.json", "[]", run=1), "not an object"),
        (lambda t: t.put("summary.json", "", run=1), "is empty"),
        (
            several(clients, lambda t: shutil.copytree(t.runs[0] / "c002", t.runs[0] / "c003"), lambda t: t.summary(run=0, epochs=4)),
            "measured 2 summaries; required one",
        ),
        (several(clients, clients), "did not finish"),
    ],
    "V1-2": [
        (lambda t: t.metric(train_au_meet_expectation="fail", run=4), "measured fail; required success"),
        (lambda t: t.metric(train_au_meet_expectation=None, run=4), "measured missing"),
        (lambda t: t.metric(train_au_meet_expectation=True), "measured missing"),
        (lambda t: t.without("metric"), "measured missing"),
    ],
    "V1-4": [
        (lambda t: t.summary(num_accelerators=9, run=1), "differ in num_accelerators; measured 8 (4 ×), 9 (1 ×)"),
        (lambda t: t.summary(num_accelerators=9, run=1), "run2/summary.json:num_accelerators"),
        (lambda t: t.summary(num_files_train=28_001, run=4), "differ in num_files_train"),
        (lambda t: t.summary(num_samples_per_file=2, run=0), "run1/summary.json:num_samples_per_file"),
        (lambda t: t.overrides(lambda o: ["workload=unet3d_a100", *o[1:]], run=3), "differ in accelerator; measured h100 (4 ×), a100"),
        (lambda t: t.overrides(lambda o: ["workload=resnet50_h100", *o[1:]], run=3), "differ in model"),
    ],
    "V1-7": [
        (
            lambda t: t.metric(run=3, train_au_mean_percentage=89.99999999),
            "below the minimum; measured 89.99999999; required at least 90 %",
        ),
        (lambda t: t.metric(run=3, train_au_mean_percentage=100.5), "no percentage"),
        (lambda t: t.metric(run=3, train_au_mean_percentage=-0.5), "no percentage"),
        (lambda t: t.metric(run=3, train_au_mean_percentage=0), "below the minimum; measured 0.0"),
        (lambda t: t.metric(run=3, train_au_mean_percentage=math.nan), "no accelerator utilization; measured nan"),
        (lambda t: t.metric(run=3, train_au_mean_percentage=[95]), "no accelerator utilization; measured a list"),
        (lambda t: t.without("metric", run=2), "no accelerator utilization"),
        (
            several(
                lambda t: t.metric(train_au_mean_percentage=69.9), lambda t: t.overrides(lambda o: ["workload=cosmoflow_a100", *o[1:]])
            ),
            "required at least 70 %",
        ),
    ],
    "V1-8": [
        (files(FILES - 1), f"measured {FILES - 1} files; required at least {FILES} files"),
        (lambda t: t.summary(num_files_train=FILES - 1), "too few files"),
        (lambda t: t.config({"dataset.num_files_train": FILES - 1}), "too few files"),
        (lambda t: t.summary(num_accelerators=9), "required at least 31500 files"),
        (lambda t: t.config({"reader.batch_size": 8}), "required at least 32000 files"),
        (lambda t: t.config({"train.total_training_steps": 501}), "required at least 28056 files"),
        (lambda t: t.summary(num_files_train=0), "num_files_train is no count"),
        (lambda t: t.summary(num_accelerators=-8), "num_accelerators is no count"),
        (lambda t: t.config({"reader.batch_size": 10**16}), "reader.batch_size is no count"),
        (lambda t: t.config({"dataset.record_length": "long"}), "cannot be computed"),
        (lambda t: t.config({"dataset.record_length": [1]}), "cannot be computed"),
        (lambda t: t.config(drop=["dataset.record_length"]), "cannot be computed"),
    ],
    "V1-9": [
        (several(files(37_499), hosts(1, [1024.0])), "measured 37499 files; required at least 37500 files"),
        (several(files(37_500), hosts(1, [1025.0])), "smaller than 5 × the memory of all hosts (1025 GiB on 1 host(s))"),
        # Each of three hosts counts in whole GiB: 3 × 341, not 1024.
        (several(files(37_000), hosts(3, [1024.9, 0, 0])), "required at least 37463 files"),
        (hosts(0, [256.0]), "without a host"),
        (hosts(10**16, [256.0]), "without a host"),
        (hosts(1, [-256.0]), "is no size"),
        (hosts(1, [0]), "is no size"),
        (hosts(1, [1.7e308, 1.7e308]), "is no size"),
    ],
    "V1-10": [
        (hosts(1, [98.99], own=100.0), "do not all have the same memory; measured 98.99 GiB in the mean of 1 host(s)"),
        (hosts(1, [101.01], own=100.0), "required 100.00 GiB as on the first host, ± 1%"),
        (hosts(2, [256.0, 128.0], cpus=[64, 64]), "do not all have the same memory"),
        (hosts(2, [256.0, 256.0], cpus=[64, 32]), "same number of CPUs; measured 64, 32 on 2 host(s)"),
        (hosts(3, [768.0, 0, 0], cpus=[128, 0, 0]), "same number of CPUs"),
        (several(hosts(1, [100.0], own=100.0), lambda t: t.summary(run=2, host_memory_GB=[101.01])), "not those of another"),
        (lambda t: t.summary(run=4, host_cpu_count=[63]), "measured 63; required 64 as in the first run"),
        (hosts(0, [256.0]), "without a host"),
    ],
    "V1-11": [
        (
            several(
                lambda t: start(t, 0, "08:00:00", "08:04:00"),
                lambda t: start(t, 1, "08:08:00.000001", "08:12:00.000001"),
                lambda t: start(t, 2, "08:12:10", "08:16:10"),
                lambda t: start(t, 3, "08:17:00", "08:21:00"),
                lambda t: start(t, 4, "08:21:30", "08:25:30"),
            ),
            "measured 240.000001 s, 1.00 times the mean run; required at most 240 s",
        ),
        (lambda t: start(t, 4, "09:24:00", "09:28:00"), "run5/summary.json:start"),
        (lambda t: start(t, 4, "07:00:00", "06:59:59"), "ends before it starts"),
        (lambda t: start(t, 1, "08:03:59.000001", "08:07:59"), "starts before the one before it has ended; measured -1 s"),
        # Runs without any length leave no room for a gap.
        (lambda t: t.summary(lambda s: s.update(end=s["start"])), "measured 300 s; required at most 0 s"),
    ],
}
