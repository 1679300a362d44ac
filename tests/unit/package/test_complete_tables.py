"""The tables of a package say what the description says and where the code is; no figure changes."""

import csv
import json

import pytest
from package_tree import IMAGE, PackageTree

from pytest_mlpstorage.package.tables import complete_tables
from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.results.description_columns import description_columns
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.read_submission import read_system
from pytest_mlpstorage.verdict import Division

RESULT = "closed/acme/results/fastfs/training/unet3d"


@pytest.fixture
def tree(tmp_path):
    tree = PackageTree.write(tmp_path)
    row = {**dict.fromkeys(COLUMNS, ""), "Name": "fastfs", "Benchmark Type": "training", "Training - Read B/W (GiB/s)": 1.5}
    table(tree, [{**row, "Training - Logs": {"text": "Logs", "href": RESULT}}])
    for key, value in SOLUTION.items():
        tree.describe(key, value)
    return tree


SOLUTION = {
    "solution.friendly_description": "a file system",
    "solution.architecture": {"storage_location": "remote_and_local", "benchmark_API": "file", "product_API": "block"},
    "solution.capabilities": {"simultaneous_write": True, "simultaneous_read": "True"},
    "solution.usable_capacity_tib": 447.5,
    "solution.int_client_store_tib": "2",
    "solution.availability": "preview",
    "total_rack_units": 4,
}


def table(tree, rows):
    (tree.submission / "results/results.json").write_text(json.dumps(rows))


def rows(tree):
    return json.loads((tree.submission / "results/results.json").read_text())


def columns(tree):
    place = SubjectPlace("system", "closed/acme/systems/fastfs.yaml", Division.CLOSED, "3.0", submitter="acme", system="fastfs")
    return description_columns(read_system(place, root=tree.root))


def test_blank_cells_get_what_the_description_says_and_where_the_code_is(tree):
    complete_tables(tree.root)
    (row,) = rows(tree)
    assert {key: value for key, value in row.items() if value != ""} == {
        "Benchmark Type": "training",
        "Name": "fastfs",
        "Description": "a file system",
        "Type": "Shared remote and local block",
        "Access Protocol": "POSIX",
        "Availability": "Preview",
        "RU's": 4,
        "Integrated Client Storage (TiB)": 2,
        "Usable Capacity (TiB)": 447.5,
        "Training - Code": {"text": "Code", "href": f"code-images/{IMAGE}"},
        "Training - Logs": {"text": "Logs", "href": RESULT},
        "Training - Read B/W (GiB/s)": 1.5,
    }
    assert list(row) == list(COLUMNS)
    with (tree.submission / "results/results.csv").open(newline="") as file:
        (written,) = csv.DictReader(file)
    assert (written["Usable Capacity (TiB)"], written["Training - Code"]) == ("447.5", f"code-images/{IMAGE}")


def test_a_second_time_nothing_is_left_to_fill(tree):
    assert complete_tables(tree.root) > 0
    assert complete_tables(tree.root) == 0


def test_what_stands_in_a_cell_stays(tree):
    (row,) = rows(tree)
    table(tree, [{**row, "Description": "as published", "Public ID": "v3.0-0001"}])
    complete_tables(tree.root)
    assert (rows(tree)[0]["Description"], rows(tree)[0]["Public ID"]) == ("as published", "v3.0-0001")


def test_half_a_character_in_a_table_stays_what_it_is(tree):
    """JSON can name what UTF-8 cannot hold."""
    (first,) = rows(tree)
    table(tree, [{**first, "Notes": "\ud800"}])
    assert complete_tables(tree.root) > 0
    assert rows(tree)[0]["Notes"] == "\ud800"
    assert "\\ud800" in (tree.submission / "results/results.csv").read_text()


def test_leaves_of_two_images_have_no_one_code(tree):
    (tree.leaves("training")[0] / ".mlps-code-image").write_text("md5-tree-v2:" + "0" * 32)
    complete_tables(tree.root)
    assert rows(tree)[0]["Training - Code"] == ""


@pytest.mark.parametrize("damage", ["{", "{}", "[1]", "PRUNED BY STAFF", "[]"])
def test_a_table_that_is_none_is_left_to_the_rules(tree, damage):
    path = tree.submission / "results/results.json"
    path.write_text(damage)
    assert complete_tables(tree.root) == 0
    assert path.read_text() == damage


@pytest.mark.parametrize("logs", ["", None, 3, [], {"href": []}, {"href": "elsewhere"}])
def test_logs_that_lead_nowhere_lead_to_no_code(tree, logs):
    (row,) = rows(tree)
    table(tree, [{**row, "Training - Logs": logs}])
    complete_tables(tree.root)
    assert rows(tree)[0]["Training - Code"] == ""


@pytest.mark.parametrize(
    ("key", "value", "column"),
    [
        ("solution.capabilities", {"simultaneous_write": True}, "Type"),
        ("solution.architecture", {"storage_location": "remote"}, "Type"),
        ("solution.architecture", {"benchmark_API": "block"}, "Access Protocol"),
        ("solution.availability", "soon", "Availability"),
        ("solution.friendly_description", "<fill in: a text>", "Description"),
        ("solution.usable_capacity_tib", "much", "Usable Capacity (TiB)"),
        ("total_rack_units", [], "RU's"),
    ],
)
def test_what_is_not_said_in_the_words_of_the_schema_is_not_told(tree, key, value, column):
    assert column in columns(tree)
    tree.describe(key, value)
    assert column not in columns(tree)


def test_storage_that_fails_over_is_not_shared(tree):
    tree.describe("solution.capabilities.simultaneous_read", False)
    assert columns(tree)["Type"] == "Failover remote and local block"
