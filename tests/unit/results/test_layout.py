"""Names to paths and back."""

from pathlib import Path

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.layout import (
    Place,
    check_component,
    is_component,
    is_noise,
    is_timestamp,
    leaf_path,
    metadata_name,
    output_name,
    parse_result_path,
    result_path,
    rollup_path,
)
from pytest_mlpstorage.verdict import Division

ROOT = Path("/r")


@pytest.mark.parametrize("name", ["acme", "A.b_c-9", "...", "16x7.68TiB", "-x"])
def test_letters_digits_dot_underscore_and_dash_make_a_level_of_the_path(name):
    assert is_component(name)
    assert check_component(name, "system") == name


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "a\n", "é", "<system-name>", "a\x00"])
def test_any_other_name_is_refused_with_a_proposal(name):
    assert not is_component(name)
    with pytest.raises(ConfigurationError, match=r"system .* cannot be a directory of a submission[\s\S]*next: write each"):
        check_component(name, "system")


def test_a_timestamp_is_known_by_its_shape_alone():
    assert is_timestamp("20260713_090822")
    assert is_timestamp("99999999_999999")
    assert not any(map(is_timestamp, ["2026071_090822", "20260713-090822", "20260713_090822\n", "x20260713_090822", "٢0260713_090822"]))


@pytest.mark.parametrize("name", ["._summary.json", ".DS_Store", ".dlio.log.swp", "~$A800.pptx", "Thumbs.db", "notes~"])
def test_what_desktops_and_editors_leave_is_noise(name):
    assert is_noise(name)


@pytest.mark.parametrize("name", [".mlps-code-image", "summary.json", "dlio_config"])
def test_files_of_a_leaf_are_no_noise(name):
    assert not is_noise(name)


def test_a_leaf_stands_where_the_rule_book_says():
    leaf = leaf_path(ROOT, Division.CLOSED, "acme", "fastfs", "training", "unet3d", "run", "20260713_090822")
    assert leaf == Path("/r/closed/acme/results/fastfs/training/unet3d/run/20260713_090822")


def test_checkpointing_has_no_phase_level():
    leaf = leaf_path(ROOT, Division.OPEN, "acme", "fastfs", "checkpointing", "llama3-8b", None, "20260713_090822")
    assert leaf == Path("/r/open/acme/results/fastfs/checkpointing/llama3-8b/20260713_090822")


def test_a_wrong_family_timestamp_or_name_makes_no_path():
    with pytest.raises(ConfigurationError, match="unknown benchmark directory 'trainings'"):
        result_path(ROOT, Division.CLOSED, "a", "b", "trainings", "c")
    with pytest.raises(ConfigurationError, match="'today' is no timestamp"):
        leaf_path(ROOT, Division.CLOSED, "a", "b", "training", "c", "run", "today")
    with pytest.raises(ConfigurationError, match="submitter 'a b' cannot be"):
        rollup_path(ROOT, Division.CLOSED, "a b")
    with pytest.raises(ConfigurationError, match=r"model '\.\.' cannot be"):
        result_path(ROOT, Division.CLOSED, "a", "b", "training", "..")


def test_paths_of_results_phases_and_leaves_are_read_back():
    result = Place(Division.WHATIF, "acme", "fast.fs-1.0", "training", "unet3d")
    base = "whatif/acme/results/fast.fs-1.0/training/unet3d"
    assert parse_result_path(base) == result
    assert parse_result_path(f"{base}/datagen") == Place(*list(vars(result).values())[:5], "datagen")
    assert parse_result_path(f"{base}/run/20260713_090822") == Place(*list(vars(result).values())[:5], "run", "20260713_090822")
    checkpoint = parse_result_path("open/a/results/s/checkpointing/llama3-8b/20260713_090822")
    assert checkpoint == Place(Division.OPEN, "a", "s", "checkpointing", "llama3-8b", None, "20260713_090822")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "closed/acme/results/fastfs/training",
        "Closed/acme/results/fastfs/training/unet3d",
        "closed/acme/result/fastfs/training/unet3d",
        "closed/acme/results/fastfs/trainings/unet3d",
        "closed/acme/results/fastfs/training/unet3d/walk",
        "closed/acme/results/fastfs/training/unet3d/run/run1",
        "closed/acme/results/fastfs/training/unet3d/run/20260713_090822/summary.json",
    ],
    ids=repr,
)
def test_other_paths_are_no_place_of_a_result(path):
    assert parse_result_path(path) is None


def test_files_of_a_leaf_are_named_as_the_required_files_say():
    assert metadata_name("training", "20260713_090822") == "training_20260713_090822_metadata.json"
    assert output_name("training", "run", "stdout") == "training_run.stdout.log"
