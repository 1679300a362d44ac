"""What is done on a server that is not ours when a load fails: the collection is dropped, and a stranger's is never touched."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from vector_database_cases import MILVUS, SMALL, plan_of

from pytest_mlpstorage.errors import EngineError
from pytest_mlpstorage.vectordb.engine import EngineError as OfTheEngine
from pytest_mlpstorage.vectordb.probe import probed
from pytest_mlpstorage.workloads import vector_database_server as server
from pytest_mlpstorage.workloads.vector_database import WORKLOAD
from pytest_mlpstorage.workloads.vector_database_state import begin_load, may_replace, read_state

UNREACHED = {"there": False, "attach": {"message": "it cannot be reached", "details": {"cause": "refused"}}}


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path, MILVUS.replace("http://", "http://root:geheim@"))


@pytest.fixture
def answers(monkeypatch):
    """What the engine's process is asked, and what it answers."""
    seen = {"asked": [], "said": {"there": True, "attach": None, "dropped": True}}

    def run(command, *, input, timeout, **_more):
        seen["asked"].append((command, json.loads(input), timeout))
        if isinstance(seen["said"], Exception):
            raise seen["said"]
        return subprocess.CompletedProcess(command, 0, json.dumps(seen["said"]), "")

    monkeypatch.setattr(server.subprocess, "run", run)
    return seen


def failed_load(plan, folder, *phases):
    """A load that its rank told of so far, and then failed."""
    begin_load(plan, "r1")
    (folder / "progress.jsonl").write_text("".join(json.dumps({"phase": phase}) + "\n" for phase in phases))
    return WORKLOAD.clean_up(plan, plan.case.steps[0], scratch=folder, launcher=None)


def test_what_an_unfinished_load_began_is_dropped_and_the_password_is_in_no_command(plan, tmp_path, answers):
    assert failed_load(plan, tmp_path, "create", "load", "build") == ()
    ((command, asked, timeout),) = answers["asked"]
    assert "geheim" not in " ".join(command)
    assert (asked["drop"], asked["spec"]["name"], timeout) == (True, plan.name, server.DROP_SECONDS)
    assert read_state(plan).state == "begun", "the next start makes it anew"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (UNREACHED, "it cannot be reached"),
        ({"message": "no client"}, "no client"),
        (subprocess.TimeoutExpired("x", 1), "did not answer within 40 s"),
    ],
    ids=["unreached", "refused", "silent"],
)
def test_what_stays_is_named_without_the_password(plan, tmp_path, answers, said, words):
    answers["said"] = said
    (line,) = failed_load(plan, tmp_path, "load")
    assert words in line
    assert plan.name in line
    assert "root:***@" in line


def test_a_collection_that_is_gone_already_is_nothing_to_tell(plan, tmp_path, answers):
    answers["said"] = {"there": False, "attach": {"message": "there is no such collection", "details": {}}}
    assert failed_load(plan, tmp_path, "load") == ()


def test_a_load_that_never_made_its_collection_touches_nothing_and_takes_its_mark_back(plan, tmp_path, answers):
    assert failed_load(plan, tmp_path, "create") == ()
    assert answers["asked"] == []
    assert not may_replace(plan), "or the next load would remove a stranger's"
    (tmp_path / "progress.jsonl").unlink()
    begin_load(plan, "r2")
    begin_load(plan, "r3")
    WORKLOAD.clean_up(plan, plan.case.steps[0], scratch=tmp_path, launcher=None)
    assert may_replace(plan), "an earlier load had begun it"


def test_a_collection_of_the_same_name_at_another_address_is_a_strangers(plan, tmp_path, answers):
    begin_load(plan, "r1")
    elsewhere = plan_of(tmp_path, MILVUS.replace("127.0.0.1", "127.0.0.2"))
    assert elsewhere.name == plan.name
    assert not may_replace(elsewhere)
    (line,) = begin_load(elsewhere, "r2")
    assert f"the collection {plan.name} on http://root:***@127.0.0.1:1, of other parameters, stays" in line
    WORKLOAD.clean_up(elsewhere, elsewhere.case.steps[0], scratch=tmp_path, launcher=None)
    assert not may_replace(elsewhere), "it never had a collection there"


def test_a_load_that_failed_before_it_made_a_second_collection_gives_no_right_to_one_of_that_name(plan, tmp_path, answers):
    begin_load(plan, "r1")
    larger = plan_of(tmp_path, f"  num_vectors: 60000\n{MILVUS}")
    (line,) = begin_load(larger, "r2")
    assert f"the collection {plan.name} on" in line
    WORKLOAD.clean_up(larger, larger.case.steps[0], scratch=tmp_path, launcher=None)
    assert not may_replace(larger)


def test_neither_a_run_nor_an_embedded_database_leaves_anything(plan, tmp_path, answers):
    begin_load(plan, "r1")
    (tmp_path / "progress.jsonl").write_text('{"phase": "load"}')
    assert WORKLOAD.clean_up(plan, plan.case.steps[1], scratch=tmp_path, launcher=None) == ()
    assert failed_load(plan_of(tmp_path, SMALL), tmp_path, "load") == ()
    assert answers["asked"] == []


def test_a_process_that_says_nothing_is_an_error_with_its_last_words(plan, monkeypatch):
    monkeypatch.setattr(server.sys, "executable", "/bin/false")
    with pytest.raises(EngineError, match="cannot be asked: its process ended with 1"):
        server.asked(plan)
    assert sys.executable


class OneCollection:
    """An engine of a server that has one collection."""

    def __init__(self):
        self.told = []

    def capabilities(self):
        return type("Can", (), {"form": "server", "families": {}})

    def version(self):
        return {}

    def attach(self, spec, where):
        if spec.name != "mine":
            raise OfTheEngine("there is no such collection")

    def drop(self):
        self.told.append("drop")

    def close(self):
        self.told.append("close")


def test_the_probe_drops_only_what_is_there_and_only_when_it_is_told_so(monkeypatch):
    engine = OneCollection()
    monkeypatch.setattr("pytest_mlpstorage.vectordb.probe.engine", lambda _name: engine)
    spec = {"dim": 4, "metric": "COSINE", "family": "HNSW", "build": {}}
    asked = {"where": "http://h", "spec": {"name": "mine", **spec}}
    assert "dropped" not in probed("x", asked)
    assert probed("x", {**asked, "drop": True})["dropped"] is True
    assert "dropped" not in probed("x", {**asked, "drop": True, "spec": {"name": "other", **spec}})
    assert engine.told == ["close", "drop", "close", "close"]
