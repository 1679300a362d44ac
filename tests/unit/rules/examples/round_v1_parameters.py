"""Results of round 1.0 that each rule on workloads, overrides and documents passes and that it fails."""

import json
import shutil

from round_v1_tree import DESCRIPTION, RoundV1Tree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = RoundV1Tree.write
SYSTEMS = "systems"


def valid(tree):
    """Leave the tree as it is."""


def several(*bends):
    def bend(tree):
        for one in bends:
            one(tree)

    return bend


def workload(name):
    return lambda t: t.overrides(lambda given: [f"workload={name}", *given[1:]])


def system(old, new):
    return lambda t: (t.submission / SYSTEMS / old).rename(t.submission / SYSTEMS / new)


def hosts_of_a_run(tree):
    """Configurations of many hosts beside one summary, the first run's third host having another one."""
    for run in tree.runs:
        for host in range(4):
            shutil.copytree(run / "configs", run / f"host{host}" / "configs")
        shutil.rmtree(run / "configs")


def one_host(change):
    def bend(tree):
        hosts_of_a_run(tree)
        file = tree.runs[1] / "host2" / "configs" / "overrides.yaml"
        file.write_text(change(file.read_text()))

    return bend


def equal_rates(deviation):
    """Runs that are equal, and a report whose deviation is not quite 0, as arithmetic of another order gives it."""

    def bend(tree):
        tree.metric(train_throughput_mean_samples_per_second=100.0)
        tree.report(lambda r: [entry.update(train_throughput_samples_per_second=100.0) for entry in r["runs"].values()])
        figures = {"train_throughput_mean_samples_per_second": 100.0, "train_throughput_stdev_samples_per_second": deviation}
        tree.report(lambda r: r["overall"].update(figures))

    return bend


def in_own_folder(tree):
    """The runs in a folder of their own, below the report."""
    runs = tree.result_dir / "runs"
    runs.mkdir()
    for run in tree.runs:
        if run.name != "runs":
            run.rename(runs / run.name)
    object.__setattr__(tree, "group", f"{tree.group}/runs")


def report_to(folder):
    def bend(tree):
        path = tree.result_dir / folder
        path.mkdir(exist_ok=True)
        (tree.result_dir / "mlperf_storage_report.json").rename(path / "mlperf_storage_report.json")

    return bend


PASSING = {
    "V1-3": [
        valid,
        hosts_of_a_run,
        lambda t: t.override("hydra.run.dir=/somewhere"),
        *(workload(f"{model}_{acc}") for model in ("unet3d", "resnet50", "cosmoflow") for acc in ("a100", "h100")),
    ],
    "V1-5": [
        valid,
        hosts_of_a_run,
        lambda t: t.override(
            "++workload.reader.read_threads=16", "+workload.reader.prefetch_size=2", "workload.storage.storage_type=local_fs"
        ),
        lambda t: t.override("++workload.checkpoint.checkpoint_folder=/a=b", "++workload.workflow.checkpoint=True"),
        lambda t: t.override("++workload.dataset.num_subfolders_train=4", "++hydra.run.dir=/x"),
    ],
    "V1-12": [
        valid,
        hosts_of_a_run,
        lambda t: t.config({"metric.au": "0.90", "reader.read_threads": 4.0}),
        several(lambda t: t.config({"reader.read_threads": 16}), lambda t: t.override("++workload.reader.read_threads=16")),
        several(lambda t: t.config({"train.epochs": 1}), lambda t: t.override("++workload.train.epochs=1")),
    ],
    "V1-13": [
        valid,
        system("fastfs.json", "fastfs.JSON"),
        system("fastfs.pdf", "fastfs.PDF"),
        several(lambda t: (t.submission / SYSTEMS).rename(t.submission / "System")),
        lambda t: (t.submission / SYSTEMS).rename(t.submission / "results" / "fastfs" / SYSTEMS),
        lambda t: (t.submission / SYSTEMS / "~$fastfs.json").write_text("x"),
        lambda t: t.description.write_text("\ufeff" + json.dumps(DESCRIPTION), encoding="utf-8"),
        lambda t: t.describe(lambda d: d["benchmark_hosts"][0]["benchmark_instances"][0].update(cpu_cores="many")),
    ],
    "V1-14": [
        valid,
        in_own_folder,
        report_to("report"),
        several(in_own_folder, lambda t: (t.result_dir.parent / "notes").mkdir()),
        lambda t: t.report(lambda r: r.update(runs={f"old-{n}": entry for n, entry in enumerate(r["runs"].values())})),
        lambda t: t.report(lambda r: r.update(runs=dict(zip(r["runs"], reversed(r["runs"].values()), strict=True)))),
        lambda t: t.report(lambda r: r["overall"].update(num_benchmark_runs="5", train_num_accelerators=8.0, num_files_train="28000")),
        lambda t: t.report(lambda r: r["overall"].update(train_throughput_mean_samples_per_second="102.0", remark="x")),
        lambda t: t.report(lambda r: r["runs"]["run1"].update(train_throughput_samples_per_second=100.00009)),
        lambda t: (t.result_dir / "mlperf_storage_report.json").rename(t.result_dir / "MLPerf_Storage_Report_unet3d.JSON"),
        equal_rates(0.00000009),
    ],
}

FAILING = {
    "V1-3": [
        (lambda t: t.overrides(lambda given: given[1:]), "do not name one workload; measured absent"),
        (lambda t: t.override("workload=unet3d_a100"), "measured unet3d_h100, unet3d_a100"),
        (workload("unet3d"), "none of the round"),
        (workload("bert_h100"), "none of the round"),
        (workload("unet3d_b200"), "none of the round"),
        (workload("unet3d_h100_mine"), "measured unet3d_h100_mine"),
        (workload(""), "none of the round"),
        (lambda t: t.remove("configs", run=1), "has no overrides"),
        (lambda t: t.remove("configs/overrides.yaml", run=1), "has no overrides"),
        (lambda t: t.put("configs/overrides.yaml", "a: [", run=1), "cannot be read: the file is no YAML"),
        (lambda t: t.put("configs/overrides.yaml", "a: 1", run=1), "holds no list of overrides"),
        (one_host(lambda text: text.replace("unet3d_h100", "flux_h100")), "run2/host2/configs/overrides.yaml:workload"),
    ],
    "V1-5": [
        (lambda t: t.override("++workload.dataset.format=hdf5"), "there the result would be OPEN; measured hdf5"),
        (lambda t: t.override("++workload.train.epochs=1"), "train.epochs is in no list"),
        (lambda t: t.override("++workload.reader.odirect=True"), "reader.odirect is in no list"),
        (lambda t: t.override("~workload.metric.au"), "metric.au is in no list"),
        (lambda t: t.override("++train.epochs=1"), "an override is none of the workload; measured train.epochs"),
        (lambda t: t.overrides(lambda given: [*given, {"train": 1}]), "an override is none of the workload"),
        (one_host(lambda text: text + "- ++workload.train.epochs=1\n"), "run2/host2/configs/overrides.yaml:workload.train.epochs"),
    ],
    "V1-12": [
        (
            lambda t: t.config({"reader.read_threads": 5}),
            "reader.read_threads differs from the released one and is not among the overrides; measured 5; required 4",
        ),
        (lambda t: t.config({"reader.prefetch_size": 2}), "measured 2; required absent"),
        (
            lambda t: t.config(drop=["train.computation_time"], run=2),
            "measured absent; required 0.323; in Closed/acme/results/fastfs/unet3d-h100/run3",
        ),
        (lambda t: t.config({"train.computation_time": 0.324}), "train.computation_time differs"),
        (lambda t: t.config({"workflow.checkpoint": 1}), "workflow.checkpoint differs"),
        (lambda t: t.config({"dataset.format": None}), "measured null; required npz"),
        (lambda t: t.config({"dataset.format": "absent", "reader.extra": "absent"}), "reader.extra differs"),
        (lambda t: t.config({"dataset.format": "hdf5"}), "dataset.format differs"),
        (lambda t: t.config({"reader.file_shuffle": ["seed"]}), "measured a list of 1 values"),
    ],
    "V1-13": [
        (lambda t: t.description.unlink(), "has no description under its name; required fastfs.json; in Closed/acme/systems"),
        (system("fastfs.json", "fast.json"), "has no description"),
        (system("fastfs.json", "fastfs.yaml"), "has no description"),
        (system("fastfs.pdf", "fast.pdf"), "has no PDF under its name; required fastfs.pdf"),
        (system("fastfs.pdf", "fastfs.docx"), "has no PDF"),
        (system("fastfs.pdf", "._fastfs.pdf"), "has no PDF"),
        (lambda t: shutil.rmtree(t.submission / SYSTEMS), "has no PDF"),
        (lambda t: t.description.write_text("{"), "the system description is no JSON"),
        (lambda t: t.description.write_text("[]"), "holds a JSON list"),
        (lambda t: t.describe(lambda d: d.pop("networks")), "a field is missing; required a list of objects"),
        (lambda t: t.describe(lambda d: d["nodes"][0]["DRAM"].update(capacity_MiB="262144")), "measured '262144'; required a number"),
        (lambda t: t.describe(lambda d: d["nodes"][0]["DRAM"].update(capacity_MiB=0.5)), "nodes.0.DRAM.capacity_MiB"),
    ],
    "V1-14": [
        (lambda t: (t.result_dir / "mlperf_storage_report.json").unlink(), "has no report of its runs"),
        (
            lambda t: (t.result_dir / "mlperf_storage_report.json").rename(t.submission / "results" / "mlperf_storage_report.json"),
            "has no report",
        ),
        (
            several(in_own_folder, lambda t: shutil.copytree(t.result_dir, t.result_dir.parent / "more" / "runs")),
            "has no report of its runs",
        ),
        (lambda t: (t.result_dir / "mlperf_storage_report.json").write_text("{"), "the report is no JSON"),
        (lambda t: (t.result_dir / "mlperf_storage_report.json").write_text("{}"), "measured missing; required 5"),
        (lambda t: t.report(lambda r: r.update(overall=[])), "overall.model"),
        (lambda t: t.report(lambda r: r.update(runs=[])), "no entry with the values of a run; measured run1"),
        (lambda t: t.report(lambda r: r["overall"].update(num_benchmark_runs=6)), "measured 6; required 5"),
        (lambda t: t.report(lambda r: r["overall"].update(train_num_accelerators="80")), "measured 80; required 8"),
        (lambda t: t.report(lambda r: r["overall"].update(accelerator="a100")), "measured a100; required h100"),
        (
            lambda t: t.report(lambda r: r["overall"].update(train_throughput_mean_samples_per_second=102.1)),
            "measured 102.1; required 102.0",
        ),
        (lambda t: t.report(lambda r: r["overall"].update(train_throughput_stdev_MB_per_second=None)), "measured missing"),
        (equal_rates(0.00000011), "overall.train_throughput_stdev_samples_per_second"),
        # The deviation of a sample is not that of all there is.
        (lambda t: t.report(lambda r: r["overall"].update(train_throughput_stdev_samples_per_second=1.5811388)), "required 1.414"),
        (lambda t: t.report(lambda r: r["runs"]["run1"].update(train_throughput_samples_per_second=100.001)), "runs.run1.train_throughput"),
        (lambda t: t.report(lambda r: r["runs"].update(run9=r["runs"].pop("run1"), run1=5)), "none of the runs; measured run1"),
        (lambda t: t.report(lambda r: r["runs"].update(run6=r["runs"]["run1"])), "none of the runs; measured run6"),
        (lambda t: t.report(lambda r: r["runs"].pop("run2")), "no entry with the values of a run; measured run2"),
        (lambda t: t.metric(run=2, train_throughput_mean_samples_per_second=99.0), "overall.train_throughput_mean_samples_per_second"),
    ],
}
