"""Trees for the rules on the directories of a training result: the valid tree, changed in one place."""

import datetime as dt

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write


def valid(tree):
    """Leave the tree as it is."""


def _rename_model(tree, name):
    tree.result_dir.rename(tree.result_dir.parent / name)
    object.__setattr__(tree, "model", name)


def _shorten(tree, seconds, *, run=2):
    """Let one run last that long."""

    def change(summary):
        start = dt.datetime.fromisoformat(summary["start"])
        summary["end"] = (start + dt.timedelta(seconds=seconds)).isoformat(timespec="microseconds")

    tree.edit_summary(change, run=run)


def _directory_of_that_name(tree):
    (tree.result_dir / "run" / "results.json").unlink()
    (tree.result_dir / "run" / "results.json").mkdir()


PASSING = {
    "2.1.11": [valid],
    "2.1.12": [
        valid,
        lambda t: (t.result_dir / "results.csv").write_text("a\n"),
        lambda t: (t.result_dir / ".git").mkdir(),
        lambda t: (t.result_dir / "._run").mkdir(),
        lambda t: (t.result_dir / "notes~").mkdir(),
    ],
    "2.1.13": [
        valid,
        lambda t: (t.result_dir / "datagen" / ".DS_Store").write_text("x"),
        lambda t: (t.result_dir / "datagen" / ".cache").mkdir(),
        lambda t: (t.result_dir / "datagen" / "results.json").write_text("[]"),
    ],
    "2.1.16": [valid],
    "2.1.17": [
        valid,
        lambda t: (t.result_dir / "run" / ".DS_Store").write_text("x"),
        lambda t: (t.result_dir / "run" / ".cache").mkdir(),
    ],
    "2.1.18": [
        valid,
        # The runs start 300 s apart and last 240 s; the last two may start 479 s apart, and not 480 s.
        lambda t: t.rename_run(5, "20260713_083759"),
        lambda t: _shorten(t, 150.000001),
        lambda t: t.edit_summary(lambda s: s.update(start_time=s.pop("start"), end_time=s.pop("end"))),
        lambda t: t.edit_summary(lambda s: s.update(start=s["start"] + "Z", end=s["end"] + "+02:00")),
    ],
}

FAILING = {
    "2.1.11": [
        (lambda t: _rename_model(t, "unet3d-old"), "did you mean unet3d?"),
        (lambda t: _rename_model(t, "Unet3D"), "no training workload of division closed"),
        (lambda t: _rename_model(t, "resnet50"), "required unet3d or retinanet"),
    ],
    "2.1.12": [
        (lambda t: (t.result_dir / "datasize").rename(t.root / "datasize"), "required datasize/"),
        (lambda t: (t.result_dir / "datagen").rename(t.root / "datagen"), "required datagen/"),
        (lambda t: (t.result_dir / "run").rename(t.root / "run"), "required run/"),
        (lambda t: (t.result_dir / "datasize").rename(t.result_dir / "DataSize"), "no phase of training; measured DataSize"),
        (lambda t: (t.result_dir / "run-2").mkdir(), "unet3d/run-2"),
    ],
    "2.1.13": [
        (lambda t: t.second("datagen", "20260713_080200"), "measured 2; required 1"),
        (lambda t: t.leaves("datagen")[0].rename(t.root / "gone"), "measured 0; required 1"),
        (lambda t: t.leaves("datagen")[0].rename(t.result_dir / "datagen" / "first"), "not named as a timestamp; measured first"),
    ],
    "2.1.16": [
        (lambda t: (t.result_dir / "run" / "results.json").unlink(), "holds no table"),
        (lambda t: (t.result_dir / "run" / "results.json").rename(t.result_dir / "run" / "results.csv"), "holds no table"),
        (_directory_of_that_name, "holds no table"),
        (lambda t: (t.result_dir / "run").rename(t.root / "run"), "there is no run/"),
    ],
    "2.1.17": [
        (lambda t: t.runs[5].rename(t.result_dir / "gone"), "measured 5; required 6"),
        (lambda t: (t.result_dir / "run" / "20260713_235959").mkdir(), "measured 7; required 6"),
        (lambda t: (t.result_dir / "run" / "old").mkdir(), "measured 7; required 6"),
        (lambda t: t.rename_run(2, "2026-07-13"), "not named as a timestamp"),
        (lambda t: t.rename_run(2, "20260713_0820000"), "not named as a timestamp"),
        (lambda t: (t.result_dir / "run").rename(t.root / "run"), "measured 0; required 6"),
    ],
    "2.1.18": [
        (lambda t: t.rename_run(5, "20260713_083800"), "measured 480 s; required less than 480 s, 2 × the shortest run"),
        (lambda t: t.rename_run(5, "20260714_083500"), "too far apart: 20260713_083000 and 20260714_083500"),
        (lambda t: _shorten(t, 150.0), "measured 300 s; required less than 300 s"),
        (lambda t: _shorten(t, 149.999999), "required less than 299.999998 s"),
        (lambda t: t.edit_summary(lambda s: s.pop("end"), run=1), "does not say when it started and ended"),
        (lambda t: t.edit_summary(lambda s: s.update(start="soon"), run=1), "measured soon"),
        (lambda t: t.edit_summary(lambda s: s.update(start=["soon"]), run=1), "summary.json:start"),
        (lambda t: t.edit_summary(lambda s: s.update(end=[]), run=1), "measured a list of 0 values"),
        (lambda t: t.edit_summary(lambda s: s.update(end=s["start"]), run=1), "did not end after its start; measured 0 s"),
        (lambda t: t.edit_summary(lambda s: s.update(end="2026-07-13T00:00:00"), run=1), "required more than 0 s"),
        (lambda t: t.rename_run(5, "20269913_083500"), "a time that does not exist; measured 20269913_083500"),
        (lambda t: t.rename_run(0, "20260000_083500"), "a time that does not exist; measured 20260000_083500"),
    ],
}
