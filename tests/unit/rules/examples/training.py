"""Trees that each rule passes and trees that it fails: the valid tree, changed in one place.

A function takes the tree (a ``TrainingTree``) and breaks or bends it. ``FAILING`` may name words that the finding must
hold. A rule's two examples are one line each.
"""

import math

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write


def valid(tree):
    """Leave the tree as it is."""


PASSING = {
    "2.1.17": [valid, lambda t: (t.result_dir / "run" / ".DS_Store").write_text("x")],
    "2.1.19": [valid, lambda t: (t.runs[0] / "dlio.log").write_text("PRUNED BY STAFF\n")],
    "3.1.2": [
        valid,
        lambda t: t.parameter("dataset", "num_files_train", "28000"),
        lambda t: t.edit_summary(lambda s: s.update(host_memory_GB=["128.0", 128.0])),
    ],
    "3.3.2": [
        valid,
        lambda t: t.edit_metric(train_au_mean_percentage=90),
        lambda t: t.edit_metric(train_au_mean_percentage="97.5"),
    ],
    "3.3.3": [valid, lambda t: t.edit_summary(lambda s: s.update(num_accelerators=4))],
    "3.3.4": [valid, lambda t: t.edit_metadata(lambda m: m["args"].update(hosts="127.0.0.1:8"))],
    "3.3.6": [valid, lambda t: t.edit_summary(lambda s: s.update(num_hosts=4))],
    "3.3.8": [valid, lambda t: t.edit_metric(run=0, train_au_percentage=[])],
    "3.4.1": [valid],
    "3.6.2": [
        valid,
        lambda t: t.override(checkpoint__checkpoint_folder="/c", reader__odirect="True", storage__storage_type="local_fs"),
        lambda t: t.override(workflow__checkpoint=True, dataset__skip_listing="True"),
        lambda t: t.edit_metadata(lambda m: m.update(verification="OPEN")),
    ],
    "3.6.3": [lambda t: t.override(dataset__format="hdf5", reader__read_threads=8)],
    "EDN-01": [valid, lambda t: _manifest(t, "v3.0")],
    "MLPS-ENGINE-1": [
        valid,
        lambda t: t.edit_metadata(lambda m: m.pop("mlps")),
        lambda t: _foreign(t, {"dlio": {"commit": "f6796ed281e39ccc83a450e2b1f21b9c909d8fd0"}}),
        lambda t: _foreign(t, {"dlio": {"commit": "unknown"}}),
    ],
    "MLPS-METRIC-1": [valid],
    "MLPS-NAME-1": [valid],
}

FAILING = {
    "2.1.17": [
        (lambda t: t.runs[5].rename(t.result_dir / "gone"), "does not hold"),
        (lambda t: (t.result_dir / "run" / "20260713_235959").mkdir(), "does not hold"),
        (lambda t: (t.result_dir / "run" / "old").mkdir(), "not named as a timestamp"),
        (lambda t: t.runs[2].rename(t.result_dir / "run" / "2026-07-13"), "not named as a timestamp"),
    ],
    "2.1.19": [
        (lambda t: t.remove("dlio.log"), "dlio.log"),
        (lambda t: t.remove("summary.json"), "summary.json"),
        (lambda t: t.remove("training_run.stderr.log", run=3), "training_run.stderr.log"),
        (lambda t: t.remove("dlio_config"), "dlio_config/"),
        (lambda t: t.remove(f"training_{t.runs[0].name}_metadata.json"), "no metadata file"),
        (lambda t: (t.runs[1] / "summary.json").write_text("{"), "is no JSON"),
        (lambda t: (t.runs[1] / "summary.json").write_text("[1]"), "not an object"),
        (lambda t: (t.runs[1] / f"training_{t.runs[1].name}_metadata.json").write_text(""), "is empty"),
    ],
    "3.1.2": [
        (lambda t: t.parameter("dataset", "num_files_train", 27_999), "too few files"),
        (lambda t: t.edit_summary(lambda s: s.update(num_accelerators=9)), "too few files"),
        (lambda t: t.edit_summary(lambda s: s.update(host_memory_GB=[1024.0])), "floor by memory"),
        (lambda t: t.parameter("dataset", "record_length_bytes", 0), "record"),
        (lambda t: t.edit_metadata(lambda m: m["parameters"]["dataset"].pop("record_length_bytes")), "record"),
        (lambda t: t.edit_metadata(lambda m: m["parameters"]["dataset"].pop("num_files_train")), "num_files_train"),
        (lambda t: t.parameter("reader", "batch_size", "many"), "batch_size"),
        (lambda t: t.parameter("reader", "batch_size", -7), "positive"),
        (lambda t: t.parameter("dataset", "record_length_bytes", math.nan), "record"),
    ],
    "3.3.2": [
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=89.99999999), "below the minimum"),
        (lambda t: t.edit_metric(run=0, train_au_mean_percentage=50.0), "warm-up"),
        (lambda t: t.edit_metric(run=3, train_au_meet_expectation="fail"), "own verdict"),
        (lambda t: t.edit_metric(run=3, train_au_meet_expectation=None), "own verdict"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=math.nan), "no accelerator utilization"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=-1), "no percentage"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=100.5), "no percentage"),
        (lambda t: t.edit_metric(run=3, train_au_percentage=[-4, 97]), "negative"),
        (lambda t: t.edit_metric(run=3, train_au_percentage=[97, 101]), "above 100"),
        (lambda t: t.edit_metric(run=3, train_au_percentage=[97, "fast"]), "no number"),
        (lambda t: t.edit_summary(lambda s: s["metric"].pop("train_au_mean_percentage"), run=3), "no accelerator utilization"),
        (lambda t: t.edit_summary(lambda s: s.pop("metric"), run=3), "no accelerator utilization"),
    ],
    "3.3.3": [(lambda t: t.edit_summary(lambda s: s.update(num_accelerators=3)), "few accelerators")],
    "3.3.4": [
        (lambda t: t.edit_metadata(lambda m: m["args"].update(hosts=["a", "b"])), "named more"),
        (lambda t: t.edit_metadata(lambda m: m["args"].update(hosts="a:4,b:4")), "named more"),
    ],
    "3.3.6": [
        (lambda t: t.edit_summary(lambda s: s.update(num_hosts=3)), "evenly"),
        (lambda t: t.edit_summary(lambda s: s.update(num_hosts=0)), "without a host"),
        (lambda t: t.edit_summary(lambda s: s.update(num_accelerators=0)), "without a host"),
    ],
    "3.3.8": [
        (lambda t: t.edit_metric(run=3, train_au_percentage=[]), "is empty"),
        (lambda t: t.edit_metric(run=3, train_throughput_samples_per_second=[]), "is empty"),
        (lambda t: t.edit_metric(run=3, train_throughput_samples_per_second=[math.nan]), "no number"),
    ],
    "3.4.1": [
        (lambda t: t.edit_metadata(lambda m: m["args"].update(results_dir="/data/")), "one directory"),
        (lambda t: t.edit_metadata(lambda m: m["args"].update(data_dir=None)), "gave no data_dir"),
        (lambda t: t.edit_metadata(lambda m: m["args"].pop("results_dir")), "gave no results_dir"),
    ],
    "3.6.2": [
        (lambda t: t.override(dataset__format="hdf5"), "would be OPEN"),
        (lambda t: t.override(train__epochs=1), "is in no list"),
        (lambda t: t.override(metric__au=0.5), "is in no list"),
        (lambda t: t.override(storage__storage_options__prefetch_window=4), "object storage"),
        (lambda t: t.override(reader__prefetch_size=8), "prefetch_size"),
    ],
    "3.6.3": [(lambda t: t.override(train__epochs=1), "is in no list")],
    "EDN-01": [(lambda t: _manifest(t, "9.9"), "does not exist")],
    "MLPS-ENGINE-1": [
        (lambda t: _engine(t, commit="", version="2.0.0"), "no accepted revision"),
        (lambda t: _engine(t, commit="0" * 40), "no accepted revision"),
        (lambda t: _engine(t, reader="raw"), "by a plug-in"),
        (lambda t: t.edit_metadata(lambda m: m["mlps"].pop("engine")), "does not say"),
        (lambda t: _foreign(t, {"dlio": {"commit": "0" * 40}}), "no accepted revision"),
    ],
    "MLPS-METRIC-1": [
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=98.0), "is not that of its epochs"),
        (lambda t: t.edit_metric(run=3, train_io_mean_MB_per_second=99999.0), "samples times their size"),
        (lambda t: t.edit_metric(run=3, train_au_percentage=[99.0] * 5, train_au_mean_percentage=99.0), "ranks' files"),
        (lambda t: t.edit(t.runs[3] / "2_output.json", lambda o: o["4"]["throughput"].update(block1=1.0)), "ranks' files"),
        (lambda t: t.edit(t.runs[3] / "2_output.json", lambda o: o["4"]["compute"].update(block1=[0.1] * 4)), "its own times"),
        (lambda t: t.edit(t.runs[3] / "2_output.json", lambda o: o.pop("5")), "not one value for each epoch"),
    ],
    "MLPS-NAME-1": [(lambda t: _rename(t, "your-organisation-here"), "placeholder"), (lambda t: _rename(t, "CHANGE-ME"), "placeholder")],
}

WRITTEN_AS = {"3.6.3": {"division": "open"}}
"""How the valid tree of a rule must be written, where not as closed unet3d."""


def _manifest(tree, rules_edition):
    (tree.root / tree.division.value / tree.submitter / "submission.yaml").write_text(f"rules_edition: {rules_edition!r}\n")


def _engine(tree, **values):
    tree.edit_metadata(lambda m: m["mlps"]["engine"].update(values))


def _foreign(tree, provenance):
    import json

    tree.edit_metadata(lambda m: m.pop("mlps"))
    for run in tree.runs:
        (run / "provenance.json").write_text(json.dumps(provenance))


def _rename(tree, submitter):
    place = tree.root / tree.division.value
    (place / tree.submitter).rename(place / submitter)
    object.__setattr__(tree, "submitter", submitter)
