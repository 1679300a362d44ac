"""What is collected of a tree: every rule on every subject, from names alone."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage import collection, options
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import rules_for
from pytest_mlpstorage.rules.catalogue import for_people

RULES = Path(__file__).parents[3] / "rules"
MODELS = {"training": "unet3d", "checkpointing": "llama3-8b", "vector_database": "milvus/DISKANN", "kv_cache": "llama3.1-8b"}


def directories(root, system, *benchmarks, division="closed", submitter="acme"):
    """Make the directories of results with a file in each run that must not be read."""
    for benchmark in benchmarks:
        result = root / division / submitter / "results" / system / benchmark / MODELS[benchmark]
        leaf = result / ("20260713_080000" if benchmark == "checkpointing" else "run/20260713_080000")
        leaf.mkdir(parents=True)
        (leaf / "summary.json").write_text("{}")
        (leaf / ".mlps-code-image").write_text("")  # its name alone tells the round; without it a description is looked into
    description = root / division / submitter / "systems" / f"{system}.yaml"
    description.parent.mkdir(parents=True, exist_ok=True)
    description.write_text("{}")


def collected(pytester, *arguments):
    result = pytester.runpytest(RULES, "--results-dir=tree", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments)
    return [line.rpartition("::")[2] for line in result.stdout.lines if "::" in line]


@pytest.fixture
def tree(pytester):
    root = pytester.path / "tree"
    directories(root, "fastfs", *MODELS)
    directories(root, "slowfs", "training", division="whatif")
    return root


def test_every_rule_on_every_subject_is_an_item_and_nothing_else_is(pytester, tree):
    expected = set()
    for place in read_tree(tree).places:
        label = "package" if place.relpath == "." else place.relpath
        rules = [*rules_for(place), *for_people(place.edition, place.kind, place.division)]
        expected |= {f"test_rule[{rule.id}-{rule.name}-{label}]" for rule in rules}
    items = collected(pytester)
    assert sorted(items) == sorted(expected)
    assert len(items) == len(set(items))


@pytest.mark.parametrize("linked", ["suite", "clone"])
def test_a_suite_that_is_reached_through_a_link_has_the_same_items(pytester, tree, linked):
    suite = pytester.path / linked / ("" if linked == "suite" else "rules")
    (pytester.path / linked).symlink_to(RULES if linked == "suite" else RULES.parent)
    result = pytester.runpytest(suite, "--results-dir=tree", "--collect-only", "-q", "-p", "no:cacheprovider")
    items = [line.rpartition("::")[2] for line in result.stdout.lines if "::" in line]
    assert items == collected(pytester)
    run = pytester.runpytest(suite, "--results-dir=tree", "-q", "-p", "no:cacheprovider")
    assert "fixture 'check' not found" not in run.stdout.str()
    assert run.parseoutcomes().get("errors", 0) == 0


def test_a_suite_that_is_a_link_in_its_clone_is_known_by_both_names(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone/rules").symlink_to(tmp_path / "real")
    monkeypatch.setattr(options, "PACKAGE", tmp_path / "clone/pytest_mlpstorage")
    assert all(collection._inside(tmp_path / folder / "test_x.py", "rules") for folder in ("clone/rules", "real"))
    assert not collection._inside(tmp_path / "clone/test_x.py", "rules")


def test_items_of_a_subject_stand_together(pytester, tree):
    subjects = [item.rpartition("-")[2] for item in collected(pytester)]
    changes = sum(before != after for before, after in itertools.pairwise(subjects))
    assert changes == len(set(subjects)) - 1


def test_a_kind_that_the_tree_has_none_of_leaves_no_empty_item(pytester):
    directories(pytester.path / "tree", "fastfs", "kv_cache")
    items = collected(pytester)
    assert not any("NOTSET" in item or "training" in item for item in items)
    assert any("kv_cache" in item for item in items)


def test_a_round_of_150_results_is_below_10_000_items(pytester):
    # The field of the last round: 19 organisations, 64 checkpointing, 59 training, 23 kv_cache and 4 vector_database results.
    kinds = ["checkpointing"] * 64 + ["training"] * 59 + ["kv_cache"] * 23 + ["vector_database"] * 4
    for number, kind in enumerate(kinds):
        directories(pytester.path / "tree", f"system{number}", kind, submitter=f"org{number % 19}")
    items = collected(pytester)
    assert 4000 < len(items) < 10_000


def test_collecting_reads_no_file_of_a_result(tree):
    """The audit hook of Python tells of every file that is opened."""
    program = f"""
import os, sys, pytest
opened = []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)) and {str(tree)!r} in os.fspath(arguments[0]):
        opened.append(os.fspath(arguments[0]))
sys.addaudithook(hook)
code = pytest.main([{str(RULES)!r}, "--results-dir={tree}", "--collect-only", "-q", "-p", "no:cacheprovider"])
sys.stderr.write("OPENED " + repr(opened))
sys.exit(int(code))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tree.parent, capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stdout
    assert "OPENED []" in done.stderr


def test_what_is_no_result_is_an_item_that_says_why(pytester, tree):
    (tree / "closed" / "acme" / "results" / "scratch").mkdir()
    (tree / "notes").mkdir()
    (tree / "closed" / "linked").symlink_to("/")
    result = pytester.runpytest(RULES / "test_other.py", "--results-dir=tree", "-rs", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    text = result.stdout.str()
    for words in (
        "has no benchmark directory",
        "no division directory",
        "symbolic link to a directory; not followed",
        "nothing was judged",
    ):
        assert words in text


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "a[b]::c", "x" * 200, "ü", "-", "<script>"])
def test_a_hostile_name_makes_an_id_that_can_be_given_back(pytester, name):
    directories(pytester.path / "tree", name, "training")
    result = pytester.runpytest(RULES, "--results-dir=tree", "--collect-only", "-q", "-k", "2.1.17", "-p", "no:cacheprovider")
    (nodeid,) = [line for line in result.stdout.lines if "::" in line]
    again = pytester.runpytest(
        str(RULES / "test_training.py") + "::" + nodeid.partition("::")[2], "--results-dir=tree", "--collect-only", "-q"
    )
    assert nodeid in again.stdout.lines
    assert "\x1b" not in again.stdout.str()


@pytest.mark.parametrize(
    ("option", "there", "absent"),
    [
        (("-k", "3.3.2 "), "3.3.2-", "3.3.1-"),
        (("-k", "3.3.2 and closed"), "closed/acme", "whatif/"),
        (("-k", "slowfs"), "slowfs", "fastfs"),
        (("-m", "rule(kind='human')"), "GEN-1-", "3.3.2-"),
        (("-m", "rule(id='3.3.2')"), "3.3.2-", "3.3.1-"),
        (("-m", "rule(severity='warning')"), "3.3.3-", "3.3.2-"),
    ],
)
def test_items_are_chosen_as_pytest_chooses(pytester, tree, option, there, absent):
    items = collected(pytester, *option)
    assert any(there in item for item in items)
    assert not any(absent in item for item in items)


@pytest.mark.parametrize("below", ["closed/acm\udce9", "closed/acme/results/f\udce9st"])
def test_what_a_name_that_is_no_text_keeps_from_being_judged_is_not_passed_over(pytester, tree, below):
    directories(tree, "other", "training", division="open")
    away = {"closed/acm\udce9": "closed/acme", "closed/acme/results/f\udce9st": "closed/acme/results/fastfs"}[below]
    (tree / away).rename(tree / below)
    result = pytester.runpytest(RULES / "test_other.py", "--results-dir=tree", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*not judged: it has a name that is not UTF-8*"])


@pytest.mark.parametrize(
    "below",
    [".cach\udce9", "closed/.ide\udce9", "closed/acme/results/fastfs/training/unet3d/run/20260713_080000/plots_\udce9"],
)
def test_what_is_no_result_under_any_name_fails_nothing(pytester, tree, below):
    (tree / below).mkdir()
    result = pytester.runpytest(RULES / "test_other.py", "--results-dir=tree", "-p", "no:cacheprovider")
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), result.stdout.str()
