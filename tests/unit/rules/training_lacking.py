"""Trees in which a record that a rule on training must read is not there, and the words in which the rule says so."""

import json
import shutil

from training_tree import FILES

LOG = "training_run.stdout.log"


def generation(tree):
    return tree.leaves("datagen")[0]


def prune(path):
    path.write_text("PRUNED BY STAFF\n")


def metadata_of(leaf):
    return next(leaf.glob("*_metadata.json"))


def no_runs(tree):
    (tree.result_dir / "run").rename(tree.root / "gone")


def keep(tree, number):
    """Leave so many of the first runs."""
    for run in tree.runs[number:]:
        shutil.rmtree(run)


def no_generation(tree):
    generation(tree).rename(tree.root / "gone")


def manifest(tree, text):
    tree.edit_metadata(lambda m: m.update(datagen_manifest_file="datagen-manifest.json"), run=0)
    (tree.runs[0] / "datagen-manifest.json").write_text(text)


def linked(tree):
    source = f"/x/unet3d/datagen/{generation(tree).name}"
    manifest(tree, json.dumps({"source_datagen_result_dir": source, "num_files_train": FILES}))


def unlike_by_count(tree):
    tree.edit_summary(lambda s: s.update(num_hosts=2))


def two_directories(tree):
    tree.second("datasize", "20260713_080200", lambda m: m["args"].update(data_dir="/b"))
    tree.edit_metadata(lambda m: m["args"].update(data_dir=None), run=1)


def listed(tree):
    """Take away the record of the probe and let the log hold a listing of df."""
    (tree.runs[0] / "fs_separation.json").unlink()
    (tree.runs[0] / LOG).write_text("Filesystem Used Available Use% Mounted on\n/dev/a 1 1 1 9% /results\n")


LACKING = [
    ("2.1.13", lambda t: (t.result_dir / "datagen").rename(t.root / "datagen"), "there is no datagen/"),
    ("2.1.14", no_generation, "there is no data generation"),
    ("2.1.15", no_generation, "there is no data generation"),
    ("2.1.15", lambda t: (generation(t) / "dlio_config").rename(t.root / "gone"), "there is no dlio_config/"),
    ("2.1.18", no_runs, "there is no run"),
    ("2.1.18", lambda t: t.remove("summary.json"), "summary could not be read"),
    ("2.1.19", no_runs, "there is no run"),
    ("2.1.20", no_runs, "there is no run"),
    ("2.1.20", lambda t: t.remove("dlio_config", run=2), "there is no dlio_config/"),
    ("DG-TRN-2", no_generation, "there is no data generation"),
    ("DG-TRN-2", lambda t: metadata_of(generation(t)).unlink(), "metadata could not be read"),
    ("RC-TRN-1", no_runs, "there is no run"),
    ("RC-TRN-2", lambda t: metadata_of(t.runs[0]).write_text("{"), "metadata could not be read"),
    ("RC-TRN-6", lambda t: metadata_of(t.runs[0]).unlink(), "metadata could not be read"),
    ("ACC-TRN", lambda t: metadata_of(t.runs[0]).unlink(), "metadata could not be read"),
    ("SUB-2", lambda t: metadata_of(t.runs[0]).unlink(), "metadata could not be read"),
    ("3.1.1", lambda t: metadata_of(t.runs[0]).unlink(), "metadata could not be read"),
    ("3.1.2", lambda t: t.edit_summary(lambda s: s.pop("host_memory_GB")), "the summary has no host_memory_GB"),
    ("3.1.2", lambda t: t.edit_summary(lambda s: s.pop("num_accelerators")), "the summary has no num_accelerators"),
    ("3.2.1", no_runs, "there is no run"),
    ("3.2.1", lambda t: metadata_of(t.runs[0]).unlink(), "metadata could not be read"),
    ("3.2.1", lambda t: t.parameter("dataset", "num_samples_per_file", "x", run=0), "the first run does not record the size of its data"),
    ("3.2.1", lambda t: metadata_of(generation(t)).unlink(), "metadata could not be read"),
    ("3.3.1", lambda t: t.remove("summary.json"), "summary could not be read"),
    ("3.3.1", lambda t: prune(metadata_of(t.leaves("datasize")[0])), "metadata could not be read (pruned by its publisher)"),
    ("3.3.1", two_directories, "the run names no data directory, and the datasize records name several"),
    ("3.3.1", lambda t: t.edit_summary(lambda s: s.pop("num_files_train")), "the summary has no num_files_train"),
    ("3.3.1", lambda t: metadata_of(generation(t)).unlink(), "the latest data generation does not record how many files it made"),
    ("3.3.1", lambda t: (linked(t), prune(t.runs[0] / "datagen-manifest.json")), "datagen-manifest.json could not be read (pruned"),
    (
        "3.3.1",
        lambda t: (linked(t), t.edit_leaf("datagen", lambda m: m.pop("parameters"))),
        "the data generation does not record how many files it made",
    ),
    ("3.3.2", no_runs, "there is no run"),
    ("3.3.3", lambda t: t.edit_summary(lambda s: s.pop("num_hosts")), "the summary has no num_hosts"),
    ("3.3.3", lambda t: t.edit_summary(lambda s: s.pop("num_accelerators")), "the summary has no num_accelerators"),
    ("3.3.4", lambda t: t.edit_metadata(lambda m: m["args"].pop("hosts")), "the metadata has no args.hosts"),
    ("3.3.4", lambda t: t.edit_metadata(lambda m: m["args"].update(hosts=[7, None])), "the metadata has no args.hosts"),
    ("3.3.4", lambda t: t.edit_summary(lambda s: s.pop("num_hosts")), "the summary has no num_hosts"),
    ("3.3.6", lambda t: t.edit_summary(lambda s: s.pop("num_hosts")), "the summary has no num_hosts"),
    ("3.3.7", unlike_by_count, "the metadata does not describe the hosts"),
    ("3.3.7", lambda t: metadata_of(t.runs[0]).unlink(), "metadata could not be read"),
    ("3.3.8", lambda t: t.remove("summary.json"), "summary could not be read"),
    ("3.3.8", lambda t: keep(t, 5), "the runs are reduced to no figure: with 5 runs instead of 6 it is not known which of them count"),
    ("3.3.8", lambda t: keep(t, 1), "the runs are reduced to no figure: there is no measured run"),
    (
        "3.3.8",
        lambda t: shutil.copytree(t.runs[5], t.runs[5].with_name("20260713_090000")),
        "the runs are reduced to no figure: with 7 runs",
    ),
    ("3.4.1", lambda t: metadata_of(t.runs[0]).unlink(), "metadata could not be read"),
    ("3.4.2", lambda t: metadata_of(t.runs[0]).unlink(), "metadata could not be read"),
    ("3.4.2", lambda t: prune(t.runs[0] / "fs_separation.json"), "fs_separation.json could not be read (pruned"),
    ("3.4.2", lambda t: (prune(t.runs[0] / "fs_separation.json"), prune(t.runs[0] / LOG)), f"{LOG} could not be read (pruned"),
    ("3.4.2", lambda t: ((t.runs[0] / "fs_separation.json").write_text("{}"), prune(t.runs[0] / LOG)), f"{LOG} could not be read (pruned"),
    ("3.4.2", lambda t: (listed(t), t.edit_metadata(lambda m: m["args"].pop("data_dir"))), "the command line gave no data_dir"),
    ("3.4.2", lambda t: (listed(t), t.edit_metadata(lambda m: m["args"].update(results_dir=[]))), "the command line gave no results_dir"),
]
