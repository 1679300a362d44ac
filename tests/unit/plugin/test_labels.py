"""The part of an item's id that names its subject: safe, bounded, stable, and read back from the id."""

import pytest

from pytest_mlpstorage.labels import label, subject_of
from pytest_mlpstorage.scheduling import scope_of

HOSTILE = ["a\nb", "\x1b[2J", "a[b]", "a]::x[", "ü", "\udc80", "a\\xff", "100%", "~x~", "a::b", "x" * 10_000, "-", "a-b/c"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_label_is_bounded_printable_text_without_brackets(name):
    text = label(f"closed/{name}")
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set("[]\\")
    assert len(text) <= 240


def test_different_paths_have_different_labels():
    long = "closed/" + "x" * 10_000
    names = [f"closed/{name}" for name in HOSTILE] + [long + "a", long + "b", label(long), "closed/%0A", "closed/\n"]
    labels = [label(name) for name in names]
    assert len(set(labels)) == len(set(names))


def test_a_usual_path_is_its_own_label():
    path = "closed/acme inc/results/fast_fs-2.1@4GPUs/training/unet3d"
    assert label(path) == path


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("division", ["closed", "Closed", "OPEN", "training"])
def test_the_rules_of_one_subject_are_one_group(division, name):
    path = label(f"{division}/{name}/results/s/m")
    ids = [
        f"{folder}rules/test_x.py::test_rule[{rule}-{path}]" for folder in ("", "../") for rule in ("2.1.2-x", "V2 A.b_c-d", "MLPS-A-1-e")
    ]
    assert {subject_of(nodeid) for nodeid in ids} == {path}
    assert len({scope_of(nodeid) for nodeid in ids}) == 1


def test_the_package_is_a_group_of_its_own():
    assert subject_of("rules/test_package.py::test_rule[CHECK-01-poolPointerResolution-package]") == "package"
