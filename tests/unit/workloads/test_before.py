"""How long a launch took when it last ran, told beside what nobody knows before: from leaves of this case and step, and of no other."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from test_dry_run_space import checkpointing, kv_cache, planned, training, vector_database

from pytest_mlpstorage.dry_run import launch_shown
from pytest_mlpstorage.results.layout import metadata_name
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.workloads import before as module
from pytest_mlpstorage.workloads.base import records_name
from pytest_mlpstorage.workloads.before import Before, before
from pytest_mlpstorage.workloads.kv_cache_records import run_metadata

BEGAN = datetime(2026, 11, 26, 18, 14, 17)
FAMILIES = (training, checkpointing, kv_cache, vector_database)


def written(session, step, seconds, *, began=BEGAN, bend=lambda metadata: metadata):
    """A finished leaf of a step as the package writes it, which took so long; returns its directory."""
    workload, plan, _ = planned(session)
    writer = LeafWriter.create_next(session.config.results_dir, plan.leaf_parent(step), run_id="abc", now=began)
    times = {"invocation_start_time": began, "invocation_end_time": began + timedelta(seconds=seconds)}
    metadata = bend(dataclasses.replace(plan.metadata(step, writer.final), **times))
    writer.write_json(metadata_name(records_name(workload), writer.final.name), metadata.to_json())
    return writer.commit()


def asked(session, step):
    """What is known of a step's last launch."""
    return before(planned(session)[1], step, session.config.results_dir)


def launch(session, number=0):
    """The lines and the part of the totals of a launch of the only case."""
    *_, case = planned(session)
    session._detection = SimpleNamespace(launcher=SimpleNamespace(command=lambda _job, guard: ["mpirun", *guard]))
    return launch_shown(session, case, [step for step in case.steps if step.phase != "datasize"][number], SimpleNamespace())


def run_of(session):
    """The first step that is measured."""
    return next(step for step in planned(session)[2].steps if step.phase == "run")


def record_of(leaf):
    """The metadata file of a leaf."""
    (path,) = leaf.glob("*_metadata.json")
    return path


@pytest.mark.parametrize("session", FAMILIES)
def test_a_step_that_has_run_says_how_long_it_took_and_where_that_stands(session, tmp_path):
    session = session(tmp_path)
    step = run_of(session)
    assert asked(session, step) is None
    leaf = written(session, step, 2.8)
    assert asked(session, step) == Before(2.8, "run", leaf.name)


def test_the_line_stands_after_the_time_that_is_known_and_in_the_totals(tmp_path):
    session = training(tmp_path)
    lines, told = launch(session)
    assert [line[:11] for line in lines[1:6]] == ["  writes   ", "  reads    ", "  memory   ", "  takes    ", "  deadline "]
    assert told["before_seconds"] is None
    leaf = written(session, planned(session)[2].steps[1], 2.8)
    lines, told = launch(session)
    assert lines[4].startswith("  takes    ")
    assert lines[5] == f"  before   2.8 s, datagen {leaf.name}"
    assert told["before_seconds"] == 2.8


def test_the_latest_launch_is_told_and_another_step_has_no_say(tmp_path):
    session = training(tmp_path)
    warmup, first, second = [step for step in planned(session)[2].steps if step.phase == "run"][:3]
    written(session, first, 50, began=BEGAN)
    latest = written(session, first, 40, began=BEGAN + timedelta(hours=1))
    other = written(session, warmup, 30, began=BEGAN + timedelta(hours=2))
    assert asked(session, first) == Before(40, "run", latest.name)
    assert asked(session, warmup) == Before(30, "run", other.name)
    assert asked(session, second) is None


@pytest.mark.parametrize(
    "bend",
    [
        lambda m: dataclasses.replace(m, num_processes=3),
        lambda m: dataclasses.replace(m, accelerator="h100"),
        lambda m: dataclasses.replace(m, parameters={**m.parameters, "dataset": {**m.parameters["dataset"], "num_files_train": 421}}),
        lambda m: dataclasses.replace(m, parameters={}),
        lambda m: dataclasses.replace(m, args={**m.args, "hosts": ["another"]}),
        lambda m: dataclasses.replace(m, mlps={}),
        lambda m: dataclasses.replace(m, mlps={"step": ["1"]}),
        lambda m: dataclasses.replace(m, invocation_start_time=None),
        lambda m: dataclasses.replace(m, invocation_end_time=None),
        lambda m: dataclasses.replace(m, invocation_end_time=m.invocation_start_time),
        lambda m: dataclasses.replace(m, invocation_end_time=m.invocation_start_time - timedelta(seconds=1)),
    ],
    ids=[
        "ranks",
        "accelerator",
        "data",
        "no parameters",
        "hosts",
        "no step",
        "a step that is none",
        "no start",
        "no end",
        "no time",
        "back",
    ],
)
def test_a_launch_of_other_parameters_or_without_times_is_passed_over(bend, tmp_path):
    session = training(tmp_path)
    step = run_of(session)
    written(session, step, 9, began=BEGAN + timedelta(hours=1), bend=bend)
    assert asked(session, step) is None
    whole = written(session, step, 5, began=BEGAN - timedelta(hours=1))
    assert asked(session, step) == Before(5, "run", whole.name)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'{"mlps": [], "parameters": 3}', b'{"mlps": {"passes": {"step": "1"}}}'],
)
def test_a_damaged_leaf_gives_no_line_and_no_error(content, tmp_path):
    session = training(tmp_path)
    step = run_of(session)
    path = record_of(written(session, step, 9))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert asked(session, step) is None
    path.unlink(missing_ok=True)
    path.mkdir()
    assert asked(session, step) is None


def test_what_stands_in_the_place_of_leaves_and_is_none_gives_no_line(tmp_path):
    session = training(tmp_path)
    step, plan = run_of(session), planned(session)[1]
    parent = plan.leaf_parent(step)
    leaf = written(session, step, 9)
    leaf.rename(parent / "copy")
    assert asked(session, step) is None
    (parent / leaf.name).symlink_to(parent / "copy")
    assert asked(session, step) is None
    (parent / leaf.name).unlink()
    (parent / "copy").rename(tmp_path / "copy")
    parent.rmdir()
    parent.write_text("a file")
    assert asked(session, step) is None


def finished_run(session, *entries):
    """The leaf of a whole series of passes, which tells of each of them."""
    plan = planned(session)[1]
    writer = LeafWriter.create_next(session.config.results_dir, plan.result_dir() / "run", run_id="abc", now=BEGAN)
    times = {"invocation_start_time": BEGAN, "invocation_end_time": BEGAN + timedelta(seconds=1000)}
    writer.write_json(
        metadata_name("kv_cache", writer.final.name),
        dataclasses.replace(run_metadata(plan, writer.final, list(entries)), **times).to_json(),
    )
    return writer.commit()


def test_a_pass_is_found_in_the_run_that_it_became_a_part_of(tmp_path):
    session = kv_cache(tmp_path)
    first, second, *_ = planned(session)[2].steps
    told = {"command": "mpirun", "start": BEGAN.isoformat(), "launch": {}}
    leaf = finished_run(session, {"step": first.name, "seconds": 10.5, **told}, {"step": second.name, "seconds": 7.5, **told})
    assert asked(session, first) == Before(10.5, "run", leaf.name)
    assert asked(session, second) == Before(7.5, "run", leaf.name)
    waiting = written(session, first, 8, began=BEGAN + timedelta(hours=1))
    assert asked(session, first) == Before(8, "run", waiting.name), "a pass that waits is younger than the run that stands"
    assert asked(session, second) == Before(7.5, "run", leaf.name)


@pytest.mark.parametrize("seconds", [None, "ten", True, 0, -1, float("nan"), float("inf"), [3], {}, 10**400])
def test_a_pass_without_a_time_gives_no_line(seconds, tmp_path):
    session = kv_cache(tmp_path)
    first = planned(session)[2].steps[0]
    leaf = finished_run(session, {"step": first.name, "seconds": 1.5, "command": ""})
    assert asked(session, first) is not None
    raw = json.loads(record_of(leaf).read_text())
    raw["mlps"]["passes"] = [
        "nothing",
        None,
        {"step": [first.name], "seconds": 3},
        {"seconds": 3},
        {"step": first.name, "seconds": seconds},
    ]
    record_of(leaf).write_text(json.dumps(raw))
    assert asked(session, first) is None


def test_a_run_of_another_series_gives_no_line(tmp_path):
    session = kv_cache(tmp_path)
    first = planned(session)[2].steps[0]
    leaf = finished_run(session, {"step": first.name, "seconds": 1.5, "command": ""})
    assert asked(session, first) is not None
    raw = json.loads(record_of(leaf).read_text())
    raw["mlps"]["series"] = "another"
    record_of(leaf).write_text(json.dumps(raw))
    assert asked(session, first) is None


def test_no_more_is_read_than_the_leaves_back_to_the_one_that_tells(tmp_path, monkeypatch):
    session = training(tmp_path)
    step = run_of(session)
    for hour in range(5):
        written(
            session,
            step,
            9,
            began=BEGAN + timedelta(hours=hour),
            bend=lambda m, hour=hour: m if hour < 4 else dataclasses.replace(m, mlps={}),
        )
    read = []
    original = LeafMetadata.from_json.__func__
    monkeypatch.setattr(LeafMetadata, "from_json", classmethod(lambda cls, raw, path="": (read.append(path), original(cls, raw, path))[1]))
    assert asked(session, step) is not None
    assert len(read) == 2
    monkeypatch.setattr(module, "MOST_LEAVES", 1)
    assert asked(session, step) is None


def test_looking_back_writes_nothing(tmp_path):
    session = training(tmp_path)
    step = run_of(session)
    written(session, step, 9)
    there = sorted(tmp_path.rglob("*"))
    assert asked(session, step) is not None
    assert sorted(tmp_path.rglob("*")) == there
