"""Trees for the rules of our own on training results: the valid tree, changed in one place."""

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write


def valid(tree):
    """Leave the tree as it is."""


PASSING = {
    "MLPS-ENGINE-1": [
        valid,
        lambda t: t.edit_metadata(lambda m: m.pop("mlps")),
        lambda t: _foreign(t, {"dlio": {"commit": "f6796ed281e39ccc83a450e2b1f21b9c909d8fd0"}}),
        lambda t: _foreign(t, {"dlio": {"commit": "unknown"}}),
    ],
    "MLPS-METRIC-1": [valid, lambda t: t.parameter("reader", "batch_size", 10**399)],
    "MLPS-NAME-1": [valid],
}

FAILING = {
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
        (lambda t: (t.runs[3] / "2_output.json").write_text("{"), "a file is no JSON"),
        (lambda t: (t.runs[3] / "2_output.json").write_text("[]"), "a file holds a JSON list, not an object; in closed/"),
        (lambda t: (t.runs[3] / "2_per_epoch_stats.json").write_text(""), "2_per_epoch_stats.json"),
        # The samples of all steps are then more than a float holds.
        (lambda t: t.parameter("reader", "batch_size", 10**308), "is not what its own times give"),
    ],
    "MLPS-NAME-1": [(lambda t: _rename(t, "your-organisation-here"), "placeholder"), (lambda t: _rename(t, "CHANGE-ME"), "placeholder")],
}


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
