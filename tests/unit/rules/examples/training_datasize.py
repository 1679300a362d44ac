"""Trees for the rule that ties a run to its datasize record, its data generation and its manifest (3.3.1)."""

import json

from training_tree import FILES, TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write
LATER = "20260713_080200"


def valid(tree):
    """Leave the tree as it is."""


def _sized(tree, **values):
    tree.edit_leaf("datasize", lambda m: m["parameters"]["dataset"].update(values))


def _generated(tree, **values):
    tree.edit_leaf("datagen", lambda m: m["parameters"]["dataset"].update(values))


def _directories(tree, first, second, run):
    """Two datasize records, the second of a single file, and where each and the runs had their data."""
    small = {"num_files_train": 1}
    tree.second("datasize", LATER, lambda m: (m["args"].update(data_dir=second), m["parameters"]["dataset"].update(small)))
    tree.edit_leaf("datasize", lambda m: m["args"].update(data_dir=first))
    tree.edit_metadata(lambda m: m["args"].update(data_dir=run))


def _manifest(tree, *, run=0, name="datagen-manifest.json", **values):
    generation = tree.leaves("datagen")[0]
    told = {"source_datagen_result_dir": f"/old/place/{tree.model}/datagen/{generation.name}", "num_files_train": FILES, **values}
    tree.edit_metadata(lambda m: m.update(datagen_manifest_file=name), run=run)
    (tree.runs[run] / "datagen-manifest.json").write_text(json.dumps(told))


def _declared_only(tree):
    tree.edit_metadata(lambda m: m.update(datagen_manifest_file="datagen-manifest.json"), run=4)


def _gone(tree, phase):
    tree.leaves(phase)[0].rename(tree.root / phase)


def _files(tree, count, run=2):
    tree.edit_summary(lambda s: s.update(num_files_train=count), run=run)


PASSING = {
    "3.3.1": [
        valid,
        lambda t: _sized(t, num_files_train=str(FILES), total_disk_bytes="99", num_subfolders_train="0"),
        lambda t: _sized(t, num_files_train=FILES - 1),
        lambda t: _generated(t, num_files_train=FILES + 1),
        lambda t: t.edit_leaf("datasize", lambda m: m["args"].update(data_dir=None)),
        # One record is every run's, whatever directory it names.
        lambda t: t.edit_leaf("datasize", lambda m: m["args"].update(data_dir="/elsewhere")),
        lambda t: t.edit_metadata(lambda m: m["args"].update(data_dir=None)),
        lambda t: _directories(t, "/data/", "/other", "/data"),
        lambda t: _directories(t, "/a", "/b", "/b"),
        # Of records that name no directory the latest before the run counts: here that of one file.
        lambda t: (_directories(t, None, None, "/data"), _files(t, 1)),
        _manifest,
        lambda t: _manifest(t, num_files_train=str(FILES)),
        lambda t: _manifest(t, name="/results/closed/acme/datagen-manifest.json"),
        lambda t: _manifest(t, source_datagen_result_dir=t.leaves("datagen")[0].name),
        lambda t: _manifest(t, source_datagen_result_dir=f"datagen/{t.leaves('datagen')[0].name}"),
        lambda t: (_manifest(t), t.edit_metadata(lambda m: m.update(provenance_file="provenance.json"), run=0)),
        lambda t: (
            _generated(t, num_files_train=1),
            t.second("datagen", LATER, lambda m: m["parameters"]["dataset"].update(num_files_train=FILES)),
        ),
    ]
}

FAILING = {
    "3.3.1": [
        (lambda t: _gone(t, "datasize"), "DATASIZE-MISSING: the workload has no record of a datasize"),
        (lambda t: _sized(t, num_files_train=None), "DATASIZE-MALFORMED: a datasize record does not tell num_files_train"),
        (lambda t: _sized(t, num_subfolders_train="few"), "does not tell num_subfolders_train; measured few"),
        (lambda t: _sized(t, total_disk_bytes=1.5), "does not tell total_disk_bytes; measured 1.5; required a whole number"),
        (lambda t: t.edit_leaf("datasize", lambda m: m.pop("parameters")), "does not tell total_disk_bytes"),
        (lambda t: next(t.leaves("datasize")[0].glob("*metadata*")).write_text("{"), "no metadata that can be read: a file is no JSON"),
        (lambda t: next(t.leaves("datasize")[0].glob("*metadata*")).unlink(), "DATASIZE-MALFORMED: a datasize record has no metadata"),
        (lambda t: _gone(t, "datagen"), "DATAGEN-MISSING"),
        (
            lambda t: t.second("datasize", LATER),
            "DATASIZE-REUSED: two datasize records name one data directory; the other is 20260713_080000",
        ),
        (lambda t: t.second("datasize", LATER, lambda m: m["args"].update(data_dir="/data//")), "DATASIZE-REUSED"),
        (lambda t: _directories(t, "/a", "/b", "/data"), "DATADIR-MISMATCH: no datasize record names the data directory"),
        (lambda t: _directories(t, "/a", "/b", "/data"), "measured /data; required /a or /b"),
        (lambda t: _directories(t, None, "/b", "/data"), "DATADIR-MISMATCH"),
        (
            lambda t: _files(t, FILES - 1),
            f"DATASIZE-UNDERRUN: a run read fewer files than its datasize record demands; measured {FILES - 1}",
        ),
        (
            lambda t: _sized(t, num_files_train=FILES + 1),
            f"DATASIZE-UNDERRUN: a run read fewer files than its datasize record demands; measured {FILES}",
        ),
        (lambda t: (_directories(t, "/data", "/b", "/data"), _files(t, FILES - 1)), "DATASIZE-UNDERRUN"),
        (
            lambda t: _files(t, FILES + 1),
            f"DATAGEN-OVERRUN: a run read more files than the latest data generation made; measured {FILES + 1}",
        ),
        (lambda t: t.second("datagen", LATER, lambda m: m["parameters"]["dataset"].update(num_files_train=9)), "required at most 9"),
        (lambda t: t.edit_summary(lambda s: s.pop("num_files_eval"), run=3), "EVAL-FIELD-MISSING"),
        (_declared_only, "MANIFEST-MISSING: the manifest that a run declares cannot be read: datagen-manifest.json is not there"),
        (lambda t: (_manifest(t), (t.runs[0] / "datagen-manifest.json").write_text("[]")), "MANIFEST-MISSING: the manifest that a run"),
        (lambda t: _manifest(t, name="other.json"), "other.json is not there"),
        (lambda t: _manifest(t, source_datagen_result_dir="/r/unet3d/datagen/20250101_000000"), "MANIFEST-LINK"),
        (lambda t: _manifest(t, source_datagen_result_dir=f"/r/retinanet/datagen/{t.leaves('datagen')[0].name}"), "MANIFEST-LINK"),
        (lambda t: _manifest(t, source_datagen_result_dir=f"/r/unet3d/run/{t.leaves('datagen')[0].name}"), "required 20260713_080100"),
        (lambda t: _manifest(t, source_datagen_result_dir=None), "MANIFEST-LINK"),
        (lambda t: _manifest(t, source_datagen_result_dir=""), "MANIFEST-LINK"),
        (lambda t: _manifest(t, source_datagen_result_dir=7), "measured 7"),
        (
            lambda t: _manifest(t, num_files_train=FILES + 1),
            f"MANIFEST-COUNT: the manifest has another number of files than the data generation that it names; measured {FILES + 1}; required {FILES}",
        ),
        (lambda t: _manifest(t, num_files_train="all"), "MANIFEST-COUNT"),
        (
            lambda t: _manifest(t, num_files_train=FILES - 1),
            f"MANIFEST-OVERRUN: a run read more files than its manifest has; measured {FILES}; required at most {FILES - 1}",
        ),
        (lambda t: t.edit_metadata(lambda m: m.update(provenance_file="provenance.json"), run=0), "MANIFEST-ABSENT"),
    ]
}
