"""Which datasize record a run is paired with (rule 3.3.1)."""

from pathlib import Path

import pytest

from pytest_mlpstorage.results.records import Leaf, LeafMetadata
from pytest_mlpstorage.rules.datasize_records import DatasizeRecord, data_directory, paired


def record(name, data_dir):
    return DatasizeRecord(Leaf(Path(name), name, name, "datasize"), data_dir, 1, ())


@pytest.mark.parametrize(
    ("records", "data_dir", "run", "expected"),
    [
        ([], "/a", "5", None),
        # 1. the same data directory, though others are nearer in time
        ([("1", "/a"), ("2", "/b")], "/a", "5", "1"),
        ([("1", "/a"), ("2", None)], "/a", "5", "1"),
        # 2. none names a directory
        ([("1", None), ("2", None)], "/a", "5", "2"),
        ([("1", None), ("2", None)], None, "5", "2"),
        # 3. the only one
        ([("1", "/b")], "/a", "5", "1"),
        ([("1", "/b")], None, "5", "1"),
        # 4. nothing tells
        ([("1", "/b"), ("2", "/c")], "/a", "5", None),
        ([("1", "/b"), ("2", None)], "/a", "5", None),
        ([("1", "/b"), ("2", None)], None, "5", None),
        # of several: the latest that is not later than the run, else the latest
        ([("1", "/a"), ("3", "/a"), ("7", "/a")], "/a", "5", "3"),
        ([("1", "/a"), ("5", "/a"), ("7", "/a")], "/a", "5", "5"),
        ([("6", "/a"), ("8", "/a"), ("7", "/a")], "/a", "5", "8"),
    ],
)
def test_a_run_is_paired_by_directory_then_by_time(records, data_dir, run, expected):
    found = paired([record(*one) for one in records], data_dir=data_dir, run=run)
    assert (found.leaf.name if found else None) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("/data", "/data"), ("/data/", "/data"), ("/x/../data", "/data"), ("", None), (None, None), (["/data"], None), ({}, None), (7, None)],
)
def test_a_data_directory_has_one_spelling(given, expected):
    assert data_directory(LeafMetadata(args={"data_dir": given})) == expected
