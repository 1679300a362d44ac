"""Leaves are written complete or not at all, and nothing is overwritten."""

import datetime as dt
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import ConfigurationError, FileSystemError, ValidationError
from pytest_mlpstorage.results import writer as writer_module
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.writer import LeafWriter, unused_timestamp

NOW = dt.datetime(2026, 11, 25, 0, 10, 0, 999999)
RUN = Path("closed/acme/results/fastfs/training/unet3d/run")


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def stage(results, stamp="20261125_001000", run_id="r1"):
    return LeafWriter.create(results, results / RUN / stamp, run_id=run_id)


def left_in_staging(results):
    return sorted(p.relative_to(results / ".mlps").as_posix() for p in (results / ".mlps").rglob("*") if "failed" not in p.parts)


def test_a_staged_leaf_is_no_result_until_it_is_committed(results):
    leaf = stage(results)
    assert leaf.path == results / ".mlps" / "staging" / "r1" / "20261125_001000"
    assert leaf.path.is_dir()
    leaf.write_json("summary.json", {"epochs": 5})
    leaf.write_json("dlio_config/x.json", {"a": None})
    assert read_tree(results).results == ()
    assert leaf.commit() == results / RUN / "20261125_001000"
    (result,) = read_tree(results).results
    assert result.runs[0].files == {"summary.json", "dlio_config/x.json"}
    assert result.runs[0].summary.epochs == 5
    assert left_in_staging(results) == ["claims", "staging"]


def test_the_staging_names_who_writes_and_where_it_goes(results):
    owner = json.loads((stage(results).home / "owner.json").read_text())
    assert owner["pid"] == os.getpid()
    assert owner["final"] == f"{RUN}/20261125_001000"


def test_a_leaf_that_exists_is_never_written_again(results):
    stage(results).commit()
    with pytest.raises(FileSystemError, match="the leaf exists already; nothing is overwritten"):
        stage(results, run_id="r2")
    assert left_in_staging(results) == ["claims", "staging"]


@pytest.mark.parametrize("kind", ["empty directory", "full directory", "file", "dangling link"])
def test_a_place_taken_while_the_leaf_was_written_is_left_as_it_is(results, kind):
    leaf = stage(results)
    leaf.write_json("summary.json", {"mine": True})
    leaf.final.parent.mkdir(parents=True)
    if kind == "file":
        leaf.final.write_text("theirs")
    elif kind == "dangling link":
        leaf.final.symlink_to("nowhere")
    else:
        leaf.final.mkdir()
        if kind == "full directory":
            (leaf.final / "summary.json").write_text("theirs")
    with pytest.raises(FileSystemError, match="the leaf exists already; nothing is overwritten"):
        leaf.commit()
    assert (leaf.path / "summary.json").exists()
    failed = leaf.fail("its place was taken")
    assert json.loads((failed / "summary.json").read_text()) == {"mine": True}
    if kind == "empty directory":
        assert list(leaf.final.iterdir()) == []
    elif kind != "dangling link":
        assert (leaf.final if kind == "file" else leaf.final / "summary.json").read_text() == "theirs"


def test_two_writers_of_one_place_cannot_both_stage(results):
    stage(results)
    with pytest.raises(FileSystemError, match="another writer has staged this leaf"):
        stage(results, run_id="r2")
    with pytest.raises(FileSystemError, match="run id 'r1' is being written already"):
        stage(results, stamp="20261125_001001")


def test_failed_evidence_keeps_its_files_with_the_reason_and_is_no_result(results):
    leaf = stage(results)
    (leaf.path / "training_run.stderr.log").write_text("boom")
    failed = leaf.fail("rank 1 ended by SIGKILL", {"rank": 1, "path": Path("/x"), "nan": float("nan"), "list": [1.5, {"a": None}]})
    assert re.fullmatch(r"\d{8}_\d{6}-run-unet3d-r1", failed.name)
    assert failed.parent == results / ".mlps" / "failed"
    assert (failed / "training_run.stderr.log").read_text() == "boom"
    reason = json.loads((failed / "reason.json").read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", reason.pop("time"))
    assert reason == {
        "reason": "rank 1 ended by SIGKILL",
        "details": {"rank": 1, "path": "/x", "nan": "nan", "list": [1.5, {"a": None}]},
        "intended": f"{RUN}/20261125_001000",
        "run_id": "r1",
    }
    assert read_tree(results).results == ()
    assert left_in_staging(results) == ["claims", "staging"]
    assert not (results / RUN).exists()


def test_failed_evidence_of_one_name_does_not_overwrite_the_other(results, monkeypatch):
    monkeypatch.setattr(writer_module, "_now", lambda: NOW)
    names = [stage(results).fail("x").name for _ in range(3)]
    assert names == [f"20261125_001000-run-unet3d-r1{suffix}" for suffix in ("", "-2", "-3")]


def test_failed_evidence_of_checkpointing_is_named_by_its_family(results):
    final = results / "open/acme/results/fastfs/checkpointing/llama3-8b/20261125_001000"
    assert LeafWriter.create(results, final, run_id="r").fail("x").name.endswith("-checkpointing-llama3-8b-r")


def test_an_exception_inside_the_block_makes_failed_evidence(results):
    with pytest.raises(KeyboardInterrupt), stage(results) as leaf:
        raise KeyboardInterrupt
    assert json.loads((leaf.outcome / "reason.json").read_text())["reason"] == "KeyboardInterrupt"
    with pytest.raises(RuntimeError, match="no luck"), stage(results) as leaf:
        raise RuntimeError("no luck")
    assert json.loads((leaf.outcome / "reason.json").read_text())["reason"] == "RuntimeError: no luck"


def test_leaving_the_block_without_a_commit_makes_failed_evidence(results):
    with stage(results) as leaf:
        pass
    assert json.loads((leaf.outcome / "reason.json").read_text())["reason"] == "the writer left it without finishing"


def test_leaving_the_block_after_a_commit_changes_nothing(results):
    with stage(results) as leaf:
        leaf.commit()
    assert leaf.outcome == leaf.final
    with pytest.raises(FileSystemError, match="the leaf was finished already"):
        leaf.fail("too late")
    with pytest.raises(FileSystemError, match="the leaf was finished already"):
        leaf.commit()


def test_json_is_replaced_at_once_and_nan_is_refused_leaving_the_old_file(results):
    leaf = stage(results)
    leaf.write_json("a.json", {"v": 1})
    leaf.write_json("a.json", {"v": "é"})
    with pytest.raises(ValidationError, match=r"a\.json would hold a number that JSON cannot"):
        leaf.write_json("a.json", {"v": float("nan")})
    assert json.loads((leaf.path / "a.json").read_text(encoding="utf-8")) == {"v": "é"}
    assert [p.name for p in leaf.path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("name", ["../x.json", "/x.json", "", "a/../../x"], ids=repr)
def test_a_file_outside_the_leaf_is_refused(results, name):
    with pytest.raises(FileSystemError, match="is no file of the leaf"):
        stage(results).write_json(name, {})


def test_a_leaf_outside_the_results_directory_and_a_strange_run_id_are_refused(results):
    with pytest.raises(FileSystemError, match="a leaf must lie in the results directory"):
        LeafWriter.create(results, Path("/elsewhere/20261125_001000"), run_id="r")
    with pytest.raises(ConfigurationError, match=r"run id '\.\./x' cannot be"):
        LeafWriter.create(results, results / RUN / "20261125_001000", run_id="../x")


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_an_error_with_the_next_step_and_leaves_no_half_file(results, monkeypatch):
    leaf = stage(results)
    leaf.write_json("a.json", {"v": 1})
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(FileSystemError, match=r"cannot write a\.json[\s\S]*No space left[\s\S]*next: free space"):
        leaf.write_json("a.json", {"v": 2})
    with pytest.raises(FileSystemError, match="cannot move the leaf into its place"):
        leaf.commit()
    assert not leaf.final.exists()
    with pytest.raises(FileSystemError, match="cannot write owner"):
        stage(results, stamp="20261125_001001", run_id="r2")
    monkeypatch.undo()
    assert [(p.name, p.read_text()) for p in leaf.path.iterdir()] == [("a.json", '{\n  "v": 1\n}\n')]
    assert stage(results, stamp="20261125_001001", run_id="r2").commit().exists()


@pytest.mark.parametrize(
    ("siblings", "expected"),
    [
        ([], "20261125_001000"),
        (["20261125_000959", "results.json", "run1"], "20261125_001000"),
        (["20261125_001000"], "20261125_001001"),
        (["20261125_001000", "20261125_001001"], "20261125_001002"),
        (["20261125_015959"], "20261125_020000"),  # the clock stepped back by two hours
        (["20261231_235959"], "20270101_000000"),
    ],
    ids=str,
)
def test_a_timestamp_is_free_and_later_than_every_leaf_there(tmp_path, siblings, expected):
    for name in siblings:
        (tmp_path / name).mkdir()
    assert unused_timestamp(tmp_path, NOW) == expected


def test_a_timestamp_in_a_directory_that_is_not_there_is_now(tmp_path):
    assert unused_timestamp(tmp_path / "absent", NOW) == "20261125_001000"


@pytest.mark.parametrize("name", ["99999999_999999", "99991231_235959"])
def test_no_leaf_can_follow_a_name_that_is_no_date(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(FileSystemError, match=f"no later leaf than {name} can be named"):
        unused_timestamp(tmp_path, NOW)


def test_the_next_leaf_avoids_leaves_and_the_places_of_other_writers(results):
    first = LeafWriter.create_next(results, results / RUN, run_id="a", now=NOW)
    second = LeafWriter.create_next(results, results / RUN, run_id="b", now=NOW)
    first.commit()
    third = LeafWriter.create_next(results, results / RUN, run_id="c", now=NOW)
    assert [leaf.final.name for leaf in (first, second, third)] == ["20261125_001000", "20261125_001001", "20261125_001002"]


COMMIT_TEN = """
import datetime, sys
from pathlib import Path
from pytest_mlpstorage.results.writer import LeafWriter

results, name, parent = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
now = datetime.datetime(2026, 11, 25, 0, 10)
for number in range(10):
    leaf = LeafWriter.create_next(results, results / parent, run_id=f"{name}{number}", now=now)
    leaf.write_json("summary.json", {"run_id": leaf.run_id})
    leaf.commit()
"""


@pytest.mark.fault
def test_writers_in_several_processes_never_share_a_name_nor_lose_a_leaf(results):
    command = [sys.executable, "-c", COMMIT_TEN, str(results)]
    writers = [subprocess.Popen([*command, name, str(RUN)]) for name in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    (result,) = read_tree(results).results
    assert len({leaf.summary.raw["run_id"] for leaf in result.runs}) == len(result.runs) == 40
    assert left_in_staging(results) == ["claims", "staging"]
