"""Cold, and what shows it: the index out of memory before, or read past memory anyway; else nobody may say so."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.results.page_cache import HostPageCache
from pytest_mlpstorage.vectordb.cold import ColdProof, Cooling, DirectFiles, cold_proof, cool, direct_files
from pytest_mlpstorage.vectordb.witnesses import identity

COLD = HostPageCache("a", "cachestat", "fadvise", 2, 2, 1_000_000, 900_000, 9_999, 0.1, filesystem="ext4")
WARM = dataclasses.replace(COLD, resident_bytes_after=10_000, note="3 files were dirty")
UNKNOWN = dataclasses.replace(COLD, method="unavailable: no call", resident_bytes_after=None)
NO_FILES = Cooling("", None)
NONE, DIRECT, PARTLY = DirectFiles(2, 0), DirectFiles(2, 2), DirectFiles(2, 1)


def proof(cooling=NO_FILES, direct=NONE, residence="page-cache", cold=50.0, steady=5.0) -> ColdProof:
    return cold_proof(
        Cooling("", cooling) if isinstance(cooling, HostPageCache) else cooling, direct, residence, cold_reads=cold, steady_reads=steady
    )


@pytest.mark.parametrize("residence", ["disk", "page-cache"])
def test_direct_reads_make_cold_irrelevant_and_say_so(residence):
    found = proof(direct=DIRECT, residence=residence, cold=35.0, steady=35.0)
    assert (found.verified, found.method, found.warm) == (True, "direct", False)
    assert "does not matter" in found.statement


@pytest.mark.parametrize(
    ("direct", "cold"),
    [(PARTLY, 35.0), (NONE, 35.0), (DirectFiles(0, 0), 35.0), (DIRECT, 0.0), (DIRECT, None)],
    ids=["one of two", "none", "nothing open", "no reads", "not counted"],
)
def test_direct_files_without_reads_or_not_everywhere_prove_nothing(direct, cold):
    found = proof(direct=direct, residence="disk", cold=cold)
    assert (found.verified, found.method) == (False, "none")
    assert found.statement.startswith("cold: not verified")


@pytest.mark.parametrize(("dropped", "method"), [("fadvise", "fadvise"), ("drop_caches", "drop_caches"), ("none", "residency")])
@pytest.mark.parametrize("residence", ["disk", "page-cache"])
def test_an_index_that_was_seen_out_of_memory_is_cold(dropped, method, residence):
    found = proof(dataclasses.replace(COLD, drop_method=dropped), residence=residence)
    assert (found.verified, found.method, found.reason) == (True, method, "")
    assert method in found.statement


@pytest.mark.parametrize(
    ("cooling", "words"),
    [
        (NO_FILES, "does not show its files"),
        (Cooling("", WARM), "1.0% of the index stayed in memory (3 files were dirty)"),
        (Cooling("", dataclasses.replace(WARM, note="")), "1.0% of the index stayed in memory"),
        (Cooling("", UNKNOWN), "unavailable: no call"),
        (Cooling("", COLD, running=True), "its server ran all the time, so its own buffers may hold the index"),
        (Cooling("", dataclasses.replace(COLD, bytes_sampled=0, method="unavailable: all files are empty")), "all files are empty"),
    ],
    ids=["no files", "warm", "warm without a note", "unknown", "buffers", "empty"],
)
def test_what_was_not_seen_out_of_memory_is_not_verified_with_the_reason(cooling, words):
    found = proof(cooling)
    assert (found.verified, found.warm) == (False, False)
    assert words in found.reason
    assert found.statement == f"cold: not verified, {found.reason}"


def test_less_than_a_hundredth_in_memory_is_cold():
    assert Cooling("", COLD).cold
    assert not Cooling("", WARM).cold
    assert Cooling("", COLD).resident_after == 0.009999


def test_a_server_that_let_go_of_the_index_needs_no_stop():
    assert proof(Cooling("collection released", COLD, running=True)).verified
    assert proof(Cooling("", COLD, running=True), direct=DIRECT).verified


def test_an_index_in_memory_is_never_cold():
    found = proof(COLD, residence="memory")
    assert not found.verified
    assert "in memory" in found.reason


@pytest.mark.parametrize(
    ("cold", "steady", "warm"),
    [
        (50.0, 5.0, False),
        (5.1, 5.0, False),
        (5.0, 5.0, False),
        (4.76, 5.0, False),
        (4.74, 5.0, True),
        (0.99, 0.99, True),
        (0.5, 0.4, False),
        (0.0, 0.0, True),
        (0.0, None, True),
        (5.0, None, False),
    ],
)
def test_a_first_lap_that_reads_no_more_than_the_next_was_warm_unless_both_read_storage(cold, steady, warm):
    found = proof(COLD, cold=cold, steady=steady)
    assert (found.warm, found.verified) == (warm, not warm)
    assert found.statement.startswith("cold: refuted" if warm else "cold: verified")


def test_an_index_on_disk_is_not_judged_by_laps():
    assert proof(COLD, residence="disk", cold=30.0, steady=35.0).verified


def test_a_page_cache_engine_whose_reads_nobody_counted_is_not_verified():
    found = proof(COLD, cold=None, steady=None)
    assert not found.verified
    assert "nobody counted" in found.reason
    assert proof(COLD, residence="disk", cold=None, steady=None).verified


def test_a_record_holds_what_was_seen():
    record = proof(Cooling("closed it", COLD), direct=PARTLY).to_json()
    assert record["verified"] is True
    assert record["evicted"] == "closed it"
    assert record["resident_fraction_after"] == 0.009999
    assert (record["direct_processes"], record["index_processes"]) == (1, 2)
    assert record["page_cache"]["drop_method"] == "fadvise"
    assert proof().to_json()["page_cache"] is None
    assert proof().to_json()["evicted"] is None


def storage(folder):
    mount = mount_of(folder)
    if mount.is_memory_fs or mount.fstype == "overlay":
        pytest.skip(f"{mount.fstype} has no storage of its own below it")


def test_files_are_taken_out_of_memory_by_their_owner_without_root(tmp_path):
    storage(tmp_path)
    files = [tmp_path / "index.0", tmp_path / "index.1"]
    for file in files:
        file.write_bytes(os.urandom(1 << 20))
    cooling = cool(files, evicted="closed", drop_caches=None)
    assert cooling.cold, cooling.reason
    assert cooling.cache.resident_bytes_before >= 1 << 20
    assert (cooling.cache.drop_method, cooling.evicted) == ("fadvise", "closed")
    assert cold_proof(cooling, NONE, "page-cache", cold_reads=3.0, steady_reads=0.0).method == "fadvise"


def test_files_that_are_not_shown_are_not_cooled():
    assert cool(None).cache is None
    assert cool([], evicted="restarted").reason == "the engine does not show its files"


def test_files_in_memory_are_never_cold():
    memory = Path("/dev/shm")
    if not memory.is_mount():
        pytest.skip("no memory filesystem here")
    file = memory / f"mlps-cold-{os.getpid()}"
    file.write_bytes(bytes(4096))
    try:
        assert "memory" in cool([file]).reason
    finally:
        file.unlink()


def test_open_files_of_a_process_are_looked_at(tmp_path):
    storage(tmp_path)
    index, other, me = tmp_path / "index", tmp_path / "other", [identity(os.getpid())]
    for file in (index, other):
        file.write_bytes(bytes(4096))
    assert direct_files(me, [index]) == DirectFiles(0, 0)
    plain = os.open(index, os.O_RDONLY)
    direct_other = os.open(other, os.O_RDONLY | os.O_DIRECT)
    try:
        assert direct_files(me, [index]) == DirectFiles(1, 0)
        direct = os.open(index, os.O_RDONLY | os.O_DIRECT)
        assert direct_files(me, [index, tmp_path / "gone"]) == DirectFiles(1, 1)
        later = os.open(index, os.O_RDONLY)
        assert direct_files(me, [index]) == DirectFiles(1, 1)
        os.close(later)
        os.close(direct)
        assert direct_files(me, [index]) == DirectFiles(1, 0)
        assert direct_files(me, None) == DirectFiles(0, 0)
        assert direct_files([(2**22 + 7, 1)], [index]) == DirectFiles(0, 0)
    finally:
        os.close(plain)
        os.close(direct_other)


def test_counts_of_open_files_are_added():
    assert DirectFiles(4, 3) == DIRECT + PARTLY
    assert DIRECT.everywhere
    assert not PARTLY.everywhere
    assert not DirectFiles(0, 0).everywhere
