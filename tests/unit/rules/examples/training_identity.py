"""Trees for the rules on what a training result says it is: the valid tree, changed in one place."""

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write


def valid(tree):
    """Leave the tree as it is."""


def _set(tree, run=None, **values):
    tree.edit_metadata(lambda m: m.update(values), run=run)


def _odirect(tree, value):
    tree.parameter("reader", "odirect", value)


def _without_accelerator(tree):
    tree.edit_metadata(lambda m: (m.pop("accelerator"), m["args"].pop("accelerator_type", None)))


PASSING = {
    "RC-TRN-1": [
        valid,
        lambda t: _set(t, benchmark_type=" Training"),
        lambda t: t.edit_metadata(lambda m: (m.pop("benchmark_type"), m["args"].update(benchmark="training"))),
    ],
    "RC-TRN-2": [valid, lambda t: _set(t, model="Retinanet ")],
    "RC-TRN-6": [
        valid,
        *(lambda t, off=off: _odirect(t, off) for off in (False, "False", None, "", " ", 0, "0", 0.0)),
        lambda t: _set(t, model="UNet3D") or _odirect(t, True),
    ],
    "ACC-TRN": [
        valid,
        lambda t: _set(t, accelerator="MI355"),
        lambda t: t.edit_metadata(lambda m: (m.pop("accelerator"), m["args"].update(accelerator_type="b200"))),
    ],
    "SUB-2": [
        valid,
        lambda t: _set(t, run=2, model="RetinaNet", accelerator=" B200 "),
        lambda t: _set(t, run=2, model=None, accelerator=None),
    ],
}

FAILING = {
    "RC-TRN-1": [
        (lambda t: _set(t, run=4, benchmark_type="checkpointing"), "measured checkpointing; required training"),
        (lambda t: _set(t, run=4, benchmark_type=None), "does not say that it is a training run; required training"),
        (lambda t: _set(t, run=4, benchmark_type=["training"]), "does not say that it is a training run"),
    ],
    "RC-TRN-2": [
        (lambda t: _set(t, model="resnet50"), "only division whatif accepts it; measured resnet50; required unet3d or retinanet"),
        (lambda t: _set(t, run=5, model="unet3"), "did you mean unet3d?"),
        (lambda t: _set(t, run=5, model=None), "names no model"),
        (lambda t: _set(t, run=5, model={"name": "unet3d"}), "names no model"),
        (lambda t: _set(t, run=0, model="unet3d"), "another model than the directory; measured unet3d; required retinanet"),
        (lambda t: t.edit_leaf("datagen", lambda m: m.update(model="dlrm")), "division closed accepts; only division whatif"),
    ],
    "RC-TRN-6": [
        (lambda t: _odirect(t, True), "measured True; required off, or unet3d"),
        (lambda t: _odirect(t, "true"), "direct I/O is switched on"),
        (lambda t: _odirect(t, 1), "direct I/O is switched on"),
        (lambda t: _odirect(t, "yes"), "measured yes"),
        (lambda t: _odirect(t, ["yes"]), "measured a list of 1 values"),
    ],
    "ACC-TRN": [
        (lambda t: _set(t, run=3, accelerator="h100"), "division closed does not accept; allowed: b200, mi355"),
        (lambda t: _set(t, run=3, accelerator="b20"), "did you mean b200?"),
        (_without_accelerator, "does not say which accelerator it emulated; required b200 or mi355"),
    ],
    "SUB-2": [
        (lambda t: _set(t, run=2, model="unet3d"), "differ in their model; measured retinanet, unet3d; required one model"),
        (lambda t: _set(t, run=0, accelerator="mi355"), "differ in their accelerator; measured b200, mi355"),
    ],
}

WRITTEN_AS = {"RC-TRN-2": {"model": "retinanet"}, "RC-TRN-6": {"model": "retinanet"}, "SUB-2": {"model": "retinanet"}}
