"""A row of a host's counters, from files as the kernel writes them."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.launch.counters import HOST_COLUMNS, Counters, columns_of

STAT = """cpu  {busy} 0 0 {idle} {waiting} 0 0 0 0 0
cpu0 {busy} 0 0 0 0 0 0 0 0 0
cpu1 0 0 0 {idle} {waiting} 0 0 0 0 0
intr 12345 0 0
ctxt 1
procs_running 3
procs_blocked 2
"""
MEMINFO = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nCached: 300 kB\nDirty: 20 kB\nWriteback: 1 kB\nSwapTotal: 50 kB\nSwapFree: 40 kB\n"
DISK = " 254       0 vda {reads} 0 {read} 0 {writes} 0 {written} 0 {flight} {busy} 0 0 0 0 0 0 0\n 254 16 vdb 1 2 3 4 5 6 7 8 9 10 11\n"
NET = "Inter-| Receive | Transmit\n face |bytes packets |bytes\n  eth0: {rx} 1 0 0 0 0 0 0 {tx} 1 0 0 0 0 0 0\n    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n"


@pytest.fixture
def proc(tmp_path):
    """Write files of a kernel anew; what is not given is not there."""
    (tmp_path / "net").mkdir()
    (tmp_path / "pressure").mkdir()

    def proc(**files):
        for name, text in files.items():
            (tmp_path / name.replace("_", "/")).write_text(text)
        return str(tmp_path)

    return proc


def test_a_row_says_what_grew_by_the_second_and_what_stands(proc):
    begin = proc(
        stat=STAT.format(busy=100, idle=500, waiting=10),
        loadavg="0.50 0.4 0.3 2/200 99\n",
        meminfo=MEMINFO,
        diskstats=DISK.format(reads=10, read=100, writes=20, written=200, flight=0, busy=1000),
        net_dev=NET.format(rx=1000, tx=500),
        pressure_io="some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
    )
    counters = Counters(["vda"], ["eth0"], begin)
    counters.row(0.0)
    proc(
        stat=STAT.format(busy=150, idle=540, waiting=20),
        diskstats=DISK.format(reads=14, read=108, writes=30, written=264, flight=5, busy=1500),
        net_dev=NET.format(rx=3000, tx=600),
        pressure_io="some avg10=0.00 avg60=0.00 avg300=0.00 total=1200000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
    )
    row = dict(zip(columns_of(["vda"], ["eth0"]), counters.row(2.0), strict=True))
    assert row == {
        "cpu_busy_percent": 50.0,
        "cpu_iowait_percent": 10.0,
        "cpu_busiest_percent": 100.0,
        "load_1min": 0.5,
        "tasks_running": 3,
        "tasks_blocked": 2,
        "memory_used_bytes": 400 * 1024,
        "memory_cached_bytes": 300 * 1024,
        "memory_dirty_bytes": 20 * 1024,
        "memory_writeback_bytes": 1024,
        "swap_used_bytes": 10 * 1024,
        "pressure_cpu_percent": None,
        "pressure_memory_percent": None,
        "pressure_io_percent": 10.0,
        "disk_vda_read_bytes_per_second": 8 * 512 / 2,
        "disk_vda_written_bytes_per_second": 64 * 512 / 2,
        "disk_vda_reads_per_second": 2.0,
        "disk_vda_writes_per_second": 5.0,
        "disk_vda_busy_percent": 25.0,
        "disk_vda_in_flight": 5,
        "nic_eth0_received_bytes_per_second": 1000.0,
        "nic_eth0_sent_bytes_per_second": 50.0,
    }


def test_a_kernel_that_tells_nothing_gives_a_row_of_nothing(tmp_path):
    counters = Counters(["vda"], ["eth0"], str(tmp_path))
    assert counters.row(1.0) == [None] * len(columns_of(["vda"], ["eth0"]))


def test_the_first_row_is_about_no_time_and_tells_no_rate(proc):
    row = Counters([], [], proc(stat=STAT.format(busy=1, idle=2, waiting=3), meminfo=MEMINFO)).row(0.0)
    told = {name for name, value in zip(HOST_COLUMNS, row, strict=True) if value is not None}
    assert told == {
        "tasks_running", "tasks_blocked", "memory_used_bytes", "memory_cached_bytes", "memory_dirty_bytes", "memory_writeback_bytes",
        "swap_used_bytes",
    }  # fmt: skip


def test_counters_that_went_back_tell_no_rate_and_the_next_row_does(proc):
    where = proc(net_dev=NET.format(rx=1000, tx=500))
    counters = Counters([], ["eth0"], where)
    counters.row(0.0)
    proc(net_dev=NET.format(rx=10, tx=5))
    assert counters.row(1.0)[-2:] == [None, None]
    proc(net_dev=NET.format(rx=30, tx=6))
    assert counters.row(1.0)[-2:] == [20.0, 1.0]


def test_a_disk_that_is_gone_is_not_known_and_the_others_are(proc):
    where = proc(diskstats=DISK.format(reads=1, read=1, writes=1, written=1, flight=0, busy=0))
    counters = Counters(["gone", "vda"], [], where)
    counters.row(0.0)
    values = counters.row(1.0)[len(HOST_COLUMNS) :]
    assert values == [None] * 6 + [0.0, 0.0, 0.0, 0.0, 0.0, 0]


def test_iowait_that_goes_back_does_not_hide_the_rest(proc):
    where = proc(stat=STAT.format(busy=0, idle=0, waiting=100))
    counters = Counters([], [], where)
    counters.row(0.0)
    proc(stat=STAT.format(busy=30, idle=70, waiting=99))
    assert counters.row(1.0)[:2] == [30.0, 0.0]


def test_a_share_of_time_is_never_above_all_of_it(proc):
    where = proc(
        pressure_cpu="some avg10=0 avg60=0 avg300=0 total=0\n",
        diskstats=DISK.format(reads=0, read=0, writes=0, written=0, flight=0, busy=0),
    )
    counters = Counters(["vda"], [], where)
    counters.row(0.0)
    proc(
        pressure_cpu="some avg10=0 avg60=0 avg300=0 total=1100000\n",
        diskstats=DISK.format(reads=0, read=0, writes=0, written=0, flight=0, busy=1100),
    )
    row = dict(zip(columns_of(["vda"], []), counters.row(1.0), strict=True))
    assert (row["pressure_cpu_percent"], row["disk_vda_busy_percent"]) == (100.0, 100.0)


def test_every_column_has_its_unit_in_its_name():
    units = ("_percent", "_bytes", "_per_second", "_1min", "_running", "_blocked", "_in_flight")
    assert all(name.endswith(units) for name in columns_of(["vda"], ["eth0"]))


def test_this_host_has_a_row(tmp_path):
    counters = Counters([], ["lo"])
    counters.row(0.0)
    row = dict(zip(columns_of([], ["lo"]), counters.row(1.0), strict=True))
    assert row["memory_used_bytes"] > 0
    assert row["nic_lo_received_bytes_per_second"] >= 0
