"""What an engine must do with collections: make, load, build, count and remove them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb.check import check_parameters
from pytest_mlpstorage.vectordb.engine import EngineError
from pytest_mlpstorage.vectordb_contract.child import Bench, Child
from pytest_mlpstorage.vectordb_contract.conftest import DIM, Data, Subject


def test_the_capabilities_are_complete_and_agree_with_themselves(subject: Subject) -> None:
    able = subject.capabilities
    assert able.families, "an engine offers at least one index"
    assert able.metrics & {"COSINE", "L2", "IP"}
    assert able.max_insert_batch >= 1
    for token, family in able.families.items():
        assert token == family.token == token.upper()
        for table in (family.build, family.search):
            assert len({spec.name for spec in table}) == len(table)
        assert check_parameters(family, {}).clamped == {}
        assert check_parameters(family, {spec.name: spec.default for spec in family.search}, part="search").clamped == {}


def test_the_version_says_what_was_measured(subject: Subject, child: Child) -> None:
    if not subject.embedded:
        # A server is asked through a collection's connection.
        child(Bench.call, "create", subject.spec("version"), subject.where, replace=True)
    told = child(Bench.call, "version")
    child(Bench.call, "drop")
    assert told["engine"]
    assert all(isinstance(key, str) and isinstance(value, str) for key, value in told.items())


def test_a_collection_is_made_once_unless_it_is_to_be_replaced(subject: Subject, child: Child, data: Data) -> None:
    spec = subject.spec("twice")
    child(Bench.made, spec, subject.where, data.vectors[:100])
    child(Bench.call, "close")
    with subject.child() as other:
        with pytest.raises(EngineError):
            other(Bench.call, "create", spec, subject.where)
        # What it did not make, its owner's clean-up does not take away.
        other(Bench.call, "drop")
    child(Bench.call, "attach", spec, subject.where)
    assert child(Bench.call, "stats").rows == 100
    child(Bench.call, "create", spec, subject.where, replace=True)
    assert child(Bench.call, "stats").rows == 0
    child(Bench.call, "drop")


@pytest.mark.parametrize(
    "change",
    [{"family": "NO_SUCH_INDEX"}, {"metric": "HAMMING"}, {"dim": 0}, {"name": "../elsewhere"}, {"shards": 0}, {"build": {"no_such": 1}}],
    ids=lambda change: next(iter(change)),
)
def test_a_collection_that_cannot_be_is_refused_before_anything_is_made(subject: Subject, child: Child, change: dict[str, object]) -> None:
    spec = subject.spec("refused")
    with pytest.raises(ConfigurationError):
        child(Bench.call, "create", dataclasses.replace(spec, **change), subject.where)  # type: ignore[arg-type] # wrong on purpose
    with pytest.raises(EngineError):
        child(Bench.call, "attach", spec, subject.where)


def test_parameters_beyond_their_range_are_refused(subject: Subject, child: Child) -> None:
    for token in subject.families:
        for parameter in subject.capabilities.families[token].build:
            if parameter.most is not None:
                spec = subject.spec("range", family=token)
                beyond = dataclasses.replace(spec, build={**spec.build, parameter.name: int(parameter.most) + 1})
                with pytest.raises(ConfigurationError):
                    child(Bench.call, "create", beyond, subject.where)


def test_a_collection_that_is_not_there_or_of_another_dimension_is_not_opened(subject: Subject, child: Child, data: Data) -> None:
    spec = subject.spec("dimension")
    with pytest.raises(EngineError):
        child(Bench.call, "attach", spec, subject.where)
    child(Bench.made, spec, subject.where, data.vectors[:100])
    child(Bench.call, "close")
    with pytest.raises(EngineError):
        child(Bench.call, "attach", subject.spec("dimension", dim=DIM * 2), subject.where)
    with pytest.raises(EngineError):
        child(Bench.opened, subject.spec("dimension", dim=DIM * 2), subject.where)
    child(Bench.call, "attach", spec, subject.where)
    child(Bench.call, "drop")


def test_three_blocks_are_loaded_built_and_counted_and_a_second_build_does_nothing(subject: Subject, child: Child, data: Data) -> None:
    spec, third = subject.spec("load"), len(data.vectors) // 3
    child(Bench.call, "create", spec, subject.where, replace=True)
    for start, end in ((0, third), (third, 2 * third), (2 * third, len(data.vectors))):
        assert child(Bench.call, "load", np.arange(start, end, dtype=np.int64), data.vectors[start:end].copy()) == end - start
    report, silence_seconds, signs = child(Bench.built)
    assert report.seconds >= 0
    assert set(report.effective) == {parameter.name for parameter in subject.capabilities.families[spec.family].build}
    assert all(value is None or value == spec.build[name] for name, value in report.effective.items())
    assert signs >= 1
    # Every 2 s is the contract; this machine may have other things to do.
    assert silence_seconds < 10
    for _ in range(2):
        stats = child(Bench.call, "stats")
        assert stats.rows == len(data.vectors)
        assert stats.distinct_ids in {None, len(data.vectors)}
        assert stats.completeness == 1.0
        assert sum(stats.bytes_on_disk.values()) > 0 or not subject.embedded
        child(Bench.built)
    child(Bench.call, "drop")


BAD_BLOCKS = ("dimension", "nan", "infinity", "short", "long", "float64", "order", "gap", "negative", "empty")


@pytest.mark.parametrize("kind", BAD_BLOCKS)
def test_a_block_that_cannot_be_is_refused_whole_and_the_rest_is_loaded(subject: Subject, child: Child, data: Data, kind: str) -> None:
    spec = subject.spec("bad")
    child(Bench.made, spec, subject.where, data.vectors[:50])
    ids, vectors = np.arange(50, 150, dtype=np.int64), data.vectors[50:150].copy()
    if kind == "dimension":
        vectors = np.ascontiguousarray(vectors[:, : DIM // 2])
    elif kind in {"nan", "infinity"}:
        vectors[60, 3] = np.nan if kind == "nan" else np.inf
    elif kind in {"short", "long"}:
        ids = ids[:-1] if kind == "short" else np.append(ids, 150)
    elif kind == "float64":
        vectors = vectors.astype(np.float64)
    elif kind == "order":
        vectors = np.asfortranarray(vectors)
    elif kind == "gap":
        ids[50:] += 1
    elif kind == "negative":
        ids -= 100
    else:
        ids, vectors = ids[:0], vectors[:0]
    with pytest.raises(EngineError):
        child(Bench.call, "load", ids, vectors)
    assert child(Bench.call, "load", np.arange(50, 150, dtype=np.int64), data.vectors[50:150].copy()) == 100
    child(Bench.built)
    assert child(Bench.call, "stats").rows == 150
    child(Bench.call, "drop")


def test_an_id_that_is_there_already_is_refused_and_never_counted_twice(subject: Subject, child: Child, data: Data) -> None:
    child(Bench.made, subject.spec("duplicates"), subject.where, data.vectors[:100])
    with pytest.raises(EngineError):
        child(Bench.call, "load", np.arange(60, 160, dtype=np.int64), data.vectors[60:160].copy())
    child(Bench.built)
    stats = child(Bench.call, "stats")
    assert stats.distinct_ids in {None, stats.rows}
    child(Bench.call, "drop")


def test_dropping_removes_the_collection_and_nothing_else(subject: Subject, child: Child, data: Data) -> None:
    kept, dropped = subject.spec("kept"), subject.spec("dropped")
    where = str(Path(subject.where, "of_this_test")) if subject.embedded else subject.where
    with subject.child() as neighbour:
        neighbour(Bench.made, kept, where, data.vectors[:50])
        child(Bench.made, dropped, where, data.vectors[:50])
        child(Bench.call, "drop")
        child(Bench.call, "drop")
        with pytest.raises(EngineError):
            child(Bench.call, "attach", dropped, where)
        assert neighbour(Bench.call, "stats").rows == 50
        neighbour(Bench.call, "drop")
    if subject.embedded:
        assert list(Path(where).iterdir()) == []


def test_a_builder_that_is_killed_leaves_what_can_be_finished_or_replaced(subject: Subject, data: Data) -> None:
    spec = subject.spec("killed")
    with subject.child() as killed:
        killed(Bench.made, spec, subject.where, data.vectors)
        killed.ask(Bench.built)
        killed.kill()
    with subject.child() as later:
        later(Bench.call, "attach", spec, subject.where)
        later(Bench.built)
        stats = later(Bench.call, "stats")
        assert (stats.rows, stats.completeness) == (len(data.vectors), 1.0)
        later(Bench.call, "create", spec, subject.where, replace=True)
        assert later(Bench.call, "stats").rows == 0
        later(Bench.call, "drop")
