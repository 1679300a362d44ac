"""Time series of three hosts: all of them, one whose sampler is killed, and one that is cut off."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import pretend_hosts
import pytest
from suite_on_hosts import missing, pretend

from pytest_mlpstorage.results.time_series import Row, read_rows

pytestmark = [
    pytest.mark.real,
    pytest.mark.fault,
    pytest.mark.full,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]

# Without MPI in the ranks: a rank that is alone communicates with nobody whom the cut could end.
DRIVER = """
import dataclasses, json, pathlib, sys
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Host, Job
from pytest_mlpstorage.launch.sampling import Sampling
from pytest_mlpstorage.launch.supervisor import run_job
here, seconds = pathlib.Path(sys.argv[1]), sys.argv[2]
job = Job(3, ("-c", f"from mpi4py import MPI; import time; time.sleep({seconds})"), hosts=tuple(Host(name, 1) for name in ("h1", "h2", "h3")))
files = {"stdout": here / "out", "stderr": here / "err"}
wanted = Sampling(0.5, (str(here),), here / "time_series.csv")
done = run_job(find_launcher(), job, **files, deadline_seconds=100, sampling=wanted)
told = {"code": done.returncode, "cause": done.cause, "warnings": done.warnings, "series": done.series.to_json(), "seconds": done.elapsed_seconds}
(here / "told.json").write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with pretend((8, 8, 8), tmp_path_factory.getbasetemp()) as made:
        yield made


@dataclasses.dataclass
class Running:
    """A job of one rank a host that sleeps, started from the first host."""

    hosts: pretend_hosts.PretendHosts
    folder: Path
    process: subprocess.Popen[bytes]

    def wait_for_rows(self, number: int) -> None:
        """Until so many rows of every host have come."""
        limit = time.monotonic() + 60
        part = self.folder / "time_series.csv.part"
        while time.monotonic() < limit:
            lines = [json.loads(line) for line in part.read_text().splitlines()] if part.exists() else []
            rows = [line[0] for line in lines if isinstance(line, list)]
            if all(rows.count(caller) >= number for caller in range(3)):
                return
            time.sleep(0.05)
        raise AssertionError(f"no rows came: {(self.folder / 'err').read_text()[-2000:]}")

    def end(self) -> dict:
        try:
            assert self.process.wait(90) == 0
        finally:
            self.process.kill()
        return json.loads((self.folder / "told.json").read_text())

    def rows(self) -> list[Row]:
        with (self.folder / "time_series.csv").open(encoding="utf-8", newline="") as lines:
            return list(read_rows(lines)[1])

    def samplers(self, host: str) -> list[int]:
        return [pid for pid, words in self.hosts.processes(host).items() if words.endswith("sampler MLPS_SAMPLER")]

    def wait_until_nothing_is_left(self, host: str, seconds: float) -> None:
        limit = time.monotonic() + seconds
        while (left := self.hosts.processes(host)) and time.monotonic() < limit:
            time.sleep(0.2)
        assert left == {}


@pytest.fixture
def job(hosts, tmp_path):
    started = []

    def job(seconds):
        settings = [f"{name}={value}" for name, value in hosts.environment.items()]
        command = ["env", "-C", str(tmp_path), *settings, sys.executable, "-c", DRIVER, str(tmp_path), str(seconds)]
        started.append(subprocess.Popen(hosts.command("h1", command), stdin=subprocess.DEVNULL))
        return Running(hosts, tmp_path, started[0])

    yield job
    for process in started:
        process.kill()
        process.wait()


def test_each_host_has_one_sampler_and_all_rows_come(job):
    running = job(5)
    running.wait_for_rows(2)
    assert [len(running.samplers(host)) for host in running.hosts.hosts] == [1, 1, 1]
    told = running.end()
    assert (told["code"], told["warnings"]) == (0, [])
    series = told["series"]
    assert sorted(series["hosts_collected"]) == ["h1", "h2", "h3"]
    assert [(host["whole"], host["lost_samples"]) for host in series["hosts"]] == [(True, 0)] * 3
    assert len(running.rows()) == series["num_samples"] >= 15
    for host in running.hosts.hosts:
        running.wait_until_nothing_is_left(host, 10)


def test_a_sampler_that_is_killed_on_another_host_is_a_warning(job):
    running = job(10)
    running.wait_for_rows(2)
    running.hosts.run("h2", ["kill", "-KILL", *map(str, running.samplers("h2"))])
    told = running.end()
    assert (told["code"], told["cause"]) == (0, "")
    (warning,) = told["warnings"]
    assert warning.startswith("the time series of h2 ends ")
    of = {host["host"]: host for host in told["series"]["hosts"]}
    assert [of[host]["whole"] for host in ("h1", "h2", "h3")] == [True, False, True]
    assert of["h2"]["num_samples"] < of["h1"]["num_samples"]


def test_a_host_that_is_cut_off_keeps_what_it_has_sent_and_nothing_on_it(job):
    running = job(80)
    running.wait_for_rows(3)
    running.hosts.cut_off("h3")
    told = running.end()
    assert told["code"] != 0
    assert "h3" in told["cause"]
    assert told["seconds"] < 60
    counts = {host: sum(row.host == host for row in running.rows()) for host in ("h1", "h2", "h3")}
    assert counts["h3"] >= 3
    assert counts["h1"] > counts["h3"]
    for host in ("h1", "h2"):
        running.wait_until_nothing_is_left(host, 10)
    running.wait_until_nothing_is_left("h3", 60)
