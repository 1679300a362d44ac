"""Hosts asked over ssh, by a program that stands for it: every host is this one, and some have a fault."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster import over_ssh, survey_ways
from pytest_mlpstorage.cluster.host_probe import HostProbe
from pytest_mlpstorage.cluster.login import Login, LoginFailed
from pytest_mlpstorage.cluster.over_ssh import Request, ask_over_ssh, entries_over_ssh
from pytest_mlpstorage.cluster.survey import planned_survey, survey_hosts
from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.launch.job import Host
from pytest_mlpstorage.results.host_facts import HostFacts

PROGRAM = """#!/bin/sh
unset PYTHONPATH
while [ $# -gt 2 ]; do options="$options $1"; shift; done
echo "$PPID ${MLPS_DEPTH:-0} $1 $$ $options" >> {log}
case "$1" in
  refused*) echo "ssh: connect to host $1 port 22: Connection refused" >&2; exit 255;;
  locked*) echo "root@$1: Permission denied (publickey,password)." >&2; exit 255;;
  odd*) echo "something else went wrong" >&2; exit 255;;
  mute*) exit 255;;
  silent*) exec sleep 60;;
  slow*) sleep 2.2;;
  hangs*) export PYTHONPATH="{hung}";;
  talks*) echo "welcome"; exec sh -c "$2";;
  nowhere*) exec sh -c "/nowhere$2";;
  bare*) exec sh -c "$(printf %s "$2" | sed 's/ -u / -I -S -u /')";;
  above*) if [ -n "$MLPS_DEPTH" ]; then echo "ssh: connect to host $1 port 22: Connection refused" >&2; exit 255; fi;;
esac
MLPS_DEPTH=$((${MLPS_DEPTH:-0} + 1)) exec sh -c "exec $2"
"""


@pytest.fixture
def ssh(tmp_path):
    program = tmp_path / "ssh of another name"
    (tmp_path / "hung").mkdir()
    (tmp_path / "hung" / "sitecustomize.py").write_text("import os, time\nos.statvfs = lambda _: time.sleep(60)\n")
    program.write_text(PROGRAM.replace("{log}", str(tmp_path / "log")).replace("{hung}", str(tmp_path / "hung")))
    program.chmod(0o755)
    return program


@pytest.fixture
def ask(ssh):
    def ask(*hosts, paths=("/",), seconds=30.0, program=None, fan_out=8):
        return ask_over_ssh(Request(paths, tuple(program or [str(ssh)]), seconds=seconds, fan_out=fan_out), hosts)

    return ask


def logins(ssh):
    return [line.split(maxsplit=4) for line in (ssh.parent / "log").read_text().splitlines()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(ssh, seconds=4.0):
    """Whether every process that a login became has ended."""
    end = time.monotonic() + seconds
    while any(alive(pid) for _, _, _, pid, _ in logins(ssh)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(alive(pid) for _, _, _, pid, _ in logins(ssh))


def test_every_host_tells_its_facts_and_what_it_tried(ask, ssh):
    found = ask("a", "b")
    assert [answer.problem for answer in found.values()] == ["", ""]
    facts = dict(found["b"].facts)
    assert HostProbe.from_json(facts.pop("probe")).path("/").exists
    assert HostFacts.from_json(facts).mount("/").target == "/"
    assert (found["b"].offset_ns, found["b"].error_ns) == (0, 0), "it has the clock of this kernel"
    assert gone(ssh)


def test_ssh_asks_for_nothing_and_waits_for_nobody_for_ever(ask, ssh):
    ask("a")
    (login,) = logins(ssh)
    for option in ("BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5"):
        assert option in login[4]


def test_arguments_of_the_program_come_before_the_host(ask, ssh):
    ask("a", program=[str(ssh), "-F", "a file // with spaces"])
    assert logins(ssh)[0][4].startswith("-F a file // with spaces -T ")


def test_no_process_logs_in_at_all_hosts(ask, ssh):
    found = ask("a", "b", "c", "d", "e", fan_out=2)
    assert [name for name, answer in found.items() if answer.facts] == ["a", "b", "c", "d", "e"]
    assert {login[2]: login[1] for login in logins(ssh)} == {"a": "0", "d": "0", "b": "1", "c": "1", "e": "1"}
    assert gone(ssh)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("refused", "ssh cannot reach refused: the host refuses the connection"),
        ("locked", "ssh cannot reach locked: the login is refused"),
        ("odd", "something else went wrong"),
        ("mute", "ssh ended without a word"),
        ("talks", "a login there prints something: it must print nothing where no person logs in"),
        ("bare", f"{sys.executable} there has no pytest-mlpstorage, or another version of it"),
    ],
)
def test_a_host_that_cannot_be_asked_is_told_in_one_sentence_and_the_others_answer(ask, ssh, host, said):
    found = ask("a", host)
    assert (found["a"].problem, found[host].problem) == ("", said)
    assert found[host].facts is None
    assert gone(ssh)


def test_a_host_without_this_interpreter_is_told_by_its_shell(ask):
    assert ask("nowhere")["nowhere"].problem.endswith(f"/nowhere{sys.executable}: not found")


def test_a_program_that_is_not_there_is_told(ask):
    assert ask("a", program=["/nowhere/ssh"])["a"].problem == "/nowhere/ssh: No such file or directory"


def test_a_host_that_never_answers_keeps_nobody_longer_than_the_time(ask, ssh):
    began = time.monotonic()
    found = ask("silent", "a", seconds=4.0)
    assert time.monotonic() - began < 20
    assert found["silent"].problem == "no answer within 2 s"
    assert found["a"].facts is not None
    assert gone(ssh)


def test_a_host_whose_filesystem_hangs_is_told_and_keeps_no_other_unheard(ask, ssh):
    found = ask("hangs", "b", fan_out=1, seconds=8.0)
    assert found["hangs"].problem.startswith("its directories cannot be looked at: no answer of a filesystem within ")
    assert found["b"].problem == ""
    assert gone(ssh)


def test_an_answer_is_home_before_the_time_of_its_login_is_over(ask, ssh):
    """The login of the first takes its time, and a host below it never answers."""
    found = ask("slow", "silent", fan_out=1, seconds=9.0)
    assert found["slow"].problem == ""
    assert found["silent"].problem.startswith("no answer within ")
    assert gone(ssh)


def test_hosts_of_which_the_one_above_says_nothing_are_asked_from_here(ask, monkeypatch):
    told = over_ssh.Answer().seen_from(over_ssh.Offset())
    monkeypatch.setattr(over_ssh.json, "loads", lambda _: {"": over_ssh.dataclasses.asdict(told)})
    found = ask("a", "refused", fan_out=1)
    assert "refused" in found["refused"].problem


def test_an_interpreter_with_two_slashes_in_its_path_logs_in_all_the_same(ask, ssh, monkeypatch):
    monkeypatch.setattr("pytest_mlpstorage.cluster.login.sys.executable", sys.executable.replace("/", "//"))
    assert ask("a")["a"].problem == ""
    assert [login[2] for login in logins(ssh)] == ["a"]


def test_hosts_below_one_that_cannot_be_asked_are_asked_by_the_one_above(ask, ssh):
    found = ask("refused", "b", "c", fan_out=1)
    assert [name for name, answer in found.items() if answer.problem] == ["refused"]
    assert {login[2]: login[1] for login in logins(ssh)} == {"refused": "0", "b": "0", "c": "1"}


def test_a_host_that_only_the_first_can_reach_is_reached_from_there(ask, ssh):
    found = ask("a", "above", fan_out=1)
    assert [answer.problem for answer in found.values()] == ["", ""]
    assert [login[1] for login in logins(ssh) if login[2] == "above"] == ["1", "0"]


def test_a_path_that_cannot_be_looked_at_is_told(ask):
    problem = ask("a", paths=("/" + "x" * 300,))["a"].problem
    assert "cannot be looked at: File name too long" in problem


def test_no_room_for_the_words_of_ssh_is_told(ssh, tmp_path):
    login = Login((str(ssh),), sys.executable, "a", tmp_path / "gone" / "words")
    with pytest.raises(LoginFailed, match=r"gone/words\.json: No such file or directory"), login.opened(20.0, ""):
        pass


def test_a_login_that_is_over_ends_no_process_that_has_its_number_now(ssh, tmp_path):
    login = Login((str(ssh),), sys.executable, "a", tmp_path / "words")
    with login.opened(20.0, "channel.send(1)") as channel:
        assert channel.receive(20) == 1
    other = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "words").write_text(f"{other.pid}\n")
        login.kill()
        time.sleep(0.2)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_ctrl_c_ends_every_login(ask, ssh):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            ask("silent1", "silent2")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 10
    assert gone(ssh)


def test_what_hosts_say_stands_under_their_declared_names_and_clocks_count_from_the_first(ssh):
    entries, silent = entries_over_ssh(Request(("/",), (str(ssh),)), ["a", "refused", "localhost"])
    assert list(entries) == ["a", "localhost"]
    assert [entry["declared"] for entry in entries.values()] == ["a", "localhost"]
    assert {(entry["clock_offset_seconds"], entry["clock_uncertainty_seconds"]) for entry in entries.values()} == {(0.0, 0.0)}
    assert silent == {"refused": "ssh cannot reach refused: the host refuses the connection"}
    assert "localhost" not in [login[2] for login in logins(ssh)]


def test_a_clock_counts_from_that_of_the_first_host_wherever_pytest_runs(monkeypatch):
    told = {"a": over_ssh.Answer({}, "", 7 * 10**9, 10**6), "b": over_ssh.Answer({}, "", 9 * 10**9, 2 * 10**6)}
    monkeypatch.setattr(over_ssh, "ask_over_ssh", lambda _request, _hosts: told)
    entries, _ = entries_over_ssh(Request(()), ["a", "b"])
    assert entries["a"] == {"declared": "a", "clock_offset_seconds": 0.0, "clock_uncertainty_seconds": 0.0}
    assert entries["b"] == {"declared": "b", "clock_offset_seconds": 2.0, "clock_uncertainty_seconds": 0.003}


def test_no_clock_is_told_where_the_first_host_says_nothing(ssh):
    entries, _ = entries_over_ssh(Request(("/",), (str(ssh),)), ["refused", "localhost"])
    assert entries["localhost"]["clock_offset_seconds"] is None


def test_a_survey_over_ssh_tells_all_hosts_and_tries_their_directories(ssh, tmp_path):
    survey = survey_hosts(None, [Host("a"), Host("b"), Host("refused")], [tmp_path], write=True, ssh=[str(ssh)])
    assert survey.cluster.method == "ssh"
    assert [host.declared for host in survey.cluster.hosts] == ["a", "b"]
    assert survey.cluster.unreachable == {"refused": "ssh cannot reach refused: the host refuses the connection"}
    for name in ("a", "b"):
        probe = survey.probes[name].path(tmp_path)
        assert (probe.problem, probe.as_pytest, probe.as_first) == ("", True, True)
    assert list(tmp_path.glob(".mlps*")) == []
    with pytest.raises(MPIError, match="1 of 3 hosts cannot be asked: refused"):
        survey.require()


@pytest.mark.parametrize(("first", "other", "same"), [(True, True, True), (True, False, False), (False, True, False), (False, False, None)])
def test_two_hosts_have_one_directory_where_both_find_what_pytest_has_left(monkeypatch, tmp_path, first, other, same):
    def told(request, names):
        found = request.answer_here().facts
        seen = {name: {**found["probe"]["paths"][0], "as_pytest": as_pytest} for name, as_pytest in zip(names, (first, other), strict=True)}
        return {name: {**found, "probe": {**found["probe"], "paths": [path]}} for name, path in seen.items()}, {}

    monkeypatch.setattr(survey_ways, "entries_over_ssh", told)
    found = survey_ways.probed_over_ssh(["a", "b"], [str(tmp_path)], ["ssh"], write=True)
    assert found["b"][1].path(tmp_path).as_first is same


def test_a_host_that_describes_itself_otherwise_is_told_and_no_other_is_lost(monkeypatch, tmp_path):
    def told(request, names):
        facts = request.answer_here().facts
        return {names[0]: {**facts, "unheard_of": 1, "name": "a", "package": "9.9"}, names[1]: facts}, {}

    monkeypatch.setattr(survey_ways, "entries_over_ssh", told)
    found = survey_ways.probed_over_ssh(["a", "b"], [str(tmp_path)], ["ssh"], write=True)
    assert "a has pytest-mlpstorage 9.9" in str(found["a"])
    assert found["b"][1].path(tmp_path).as_first is None


def test_hosts_that_are_only_planned_for_are_this_one_with_the_declared_memory(tmp_path):
    survey = planned_survey([Host("a"), Host("b")], [tmp_path], 512)
    assert survey.require().method == "declared"
    assert [(host.name, host.declared, host.memory_bytes, host.memory_declared) for host in survey.cluster.hosts] == [
        ("a", "a", 512, True),
        ("b", "b", 512, True),
    ]
    assert survey.probes == {}
    assert survey.cluster.disagreements == ()
