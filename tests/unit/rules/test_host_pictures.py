"""What the hosts did during the runs of a result, as pictures; nothing of what stands in a foreign tree stops a report."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.launch.counters import columns_of
from pytest_mlpstorage.report.pictures import picture_html
from pytest_mlpstorage.results.time_series import Row, SampledHost, SeriesRecord, write_rows
from pytest_mlpstorage.rules import host_pictures as module
from pytest_mlpstorage.rules.host_pictures import launch_pictures

sys.path.append(str(Path(__file__).parent))
from training_tree import TrainingTree

COLUMNS = columns_of(["nvme0n1"], ["eth0"])
MIB = 1024**2


@pytest.fixture
def tree(tmp_path):
    return TrainingTree.write(tmp_path)


def leaves(tree):
    return [leaf.path for leaf in tree.read().runs]


def rows(count, *hosts, busy=50.0):
    told = {"cpu_busy_percent": busy, "disk_nvme0n1_read_bytes_per_second": 300.0 * MIB, "disk_nvme0n1_written_bytes_per_second": 0.0}
    for second in range(1, count + 1):
        for place, host in enumerate(hosts):
            values = (None if (value := told.get(name)) is None else value * (1 + place) for name in COLUMNS)
            yield Row(1000.0 + second, host, 1.0, tuple(values))


def sampled(leaf, count=5, hosts=("h1",), name="time_series.csv", problems=(), without=None, **more):
    """Put a series into a leaf, and the record of it into its metadata."""
    write_rows(leaf / name, COLUMNS, rows(count, *hosts, **more))
    told = [SampledHost(host, count, 0, 0.01, 1001.0, 1000.0 + count, True, ("nvme0n1",), without or {}) for host in hosts]
    (path,) = leaf.glob("*_metadata.json")
    metadata = json.loads(path.read_text())
    metadata.setdefault("mlps", {})["time_series"] = SeriesRecord(name, 1.0, tuple(told), problems).to_json()
    path.write_text(json.dumps(metadata))


def shown(tree):
    return launch_pictures(tree.read())


def test_a_result_without_series_has_no_such_picture(tree):
    assert shown(tree) == []


def test_a_run_shows_what_its_host_did_and_what_telling_it_cost(tree):
    leaf = leaves(tree)[1]
    sampled(leaf)
    (picture,) = shown(tree)
    assert picture.title == f"Hosts during run {leaf.name}"
    assert picture.folded
    assert picture.stacked
    assert picture.says == (
        "1 host, 5.0 s, 5 samples.",
        "CPU busy: 50 % on average.",
        "Disks read: 300 MiB/s on average.",
        "Disks wrote: 0 MiB/s on average.",
        "CPU, memory, disks and network are of the whole host, whoever used them, and means of all of this time, start and end too.",
        "Sampling used 0.20% of a core of each host.",
    )
    assert [(panel.name, panel.unit, [line.name for line in panel.lines]) for panel in picture.panels] == [
        ("CPU", "%", ["busy"]),
        ("disks under test", "MiB/s", ["read", "write"]),
    ]
    assert {panel.axis for panel in picture.panels} == {"seconds, from each host's first sample"}
    assert {panel.seconds for panel in picture.panels} == {5.0}
    assert "<svg" in picture_html(picture)


def test_the_top_core_is_told_by_time_and_never_below_all_of_them(tree):
    leaf, column = leaves(tree)[0], COLUMNS.index("cpu_busiest_percent")
    lengths = {1.0: 100.0, 2.0: 100.0, 2.25: 20.0}
    values = [[None] * len(COLUMNS) for _ in lengths]
    for row, value in zip(values, lengths.values(), strict=True):
        row[column] = value
    ends = list(lengths)
    told = (Row(1000 + end, "h1", end - start, tuple(row)) for end, start, row in zip(ends, [0.0, *ends], values, strict=False))
    write_rows(leaf / "time_series.csv", COLUMNS, told)
    (panel,) = shown(tree)[0].panels
    (line,) = panel.lines
    assert (line.name, line.values, line.mean) == ("top core", (100.0, 100.0, 20.0), round(205 / 2.25, 3))


def test_several_hosts_are_told_each_and_drawn_together(tree):
    sampled(leaves(tree)[0], hosts=("h1", "h2"))
    (picture,) = shown(tree)
    assert "Disks read: h1 300, h2 600 MiB/s on average." in picture.says
    cpu, disks = picture.panels
    assert (cpu.name, cpu.lines[0].values[0]) == ("CPU, mean of all hosts", 75.0)
    assert (disks.name, disks.lines[0].values[0]) == ("disks under test, all hosts together", 900.0)


def test_of_many_hosts_the_two_ends_are_told(tree):
    sampled(leaves(tree)[0], hosts=tuple(f"h{number}" for number in range(1, 7)), busy=10.0)
    assert "CPU busy: 35 % on average, from 10 on h1 to 60 on h6." in shown(tree)[0].says


def test_a_path_without_a_disk_and_what_went_wrong_are_told(tree):
    sampled(leaves(tree)[0], without={"/data": "nfs4 server:/x"}, problems=("the time series of h1 ends 9.0 s before the run",))
    says = shown(tree)[0].says
    assert "No disk of these hosts is below a path under test (h1: /data lies on nfs4 server:/x)." in says
    assert says[-1] == "The time series of h1 ends 9.0 s before the run."


def test_a_leaf_of_several_launches_has_a_picture_of_each(tree):
    leaf = leaves(tree)[0]
    for launch in ("option1-trial0", "option1-trial1"):
        sampled(leaf, name=f"time_series_{launch}.csv")
    assert [picture.title.rpartition(", ")[2] for picture in shown(tree)] == ["option1-trial0", "option1-trial1"]


def test_no_more_than_nine_are_drawn_and_the_rest_is_counted(tree):
    for leaf in leaves(tree):
        for launch in ("a", "b"):
            sampled(leaf, name=f"time_series_{launch}.csv")
    found = shown(tree)
    assert len(found) == 9
    assert found[-1].says[-1] == f"{2 * len(leaves(tree)) - 9} more launches are in the tree and are not drawn."


def test_of_a_large_series_some_samples_are_read_and_it_is_said(tree, monkeypatch):
    leaf = leaves(tree)[0]
    sampled(leaf, count=1000, hosts=("h1", "h2", "h3"))
    whole = shown(tree)[0]
    monkeypatch.setattr(module, "_READ_BYTES", (leaf / "time_series.csv").stat().st_size / 3.5)
    (part,) = shown(tree)
    assert "3 hosts, " in part.says[0]
    assert "one of 4 samples" in part.says[0]
    assert part.says[1:] == whole.says[1:]
    assert all(None not in line.values for panel in part.panels for line in panel.lines), "no step is without a row"


def test_a_series_that_is_too_large_is_named_and_not_read(tree, monkeypatch):
    sampled(leaves(tree)[0])
    monkeypatch.setattr(module, "_MOST_BYTES", 100)
    (picture,) = shown(tree)
    assert "more than is drawn: see time_series.csv in the leaf." in picture.says[0]
    assert picture.panels == ()


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\0" * 5000, b"a,b\n1,2\n", b"time_epoch_seconds,host,interval_seconds\n", b"\xff\xfe" * 99]
)
def test_a_file_that_is_no_series_is_passed_over(tree, content):
    (leaves(tree)[0] / "time_series.csv").write_bytes(content)
    assert shown(tree) == []


def test_a_series_out_of_the_tree_is_not_read(tree, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside.csv"
    write_rows(outside, COLUMNS, rows(3, "h1"))
    (leaves(tree)[0] / "time_series.csv").symlink_to(outside)
    assert shown(tree) == []


def test_a_pipe_of_that_name_is_not_waited_for(tree):
    os.mkfifo(leaves(tree)[0] / "time_series.csv")
    assert shown(tree) == []


def test_a_series_without_a_record_is_drawn(tree):
    write_rows(leaves(tree)[0] / "time_series.csv", COLUMNS, rows(3, "h1"))
    (picture,) = shown(tree)
    assert not any("Sampling used" in sentence for sentence in picture.says)


def test_cells_too_large_to_be_added_are_not_known(tree):
    sampled(leaves(tree)[0], hosts=("h1", "h2", "h3"))
    path = leaves(tree)[0] / "time_series.csv"
    text = path.read_text().replace(",50,", ",1e308,").replace(",100,", ",-1e308,")
    assert text.count("e308") == 10
    path.write_text(text)
    (picture,) = shown(tree)
    assert picture.says[1] == "CPU busy: 150 % on average."


@pytest.mark.parametrize("block", [5, [], {"hosts": "x", "file": 3}, {"file": "time_series.csv", "interval_seconds": "nan"}])
def test_a_damaged_record_does_not_stop_the_picture(tree, block):
    leaf = leaves(tree)[0]
    sampled(leaf)
    (path,) = leaf.glob("*_metadata.json")
    metadata = json.loads(path.read_text())
    metadata["mlps"]["time_series"] = block
    metadata["mlps"]["passes"] = [3, {"time_series": 1}]
    path.write_text(json.dumps(metadata))
    assert len(shown(tree)) == 1


def test_hostile_names_reach_no_page(tree):
    sampled(leaves(tree)[0], hosts=("<script>alert(1)</script>", "\x1b[2J"))
    page = picture_html(shown(tree)[0])
    assert "<script" not in page
    assert "\x1b" not in page


def test_the_verdict_is_the_same_with_a_series_and_without(tree):
    from pytest_mlpstorage.results.tree import read_tree
    from pytest_mlpstorage.rules import judge_place

    def judged():
        found = read_tree(tree.root)
        (place,) = [place for place in found.places if place.is_result]
        return judge_place(found, place)

    before = judged()
    for leaf in leaves(tree):
        write_rows(leaf / "time_series.csv", COLUMNS, rows(3, "h1"))
    assert judged() == before
