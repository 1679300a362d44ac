"""Results of round 1.0 in the open division, where more may be changed and must be seen."""

from round_v1_tree import RoundV1Tree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = RoundV1Tree.write
WRITTEN_AS = {rule_id: {"division": "Open", "client": "c1"} for rule_id in ("V1-3", "V1-5", "V1-12")}


def valid(tree):
    """Leave the tree as it is."""


PASSING = {
    "V1-3": [valid],
    "V1-5": [lambda t: t.override("++workload.dataset.format=hdf5", "++workload.framework=tensorflow", "++workload.reader.read_threads=8")],
    "V1-12": [lambda t: t.config({"dataset.format": "hdf5", "framework": "tensorflow"})],
}

FAILING = {
    "V1-3": [(lambda t: t.overrides(lambda given: given[1:]), "c1/configs/overrides.yaml:workload")],
    "V1-5": [
        (lambda t: t.override("++workload.dataset.format=hdf5"), "which only the open division allows; measured hdf5"),
        (lambda t: t.override("++workload.train.epochs=1"), "is in no list"),
    ],
    "V1-12": [
        (lambda t: t.config({"dataset.format": "hdf5"}), "dataset.format, which the open division allows; measured hdf5; required npz"),
        (lambda t: t.config({"reader.read_threads": 8}), "was edited"),
    ],
}
