"""Tables derived from the leaves."""

import csv
import json
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.results.reader import read_training_result
from pytest_mlpstorage.results.records import Leaf, TrainingResult
from pytest_mlpstorage.results.tables import (
    read_bandwidth_gib_per_second,
    rollup_row,
    run_table,
    withdraw_rollup,
    write_rollup,
    write_run_table,
)
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.verdict import Division

CORPUS = Path(__file__).parents[3] / ".." / "shared" / "corpora" / "v3.0"
PLACE = "closed/acme/results/fastfs/training/unet3d"
RATES = [999, 1024, 2048, 1024, 2048, 1024]


@pytest.fixture
def result(tmp_path):
    """Six runs, the warm-up first, with round rates."""
    for number, rate in enumerate(RATES):
        leaf = tmp_path / PLACE / "run" / f"20261125_00100{number}"
        leaf.mkdir(parents=True)
        metric = {"train_au_mean_percentage": 95.5, "train_io_mean_MB_per_second": rate, "train_io_stdev_MB_per_second": None}
        (leaf / "summary.json").write_text(json.dumps({"num_accelerators": 8, "num_hosts": 2, "epochs": 5, "metric": metric}))
        metadata = {"num_processes": 8, "accelerator": "b200", "parameters": {"train": {"epochs": 5}}}
        metadata["system_info"] = {"total_memory_bytes": 1, "num_hosts": 2, "hosts": [{"hostname": "a"}, {"hostname": "b"}]}
        (leaf / f"training_{leaf.name}_metadata.json").write_text(json.dumps(metadata))
    return read_training_result(tmp_path / PLACE, root=tmp_path)


def without_rate(result, number, value="{}"):
    (result.runs[number].path / "summary.json").write_text(value)
    return read_training_result(result.root / PLACE, root=result.root)


def test_the_columns_are_54_different_ones_in_the_order_of_the_rule_book():
    assert len(COLUMNS) == len(set(COLUMNS)) == 54
    assert COLUMNS[:3] == ("Public ID", "Organization", "Division")
    assert COLUMNS[13] == "Training - Accelerator Type"
    assert COLUMNS[19] == "Checkpointing - Checkpoint Mode"
    assert COLUMNS[28] == "VDB - # Client Nodes"
    assert COLUMNS[39] == "KVCache - # Client Nodes"
    assert COLUMNS[42] == "KVCache llama3.1-8b Storage Only - Throughput (tok/s)"
    assert COLUMNS[53] == "KVCache llama3.1-70b Storage Only - P95 Read Latency (ms)"


def test_the_run_table_has_one_row_a_run_with_what_was_recorded(result):
    table = run_table(result)
    assert len(table) == 6
    assert table[1] == {
        "run_id": f"{PLACE}/run/20261125_001001",
        "benchmark_type": "training",
        "model": "unet3d",
        "command": "run",
        "num_processes": 8,
        "accelerator": "b200",
        "parameters": {"train": {"epochs": 5}},
        "system_info": {"total_memory_bytes": 1, "num_hosts": 2},
        "metrics": {
            "train_au_mean_percentage": 95.5,
            "train_io_mean_MB_per_second": 1024,
            "num_accelerators": 8,
            "num_hosts": 2,
            "epochs": 5,
        },
    }


def test_the_run_table_is_the_one_results_json_in_run_and_may_be_replaced(result):
    path = write_run_table(result)
    assert path == result.root / PLACE / "run" / "results.json"
    write_run_table(result)
    assert len(json.loads(path.read_text())) == 6
    assert read_training_result(result.root / PLACE, root=result.root).run_listing.files == ("results.json",)


def stored(**more):
    names = {"relpath": "p", "submitter": "a", "system": "s", "model": "unet3d", "edition": "3.0"}
    return TrainingResult(root=Path("/"), division=Division.OPEN, **names, **more)


def test_a_run_without_records_has_a_row_without_metrics():
    leaf = Leaf(Path("/x"), "x", "20261125_001000", "run")
    row = run_table(stored(runs=(leaf,)))[0]
    assert (row["metrics"], row["system_info"], row["num_processes"], row["parameters"]) == ({}, None, None, {})


def test_read_bandwidth_is_the_mean_of_the_measured_runs_in_gib_per_second(result):
    assert read_bandwidth_gib_per_second(result.runs[1:]) == pytest.approx(1.4)


def test_read_bandwidth_is_blank_when_a_measured_run_lacks_it_and_never_counts_it_as_0(result):
    assert read_bandwidth_gib_per_second(without_rate(result, 3).runs[1:]) is None
    assert read_bandwidth_gib_per_second(without_rate(result, 3, '{"metric": {"train_io_mean_MB_per_second": NaN}}').runs[1:]) is None
    assert read_bandwidth_gib_per_second(without_rate(result, 3, "{").runs[1:]) is None
    assert read_bandwidth_gib_per_second(()) is None


def test_a_row_fills_the_training_block_and_leaves_the_others_blank(result):
    row = rollup_row(result, warmup_runs=1, description={"Availability": "Available"})
    assert tuple(row) == COLUMNS
    assert {key: value for key, value in row.items() if value != ""} == {
        "Organization": "acme",
        "Division": "CLOSED",
        "Benchmark Type": "training",
        "Model": "Unet3D",
        "Name": "fastfs",
        "Availability": "Available",
        "Training - Accelerator Type": "b200",
        "Training - # Client Nodes": 2,
        "Training - Logs": {"text": "Logs", "href": PLACE},
        "Training - # Simulated Accelerators": 8,
        "Training - Read B/W (GiB/s)": pytest.approx(1.4),
    }


def test_a_count_on_which_the_runs_disagree_is_blank(result):
    row = rollup_row(without_rate(result, 5, '{"num_hosts": 3}'), warmup_runs=1)
    assert (row["Training - # Client Nodes"], row["Training - # Simulated Accelerators"]) == ("", "")


def test_a_column_that_does_not_exist_is_refused(result):
    with pytest.raises(ValueError, match="no such column: Colour"):
        rollup_row(result, warmup_runs=1, description={"Colour": "red"})


def test_the_rollup_is_written_as_json_and_csv_with_all_columns(result):
    json_path, csv_path = write_rollup(result.root, Division.CLOSED, "acme", [rollup_row(result, warmup_runs=1)])
    assert json_path == result.root / "closed/acme/results/results.json"
    assert list(json.loads(json_path.read_text())[0]) == list(COLUMNS)
    with csv_path.open(newline="") as file:
        header, row = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert row[header.index("Training - Logs")] == PLACE
    assert float(row[header.index("Training - Read B/W (GiB/s)")]) == pytest.approx(1.4)
    assert read_tree(result.root).results[0].relpath == PLACE


def test_rows_of_other_results_stay_and_a_public_id_is_pinned(result):
    row = rollup_row(result, warmup_runs=1)
    other = {"Public ID": "v3.0-0001", "Benchmark Type": "kv_cache", "Provisioned Power (W)": 100}
    write_rollup(result.root, Division.CLOSED, "acme", [{**row, "Public ID": "v3.0-0149"}, other])
    newer = rollup_row(without_rate(result, 5, '{"num_hosts": 3}'), warmup_runs=1)
    json_path, csv_path = write_rollup(result.root, Division.CLOSED, "acme", [newer])
    table = json.loads(json_path.read_text())
    assert {r["Public ID"]: r["Benchmark Type"] for r in table} == {"v3.0-0001": "kv_cache", "v3.0-0149": "training"}
    assert next(r for r in table if r["Benchmark Type"] == "training")["Training - # Client Nodes"] == ""
    assert csv_path.read_text().splitlines()[0].endswith("P95 Read Latency (ms),Provisioned Power (W)")


@pytest.mark.parametrize("content", ["", "{", "{}", "[1]"], ids=repr)
def test_a_standing_table_that_cannot_be_read_is_left_alone(result, content):
    path = result.root / "closed/acme/results/results.json"
    path.write_text(content)
    with pytest.raises(FileSystemError, match="the table that stands there is not a list of rows; it is left alone"):
        write_rollup(result.root, Division.CLOSED, "acme", [rollup_row(result, warmup_runs=1)])
    assert path.read_text() == content


def test_a_published_result_gives_its_bandwidth():
    if not CORPUS.is_dir():
        pytest.skip("the published round v3.0 is not beside this checkout")
    (result,) = (r for r in read_tree(CORPUS).results if isinstance(r, TrainingResult))
    row = rollup_row(result, warmup_runs=1)
    assert row["Training - # Simulated Accelerators"] == 20
    rates = [leaf.summary.raw["metric"]["train_io_mean_MB_per_second"] for leaf in result.runs[1:]]
    assert row["Training - Read B/W (GiB/s)"] == pytest.approx(sum(rates) / 5 / 1024)


def test_a_table_that_cannot_be_taken_away_is_an_error_that_says_which(result):
    row = rollup_row(result, warmup_runs=1)
    (table,) = {path.parent for path in write_rollup(result.root, Division.CLOSED, "acme", [row])}
    (table / "results.csv").unlink()
    (table / "results.csv").mkdir()
    with pytest.raises(FileSystemError, match=r"cannot take away.*\n.*results\.csv"):
        withdraw_rollup(result.root, Division.CLOSED, "acme", row)
