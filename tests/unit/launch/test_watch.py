"""Beats, stalls, the progress line and the tails of logs."""

from __future__ import annotations

from pytest_mlpstorage.launch.outcome import Beat
from pytest_mlpstorage.launch.progress import line
from pytest_mlpstorage.launch.tail import Echo, last_lines
from pytest_mlpstorage.launch.usage import Usage
from pytest_mlpstorage.launch.watch import RankWatch, last_progress


def usage(cpu=0.0, read=0, state="S", rss=100):
    return Usage(cpu, rss, (read, 0, 0, 0), 1, state)


def watch_two(warning_seconds=10.0):
    watch = RankWatch(warning_seconds)
    for rank in (0, 1):
        watch.started(rank, "node", 40 + rank, 0.0)
        watch.used(rank, usage(), 0.0)
    return watch


def test_a_beat_is_the_sum_over_ranks():
    watch = watch_two()
    watch.used(0, usage(1.5, 10), 1.0)
    watch.used(1, usage(2.0, 20), 1.0)
    beat = watch.beat(2.0)
    assert (beat.cpu_seconds, beat.read_bytes, beat.rss_bytes, beat.processes, beat.ranks_started) == (3.5, 30, 200, 2, 2)


def test_bytes_and_cpu_are_activity_and_timers_are_not():
    watch = watch_two()
    watch.used(0, usage(0.02), 8.0)
    watch.used(1, usage(0.0, 1), 8.0)
    assert watch.beat(9.0).stalled_seconds == 9.0
    watch.used(0, usage(0.5), 9.5)
    assert watch.beat(10.0).stalled_seconds == 2.0


def test_one_quiet_rank_is_a_stall_though_the_others_are_busy_waiting_for_it():
    watch = watch_two()
    watch.used(0, usage(12.0), 12.0)
    beat = watch.beat(12.0)
    assert beat.warning == "rank 1 on node (pid 41) has used no CPU and moved no bytes for 12.0 s"


def test_a_stall_is_warned_of_once_until_it_is_over():
    watch = watch_two()
    assert watch.beat(9.0).warning == ""
    assert watch.beat(10.0).warning != ""
    assert watch.beat(20.0).warning == ""
    watch.used(0, usage(0, 5), 21.0)
    watch.used(1, usage(0, 5), 21.0)
    assert watch.beat(22.0).warning == ""
    assert watch.beat(31.0).warning != ""


def test_among_quiet_ranks_the_stopped_one_is_named():
    watch = watch_two()
    watch.used(1, usage(state="T"), 11.0)
    assert watch.beat(12.0).warning.startswith("rank 1 on node")
    assert "it is stopped" in watch.stalled(12.0)[1]


def test_a_rank_that_ended_is_not_quiet():
    watch = watch_two()
    watch.ended(0), watch.ended(1)
    assert watch.beat(99.0).stalled_seconds == 0.0


def test_progress_and_a_declared_wait_are_no_stall():
    watch = watch_two()
    watch.progressed({"step": 1}, 9.0)
    assert watch.beat(12.0).stalled_seconds == 3.0
    watch.progressed({"step": 2, "wait_seconds": 100}, 13.0)
    assert watch.beat(110.0).stalled_seconds == 0.0
    assert watch.beat(120.0).stalled_seconds == 7.0


def test_the_last_whole_line_of_a_progress_file_counts(tmp_path):
    file = tmp_path / "progress"
    assert last_progress(file) is None
    file.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert last_progress(file) == {"step": 2}
    file.write_text('{"step": 1}\nnonsense\n')
    assert last_progress(file) is None
    file.write_text("[1]\n")
    assert last_progress(file) is None


def test_the_line_tells_phase_epoch_au_rate_and_times():
    progress = {"phase": "train", "epoch": 2, "epochs": 5, "step": 3, "steps": 5, "au": 94.123, "mib_per_second": 281.4}
    text = line(Beat(12.0, 2, progress=progress), label="unet3d-b200 run 1", expected_seconds=30.0)
    assert text == "unet3d-b200 run 1: train epoch 2/5, step 3/5, AU 94.1 %, 281 MiB/s, 12.0 s of about 30.0 s"


def test_a_declared_wait_is_counted_down_in_the_line():
    assert line(Beat(2.0, 2, progress={"phase": "option 1 trial 0 start delay", "wait_seconds": 88.0})) == (
        "option 1 trial 0 start delay, idle for 1 min 28 s, 2.0 s"
    )


def test_without_progress_the_line_tells_what_the_ranks_moved():
    assert line(Beat(2.0, 2)) == "2 ranks started, 2.0 s"
    assert line(Beat(2.0, 2, read_bytes=4 * 1024**2)) == "2 ranks started, read 4.00 MiB, wrote 0 B, 2 MiB/s, 2.0 s"


def test_a_warning_ends_the_line():
    assert line(Beat(2.0, 2, progress={"phase": "train"}, warning="rank 1 sleeps")) == "train, 2.0 s, rank 1 sleeps"


def test_odd_progress_values_do_not_break_the_line():
    assert line(Beat(2.0, 1, progress={"phase": "train", "epoch": "two", "au": True, "step": 4})) == "train, step 4, 2.0 s"


def test_the_tail_of_a_large_log_begins_with_a_whole_line(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n\n" for n in range(20_000)))
    lines = last_lines(log)
    assert lines[-1] == "line 19999"
    assert lines[0].startswith("line 1")
    assert last_lines(tmp_path / "none") == []


def test_an_echo_passes_on_whole_lines_and_the_rest_at_the_end(tmp_path):
    log = tmp_path / "log"
    log.write_text("one\ntw")
    lines = []
    echo = Echo(log, lines.append)
    echo.read()
    assert lines == ["one"]
    with log.open("a") as file:
        file.write("o\nthree")
    echo.close()
    assert lines == ["one", "two", "three"]
