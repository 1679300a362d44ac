"""A time series beside a job: what comes of it, and that nothing which goes wrong with it harms the job."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from plain_launcher import Plain

from pytest_mlpstorage.launch import sampler_child
from pytest_mlpstorage.launch import sampling as sampling_module
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.launch.processes import carriers
from pytest_mlpstorage.launch.sampler_child import SamplerChild
from pytest_mlpstorage.launch.sampling import Sampling, SamplingDesk
from pytest_mlpstorage.launch.supervisor import run_job
from pytest_mlpstorage.results.time_series import read_rows

RUN_ID = secrets.token_hex(6)  # each worker of xdist has its own


@pytest.fixture
def sampled(tmp_path):
    """Run a program on two ranks that is sampled ten times a second; ``act`` is called when its first row is there."""

    def sampled(program, act=None, *, paths=("/",), file=None, launcher=None, **options):
        file = file or tmp_path / "time_series.csv"
        part = file.with_name("time_series.csv.part")
        acting = None
        if act is not None:

            def when_it_runs():
                limit = time.monotonic() + 20
                while time.monotonic() < limit and not (part.exists() and part.read_text().count("\n") >= 2):
                    time.sleep(0.02)
                act()

            acting = threading.Thread(target=when_it_runs)
            acting.start()
        outcome = run_job(
            launcher or Plain(), Job(2, ("-c", program)), stdout=tmp_path / "o", stderr=tmp_path / "e", deadline_seconds=60,
            run_id=RUN_ID, sampling=Sampling(0.1, paths, file), **options,
        )  # fmt: skip
        if acting is not None:
            acting.join()
        assert carriers(RUN_ID) == []
        assert not part.exists()
        return outcome

    return sampled


def samplers():
    return [pid for pid in carriers(RUN_ID) if command_line(pid).endswith(b"\0sampler\0MLPS_SAMPLER\0")]


def command_line(pid):
    """All of it: ``name_of`` shortens it, and paths may be long."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as lines:
        columns, rows = read_rows(lines)
        return columns, list(rows)


def test_one_sampler_of_a_host_writes_its_rows_while_two_ranks_run(sampled, tmp_path):
    seen = []
    outcome = sampled("import time; time.sleep(1.2)", lambda: seen.append(len(samplers())))
    assert (outcome.returncode, outcome.warnings) == (0, ())
    assert seen == [1]
    columns, rows = rows_of(tmp_path / "time_series.csv")
    assert len(rows) >= 3
    assert {row.host for row in rows} == {socket.gethostname()}
    assert [row.time_epoch_seconds for row in rows] == sorted(row.time_epoch_seconds for row in rows)
    busy = [row.values[columns.index("cpu_busy_percent")] for row in rows]
    assert all(value is not None and 0 <= value <= 100 for value in busy)
    (host,) = outcome.series.hosts
    assert (outcome.series.file, host.samples, host.lost, host.whole) == ("time_series.csv", len(rows), 0, True)
    assert 0 < host.cpu_seconds < 5


def test_a_job_that_ends_at_once_is_no_warning(sampled, tmp_path):
    outcome = sampled("pass")
    assert (outcome.returncode, outcome.warnings) == (0, ())
    assert outcome.series.interval_seconds == 0.1


def test_without_a_wish_there_is_no_sampler(tmp_path):
    outcome = run_job(Plain(), Job(1, ("-c", "pass")), stdout=tmp_path / "o", stderr=tmp_path / "e", deadline_seconds=30)
    assert outcome.series is None


def test_a_sampler_that_is_killed_is_a_warning_and_no_failure(sampled, tmp_path, monkeypatch):
    monkeypatch.setattr(sampling_module, "_SHORT_SECONDS", 0.5)
    outcome = sampled("import time; time.sleep(3)", lambda: os.kill(samplers()[0], signal.SIGKILL))
    assert (outcome.returncode, outcome.cause) == (0, "")
    (warning,) = outcome.warnings
    assert warning.startswith(f"the time series of {socket.gethostname()} ends ")
    assert warning.endswith(" before the run: its sampler was ended or lost")
    assert not outcome.series.hosts[0].whole
    assert len(rows_of(tmp_path / "time_series.csv")[1]) == outcome.series.hosts[0].samples > 0


def test_a_sampler_that_is_stopped_does_not_hold_up_the_end(sampled):
    outcome = sampled("import time; time.sleep(1)", lambda: os.kill(samplers()[0], signal.SIGSTOP))
    assert outcome.returncode == 0
    assert outcome.elapsed_seconds < 10


def test_a_sampler_that_hangs_in_the_kernel_does_not_hold_up_its_guard(monkeypatch):
    """As below a path under test whose server does not answer: not even SIGKILL ends it."""
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", ignore], stdout=subprocess.PIPE) as hanging:
        hanging.stdout.readline()
        child = SamplerChild()
        child.pid = hanging.pid
        with monkeypatch.context() as patched:
            patched.setattr(sampler_child.os, "kill", lambda *_: None)
            ending = threading.Thread(target=child.end, daemon=True)
            ending.start()
            ending.join(6)
            held_up = ending.is_alive()
        hanging.kill()
    assert not held_up


def test_a_sampler_that_cannot_call_is_a_warning(sampled, monkeypatch):
    monkeypatch.setattr(sampling_module, "_SHORT_SECONDS", 0.5)
    monkeypatch.setattr(SamplingDesk, "_greet", lambda *_: (_ for _ in ()).throw(ValueError("a stranger")))
    outcome = sampled("import time; time.sleep(1)")
    assert outcome.returncode == 0
    assert outcome.warnings == (f"there is no time series of {socket.gethostname()}: its sampler did not call",)
    assert outcome.series.file == ""


def test_a_file_that_cannot_be_made_is_a_warning(sampled, tmp_path):
    outcome = sampled("pass", file=tmp_path / "gone" / "time_series.csv")
    assert outcome.returncode == 0
    assert "there is no time series: " in outcome.warnings[0]
    assert "gone" in outcome.warnings[0]


def test_a_full_disk_ends_the_series_and_not_the_run(sampled, monkeypatch):
    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    begin = SamplingDesk.__init__

    def with_a_full_disk(self, *words, **named):
        begin(self, *words, **named)
        self._spool.close()
        self._spool = Full()

    monkeypatch.setattr(SamplingDesk, "__init__", with_a_full_disk)
    outcome = sampled("import time; time.sleep(0.6)")
    assert outcome.returncode == 0
    assert outcome.warnings == ("the time series ends early: No space left on device",)


def test_a_rank_that_fails_leaves_the_series_of_the_time_until_then(sampled, tmp_path):
    outcome = sampled("import os, sys, time; time.sleep(1); sys.exit(5 if os.environ['PMI_RANK'] == '1' else 0)")
    assert (outcome.returncode, outcome.failed_rank) == (5, 1)
    assert rows_of(tmp_path / "time_series.csv")[1]


def test_a_job_that_is_interrupted_leaves_the_series_and_no_sampler(sampled, tmp_path):
    def interrupt(beat):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampled("import time; time.sleep(30)", heartbeat=interrupt, heartbeat_seconds=1.0)
    assert carriers(RUN_ID) == []
    assert rows_of(tmp_path / "time_series.csv")[1]


def test_a_guard_that_is_killed_takes_the_sampler_with_it(sampled):
    def kill_parent_of_sampler():
        stat = Path(f"/proc/{samplers()[0]}/stat").read_text()
        os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)

    outcome = sampled("import time; time.sleep(30)", kill_parent_of_sampler)
    assert outcome.cause != ""


def test_a_sampler_holds_no_pipe_of_the_launcher(sampled):
    seen = []

    def look():
        folder = Path(f"/proc/{samplers()[0]}/fd")
        seen.append([str((folder / entry.name).readlink()) for entry in folder.iterdir()])

    # The launcher waits for the end of its ranks' output, as Open MPI does.
    script = (
        "import os, subprocess, sys\nnumber, code, *argv = sys.argv[1:]\n"
        "ranks = [subprocess.Popen(argv, env={**os.environ, 'PMI_RANK': str(n)}, stdout=subprocess.PIPE) for n in range(int(number))]\n"
        "[rank.communicate() for rank in ranks]\n"
    )
    outcome = sampled("import time; time.sleep(1)", look, launcher=Plain(script=script))
    assert outcome.returncode == 0
    own = {name for name in seen[0] if name.startswith("pipe:")}
    assert len(own) <= 1, "the pipe by which its signals wake it"
    assert "/dev/null" in seen[0]


# ------------------------------------------------------------------------------------------------------ the desk alone
@pytest.fixture
def desk(tmp_path):
    opened = SamplingDesk(Sampling(1.0, ("/data",), tmp_path / "time_series.csv"), address="127.0.0.1", here=True)
    yield opened
    if opened._thread.is_alive():
        opened.close(())


class Caller:
    """What a sampler says, said by hand."""

    def __init__(self, desk, host="h1", secret=None):
        address, port, token = desk.variable.split(",")
        self.socket = socket.create_connection((address, int(port)), timeout=10)
        self.say({"token": secret or token, "host": host, "pid": 1})

    def say(self, value):
        self.socket.sendall(json.dumps(value).encode() + b"\n")

    def told(self):
        return json.loads(self.socket.recv(4096) or b"null")

    def columns(self, *names, without=None):
        self.say({"columns": names, "disks": ["vda"], "without": without or {}})

    def bye(self, lost=0):
        self.say({"bye": True, "samples": 1, "lost": lost, "cpu": 0.5})
        self.socket.close()


def test_a_caller_is_told_interval_and_paths(desk):
    assert Caller(desk).told() == {"interval_seconds": 1.0, "paths": ["/data"]}


def test_hosts_with_other_disks_share_one_table_and_empty_cells_say_so(desk, tmp_path):
    for host, column in (("h1", "disk_sda_busy_percent"), ("h2", "disk_nvme0n1_busy_percent")):
        caller = Caller(desk, host)
        caller.told()
        caller.columns("load_1min", column)
        caller.say([0.25, 1000.5, 1.0, 2.0, 50.0])
        caller.bye()
    record = desk.close(("h1", "h2"))
    columns, rows = rows_of(tmp_path / "time_series.csv")
    assert columns == ("load_1min", "disk_sda_busy_percent", "disk_nvme0n1_busy_percent")
    assert {row.host: row.values for row in rows} == {"h1": (2.0, 50.0, None), "h2": (2.0, None, 50.0)}
    assert [(host.host, host.cpu_seconds, host.whole) for host in record.hosts] == [("h1", 0.5, True), ("h2", 0.5, True)]


def test_two_hosts_of_one_name_are_told_apart(desk):
    for _ in range(3):
        Caller(desk, "node").told()
    assert [host.host for host in desk.close(()).hosts] == ["node", "node#2", "node#3"]


def test_a_stranger_is_hung_up_on_and_leaves_nothing(desk):
    assert Caller(desk, secret="guessed").told() is None  # noqa: S106 - it is none
    assert desk.close(()).hosts == ()


@pytest.mark.parametrize("said", ["x", None, 5, {"columns": 3}, [1], [0.1, "x", 1.0, 1.0], [0.1, 1.0, 1.0, 1.0, 1.0], {"bye": 1}])
def test_a_caller_that_says_what_no_sampler_says_is_hung_up_on(desk, said):
    caller = Caller(desk)
    caller.told()
    caller.columns("load_1min")
    caller.say(said)
    assert caller.told() is None
    (host,) = desk.close(()).hosts
    assert (host.samples, host.whole) == (0, False)


def test_a_line_without_end_is_hung_up_on(desk):
    caller = Caller(desk)
    caller.told()
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        caller.socket.sendall(b"x" * (64 << 20))


def test_lost_samples_are_told(desk, monkeypatch):
    monkeypatch.setattr(sampling_module, "_SHORT_SECONDS", 0.0)
    caller = Caller(desk)
    caller.told()
    caller.bye(lost=7)
    assert desk.close(("h1",)).problems == ("7 samples of h1 were lost: its line was stuck for too long",)


def test_a_host_that_was_cut_off_keeps_what_it_sent_and_the_end_does_not_wait_for_it(desk, tmp_path):
    caller = Caller(desk)
    caller.told()
    caller.columns("load_1min")
    caller.say([0.1, 1000.0, 1.0, 2.5])
    begun = time.monotonic()
    record = desk.close(("h1",))  # the line stands open: nobody said that it is gone
    assert time.monotonic() - begun < 5
    assert (record.hosts[0].samples, record.hosts[0].whole) == (1, False)
    assert rows_of(tmp_path / "time_series.csv")[1][0].values == (2.5,)


def test_a_filesystem_that_does_not_answer_does_not_hold_up_the_end(desk, monkeypatch):
    monkeypatch.setattr(sampling_module, "_STUCK_SECONDS", 0.2)
    gate = threading.Event()
    monkeypatch.setattr(desk, "_spool_line", lambda _value: gate.wait(20))
    caller = Caller(desk)
    caller.told()
    caller.columns("load_1min")
    time.sleep(0.1)
    record = desk.close(("h1",))
    gate.set()
    assert record.problems == ("the time series could not be written: its filesystem does not answer",)


def test_what_a_killed_pytest_leaves_names_its_columns(desk, tmp_path):
    caller = Caller(desk)
    caller.told()
    caller.columns("load_1min")
    caller.say([0.1, 1000.0, 1.0, 2.5])
    part = tmp_path / "time_series.csv.part"
    limit = time.monotonic() + 10
    while part.read_text().count("\n") < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    first, second = map(json.loads, part.read_text().splitlines())
    assert first == {"number": 0, "host": "h1", "columns": ["load_1min"]}
    assert second == [0, 1000.0, 1.0, 2.5]


def test_a_record_is_what_the_metadata_says_of_it(desk):
    caller = Caller(desk)
    caller.told()
    caller.columns("load_1min", without={"/data": "nfs4 server:/x"})
    caller.say([0.1, 1000.0, 1.0, 2.5])
    caller.bye()
    record = desk.close(("h1",))
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record
    assert dataclasses.asdict(record)["hosts"][0]["without"] == {"/data": "nfs4 server:/x"}
