"""Time series as files: what was written is what is read, and what anybody else wrote harms nothing."""

from __future__ import annotations

import json
import math

import pytest

from pytest_mlpstorage.results.time_series import FIXED_COLUMNS, Row, SampledHost, SeriesRecord, read_rows, series_files, write_rows

HEAD = ",".join((*FIXED_COLUMNS, "load_1min"))
ROWS = (Row(1795679035.026, "h1", 1.001, (98.9, None)), Row(1795679036.1, 'h"2,x', 0.5, (0.0, 3562639360.0)))


def test_rows_that_were_written_are_read_again(tmp_path):
    path = tmp_path / "time_series.csv"
    assert write_rows(path, ("cpu_busy_percent", "memory_cached_bytes"), ROWS) == 2
    with path.open(encoding="utf-8", newline="") as lines:
        columns, rows = read_rows(lines)
        assert columns == ("cpu_busy_percent", "memory_cached_bytes")
        assert tuple(rows) == ROWS


@pytest.mark.parametrize(
    "row",
    ["", "1,h1,1", "1,h1,1,2,3", "x,h1,1,2", "nan,h1,1,2", "1,h1,inf,2", "1,h1,-1,2", "1,h1,,2", "\0,\0,\0,\0"],
)
def test_a_row_that_is_none_is_passed_over(row):
    _, rows = read_rows([HEAD, row, "5,h1,1,2"])
    assert [found.time_epoch_seconds for found in rows] == [5.0]


@pytest.mark.parametrize("cell", ["", "x", "nan", "-inf", "1e999", "1_0x", "0x10"])
def test_a_cell_that_is_no_number_is_not_known(cell):
    _, rows = read_rows([HEAD, f"5,h1,1,{cell}"])
    assert next(rows).values == (None,)


@pytest.mark.parametrize(
    "head", ["", "a,b", HEAD.replace("host", "node"), f"{HEAD},load_1min", HEAD + "".join(f",c{n}" for n in range(5000))]
)
def test_a_file_that_does_not_begin_as_one_is_none(head):
    with pytest.raises(ValueError, match="does not begin with the columns time_epoch_seconds, host, interval_seconds"):
        read_rows([head])


def test_an_empty_file_and_a_field_without_end_are_none():
    with pytest.raises(ValueError, match="does not begin"):
        read_rows([])
    with pytest.raises(ValueError, match="is no CSV"):
        read_rows(["x" * 200_000])


def test_a_field_without_end_among_the_rows_is_passed_over():
    _, rows = read_rows([HEAD, "1," + "x" * 200_000 + ",1,1", "5,h1,1,2"])
    assert [row.time_epoch_seconds for row in rows] == [5.0]


def test_series_are_told_from_other_files_by_their_names():
    names = (
        "time_series.csv",
        "time_series_option1-trial0.csv",
        "x_time_series.csv",
        "time_series.csv.part",
        "a/time_series.csv",
        "summary.json",
    )
    assert series_files(names) == ["time_series.csv", "time_series_option1-trial0.csv"]


HOST = SampledHost("h1", 10, 1, 0.25, 1.5, 9.5, True, ("vda",), {"/data": "nfs4 server:/x"})


def test_a_record_comes_back_from_the_metadata():
    record = SeriesRecord("time_series.csv", 1.0, (HOST,), ("said",))
    assert SeriesRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_record_has_the_keys_of_the_official_metadata_first_and_what_it_cost():
    told = SeriesRecord("time_series.csv", 1.0, (HOST, HOST)).to_json()
    assert list(told)[:4] == ["file", "num_samples", "interval_seconds", "hosts_collected"]
    assert (told["num_samples"], told["cost"]) == (20, {"cpu_seconds": 0.5})


@pytest.mark.parametrize("damaged", [{}, {"hosts": 3}, {"hosts": [None, 5, []]}, {"file": [], "interval_seconds": "x", "problems": 1}])
def test_a_damaged_record_is_an_empty_one(damaged):
    record = SeriesRecord.from_json(damaged)
    assert (record.hosts, record.problems, record.interval_seconds) == ((), (), 0.0)


def test_a_host_of_a_damaged_record_keeps_what_can_be_read():
    raw = {"host": "h1", "num_samples": "x", "sampler_cpu_seconds": math.nan, "whole": 1, "disks": 5, "paths_without_disk": []}
    assert SeriesRecord.from_json({"hosts": [raw]}).hosts == (SampledHost("h1", 0, 0, 0.0, None, None, False),)
