"""Trees for the rules on the files of a training result's leaves: the valid tree, changed in one place."""

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write


def valid(tree):
    """Leave the tree as it is."""


def _generation(tree, name):
    return tree.leaves("datagen")[0] / name


def _without(tree, name):
    path = _generation(tree, name)
    path.rename(tree.root / path.name)


def _metadata(tree):
    return next(tree.leaves("datagen")[0].glob("*_metadata.json"))


def _dataset(tree, **values):
    tree.edit_leaf("datagen", lambda m: m["parameters"]["dataset"].update(values))


PASSING = {
    "2.1.14": [
        valid,
        lambda t: _generation(t, "dlio.log").write_text("PRUNED BY STAFF\n"),
        lambda t: _generation(t, "training_datagen.stdout.log").rename(_generation(t, "host1.training_datagen.stdout.log")),
        lambda t: _generation(t, "summary.json").write_text("{}"),
    ],
    "2.1.15": [
        valid,
        lambda t: _generation(t, "dlio_config/.DS_Store").write_text("x"),
        lambda t: _generation(t, "dlio_config/._config.yaml").write_text("x"),
        lambda t: _generation(t, "dlio_config/config.yaml").write_text("PRUNED BY STAFF\n"),
    ],
    "2.1.19": [
        valid,
        lambda t: (t.runs[0] / "dlio.log").write_text("PRUNED BY STAFF\n"),
        lambda t: (t.runs[0] / "._summary.json").write_bytes(b"\0\5\26\7"),
    ],
    "2.1.20": [valid, lambda t: (t.runs[3] / "dlio_config" / "config.yaml~").write_text("x")],
    "DG-TRN-2": [
        valid,
        lambda t: _dataset(t, num_files_train="1"),
        lambda t: t.edit_leaf("datagen", lambda m: m.update(command=" DataGen ")),
    ],
}

FAILING = {
    "2.1.14": [
        (lambda t: _without(t, "dlio.log"), "a data generation lacks a file; required *dlio.log"),
        (lambda t: _without(t, "training_datagen.stdout.log"), "required training_datagen.stdout.log"),
        (lambda t: _without(t, "training_datagen.stderr.log"), "required training_datagen.stderr.log"),
        (lambda t: _generation(t, "dlio.log").rename(_generation(t, "dlio.log.1")), "required *dlio.log"),
        (lambda t: _generation(t, "dlio.log").rename(_generation(t, "dlio_config/dlio.log")), "required *dlio.log"),
        (lambda t: _without(t, "dlio_config"), "a data generation lacks a directory; required dlio_config/"),
        (lambda t: _metadata(t).rename(t.root / "gone"), "required training_*_metadata.json"),
        (lambda t: _metadata(t).write_text("{"), "a file is no JSON"),
        (lambda t: _metadata(t).write_text(""), "a file is empty"),
    ],
    "2.1.15": [
        (lambda t: _without(t, "dlio_config/hydra.yaml"), "measured config.yaml, overrides.yaml"),
        (lambda t: _generation(t, "dlio_config/more.yaml").write_text("x"), "config.yaml, hydra.yaml, more.yaml, overrides.yaml"),
        (lambda t: _generation(t, "dlio_config/hydra.yaml").rename(_generation(t, "dlio_config/Hydra.yaml")), "not hold exactly"),
    ],
    "2.1.19": [
        (lambda t: t.remove("dlio.log"), "dlio.log"),
        (lambda t: t.remove("summary.json"), "summary.json"),
        (lambda t: t.remove("training_run.stderr.log", run=3), "training_run.stderr.log"),
        (lambda t: t.remove("training_run.stdout.log", run=3), "training_run.stdout.log"),
        (lambda t: [t.remove(f"{rank}_output.json") for rank in range(8)], "*output.json"),
        (lambda t: [t.remove(f"{rank}_per_epoch_stats.json") for rank in range(8)], "*per_epoch_stats.json"),
        (lambda t: t.remove("dlio_config"), "a run lacks a directory; required dlio_config/"),
        (lambda t: t.remove(f"training_{t.runs[0].name}_metadata.json"), "a run has no metadata file"),
        (lambda t: (t.runs[1] / "summary.json").write_text("{"), "is no JSON"),
        (lambda t: (t.runs[1] / "summary.json").write_text("[1]"), "not an object"),
        (lambda t: (t.runs[1] / f"training_{t.runs[1].name}_metadata.json").write_text(""), "is empty"),
    ],
    "2.1.20": [
        (lambda t: (t.runs[3] / "dlio_config" / "overrides.yaml").unlink(), "dlio_config/ of a run does not hold exactly"),
        (lambda t: (t.runs[0] / "dlio_config" / "extra").write_text("x"), "config.yaml, extra, hydra.yaml"),
    ],
    "DG-TRN-2": [
        (lambda t: t.edit_leaf("datagen", lambda m: m.update(command="run")), "measured run; required datagen"),
        (lambda t: t.edit_leaf("datagen", lambda m: m.pop("command")), "not that of a data generation; required datagen"),
        (lambda t: _dataset(t, num_files_train=0), "measured 0; required at least 1"),
        (lambda t: _dataset(t, num_files_train="many"), "measured many"),
        (lambda t: t.edit_leaf("datagen", lambda m: m.pop("parameters")), "does not say how many files"),
    ],
}
