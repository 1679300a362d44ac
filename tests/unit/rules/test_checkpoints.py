"""What rules on checkpointing read alike: counts, model, subset form, pairs of runs, and when a run began and ended."""

import datetime as dt
from pathlib import Path

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.records import CheckpointingResult, Leaf
from pytest_mlpstorage.results.summary import Summary
from pytest_mlpstorage.rules.checkpoints import (
    asked_subset,
    checkpoint_count,
    checkpointing_of,
    counts,
    effective,
    is_subset,
    model_of,
    pairs,
    processes_of,
    read_start,
    runs_of_known_model,
    span_of,
    write_end,
)
from pytest_mlpstorage.verdict import Division, NoEvidence

BOOK = edition("3.0")
T = "2026-07-21T00:00:"


def metadata(args=None, parameters=None, overrides=None, **raw):
    return LeafMetadata.from_json(
        {"args": args or {}, "parameters": parameters or {}, "override_parameters": overrides or {}, **raw}, "m.json"
    )


def leaf(name="20260721_000000", meta=None, **summary):
    return Leaf(Path(name), name, name, "run", metadata=meta, summary=Summary.from_json(summary, "s.json") if summary else None)


def result(*leaves):
    return CheckpointingResult(
        root=Path(), relpath="r", division=Division.CLOSED, submitter="a", system="b", model="llama3-8b", edition="3.0", runs=leaves
    )


def asked(writes, reads):
    return metadata({"num_checkpoints_write": writes, "num_checkpoints_read": reads})


def at(second):
    return dt.datetime(2026, 7, 21, 0, 0, second)


def test_an_edition_without_checkpointing_is_refused():
    with pytest.raises(ConfigurationError, match=r"1\.0 has no checkpointing"):
        checkpointing_of(edition("1.0"))
    assert checkpointing_of(BOOK) is BOOK.checkpointing


# -- what a run was asked for -------------------------------------------------------------------------------------------


def test_an_override_is_in_force_over_the_parameters_and_has_its_native_type():
    both = metadata(parameters={"checkpoint": {"mode": "default", "fsync": "True"}}, overrides={"checkpoint.mode": "subset"})
    assert effective(both, "checkpoint.mode") == "subset"
    assert effective(both, "checkpoint.fsync") is True
    assert effective(both, "checkpoint.rank_sync") is None


def test_the_command_line_says_how_many_checkpoints_then_overrides_then_parameters():
    parameters = {"checkpoint": {"num_checkpoints_write": 10, "num_checkpoints_read": "9"}}
    overrides = {"checkpoint.num_checkpoints_write": "5"}
    assert counts(metadata({"num_checkpoints_write": "1", "num_checkpoints_read": 2}, parameters, overrides)) == (1, 2)
    assert counts(metadata({"num_checkpoints_write": None}, parameters, overrides)) == (5, 9)
    assert counts(metadata({"num_checkpoints_write": 0}, parameters, overrides)) == (0, 9)
    assert checkpoint_count(metadata({}, parameters), "save") == 10
    assert checkpoint_count(metadata({}, parameters), "load") == 9


@pytest.mark.parametrize("one", [{"num_checkpoints_write": 10}, {"num_checkpoints_read": 10}, {"num_checkpoints_write": [10]}])
def test_counts_of_which_one_is_missing_are_none(one):
    assert counts(metadata(one)) is None


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("llama3-8b", "llama3-8b"), ("LLAMA3_8B", "llama3-8b"), ("8b", "llama3-8b"), ("llama3.1-405b-fp16", "llama3-405b"), ("llama3-1t", "llama3-1t"),
        ("llama3-38b", None), ("llama3-8bit", None), ("llama3-11t", None), ("llama3", None), ("", None),
    ],
)  # fmt: skip
def test_the_size_in_a_models_name_must_stand_by_itself(name, model):
    assert model_of(metadata({"model": name}), BOOK) == model


def test_the_model_of_the_command_line_goes_before_that_of_the_record():
    assert model_of(metadata({"model": "llama3-70b"}, model="llama3-8b"), BOOK) == "llama3-70b"
    assert model_of(metadata({}, model="llama3-8b"), BOOK) == "llama3-8b"
    assert model_of(metadata({"model": ["llama3-70b"]}, model="llama3-8b"), BOOK) == "llama3-8b"


def test_runs_come_with_their_model_and_those_without_one_are_no_evidence():
    known, unknown, unread = leaf(meta=metadata({"model": "llama3-1t"})), leaf("b", metadata({"model": "gpt"})), leaf("c")
    found = list(runs_of_known_model(result(known, unknown, unread), BOOK))
    assert found[0] == (known, known.metadata, "llama3-1t", BOOK.checkpointing.models["llama3-1t"])
    assert found[1] == NoEvidence("the metadata names no model of the edition", "m.json")
    assert isinstance(found[2], NoEvidence)


def test_the_ranks_are_those_of_the_command_line_then_those_of_the_record():
    assert processes_of(metadata({"num_processes": "8"}, num_processes=64)) == 8
    assert processes_of(metadata({"num_processes": "many"}, num_processes=64)) == 64
    assert processes_of(metadata()) is None


@pytest.mark.parametrize(
    ("given", "flag", "subset"),
    [
        ({"args": {"checkpoint_subset": True}}, True, True),
        ({"args": {"checkpoint_subset": "True"}}, True, True),
        ({"args": {"checkpoint_subset": "no"}}, False, False),
        ({"args": {"checkpoint_subset": 1}}, False, False),
        ({"overrides": {"checkpoint.mode": " Subset"}}, False, True),
        ({"parameters": {"checkpoint": {"mode": "subset"}}}, False, True),
        ({"parameters": {"checkpoint": {"mode": "subset"}}, "overrides": {"checkpoint.mode": "default"}}, False, True),
        ({"overrides": {"checkpoint.mode": "default"}}, False, False),
        ({"overrides": {"checkpoint.mode": ["subset"]}}, False, False),
        ({}, False, False),
    ],
)
def test_the_subset_form_is_asked_for_by_a_flag_or_set_by_a_mode(given, flag, subset):
    assert (asked_subset(metadata(**given)), is_subset(metadata(**given))) == (flag, subset)


# -- which runs belong together -----------------------------------------------------------------------------------------


def test_runs_that_only_wrote_pair_with_those_that_only_read_in_order():
    first, second = leaf("1", asked(10, 0)), leaf("2", asked(5, 0))
    read, late = leaf("3", asked(0, 1)), leaf("4", asked(0, 10))
    assert pairs(result(first, read, second, late)) == ((first, read), (second, late))


def test_runs_that_did_both_or_nothing_or_do_not_say_belong_to_no_pair_and_neither_does_one_too_many():
    write, read = leaf("1", asked(10, 0)), leaf("3", asked(0, 10))
    others = [
        leaf("0", asked(10, 10)),
        leaf("2", asked(0, 0)),
        leaf("4", metadata()),
        leaf("5"),
        leaf("6", asked(-1, 0)),
        leaf("7", asked(0, -1)),
    ]
    assert pairs(result(*others, write, read, leaf("8", asked(10, 0)))) == ((write, read),)
    assert pairs(result(write)) == ()


# -- when a run began and ended -------------------------------------------------------------------------------------------


def test_a_run_has_the_times_of_its_invocation_else_those_of_its_summary():
    full = leaf(meta=metadata(invocation_start_time=f"{T}01", invocation_end_time=f"{T}09"), start=f"{T}02", end=f"{T}08")
    begin, end = span_of(full)
    assert (begin.time, begin.exact, begin.file, begin.field) == (at(1), True, "m.json", "invocation_start_time")
    assert (end.time, end.exact, end.file, end.field) == (at(9), True, "m.json", "invocation_end_time")
    begin, end = span_of(leaf(meta=metadata(invocation_start_time="never"), start=f"{T}02", end=f"{T}08"))
    assert (begin.time, begin.exact, begin.file, begin.field) == (at(2), False, "s.json", "start")
    assert (end.time, end.exact, end.file, end.field) == (at(8), False, "s.json", "end")
    assert span_of(leaf(meta=metadata())) == (None, None)
    assert span_of(leaf()) == (None, None)


def test_a_reading_run_began_with_its_invocation():
    assert read_start(leaf(meta=metadata(invocation_start_time=f"{T}01"), start=f"{T}02")).time == at(1)
    assert read_start(leaf(start=f"{T}02")).time == at(2)


def looked(*times, **raw):
    return metadata(cluster={"a": [{"hosts": [{"collection_timestamp": t}]} for t in times]}, collection_timestamp=f"{T}00Z", **raw)


def test_a_writing_run_ended_with_its_invocation_whatever_else_is_recorded():
    end = write_end(leaf(meta=looked(f"{T}30Z", invocation_end_time=f"{T}09"), end=f"{T}08"))
    assert (end.time, end.exact, end.field) == (at(9), True, "invocation_end_time")


def test_without_it_the_last_look_at_the_hosts_after_the_measurement_ended_the_run():
    end = write_end(leaf(meta=looked(f"{T}12Z", f"{T}11Z", f"{T}07Z", "soon", None), end=f"{T}08"))
    assert (end.time, end.exact, end.file, end.field) == (at(12), True, "m.json", "collection_timestamp")
    assert write_end(leaf(meta=looked(f"{T}08Z"), end=f"{T}08")).field == "collection_timestamp"


def test_without_such_a_look_the_summary_ended_the_run_and_without_that_nothing_did():
    end = write_end(leaf(meta=looked(f"{T}07Z"), end=f"{T}08"))
    assert (end.time, end.exact, end.field) == (at(8), False, "end")
    assert write_end(leaf(end=f"{T}08")).time == at(8)
    assert write_end(leaf(meta=looked(f"{T}12Z"), start=f"{T}01")) is None
    assert write_end(leaf(meta=looked(f"{T}12Z"))) is None


def test_a_look_is_found_however_deep_it_is_nested():
    deep = {"collection_timestamp": f"{T}12Z"}
    for _ in range(5000):
        deep = [{"x": deep}]
    record = metadata()
    object.__setattr__(record, "raw", {"x": deep, "collection_timestamp": {"x": 1}})
    assert write_end(leaf(meta=record, end=f"{T}08")).time == at(12)
