"""Rules on training against files of published submissions: parts of trees, so only rules whose records are there are asked."""

import json
from pathlib import Path

import pytest

from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.records import Leaf, TrainingResult
from pytest_mlpstorage.results.separation import FilesystemSeparation
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.rules.datasize_records import datasize_records
from pytest_mlpstorage.verdict import Division

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"
ON_VALUES = ("2.1.11", "2.1.17", "2.1.18", "3.1.1", "3.1.2", "3.3.2", "3.3.3", "3.3.4", "3.3.6", "3.3.7", "3.3.8", "3.4.1", "3.6.2", "RC-TRN-1", "RC-TRN-2", "RC-TRN-6", "ACC-TRN", "SUB-2")  # fmt: skip

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora of published results are not on this machine")


def test_published_runs_break_no_rule_on_what_they_recorded():
    tree = read_tree(CORPORA / "v3.0")
    results = [result for result in tree.results if isinstance(result, TrainingResult)]
    assert results
    for result in results:
        rules = [rule for rule in rules_for(result) if rule.id in ON_VALUES]
        assert len(rules) == len(ON_VALUES)
        assert [f.line() for rule in rules for f in rule.evaluate(result, edition_of(result)).findings] == []


def test_a_published_datasize_record_tells_all():
    metadata = LeafMetadata.from_json(json.loads((CORPORA / "examples" / "v3.0_training_datasize_metadata.json").read_text()))
    leaf = Leaf(Path("x"), "x", "x", "datasize", metadata=metadata)
    result = TrainingResult(
        root=Path("x"), relpath="x", division=Division.CLOSED, submitter="a", system="s", model="unet3d", edition="3.0", datasize=(leaf,)
    )
    (record,) = datasize_records(result)
    assert (record.files, record.missing) == (metadata.parameter("dataset.num_files_train"), ())


def test_a_published_record_of_a_probe_says_two_filesystems():
    record = FilesystemSeparation.from_json(json.loads((CORPORA / "examples" / "v3.0_fs_separation.json").read_text()))
    assert record.same_filesystem is False
    assert record.to_json() == json.loads((CORPORA / "examples" / "v3.0_fs_separation.json").read_text())
