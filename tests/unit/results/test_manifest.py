"""The manifest of a submission: the edition it declares, and the leaves it lists, whatever its keys are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.manifest import ListedLeaves, declared_edition, edition_in, listed_leaves, read_manifest

LEAF = "fastfs/training/unet3d/run/20260713_090822"
ONE = ListedLeaves(frozenset({LEAF}), found=True)


@pytest.mark.parametrize(
    ("declared", "edition"),
    [
        ("3.0", "3.0"),
        ("v3.0", "3.0"),
        (2.0, "2.0"),
        (3, "3"),
        (" 2.0\n", "2.0"),
        ("", None),
        (" ", None),
        (None, None),
        (True, None),
        ([], None),
        ({}, None),
    ],
)
def test_the_declared_edition_is_text(declared, edition):
    assert edition_in({"rules_edition": declared}) == edition
    assert edition_in({}) is None


@pytest.mark.parametrize(
    "entry",
    [
        f"results/{LEAF}",
        LEAF,
        f"/srv/results/closed/acme/results/{LEAF}",
        f"closed/acme/results/{LEAF}/provenance.json",
        {"stamp": f"results/{LEAF}/provenance.json"},
        {"n": 3, "code_image": "code-images/code-01234567", "where": LEAF},
        {"system": "fastfs", "benchmark": "training", "model": "unet3d", "command": "run", "time": "20260713_090822"},
        {"systemname": "fastfs", "benchmark_type": "training", "model": "unet3d", "command": "run", "run_datetime": "20260713_090822"},
        {"system_name": "fastfs", "benchmark": "training", "model": "unet3d", "command": "run", "stamp": "20260713_090822"},
    ],
)
@pytest.mark.parametrize("key", ["runs", "anything"])
def test_a_leaf_is_found_in_whatever_form_it_is_listed(entry, key):
    assert listed_leaves({key: [entry]}) == ONE
    assert listed_leaves({"tree": {"of": {key: [entry]}}}) == ONE


@pytest.mark.parametrize(
    ("parts", "leaf"),
    [
        (("checkpointing", "llama3-8b", "run"), "fastfs/checkpointing/llama3-8b/20260713_090822"),
        (("vector_database", "milvus_DISKANN", "datagen"), "fastfs/vector_database/milvus/DISKANN/datagen/20260713_090822"),
        (("kv_cache", "llama3.1-8b", "run"), "fastfs/kv_cache/llama3.1-8b/run/20260713_090822"),
    ],
)
def test_a_leaf_by_its_parts_has_the_path_of_its_family(parts, leaf):
    benchmark, model, command = parts
    entry = {"system": "fastfs", "benchmark": benchmark, "model": model, "command": command, "time": "20260713_090822"}
    assert listed_leaves({"x": [entry]}).leaves == {leaf}


@pytest.mark.parametrize("missing", ["system", "benchmark", "model", "command", "time"])
def test_a_leaf_by_its_parts_needs_all_of_them(missing):
    entry = {"system": "fastfs", "benchmark": "training", "model": "unet3d", "command": "run", "time": "20260713_090822"}
    del entry[missing]
    assert listed_leaves({"runs": [entry]}) == ListedLeaves(nameless=1, found=True)


def test_a_system_may_be_named_like_a_benchmark():
    path = "results/training/checkpointing/llama3-8b/20260713_090822"
    assert listed_leaves({"runs": [path]}).leaves == {"training/checkpointing/llama3-8b/20260713_090822"}


@pytest.mark.parametrize(
    "entry",
    [
        "20260713_090822",
        "a/20260713_090822",
        "training/20260713_090822",
        "code-images/code-01234567",
        "",
        3,
        None,
        [],
        {},
        {"a": {}},
        {"a": 20260713},
    ],
)
def test_what_names_no_leaf_makes_no_list_of_leaves(entry):
    assert listed_leaves({"things": [entry]}) == ListedLeaves()
    assert listed_leaves({"runs": [entry]}) == ListedLeaves(nameless=1, found=True)


@pytest.mark.parametrize("key", ["leaves", "runs", "run_leaves"])
def test_a_list_under_a_likely_name_is_one_even_if_it_is_empty(key):
    assert listed_leaves({key: []}) == ListedLeaves(found=True)
    assert listed_leaves({"systems": []}) == ListedLeaves()
    assert listed_leaves({key: {"a": 1}}) == ListedLeaves()


def test_several_lists_are_one():
    other = LEAF.replace("fastfs", "slowfs")
    assert listed_leaves({"a": [LEAF, "x"], "b": {"c": [other, LEAF]}, "systems": ["x"]}) == ListedLeaves(
        frozenset({LEAF, other}), 1, found=True
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["runs", "leaves", "rules_edition", "x"]), json_values))
def test_any_manifest_gives_leaves_and_an_edition_or_none(manifest):
    listed_leaves(manifest)
    assert edition_in(manifest) is None or isinstance(edition_in(manifest), str)


def test_a_manifest_is_read_from_its_submission(tmp_path):
    files = TreeFiles(tmp_path)
    assert read_manifest(files, tmp_path) is None
    assert declared_edition(files, tmp_path) is None
    assert files.problems == []
    (tmp_path / "submission.yaml").write_text("rules_edition: v2.0\n")
    assert read_manifest(files, tmp_path) == {"rules_edition": "v2.0"}
    assert declared_edition(files, tmp_path) == "2.0"
    assert files.problems == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "holds no mapping"),
        ("", "holds no mapping"),
        ("{", "is no YAML"),
        ("a: 1", "declares no rules_edition"),
        ("rules_edition: [3.0]", "declares no rules_edition"),
    ],
)
def test_a_damaged_manifest_is_a_problem(tmp_path, content, words):
    files = TreeFiles(tmp_path)
    (tmp_path / "submission.yaml").write_text(content)
    assert declared_edition(files, tmp_path) is None
    (problem,) = files.problems
    assert problem.file == "submission.yaml"
    assert words in problem.message
