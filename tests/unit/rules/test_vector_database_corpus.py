"""What the rules on vector databases say of published runs, of one node and of several."""

from pathlib import Path

import pytest
from vector_database_tree import VectorDatabaseTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.verdict import Severity

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"


def of_vectors(result):
    return [rule for rule in rules_for(result) if "vector_database" in rule.function.__module__]


def failed(result, book):
    """Ids of the rules that say an error."""
    return {rule.id for rule in of_vectors(result) if any(f.severity is Severity.ERROR for f in rule.evaluate(result, book).findings)}


def test_the_published_runs_fail_only_by_what_they_really_lack():
    if not (CORPORA / "v3.0").is_dir():
        pytest.skip("the published round v3.0 is not beside this checkout")
    tree = read_tree(CORPORA / "v3.0")
    results = [tree.load(place) for place in tree.result_places if place.kind == "vector_database"]
    assert results
    for result in results:
        assert failed(result, edition_of(result)) == {"5.4.1", "5.4.2", "MLPS-FILES-1"}
        assert failed(result, edition("3.0").relaxed()) == set()


def test_a_published_summary_of_several_nodes_passes(tmp_path):
    examples = CORPORA / "examples"
    if not examples.is_dir():
        pytest.skip("the examples of published files are not beside this checkout")
    tree = VectorDatabaseTree.write(tmp_path / "tree")
    for leaf in (tree.load, *tree.runs):
        (leaf / "summary.json").write_bytes((examples / "v3.0_vectordb_summary.json").read_bytes())
    for run in tree.runs:
        (run / "result_verdict.json").write_bytes((examples / "v3.0_vectordb_result_verdict.json").read_bytes())
        (run / "vectordb" / "simple").mkdir(parents=True)
        nested = run / "vectordb" / "simple" / "vdb_multi_node_summary.json"
        nested.write_bytes((examples / "v3.0_vectordb_multi_node_summary.json").read_bytes())
    result = tree.read()
    for rule in of_vectors(result):
        evaluation = rule.evaluate(result, edition_of(result))
        assert [f.line() for f in evaluation.findings if f.severity is not Severity.INFO] == []
        assert evaluation.lacking == ()
