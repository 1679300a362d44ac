"""What becomes of a suite over three hosts when pytest itself is ended, or a host leaves: the evidence is kept, and the next start goes on."""

from __future__ import annotations

import signal
import time

import pytest
import small_suite
from suite_on_hosts import OnHosts, missing, pretend

FAR_SECONDS = 60.0
SLOW = ("--mlps-set", "train.epochs=20", "--mlps-set", "train.computation_time=1s")
CONFIG = small_suite.CONFIG.replace("training:", "data_dir: ./mlps-data\ncluster:\n  hosts: [h1, h2, h3]\ntraining:")
CONFIG = CONFIG.replace("accelerators: 2", "accelerators: 3").replace("num_files_train: 28", "num_files_train: 63")


pytestmark = [pytest.mark.full, pytest.mark.fault, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


class Suite(OnHosts):
    """A suite on hosts of which something is killed."""

    def find(self, host, *words, without=()):
        """Process ids on a host of what has all these words in its command line."""
        programs = self.hosts.processes(host).items()
        return [pid for pid, line in programs if all(word in line for word in words) and not any(word in line for word in without)]

    def kill(self, host, number, *pids):
        self.hosts.run(host, ["kill", f"-{number.value}", *map(str, pids)]).check_returncode()

    def training(self):
        """Whether a rank of DLIO runs on the second host, and read workers with it."""
        return self.find("h2", "pytest_mlpstorage.dlio", "multiprocessing") or len(self.find("h2", "pytest_mlpstorage.dlio")) > 2


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    (folder / "suite.yaml").write_text(CONFIG)
    with pretend((64, 128, 256), tmp_path_factory.getbasetemp()) as made:
        suite = Suite(folder)
        suite.hosts = made
        ended = suite.run("-k", "not test_run and not test_result")
        assert ended.code == 0, ended.text
        yield suite


@pytest.fixture
def running(suite):
    """A run in its epochs, as a process of pytest; a test that fails leaves nothing of it."""
    process = suite.start("-k", "test_run", "--mlps-rerun=run", *SLOW)
    suite.wait_for(suite.training)
    yield process
    if process.poll() is None:
        process.kill()
    for host in suite.hosts.hosts:
        if pids := suite.find(host):
            suite.kill(host, signal.SIGKILL, *pids)


def pytest_of(suite):
    """Process id of pytest on the first host."""
    return suite.find("h1", "-m pytest ", without=("env -C",))[0]


def goes_on(suite):
    again = suite.run("-k", "test_run or test_result", "--mlps-rerun=run")
    assert again.code == 0, again.text
    assert suite.left() == {}
    return again


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["KILL", "TERM"])
def test_pytest_killed_leaves_nothing_on_any_host_and_the_next_start_says_what_it_found(suite, running, number):
    suite.kill("h1", number, pytest_of(suite))
    assert running.wait(10) == -number
    suite.wait_for(lambda: suite.left() == {}, 15)
    assert "ended without finishing" in goes_on(suite).text


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_ctrl_c_ends_pytest_with_2_and_leaves_nothing_but_evidence(suite, running, times):
    before = len(suite.evidence())
    for _ in range(times):
        suite.kill("h1", signal.SIGINT, pytest_of(suite))
        time.sleep(0.2)
    ended = small_suite.finish(running, 30)
    assert ended.code == 2, ended.text
    suite.wait_for(lambda: suite.left() == {}, 5)
    assert len(suite.evidence()) == before + 1
    assert "interrupted" in str(suite.evidence())
    goes_on(suite)


def test_a_host_that_leaves_the_network_is_named_ends_by_itself_and_the_next_start_goes_on(suite, running):
    try:
        begun = time.monotonic()
        suite.hosts.cut_off("h2")
        ended = small_suite.finish(running, 40)
        told = ended.text.partition("FAILURES")[2]
        assert ended.code == 1, ended.text
        assert "no word from rank 1 on h2 for 10 s: the host or its network is down" in told
        suite.wait_for(lambda: suite.left("h1", "h3") == {}, 10)
        suite.wait_for(lambda: suite.left("h2") == {}, FAR_SECONDS - (time.monotonic() - begun))
    finally:
        suite.hosts.plug_in("h2")
    assert "no word from rank 1" in str(suite.evidence()[-1])
    goes_on(suite)
