"""Trees for the rules on what a training run may set: the valid tree, changed in one place."""

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write


def valid(tree):
    """Leave the tree as it is."""


PASSING = {
    "3.6.2": [
        valid,
        lambda t: t.override(checkpoint__checkpoint_folder="/c", reader__odirect="True", storage__storage_type="local_fs"),
        lambda t: t.override(workflow__checkpoint=True, dataset__skip_listing="True"),
        lambda t: t.edit_metadata(lambda m: m.update(verification="OPEN")),
    ],
    "3.6.3": [lambda t: t.override(dataset__format="hdf5", reader__read_threads=8)],
}

FAILING = {
    "3.6.2": [
        (lambda t: t.override(dataset__format="hdf5"), "would be OPEN"),
        (lambda t: t.override(train__epochs=1), "is in no list"),
        (lambda t: t.override(metric__au=0.5), "is in no list"),
        (lambda t: t.override(storage__storage_options__prefetch_window=4), "object storage"),
        (lambda t: t.override(reader__prefetch_size=8), "prefetch_size"),
    ],
    "3.6.3": [(lambda t: t.override(train__epochs=1), "is in no list")],
}

WRITTEN_AS = {"3.6.3": {"division": "open"}}
"""How the valid tree of a rule must be written, where not as closed unet3d."""
