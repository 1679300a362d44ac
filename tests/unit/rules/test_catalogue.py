"""The list of rules says the same as the rules themselves, and as the page of the docs."""

from pathlib import Path

import pytest

from pytest_mlpstorage.editions import edition_names
from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.results.places import KINDS
from pytest_mlpstorage.rules import all_rules
from pytest_mlpstorage.rules.catalogue import Entry, catalogue, catalogue_editions, counting, for_people
from pytest_mlpstorage.rules.judging import record_of
from pytest_mlpstorage.rules.listing import rules_page, rules_table
from pytest_mlpstorage.verdict import Division, Severity

REPO = Path(__file__).parents[3]


def listed():
    """What the catalogue says of each evaluated rule: by edition, scope and id."""
    return {
        (edition, scope, entry.id): (entry.name, entry.severity, frozenset(entry.divisions))
        for edition in catalogue_editions()
        for entry in catalogue(edition)
        if entry.evaluated
        for scope in entry.scopes
    }


def registered():
    """What the functions say of themselves, in the same form; whatif is everybody's.

    A rule on every kind of result is listed for the families that an edition has.
    """
    has = {(edition, scope) for edition in catalogue_editions() for entry in catalogue(edition) for scope in entry.scopes}
    return {
        (edition, kind, rule.id): (rule.name, rule.severity, frozenset(rule.divisions) - {Division.WHATIF})
        for rule in all_rules()
        for edition in rule.editions
        for kind in KINDS
        if issubclass(record_of(kind), rule.subject) and (edition, kind) in has
    }


def test_every_rule_that_is_listed_as_executable_is_a_function_and_every_function_is_listed():
    assert listed().keys() == registered().keys()


def test_the_list_and_the_functions_agree_on_name_and_severity_and_a_rule_counts_where_it_is_asked():
    functions = registered()
    assert {key: said for key, said in listed().items() if functions[key] != said} == {}


def test_every_edition_has_its_list():
    assert catalogue_editions() == edition_names()
    assert catalogue("9.9") == ()


@pytest.mark.parametrize("edition", catalogue_editions())
def test_an_id_stands_once_for_a_scope(edition):
    pairs = [(entry.id, scope) for entry in catalogue(edition) for scope in entry.scopes]
    assert sorted({pair for pair in pairs if pairs.count(pair) > 1}) == []


@pytest.mark.parametrize("edition", catalogue_editions())
def test_what_covers_a_rule_is_itself_evaluated(edition):
    evaluated = {entry.id for entry in catalogue(edition) if entry.evaluated}
    for entry in catalogue(edition):
        if entry.covered_by not in ("", "verdict"):
            covering = [word.strip() for part in entry.covered_by.split(" and ") for word in part.split(" to ")]
            assert set(covering) <= evaluated, entry.id


@pytest.mark.parametrize("edition", catalogue_editions())
def test_a_rule_for_people_names_what_to_look_at_and_no_other_does(edition):
    assert [entry.id for entry in catalogue(edition) if entry.asks_people != bool(entry.look_at)] == []


def test_a_verdict_waits_only_for_executable_errors_of_the_edition():
    ids = {entry.id for entry in counting("3.0", "training", Division.CLOSED)}
    assert "3.3.2" in ids
    assert "3.6.2" in ids
    assert ids.isdisjoint({"3.6.3", "EDN-03", "RC-TRN-3", "RC-TRN-5", "3.6.1", "MLPS-METRIC-1", "2.1.8"})
    assert "3.6.3" in {entry.id for entry in counting("3.0", "training", Division.WHATIF)}


def test_rules_for_people_are_items_of_their_scope():
    assert "3.3.5" in {entry.id for entry in for_people("3.0", "training", Division.CLOSED)}
    assert "GEN-9" not in {entry.id for entry in for_people("3.0", "submission", Division.CLOSED)}
    assert "GEN-9" in {entry.id for entry in for_people("3.0", "submission", Division.OPEN)}


def test_the_page_of_the_docs_is_what_the_option_prints():
    assert (REPO / "docs" / "rules.md").read_text() == rules_page(), "run: pytest rules/ --mlps-list-rules > docs/rules.md"


def test_rules_stand_in_the_order_of_the_book_and_ours_come_last():
    ids = [row.id for row in rules_table()]
    assert ids.index("2.1.9") < ids.index("2.1.17") < ids.index("3.1.1") < ids.index("EDN-01") < ids.index("MLPS-NAME-1")
    assert ids[-1].startswith("MLPS-")


def test_a_rule_that_editions_have_alike_is_one_row():
    rows = {row.id: row for row in rules_table() if row.id == "GEN-10"}
    assert rows["GEN-10"].editions == "2.0, 3.0"


def test_an_unreadable_list_is_named(monkeypatch, tmp_path):
    (tmp_path / "v8.8.yaml").write_text("rules: [{id: x}]")
    monkeypatch.setattr("pytest_mlpstorage.rules.catalogue._FOLDER", tmp_path)
    with pytest.raises(ValidationError, match=r"v8\.8\.yaml"):
        catalogue("8.8")


def test_a_misspelled_field_is_refused():
    with pytest.raises(ValueError, match="sverity"):
        Entry.model_validate({"id": "1", "name": "n", "scopes": ["training"], "sverity": Severity.INFO})
