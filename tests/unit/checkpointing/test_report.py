"""What a checkpoint job leaves: DLIO's files with its keys, which our readers and rules accept, and rates both ways."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import statistics

import pytest

import pytest_mlpstorage
from pytest_mlpstorage.checkpointing.job import CheckpointJob
from pytest_mlpstorage.checkpointing.report import (
    HostRecord,
    RankRecord,
    Timed,
    epoch_stats,
    host_record,
    rank_output,
    summary,
    write_report,
)
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointSize
from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.checkpoint_metric import CheckpointMetric, checkpoints_of_rank
from pytest_mlpstorage.results.summary import EpochStats, RankOutput, Summary

GIB = 1024**3
SIZE = CheckpointSize(2, 2, (GIB, GIB), 3 * GIB)  # 8 GiB in all
JOB = CheckpointJob({}, 2, None, "/data", writes=2, reads=1, run_id="run-1", direct=True)
T = dt.datetime(2026, 7, 21, 12, 0, 0).timestamp()


def host(name="node1", memory="16777216 kB"):
    return HostRecord(name, 4, "x86_64", {"model name": "Some CPU"}, {"MemTotal": memory})


def rank(number, start_late, slower, **changes):
    record = RankRecord(
        number,
        leads=True,
        host=host(f"node{number + 1}"),
        start=T,
        end=T + 100,
        bytes=4 * GIB,
        checkpoints=(
            Timed("save", 1, T + 10 + start_late, 4.0 + slower, 1.5),
            Timed("save", 2, T + 20 + start_late, 2.0 + slower, 0.5),
            Timed("load", 1, T + 30 + start_late, 1.0 + slower, 0.25),
        ),
        peak_rss_bytes=100 + number,
    )
    return dataclasses.replace(record, **changes)


RANKS = (rank(0, 0.0, 0.0), rank(1, 0.5, 1.0))


def test_the_metrics_are_rank_0s_as_dlio_forms_them():
    metric = summary(JOB, SIZE, RANKS)["metric"]
    assert metric == {
        "save_checkpoint_io_mean_GB_per_second": 3.0,
        "save_checkpoint_io_stdev_GB_per_second": 1.0,
        "save_checkpoint_duration_mean_seconds": 3.0,
        "save_checkpoint_duration_stdev_seconds": 1.0,
        "load_checkpoint_io_mean_GB_per_second": 8.0,
        "load_checkpoint_io_stdev_GB_per_second": 0.0,
        "load_checkpoint_duration_mean_seconds": 1.0,
        "load_checkpoint_duration_stdev_seconds": 0.0,
        "checkpoint_size_GB": 8.0,
    }


def test_the_span_is_from_the_first_start_to_the_last_end_of_each_checkpoint():
    made = summary(JOB, SIZE, RANKS)["mlps"]
    assert made["write"] == {
        "bytes_per_second_span": 16 * GIB / 9.0,  # 5.5 s and 3.5 s; the pause between them is no part of it
        "bytes": 16 * GIB,
        "seconds": 9.0,
        "first_start": "2026-07-21T12:00:10.000000",
        "last_end": "2026-07-21T12:00:23.500000",
        "start_spread_seconds": 0.5,
        "checkpoint_seconds": [5.5, 3.5],
        "cpu_seconds": 4.0,
    }
    assert made["read"]["bytes_per_second_span"] == 8 * GIB / 2.5
    assert {key: made[key] for key in ("engine", "version", "run_id", "fsync", "direct", "rank_sync", "peak_rss_bytes")} == {
        "engine": "mlpstorage",
        "version": pytest_mlpstorage.__version__,
        "run_id": "run-1",
        "fsync": True,
        "direct": True,
        "rank_sync": False,
        "peak_rss_bytes": 101,
    }


@pytest.mark.parametrize(("kept", "word", "absent"), [("save", "write", "read"), ("load", "read", "write")])
def test_a_job_of_one_phase_has_nothing_of_the_other(kept, word, absent):
    ranks = [dataclasses.replace(record, checkpoints=record.timed(kept)) for record in RANKS]
    made = summary(JOB, SIZE, ranks)
    assert word in made["mlps"]
    assert absent not in made["mlps"]
    assert {name.partition("_")[0] for name in made["metric"]} == {kept, "checkpoint"}


def test_hosts_are_counted_by_their_first_ranks():
    ranks = (*RANKS, dataclasses.replace(RANKS[1], rank=2, leads=False))
    made = summary(JOB, SIZE, ranks)
    assert (made["num_accelerators"], made["num_hosts"], made["hostname"]) == (3, 2, "node1")
    assert made["host_memory_GB"] == [16.0, 16.0]
    assert made["host_cpu_count"] == [4, 4]
    assert (made["data_size_per_host_GB"], made["potential_caching"]) == (4.0, [1, 1])


def test_memory_smaller_than_a_hosts_part_cannot_cache_it_and_unknown_memory_is_0():
    small = dataclasses.replace(RANKS[1], host=host(memory="4194303 kB"))
    assert summary(JOB, SIZE, (RANKS[0], small))["potential_caching"] == [1, 0]
    assert host(memory="").memory_gib == host(memory="a lot").memory_gib == 0.0


def test_the_summary_has_every_key_of_dlios(tmp_path):
    made = summary(JOB, SIZE, RANKS)
    assert list(made) == [
        "start", "num_accelerators", "num_hosts", "hostname", "metric", "num_files_train", "num_files_eval", "num_samples_per_file",
        "host_cpu_count", "host_processor_name", "potential_caching", "host_cpuinfo", "host_meminfo", "host_memory_GB",
        "data_size_per_host_GB", "epochs", "end", "mlps",
    ]  # fmt: skip


def test_our_readers_take_the_files_without_a_problem(tmp_path):
    write_report(dataclasses.replace(JOB, output_dir=str(tmp_path)), SIZE, RANKS)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"summary.json"} | {f"{r}_{name}.json" for r in (0, 1) for name in ("output", "per_epoch_stats")}
    parsed = {name: json.loads((tmp_path / name).read_text()) for name in names}
    read = Summary.from_json(parsed["summary.json"])
    assert (read.problems, read.duration_seconds, read.total_host_memory_gib) == ((), 100.0, 32.0)
    assert CheckpointMetric.of(read).save.duration_seconds == 3.0
    for number in (0, 1):
        stats = EpochStats.from_json(parsed[f"{number}_per_epoch_stats.json"], number)
        assert stats.problems == ()
        made = checkpoints_of_rank(stats, "save")
        assert [checkpoint.span.duration_seconds for checkpoint in made] == [4.0 + number, 2.0 + number]
        assert [checkpoint.span.wall_seconds for checkpoint in made] == [4.0 + number, 2.0 + number]
        assert [checkpoint.gib_per_second for checkpoint in made] == [8 / (4.0 + number), 8 / (2.0 + number)]
        output = RankOutput.from_json(parsed[f"{number}_output.json"], number)
        assert (output.problems, output.hostname, output.host_memory_gib) == ((), f"node{number + 1}", 16.0)
    assert statistics.fmean(c.gib_per_second for c in checkpoints_of_rank(stats, "load")) == 4.0


def test_times_are_wall_clock_without_zone_to_the_microsecond():
    stats = epoch_stats(RANKS[0], SIZE)["1"]
    assert list(stats) == ["start", "save_ckpt1", "save_ckpt2", "load_ckpt1", "end"]
    assert stats["save_ckpt1"] == {
        "start": "2026-07-21T12:00:10.000000", "end": "2026-07-21T12:00:14.000000", "duration": 4.0, "throughput": 2.0,
    }  # fmt: skip
    assert rank_output(RANKS[0])["1"] == {
        "start": "2026-07-21T12:00:00.000000", "load": {}, "proc": {}, "throughput": {}, "au": {}, "compute": {},
        "end": "2026-07-21T12:01:40.000000",
    }  # fmt: skip


def test_a_report_that_cannot_be_written_names_the_file(tmp_path):
    with pytest.raises(FileSystemError, match=r"cannot write .*0_per_epoch_stats\.json: No such file or directory"):
        write_report(dataclasses.replace(JOB, output_dir=str(tmp_path / "none")), SIZE, RANKS)
    assert list(tmp_path.iterdir()) == []


def test_this_host_is_described():
    found = host_record()
    assert found.hostname
    assert found.cpu_count >= 1
    assert found.memory_gib > 0
    assert "processor" not in found.cpuinfo
