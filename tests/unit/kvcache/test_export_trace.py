"""The work of a pass written as a trace by its job, without moving a byte of it."""

from __future__ import annotations

import csv
import dataclasses
import subprocess
import sys

import pytest

from pytest_mlpstorage.errors import ConfigurationError, FileSystemError
from pytest_mlpstorage.kvcache.export_trace import export, main
from pytest_mlpstorage.kvcache.job import KVCacheJob

GIB = 1024**3


def job(**changes):
    plain = KVCacheJob(1, 0, "tiny-1b", 3, "/none/cache", "/none/leaf", "20260102_030405", duration_seconds=10.0, processes=2)
    return dataclasses.replace(plain, **changes)


def rows(path):
    with path.open() as lines:
        return list(csv.DictReader(lines))


def test_the_trace_of_a_rank_is_that_of_its_schedule(tmp_path):
    one = job()
    count = export(one, tmp_path / "t.csv", rank=1)
    assert count == len(one.schedule(1)) > 20
    found = rows(tmp_path / "t.csv")
    writes = [row for row in found if row["Operation"] == "Write"]
    assert len(writes) == count
    assert {row["Tier"] for row in found} == {"Tier-2"}
    assert sum(int(row["Object_Size_Bytes"]) for row in writes) == 24576 * int(one.schedule(1).requests["context"].sum())
    assert export(one, tmp_path / "u.csv") == len(one.schedule(0))
    assert rows(tmp_path / "u.csv") != found


def test_the_tiers_and_the_decode_batch_of_the_job_shape_it(tmp_path):
    one = job(cpu_memory_bytes=GIB)
    export(one, tmp_path / "t.csv")
    assert {row["Tier"] for row in rows(tmp_path / "t.csv")} >= {"Tier-1", "Tier-2"}
    reads = len([row for row in rows(tmp_path / "t.csv") if row["Operation"] == "Read"])
    export(dataclasses.replace(one, workload=dataclasses.replace(one.workload, decode_batch=1)), tmp_path / "u.csv")
    assert len([row for row in rows(tmp_path / "u.csv") if row["Operation"] == "Read"]) > 5 * reads


def test_documents_are_read_where_the_job_has_them(tmp_path):
    export(job(rag=True, duration_seconds=30.0), tmp_path / "t.csv")
    export(job(duration_seconds=30.0), tmp_path / "u.csv")
    assert len(rows(tmp_path / "t.csv")) > len(rows(tmp_path / "u.csv"))


def test_how_documents_are_retrieved_is_as_the_job_says(tmp_path):
    one = job(rag=True, duration_seconds=30.0)
    few = dataclasses.replace(one.workload, rag=dataclasses.replace(one.workload.rag, top_k_chunks=1))
    export(one, tmp_path / "t.csv")
    export(dataclasses.replace(one, workload=few), tmp_path / "u.csv")
    assert len(rows(tmp_path / "t.csv")) > len(rows(tmp_path / "u.csv"))


def test_the_first_seconds_are_those_of_the_whole_trace_entry_by_entry(tmp_path):
    one = job(rag=True, duration_seconds=30.0)
    export(one, tmp_path / "t.csv")
    export(one, tmp_path / "u.csv", seconds=15.0)
    part = rows(tmp_path / "u.csv")
    assert any(int(row["Key"].removeprefix("entry_")) >= len(one.schedule(0)) for row in part), "documents are among them"
    assert rows(tmp_path / "t.csv")[: len(part)] == part


def test_only_so_many_seconds_are_written_for_fio(tmp_path):
    whole, part = export(job(), tmp_path / "a", form="fio"), export(job(), tmp_path / "b", form="fio", seconds=2.0)
    assert 0 < part < whole
    lines = (tmp_path / "b").read_text().splitlines()
    assert lines[0] == "fio version 3 iolog"
    assert max(int(line.split()[0]) for line in lines[1:]) < 2000


@pytest.mark.parametrize("rank", [-1, 2])
def test_a_rank_that_there_is_not_is_refused(rank, tmp_path):
    with pytest.raises(ConfigurationError, match=f"ranks 0 to 1, not {rank}"):
        export(job(), tmp_path / "t", rank=rank)


def test_a_file_that_cannot_be_written_is_told_with_its_path(tmp_path):
    with pytest.raises(FileSystemError) as caught:
        export(job(), tmp_path / "none" / "t")
    assert str(tmp_path / "none" / "t") in str(caught.value.details)


def test_the_program_says_what_it_wrote_and_why_it_did_not(tmp_path, capsys):
    job().write(tmp_path / "kv_cache_job.json")
    assert main([str(tmp_path / "kv_cache_job.json"), str(tmp_path / "t.csv"), "--seconds", "1"]) == 0
    assert f"{tmp_path / 't.csv'}: the work of " in capsys.readouterr().out
    assert main([str(tmp_path / "none.json"), str(tmp_path / "t.csv")]) == 4
    assert "cannot be read" in capsys.readouterr().err
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mlpstorage.kvcache.export_trace", "--help"], capture_output=True, text=True, check=True
    )
    assert "--form" in done.stdout
