"""The log of operations: records that survive a kill, in blocks, from many threads."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.kvcache import events as log
from pytest_mlpstorage.kvcache.events import EVENT_DTYPE, NEVER, REQUEST_EVENT_DTYPE, EventLog, Kind, Phase, Reason, Tier, read_events


def test_the_records_are_packed_and_little_endian_so_that_any_machine_reads_them():
    for dtype, size in ((EVENT_DTYPE, 4 + 4 + 5 + 8 + 8 * 8 + 1), (REQUEST_EVENT_DTYPE, 12 + 3 + 2 + 7 * 8 + 12 + 4)):
        assert dtype.itemsize == size
        assert all(dtype[name].str[0] in "<|" for name in dtype.names)


def test_phases_have_the_numbers_of_the_schedule_and_reasons_its_names():
    from pytest_mlpstorage.kvcache import schedule

    assert (Phase.PREFILL, Phase.PREFILL_DECODE, Phase.DECODE) == (
        schedule.PHASE_PREFILL,
        schedule.PHASE_PREFILL_DECODE,
        schedule.PHASE_DECODE,
    )
    assert [r.name.lower() for r in Reason] == ["turn", "prefill", "probe", "decode", "miss", "prefix", "rag", "eviction"]


def test_what_is_not_given_is_nothing_and_no_time(tmp_path):
    path = tmp_path / "events.bin"
    with EventLog(path) as events:
        events.append(request=7, kind=Kind.WRITE, tier=Tier.STORAGE, bytes=2**40, t_start=-5)
    (record,) = read_events(path)
    assert record["request"], record["bytes"] == (7, 2**40)
    assert record["t_start"] == -5
    assert {int(record[name]) for name in ("t_intended", "t_queue", "t_submit", "t_complete", "durable")} == {NEVER}
    assert {int(record[name]) for name in ("entry", "reason", "host_ns", "device_ns", "flags")} == {0}


def test_a_field_that_there_is_not_is_an_error_at_once(tmp_path):
    with EventLog(tmp_path / "events.bin") as events, pytest.raises(KeyError):
        events.append(byte=1)


def test_blocks_go_to_disk_as_they_fill_and_the_rest_at_the_end(tmp_path):
    path = tmp_path / "events.bin"
    events = EventLog(path, block_records=4)
    for number in range(9):
        events.append(request=number)
    assert path.stat().st_size == 8 * EVENT_DTYPE.itemsize
    events.flush()
    assert path.stat().st_size == 9 * EVENT_DTYPE.itemsize
    events.flush()
    events.append(request=9)
    events.close()
    events.close()
    assert read_events(path)["request"].tolist() == list(range(10))


def test_memory_does_not_grow_with_what_is_logged(tmp_path):
    with EventLog(tmp_path / "events.bin", block_records=256) as events:
        for _ in range(1000):
            events.append(request=1)
        tracemalloc.start()
        for _ in range(20_000):
            events.append(request=1)
        grown = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert grown < 4 * 256 * EVENT_DTYPE.itemsize
    assert len(read_events(tmp_path / "events.bin")) == 21_000


def test_no_record_of_several_threads_is_lost_or_mixed(tmp_path):
    path = tmp_path / "events.bin"
    with EventLog(path, block_records=16) as events:

        def work(worker):
            for number in range(500):
                events.append(request=number, entry=worker, bytes=worker * 1000 + number)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = read_events(path)
    assert (found["bytes"] == found["entry"].astype(np.uint64) * 1000 + found["request"]).all()
    assert len(np.unique(found["bytes"])) == 2000


def test_a_tail_that_a_kill_cut_off_is_left_out(tmp_path):
    path = tmp_path / "events.bin"
    with EventLog(path, REQUEST_EVENT_DTYPE) as events:
        events.append(user=3, t_done=4)
        events.append(user=5)
    path.write_bytes(path.read_bytes()[:-1])
    assert read_events(path, REQUEST_EVENT_DTYPE)["user"].tolist() == [3]


def test_a_log_without_a_record_is_empty(tmp_path):
    with EventLog(tmp_path / "events.bin"):
        pass
    assert len(read_events(tmp_path / "events.bin")) == 0


def test_a_place_that_cannot_be_written_or_read_is_told(tmp_path):
    with pytest.raises(FileSystemError, match="cannot write the log of operations"):
        EventLog(tmp_path / "absent" / "events.bin")
    with pytest.raises(FileSystemError, match="cannot read the log of operations"):
        read_events(tmp_path / "absent")


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    events = EventLog(tmp_path / "events.bin", block_records=1)

    def refuse(_file, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log.os, "write", refuse)
    with pytest.raises(FileSystemError, match="free space"):
        events.append(request=1)
    monkeypatch.undo()
    events.close()


def test_a_closed_log_takes_nothing_more(tmp_path):
    events = EventLog(tmp_path / "events.bin")
    events.close()
    with pytest.raises(ValueError, match="is closed"):
        events.append(request=1)
