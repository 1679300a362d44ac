"""What the rules on overridden parameters say, whole lines, and of what they say nothing."""

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.rules import edition_of, rules_for

RETINANET, OPEN = {"model": "retinanet"}, {"division": "open"}

SAID = [
    (RETINANET, {"reader.odirect": "True"}, "error INVALID reader.odirect is allowed only for unet3d; measured True"),
    (RETINANET, {"reader.odirect": "maybe"}, "error INVALID reader.odirect is allowed only for unet3d; measured maybe"),
    (RETINANET | OPEN, {"reader.odirect": 1}, "error INVALID reader.odirect is allowed only for unet3d; measured 1"),
    (
        {},
        {"storage.storage_options.prefetch_window": 4},
        "error INVALID storage.storage_options.prefetch_window is allowed only for object storage; measured 4",
    ),
    (
        {},
        {"reader.prefetch_size": 8},
        "warning CLOSED reader.prefetch_size is none of the values that the rules name; measured 8; required 0, 1, 2",
    ),
    (
        {},
        {"dataset.format": "hdf5"},
        "error INVALID dataset.format is allowed only in the open division: under open/ the result would be OPEN; measured hdf5",
    ),
    ({}, {"train.epochs": 1}, "error INVALID train.epochs is in no list of parameters that a submission may set; measured 1"),
    (OPEN, {"dataset.format": "hdf5"}, "info OPEN dataset.format is set, which only the open division allows; measured hdf5"),
    (
        OPEN,
        {"train.epochs": 1},
        "error INVALID train.epochs is in no list of parameters that a submission may set, open or closed; measured 1",
    ),
]
UNSAID = [
    (RETINANET, {"reader.odirect": "False"}),
    (RETINANET | OPEN, {"reader.odirect": False}),
    ({}, {"reader.odirect": True}),
    ({}, {"reader.prefetch_size": "2"}),
    (OPEN, {"reader.prefetch_size": 0}),
]


def evaluate(tree):
    result = tree.read()
    rule = next(rule for rule in rules_for(result) if rule.id in ("3.6.2", "3.6.3"))
    return rule.evaluate(result, edition_of(result))


def overridden(tmp_path, written_as, override):
    tree = TrainingTree.write(tmp_path / "tree", **written_as)
    tree.edit_metadata(lambda m: m["override_parameters"].update(override))
    return tree


@pytest.mark.parametrize(("written_as", "override", "line"), SAID)
def test_an_override_is_told_with_its_value_its_place_and_the_number_of_runs(written_as, override, line, tmp_path):
    tree = overridden(tmp_path, written_as, override)
    (found,) = evaluate(tree).findings
    severity, category, message = line.split(" ", 2)
    (key,) = override
    run = tree.runs[0]
    place = f"{run.relative_to(tree.root).as_posix()}/training_{run.name}_metadata.json:override_parameters.{key}"
    assert (found.severity.value, found.category.value) == (severity, category)
    assert found.line() == f"[{found.rule}] {message}; in {place} (×6)"


@pytest.mark.parametrize(("written_as", "override"), UNSAID)
def test_an_override_that_is_allowed_is_not_spoken_of(written_as, override, tmp_path):
    evaluation = evaluate(overridden(tmp_path, written_as, override))
    assert (evaluation.findings, evaluation.lacking) == ((), ())


def test_a_run_without_a_record_of_its_overrides_is_no_evidence(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree")
    tree.edit_metadata(lambda m: m.pop("override_parameters"), run=1)
    run = tree.runs[1]
    (lack,) = evaluate(tree).lacking
    assert lack.reason == "the metadata has no override_parameters"
    assert lack.file == f"{run.relative_to(tree.root).as_posix()}/training_{run.name}_metadata.json"
