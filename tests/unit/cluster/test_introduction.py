"""Hosts tell each other their version of this package before anything else, and go no further where one has another."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pytest_mlpstorage import __version__
from pytest_mlpstorage.cluster import __main__ as program
from pytest_mlpstorage.cluster import collect, introduction
from pytest_mlpstorage.cluster.collect import MARK, ask_hosts
from pytest_mlpstorage.cluster.introduction import Introduction, introductions, own_words, refuse_others
from pytest_mlpstorage.errors import BenchmarkExecutionError, MPIError
from pytest_mlpstorage.launch.job import Host

HERE = Introduction.of_this_host()
NEWER = Introduction("h2", "9.9", "ab")
CHANGED = Introduction("h3", __version__, "cd")
OLD = "Linux 6.1 boot-id"
"""What a version that does not introduce itself tells first."""


def test_an_introduction_comes_back_as_it_was_told_and_nothing_else_is_one():
    assert Introduction.from_json(json.loads(json.dumps(NEWER.to_json()))) == NEWER
    later = {"introduction": {**dataclasses.asdict(NEWER), "more": 1}}
    assert Introduction.from_json(later) == NEWER
    assert [Introduction.from_json(value) for value in (OLD, None, {}, {"introduction": 3}, {"name": "h1"})] == [None] * 5


def test_hosts_of_one_version_go_on():
    assert introductions([HERE.to_json(), dataclasses.replace(HERE, host="h2").to_json()], own_words()) == ()


@pytest.mark.parametrize("other", [NEWER.to_json(), CHANGED.to_json(), OLD, None])
def test_one_of_another_version_stops_all(other):
    told = introductions([HERE.to_json(), other], own_words())
    assert told == (HERE, Introduction.from_json(other) or Introduction("", "", ""))


def test_hosts_that_agree_and_are_not_what_pytest_is_stop_too():
    assert len(introductions([HERE.to_json()] * 2, "9.9/ab")) == 2


def test_the_words_change_with_the_modules_that_hosts_speak_by(tmp_path, monkeypatch):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "cluster/host_probe.py").write_text("ranks.bcast(token)")
    (tmp_path / "results/host_facts.py").write_text("a")
    monkeypatch.setattr(introduction, "_PACKAGE", tmp_path)
    told = [introduction._words.__wrapped__()]
    for name, text in (
        ("results/summary.py", "b"),
        ("results/host_facts.py", "b"),
        ("cluster/host_probe.py", "ranks.bcast((token, first))"),
    ):
        (tmp_path / name).write_text(text)
        told.append(introduction._words.__wrapped__())
    assert told[0] == told[1]
    assert len(set(told)) == 3


def test_each_version_is_told_with_its_hosts():
    with pytest.raises(MPIError) as caught:
        refuse_others([one.to_json() for one in (HERE, NEWER, dataclasses.replace(NEWER, host="h4"), CHANGED)])
    assert caught.value.message == (
        f"h2, h4 has pytest-mlpstorage 9.9 and describes itself otherwise than {__version__} here; "
        f"h3 has pytest-mlpstorage {__version__} as here, with other code"
    )
    assert caught.value.code == "MLPS-E322"
    assert caught.value.details["h4"] == "pytest-mlpstorage 9.9"
    assert f"pytest-mlpstorage=={__version__}" in caught.value.suggestion


def test_descriptions_are_no_introductions():
    refuse_others([{"name": "h1", "package": "9.9"}])


class Ranks:
    """A communicator of which the other ranks have told what they tell."""

    def __init__(self, rank, *others):
        self.rank, self.others = rank, others

    def allgather(self, mine):
        return [mine, *self.others]


def introduced(tmp_path, rank, *others, wanted=""):
    out = tmp_path / "out"
    goes_on = program._introduced(str(out), wanted, Ranks(rank, *others))
    return goes_on, json.loads(out.read_text()) if out.exists() else None


def test_the_first_host_writes_who_is_of_which_version(tmp_path):
    assert introduced(tmp_path, 0, HERE.to_json()) == (True, None)
    assert introduced(tmp_path, 1, NEWER.to_json()) == (False, None)
    assert introduced(tmp_path, 0, NEWER.to_json()) == (False, [HERE.to_json(), NEWER.to_json()])
    assert introduced(tmp_path, 0, wanted="9.9/ab") == (False, [HERE.to_json()])


def test_a_host_that_does_not_introduce_itself_is_told_and_the_job_is_ended(tmp_path):
    with pytest.raises(RuntimeError, match="older version"):
        introduced(tmp_path, 0, OLD)
    assert json.loads((tmp_path / "out").read_text())[1] == Introduction("", "", "").to_json()
    with pytest.raises(RuntimeError, match="older version"):
        introduced(tmp_path, 1, OLD)


@pytest.mark.parametrize("same_as", ["", own_words()])
def test_arguments_are_looked_at_where_pytest_is_of_this_version(monkeypatch, same_as, capsys):
    monkeypatch.setattr("sys.argv", ["cluster", "--out", "-", "--same-as", same_as, "--of-tomorrow", "x"])
    with pytest.raises(SystemExit):
        program.main()
    assert "--of-tomorrow" in capsys.readouterr().err


def test_arguments_of_a_pytest_of_another_version_are_not_looked_at(monkeypatch):
    asked = []
    monkeypatch.setattr(program, "_gather", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr("sys.argv", ["cluster", "--out", "-", "--ranks", "2", "--same-as", "9.9/ab", "--of-tomorrow", "x", "/data"])
    program.main()
    assert [words[:3] for words in asked] == [("-", "9.9/ab", 2)]


@pytest.mark.parametrize("failed", [False, True])
def test_other_versions_are_the_message_however_the_job_ended(monkeypatch, failed):
    commands = []

    def run_job(_launcher, job, *, stdout, **_):
        commands.append(job.program)
        stdout.write_text(f"{MARK}{json.dumps([HERE.to_json(), NEWER.to_json()])}\n")

    def require_success(_outcome):
        if failed:
            raise BenchmarkExecutionError("rank 1 ended with exit code 3")

    monkeypatch.setattr("pytest_mlpstorage.launch.supervisor.run_job", run_job)
    monkeypatch.setattr("pytest_mlpstorage.launch.supervisor.require_success", require_success)
    with pytest.raises(MPIError, match=r"h2 has pytest-mlpstorage 9\.9 and describes itself otherwise"):
        ask_hosts(None, [Host("h1", 1), Host("h2", 1)], ("/data",))
    ((*_, flag, words, path),) = commands
    assert (flag, words, path) == ("--same-as", collect.own_words(), "/data")


@pytest.mark.parametrize(
    "said", [b"prolog: \xe9tat\n", MARK.encode() + b'[{"name": "a"', MARK.encode() + b"5\n", MARK.encode() + b"null\n"]
)
def test_the_cause_of_a_job_that_failed_is_told_whatever_it_had_said(monkeypatch, said):
    def require_success(_outcome):
        raise BenchmarkExecutionError("the real cause")

    monkeypatch.setattr("pytest_mlpstorage.launch.supervisor.run_job", lambda *_, stdout, **_more: stdout.write_bytes(said))
    monkeypatch.setattr("pytest_mlpstorage.launch.supervisor.require_success", require_success)
    with pytest.raises(BenchmarkExecutionError, match="the real cause"):
        ask_hosts(None, [Host("h1", 1), Host("h2", 1)], ())
    monkeypatch.setattr("pytest_mlpstorage.launch.supervisor.require_success", lambda _outcome: None)
    with pytest.raises(MPIError, match=r"the hosts' facts (came|did not come whole)"):
        ask_hosts(None, [Host("h1", 1), Host("h2", 1)], ())
