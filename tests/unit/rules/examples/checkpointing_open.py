"""Open trees of the second model, which the rules of the open division pass and fail."""

import functools

from checkpointing_tree import CheckpointingTree

from pytest_mlpstorage.results.records import CheckpointingResult

SUBJECT = CheckpointingResult
write = functools.partial(CheckpointingTree.write, division="open", model="llama3-70b", processes=16)


def valid(tree):
    """Leave the tree as it is."""


PASSING = {
    "4.6.4": [
        valid,
        lambda t: t.args(num_processes="8"),
        lambda t: t.args(num_processes=64),
        lambda t: t.args(model="llama3-8b", num_processes=8),
        lambda t: t.args(model="llama3-405b", num_processes=256),
    ],
    "4.7.1": [lambda t: t.args(num_checkpoints_write=5), lambda t: t.args(num_checkpoints_read=0)],
    "RC-CKP-4": [valid, lambda t: (t.metadata(accelerator="mi355"), t.args(num_processes=4)), lambda t: t.args(num_processes=6)],
    "RC-CKP-5": [
        valid,
        lambda t: t.override("checkpoint.mode", "subset"),
        lambda t: t.args(checkpoint_subset=False),
        lambda t: t.args(checkpoint_subset="yes"),
        lambda t: t.args(model="llama3-8b", num_processes=8, checkpoint_subset=True),
    ],
    "MLPS-METRIC-2": [valid],
}

FAILING = {
    "4.6.4": [
        (lambda t: t.args(num_processes=12), "measured 12; required a positive multiple of 8"),
        (lambda t: t.args(num_processes=0), "measured 0"),
        (lambda t: t.args(num_processes=-8), "no multiple of those that hold one copy"),
        (lambda t: t.args(model="llama3-1t", num_processes=256), "required a positive multiple of 512"),
        (lambda t: t.args(model="llama3-8b", num_processes=4), "does not start this number of ranks; measured 4; required a multiple of 8"),
        (lambda t: t.args(model="llama3-8b", num_processes=1), "does not start this number of ranks"),
        (lambda t: t.args(model="llama3-8b", num_processes=0), "no multiple of those that hold one copy"),
    ],
    "RC-CKP-4": [(lambda t: t.args(num_processes=5), "measured 5 × 180 GB; required 912 GB")],
    "RC-CKP-5": [
        (lambda t: t.args(checkpoint_subset=True), "measured llama3-70b with 16 ranks; required llama3-8b with 8 ranks"),
        (lambda t: t.args(checkpoint_subset="true", model="llama3-8b"), "llama3-8b with 16 ranks"),
        (lambda t: t.args(checkpoint_subset="true", num_processes=8), "llama3-70b with 8 ranks"),
        (lambda t: (t.args(checkpoint_subset=True, num_processes=None), t.metadata(num_processes=None)), "an unknown number of ranks"),
    ],
}
