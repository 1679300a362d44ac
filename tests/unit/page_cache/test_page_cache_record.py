"""The record as a file: what was written is read, sums hold only what is known."""

import dataclasses
import json

from pytest_mlpstorage.results.page_cache import HostIoSince, HostPageCache, LaterDrop, PageCacheRecord, write_page_cache

ONE = HostPageCache(
    "n1", "cachestat", "fadvise", 100, 10, 1000, 700, 5, 0.25, filesystem="xfs", files_dropped=100, seed=4_000_000_000, note="x"
)
TWO = dataclasses.replace(ONE, host="n2", method="mincore", resident_bytes_before=300, resident_bytes_after=0)
BLIND = HostPageCache("n3", "unavailable: why", "none", 100, 0, 0, None, None, 0.1)
RECORD = PageCacheRecord(
    "run",
    True,
    (ONE, TWO),
    (HostIoSince("n1", "diskstats sda", 400, 9.5), HostIoSince("n2", "diskstats sdb", 600, 9.0)),
    (LaterDrop("epoch 2", 900, 0, 0.125),),
    1000,
    990,
    1001,
)


def test_what_was_written_is_read(tmp_path):
    write_page_cache(tmp_path, RECORD)
    assert PageCacheRecord.from_json(json.loads((tmp_path / "page_cache.json").read_text())) == RECORD


def test_the_file_begins_with_the_sums_that_people_look_for():
    found = RECORD.to_json()
    assert list(found)[:2] == ["version", "phase"]
    expected = {
        "phase": "run",
        "drop": True,
        "method": "cachestat; mincore",
        "drop_method": "fadvise",
        "files_total": 100,
        "files_sampled": 20,
        "bytes_sampled": 2000,
        "resident_bytes_before": 1000,
        "resident_bytes_after": 5,
        "asked_bytes": 1000,
        "rank_read_bytes": 990,
        "rank_asked_bytes": 1001,
        "device_read_bytes": 1000,
        "device_read_source": "diskstats sda; diskstats sdb",
    }
    assert {key: found[key] for key in expected} == expected


def test_a_host_that_cannot_tell_is_not_in_the_sums_and_a_counter_that_is_missing_makes_theirs_unknown():
    found = dataclasses.replace(RECORD, hosts=(ONE, BLIND), counters=(*RECORD.counters, HostIoSince("n3", "unavailable: why", None, 1.0)))
    assert (found.resident_bytes_before, found.resident_bytes_after, found.files_sampled) == (700, 5, 10)
    assert found.device_read_bytes is None


def test_a_record_of_no_host_knows_nothing():
    found = PageCacheRecord("read", False)
    assert (found.resident_bytes_before, found.resident_bytes_after, found.device_read_bytes) == (None, None, None)
    assert PageCacheRecord.from_json(found.to_json()) == found
    assert PageCacheRecord.from_json({}) == PageCacheRecord("", None)


def test_numbers_that_cannot_be_bytes_are_left_out():
    for value in (-1, 1 << 63, 1.5, True, "many"):
        assert PageCacheRecord.from_json({"asked_bytes": value}).asked_bytes is None
    assert PageCacheRecord.from_json({"asked_bytes": "12"}).asked_bytes == 12
    assert PageCacheRecord.from_json({"asked_bytes": (1 << 63) - 1}).asked_bytes == (1 << 63) - 1


def test_a_later_drop_sums_over_hosts_and_takes_the_slowest():
    slow = dataclasses.replace(TWO, seconds=2.5)
    assert LaterDrop.of("epoch 3", [ONE, slow]) == LaterDrop("epoch 3", 1000, 5, 2.5)
    assert LaterDrop.of("epoch 3", [ONE, BLIND]) == LaterDrop("epoch 3", None, None, 0.25)
    assert LaterDrop.of("epoch 3", []) == LaterDrop("epoch 3", None, None, 0.0)
