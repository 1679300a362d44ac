"""Trees as they are found: whole, partial, damaged, hostile."""

import json
import os
import socket
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.results import files as files_module
from pytest_mlpstorage.results.reader import (
    read_epoch_stats,
    read_leaf,
    read_rank_outputs,
    read_training_result,
)
from pytest_mlpstorage.results.records import Listing, ReadProblem, TrainingResult
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.walk import LOOKED_FOR
from pytest_mlpstorage.verdict import Division

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"
PLACE = "closed/acme/results/fastfs/training/unet3d"
STAMP = "20260713_090822"


def corpus(name):
    path = CORPORA / name
    if not path.is_dir():
        pytest.skip(f"the published round {name} is not beside this checkout")
    return path


def write(path, content="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, (dict, list)):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def tree(tmp_path):
    """One closed unet3d result: datasize, datagen and two runs."""
    for phase, stamp in [("datasize", STAMP), ("datagen", STAMP), ("run", STAMP), ("run", "20260713_100000")]:
        metadata = {"model": "unet3d", "command": phase, "accelerator": "b200"}
        write(tmp_path / PLACE / phase / stamp / f"training_{stamp}_metadata.json", metadata)
    for stamp in (STAMP, "20260713_100000"):
        write(tmp_path / PLACE / "run" / stamp / "summary.json", {"num_accelerators": 2})
    write(tmp_path / PLACE / "run" / "results.json", [])
    return tmp_path


def only(tree):
    (result,) = read_tree(tree).results
    return result


def test_a_whole_result_is_read_with_its_phases_and_every_name(tree):
    result = only(tree)
    assert isinstance(result, TrainingResult)
    assert (result.relpath, result.division, result.submitter, result.system, result.model) == (
        PLACE, Division.CLOSED, "acme", "fastfs", "unet3d",
    )  # fmt: skip
    assert (result.edition, result.accelerator, result.accelerators, result.planned) == ("3.0", "b200", ("b200",), False)
    assert [leaf.relpath for leaf in result.runs] == [f"{PLACE}/run/{STAMP}", f"{PLACE}/run/20260713_100000"]
    assert len(result.leaves) == 4
    assert result.run_entries == (STAMP, "20260713_100000", "results.json")
    assert result.run_listing.files == ("results.json",)
    assert result.entries == Listing(("datagen", "datasize", "run"), ("datagen", "datasize", "run"))
    assert result.runs[0].files == {f"training_{STAMP}_metadata.json", "summary.json"}
    assert result.runs[0].summary.path == f"{PLACE}/run/{STAMP}/summary.json"
    assert result.runs[0].metadata.command == "run"
    assert result.datagen[0].summary is None
    assert result.all_problems == ()


def test_reading_twice_gives_equal_records(tree):
    assert read_tree(tree) == read_tree(tree)


def test_one_result_is_read_alone_as_it_is_read_in_the_tree(tree):
    assert read_training_result(tree / PLACE, root=tree) == only(tree)


def test_a_result_that_is_not_there_has_no_leaves_and_a_wrong_place_is_an_error(tmp_path):
    assert read_training_result(tmp_path / PLACE, root=tmp_path).leaves == ()
    with pytest.raises(ValidationError, match="no place of a training result"):
        read_training_result(tmp_path / PLACE / "run", root=tmp_path)


def test_names_in_run_that_are_no_timestamps_are_listed_and_are_no_leaves(tree):
    (tree / PLACE / "run" / "run1").mkdir()
    write(tree / PLACE / "run" / ".DS_Store")
    write(tree / PLACE / "run" / "20260713_110000", "a file, not a directory")
    result = only(tree)
    assert result.run_entries == (".DS_Store", STAMP, "20260713_100000", "20260713_110000", "results.json", "run1")
    assert result.run_listing.directories == (STAMP, "20260713_100000", "run1")
    assert [leaf.name for leaf in result.runs] == [STAMP, "20260713_100000"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"   \n", "is empty"),
        (b"{", "is no JSON: Expecting property name"),
        (b"\xff\xfe\x00garbage", "is no JSON"),
        (b"[1]", "holds a JSON list, not an object"),
        (b"null", "holds a JSON NoneType, not an object"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"epochs": ' + b"9" * 5000 + b"}", "is no JSON: Exceeds the limit"),
        (b'{"epochs": "x"}', "epochs is 'x', not a whole number"),
        (b'{"metric": {"train_au_mean_percentage": NaN}}', "metric.train_au_mean_percentage is 'nan', not a finite number"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_damaged_summary_is_a_problem_on_that_file(tree, content, message):
    write(tree / PLACE / "run" / STAMP / "summary.json", content)
    leaf = only(tree).runs[0]
    (problem,) = leaf.problems
    assert problem.file == f"{PLACE}/run/{STAMP}/summary.json"
    assert problem.message.startswith(message)
    assert "summary.json" in leaf.files


def test_a_file_over_the_limit_is_a_problem_and_is_not_read(tree, monkeypatch):
    assert files_module.MAX_JSON_BYTES == 64 * 1024**2
    sparse = tree / PLACE / "run" / STAMP / "summary.json"
    with sparse.open("wb") as file:
        file.truncate(2 * 1024**3)
    leaf = only(tree).runs[0]
    assert leaf.summary is None
    assert leaf.problems[0].message == "holds 2147483648 bytes, more than the 67108864 that are read"


def test_a_pruned_file_is_present_and_not_parsed_and_no_problem(tree):
    write(tree / PLACE / "run" / STAMP / "summary.json", "PRUNED BY STAFF\n")
    write(tree / PLACE / "run" / STAMP / "0_output.json", "PRUNED BY STAFF")
    leaf = only(tree).runs[0]
    assert leaf.summary is None
    assert leaf.problems == ()
    assert leaf.pruned == {"summary.json", "0_output.json"}
    assert leaf.pruned < leaf.files
    assert read_rank_outputs(leaf, root=tree) == ((), ())


def test_apple_doubles_and_editor_files_are_neither_evidence_nor_parsed(tree):
    leaf = tree / PLACE / "run" / STAMP
    for name in ("._summary.json", "._training_x_metadata.json", ".DS_Store", ".dlio.log.swp", "dlio_config/._config.yaml"):
        write(leaf / name, b"\x00\x05\x16\x07")
    write(leaf / "dlio_config" / "config.yaml", "workload: {}")
    write(leaf / "._d" / "summary.json")
    assert only(tree).runs[0].files == {"summary.json", f"training_{STAMP}_metadata.json", "dlio_config/config.yaml"}
    assert only(tree).all_problems == ()


def test_a_leaf_without_files_is_a_leaf_without_evidence(tree):
    (tree / PLACE / "run" / "20260713_120000").mkdir()
    leaf = only(tree).runs[-1]
    assert (leaf.files, leaf.summary, leaf.metadata, leaf.problems) == (frozenset(), None, None, ())


def test_metadata_of_another_name_is_found_and_the_usual_name_wins(tree):
    leaf = tree / PLACE / "run" / STAMP
    write(leaf / "a_metadata.json", {"command": "other"})
    assert only(tree).runs[0].metadata.command == "run"
    (leaf / f"training_{STAMP}_metadata.json").rename(leaf / "training_20990101_000000_METADATA.JSON")
    assert only(tree).runs[0].metadata.command == "other"


def test_files_are_seen_two_levels_deep_and_no_deeper(tree):
    write(tree / PLACE / "run" / STAMP / "collector-staging" / "deep" / "x.json")
    write(tree / PLACE / "run" / STAMP / "collector-staging" / "cluster_info.json")
    files = only(tree).runs[0].files
    assert "collector-staging/cluster_info.json" in files
    assert not any("deep" in name for name in files)


def test_per_rank_files_are_read_by_rank_and_a_file_without_a_rank_is_rank_0(tree):
    leaf = tree / PLACE / "run" / STAMP
    for rank in (10, 2):
        write(leaf / f"{rank}_output.json", {"hostname": f"n{rank}", "1": {"au": {"block1": 90.0}}})
    write(leaf / "per_epoch_stats.json", {"1": {"duration": "195.15"}})
    write(leaf / "3_per_epoch_stats.json", "{")
    read = only(tree).runs[0]
    outputs, problems = read_rank_outputs(read, root=tree)
    assert [(output.rank, output.hostname) for output in outputs] == [(2, "n2"), (10, "n10")]
    assert problems == ()
    stats, problems = read_epoch_stats(read, root=tree)
    assert [(s.rank, s.epochs[1].duration_seconds) for s in stats] == [(0, 195.15)]
    assert [problem.file for problem in problems] == [f"{PLACE}/run/{STAMP}/3_per_epoch_stats.json"]


@pytest.mark.parametrize(
    ("manifest", "edition", "message"),
    [
        ("rules_edition: '3.0'\n", "3.0", None),
        ("rules_edition: 2.0\n", "2.0", None),
        ("rules_edition: v1.0\n", "1.0", None),
        ("division: closed\n", "3.0", "declares no rules_edition"),
        ("rules_edition: [1]\n", "3.0", "declares no rules_edition"),
        ("- a list\n", "3.0", "holds no mapping"),
        ("{", "3.0", "is no YAML"),
        ("!!python/object:os.system x\n", "3.0", "is no YAML"),
        ("\x00", "3.0", "is no YAML"),
    ],
    ids=repr,
)
def test_the_edition_is_the_declared_one_else_that_of_the_layout(tree, manifest, edition, message):
    write(tree / "closed" / "acme" / "submission.yaml", manifest)
    read = read_tree(tree)
    assert read.results[0].edition == edition
    assert [(p.file, p.message[: len(message or "")]) for p in read.problems] == (
        [("closed/acme/submission.yaml", message)] if message else []
    )


def test_results_of_other_families_are_recognised_by_their_place(tmp_path):
    base = tmp_path / "open" / "acme" / "results" / "fastfs"
    (base / "checkpointing" / "llama3-8b" / STAMP).mkdir(parents=True)
    (base / "kv_cache" / "llama3.1-8b" / "run" / STAMP).mkdir(parents=True)
    (base / "vector_database" / "milvus" / "DISKANN" / "run").mkdir(parents=True)
    (base / "vector_database" / "HNSW" / "datagen").mkdir(parents=True)
    results = read_tree(tmp_path).results
    assert all(result.submitter == "acme" for result in results)
    assert [(r.benchmark, r.model, r.relpath.rpartition("results/fastfs/")[2]) for r in results] == [
        ("checkpointing", "llama3-8b", "checkpointing/llama3-8b"),
        ("kv_cache", "llama3.1-8b", "kv_cache/llama3.1-8b"),
        ("vector_database", "HNSW", "vector_database/HNSW"),
        ("vector_database", "milvus_DISKANN", "vector_database/milvus/DISKANN"),
    ]


def test_results_are_in_the_order_of_their_paths(tmp_path):
    for submitter in ("a", "a-b", "B"):
        (tmp_path / "closed" / submitter / "results/s/training/unet3d").mkdir(parents=True)
    assert [result.submitter for result in read_tree(tmp_path).results] == ["B", "a", "a-b"]


def test_a_manifest_that_is_a_pipe_is_a_problem_and_nobody_waits_for_it(tree):
    os.mkfifo(tree / "closed" / "acme" / "submission.yaml")
    assert read_tree(tree).problems == (ReadProblem("closed/acme/submission.yaml", "is no regular file"),)


def test_a_result_of_any_model_name_is_a_result(tmp_path):
    (tmp_path / "closed/acme/results/fastfs/training/resnet50").mkdir(parents=True)
    assert only(tmp_path).model == "resnet50"


def test_every_directory_without_a_result_is_named_with_a_reason(tree):
    for name in [
        ".github", "docs", "acme/code-1234abcd", "code-images/code-1234abcd", "closed/empty", "closed/.git",
        "closed/acme/results/bare", "closed/acme/results/fastfs/sing", "closed/acme/results/fastfs/kv_cache",
    ]:  # fmt: skip
        (tree / name).mkdir(parents=True)
    read = read_tree(tree)
    assert [result.relpath for result in read.results] == [PLACE]
    families = "(training, checkpointing, vector_database, kv_cache)"
    assert dict(read.ignored) == {
        ".github": "a dot entry, which rule 2.1.2 tolerates",
        "acme": "a pool of code images",
        "closed/.git": "a dot entry",
        "closed/acme/results/bare": f"has no benchmark directory {families}",
        "closed/acme/results/fastfs/kv_cache": "has no model directory",
        "closed/acme/results/fastfs/sing": f"no benchmark directory {families}",
        "closed/empty": "has no results directory",
        "code-images": "a pool of code images",
        "docs": "no division directory (closed, open, whatif)",
    }


@pytest.mark.parametrize("name", ["absent", "empty", "file"])
def test_a_root_without_a_tree_has_no_results_and_says_what_was_looked_for(tmp_path, name):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "file", "x")
    read = read_tree(tmp_path / name)
    assert (read.results, read.ignored) == ((), ())
    assert read.looked_for == LOOKED_FOR
    assert LOOKED_FOR[0] == "{closed,open,whatif}/<submitter>/results/<system>/training/<model>"


def test_a_published_v3_tree_is_read_and_nothing_in_it_is_passed_over():
    read = read_tree(corpus("v3.0"))
    assert [type(result).__name__ for result in read.results].count("TrainingResult") == 1
    (training,) = (result for result in read.results if isinstance(result, TrainingResult))
    assert len(training.runs) == 6
    assert all(leaf.summary is not None and leaf.summary.metric.au_mean_percent is not None for leaf in training.runs)
    assert (training.accelerator, training.model) == ("b200", "retinanet")
    assert training.all_problems == ()
    assert {result.benchmark for result in read.results} == {"training", "checkpointing", "kv_cache", "vector_database"}
    assert [reason for _, reason in read.ignored] == ["a pool of code images"]


def test_symbolic_links_out_of_the_tree_and_in_loops_are_not_followed(tree, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    write(outside / "summary.json", {"epochs": 99})
    leaf = tree / PLACE / "run" / STAMP
    (leaf / "summary.json").unlink()
    (leaf / "summary.json").symlink_to(outside / "summary.json")
    (leaf / "loop").symlink_to("loop")
    (leaf / "up").symlink_to("..")
    (tree / PLACE / "run" / "20260713_120000").symlink_to(outside)
    (tree / "open").symlink_to(outside)
    read = read_tree(tree)
    (result,) = read.results
    assert len(result.runs) == 2
    assert result.runs[0].summary is None
    assert result.runs[0].files == {f"training_{STAMP}_metadata.json"}
    relpath = f"{PLACE}/run/{STAMP}"
    assert sorted(result.runs[0].problems) == [
        ReadProblem(f"{relpath}/loop", "cannot be read: Too many levels of symbolic links"),
        ReadProblem(f"{relpath}/summary.json", "is a symbolic link out of the tree; not followed"),
        ReadProblem(f"{relpath}/up", "is a symbolic link to a directory; not followed"),
    ]
    assert result.problems == (ReadProblem(f"{PLACE}/run/20260713_120000", "is a symbolic link to a directory; not followed"),)
    assert read.problems == (ReadProblem("open", "is a symbolic link to a directory; not followed"),)


def test_a_link_within_the_tree_is_read_as_its_file(tree):
    leaf = tree / PLACE / "run" / STAMP
    (leaf / "summary.json").rename(leaf / "kept")
    (leaf / "summary.json").symlink_to("kept")
    assert only(tree).runs[0].summary.num_accelerators == 2


def test_a_tree_reached_through_a_link_is_read(tree, tmp_path_factory):
    link = tmp_path_factory.mktemp("link") / "tree"
    link.symlink_to(tree)
    assert only(link).runs[0].summary.num_accelerators == 2


def test_pipes_and_sockets_are_problems_and_nobody_waits_for_them(tree, monkeypatch):
    leaf = tree / PLACE / "run" / STAMP
    (leaf / "summary.json").unlink()
    os.mkfifo(leaf / "summary.json")
    monkeypatch.chdir(leaf)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.json")
        assert sorted(only(tree).runs[0].problems) == [
            ReadProblem(f"{PLACE}/run/{STAMP}/s.json", "is no regular file"),
            ReadProblem(f"{PLACE}/run/{STAMP}/summary.json", "is no regular file"),
        ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_and_directory_are_problems(tree):
    leaf = tree / PLACE / "run" / STAMP
    (leaf / "summary.json").chmod(0)
    (tree / PLACE / "datagen").chmod(0)
    try:
        result = only(tree)
        assert result.runs[0].problems[0].message == "cannot be read: Permission denied"
        assert result.problems[0].message == "cannot be listed: Permission denied"
    finally:
        (tree / PLACE / "datagen").chmod(0o755)


def test_a_name_that_is_no_utf8_is_shown_by_number(tmp_path):
    (tmp_path / os.fsdecode(b"closed/acm\xe9/results/fastfs/training/unet3d")).mkdir(parents=True)
    ((path, reason),) = read_tree(tmp_path).ignored
    assert path == "closed/acm\\xe9"
    assert reason.startswith("has a name that is not UTF-8")


def test_a_directory_of_too_many_names_is_read_in_part_and_said_so(tree, monkeypatch):
    monkeypatch.setattr(files_module, "MAX_NAMES", 3)
    for number in range(9):
        write(tree / PLACE / "run" / STAMP / f"{number}.json")
    (problem,) = (p for p in only(tree).runs[0].problems if "more than" in p.message)
    assert problem == ReadProblem(f"{PLACE}/run/{STAMP}", "holds more than 3 names; the rest was not read")


def test_a_leaf_may_be_read_alone(tree):
    assert read_leaf(tree / PLACE / "run" / STAMP, root=tree, phase="run") == only(tree).runs[0]
