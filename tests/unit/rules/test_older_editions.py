"""A tree that is declared by an older edition and holds benchmarks which that edition does not have."""

from __future__ import annotations

import json

import pytest
from whole_tree import write_package

from pytest_mlpstorage.editions import edition, edition_names
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import judge_tree, metrics_of
from pytest_mlpstorage.rules.pictures import pictures_of

NEW_IN_3 = {"kv_cache", "vector_database"}


@pytest.mark.parametrize("declared", edition_names())
def test_every_result_has_the_metrics_that_its_edition_knows_and_none_raises(tmp_path, declared):
    package = write_package(tmp_path / "tree")
    (package.submission / "results" / "results.json").write_text(
        json.dumps([{"Benchmark": name, "Model": "x", "KVCache - # Client Nodes": 1, "VDB - Queries per Sec": 1} for name in NEW_IN_3])
    )
    path = package.submission / "submission.yaml"
    path.write_text(path.read_text().replace('"3.0"', f'"{declared}"').replace("rules_edition: 3.0", f"rules_edition: {declared}"))
    tree = read_tree(package.root)
    places = tree.result_places
    assert {place.benchmark for place in places} >= NEW_IN_3
    judged = judge_tree(tree)
    assert set(judged.results) == {place.relpath for place in places}
    known = edition(declared)
    for place in places:
        result = tree.load(place)
        metrics = metrics_of(result, known)
        pictures_of(result, known)
        if place.benchmark in NEW_IN_3:
            assert bool(metrics) is (declared == "3.0"), place.relpath


@pytest.mark.parametrize("declared", edition_names())
def test_a_result_is_judged_by_the_edition_that_the_option_names(tmp_path, declared):
    package = write_package(tmp_path / "tree")
    tree = read_tree(package.root, edition=declared)
    assert set(judge_tree(tree).results) == {place.relpath for place in tree.result_places}
