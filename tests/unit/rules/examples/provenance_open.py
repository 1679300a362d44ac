"""What the rule on comparability classes says outside closed: never an error."""

from package_tree import PackageTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult


def write(root, **written_as):
    return PackageTree.write(root, subject="training", division="open", **written_as)


def of_no_class(tree):
    tree.stamp(lambda r: r["core_config"].update(hash="0" * 16))


def valid(tree):
    """Leave the tree as it is."""


PASSING = {"EDN-02": [of_no_class, valid]}

FAILING = {
    "EDN-02": [
        (
            of_no_class,
            "[EDN-02] the work is that of no comparability class of training unet3d on b200; measured 0000000000000000; in open/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:core_config.hash (×6)",
        ),
        (
            of_no_class,
            "[EDN-02] the stamped core-config hash is not what the parameters in the metadata give; measured 0000000000000000; required 0d3ad0dec188becd; in open/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:core_config.hash (×6)",
        ),
        (
            valid,
            "[EDN-02] the work is that of class unet3d-b200-A of the closed division; measured 0d3ad0dec188becd; in open/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:core_config.hash (×6)",
        ),
    ]
}
