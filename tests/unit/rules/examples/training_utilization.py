"""Trees for the rules on what the runs of training measured: the valid tree, changed in one place."""

import math

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write


def valid(tree):
    """Leave the tree as it is."""


def _rename_model(tree, name):
    tree.result_dir.rename(tree.result_dir.parent / name)
    object.__setattr__(tree, "model", name)


PASSING = {
    "3.3.2": [
        valid,
        lambda t: t.edit_metric(train_au_mean_percentage=90),
        lambda t: t.edit_metric(train_au_mean_percentage="97.5"),
        lambda t: t.edit_metric(train_au_mean_percentage=100, train_au_percentage=[0, 100.0]),
        lambda t: t.edit_summary(lambda s: s["metric"].pop("train_au_percentage")),
        lambda t: (_rename_model(t, "retinanet"), t.edit_metric(train_au_mean_percentage=85)),
        # Without a minimum the emulator's verdict decides alone.
        lambda t: (_rename_model(t, "resnet50"), t.edit_metric(train_au_mean_percentage=0)),
    ],
    "3.3.8": [valid, lambda t: t.edit_metric(run=0, train_au_percentage=[])],
}

FAILING = {
    "3.3.2": [
        (
            lambda t: t.edit_metric(run=3, train_au_mean_percentage=89.99999999),
            "of a measured run is below the minimum; measured 89.99999999",
        ),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=89.99999999), "summary.json:metric.train_au_mean_percentage"),
        (lambda t: (_rename_model(t, "retinanet"), t.edit_metric(train_au_mean_percentage=84.9999)), "required 85.0"),
        (lambda t: (_rename_model(t, "resnet50"), t.edit_metric(train_au_meet_expectation="fail")), "measured fail; required success"),
        (lambda t: t.edit_metric(run=0, train_au_mean_percentage=50.0), "warm-up"),
        (lambda t: t.edit_metric(run=3, train_au_meet_expectation="fail"), "own verdict"),
        (lambda t: t.edit_metric(run=3, train_au_meet_expectation=None), "a measured run is not success; measured missing"),
        (lambda t: t.edit_metric(run=3, train_au_meet_expectation="Success"), "measured Success; required success"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=math.nan), "has no accelerator utilization; measured nan; required 90.0"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=-1), "no percentage; measured -1.0; required 0 to 100"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=-0.001), "no percentage"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=100.001), "no percentage"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=["97"]), "measured a list of 1 values"),
        (lambda t: t.edit_metric(run=3, train_au_mean_percentage=100.5), "no percentage"),
        (lambda t: t.edit_metric(run=3, train_au_percentage=[-0.5, 97]), "an epoch is negative; measured -0.5; required 0 to 100"),
        (lambda t: t.edit_metric(run=3, train_au_percentage=[97, 100.5]), "above 100 %; measured 100.5; required 0 to 100"),
        (lambda t: t.edit_metric(run=3, train_au_percentage=[97, "fast"]), "an epoch is no number; measured a list of 2 values"),
        (lambda t: t.edit_metric(run=3, train_au_percentage="fast"), "an epoch is no number; measured fast"),
        (lambda t: t.edit_summary(lambda s: s["metric"].pop("train_au_mean_percentage"), run=3), "no accelerator utilization"),
        (lambda t: t.edit_summary(lambda s: s.pop("metric"), run=3), "no accelerator utilization"),
    ],
    "3.3.8": [
        (lambda t: t.edit_metric(run=3, train_au_percentage=[]), "is empty"),
        (lambda t: t.edit_metric(run=3, train_throughput_samples_per_second=[]), "is empty"),
        (lambda t: t.edit_metric(run=3, train_throughput_samples_per_second=[math.nan]), "no number"),
        # Each rate is a number, and their sum is beyond what a float holds.
        (
            lambda t: t.edit_metric(train_throughput_samples_per_second=[1e308, 1e308]),
            "the measured runs give no finite train_mean_of_throughput_samples_per_second",
        ),
    ],
}
