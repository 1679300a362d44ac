"""The reference pages against the code that they are made of."""

import dataclasses
import inspect
import json
import re

import pytest
from written import REPO

from pytest_mlpstorage import fixtures
from pytest_mlpstorage.config.environment import variable_of
from pytest_mlpstorage.config.sources import suite_keys
from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.reference import checked
from pytest_mlpstorage.reference.__main__ import main
from pytest_mlpstorage.reference.columns import MEANINGS, VERDICTS, meaning
from pytest_mlpstorage.reference.fixtures import FIXTURES
from pytest_mlpstorage.reference.keys import Key
from pytest_mlpstorage.reference.markdown import plain
from pytest_mlpstorage.reference.pages import PAGES, pages
from pytest_mlpstorage.report.verdicts import _table
from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.rules.catalogue import catalogue
from pytest_mlpstorage.rules.headlines import HEADLINES
from pytest_mlpstorage.rules.listing import rules_table
from pytest_mlpstorage.workloads.registry import load_workloads

MADE = pages()
HOW = "python -m pytest_mlpstorage.reference docs/reference README.md"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_that_of_the_code(name):
    assert (REPO / "docs" / "reference" / name).read_text(encoding="utf-8") == MADE[name], HOW


def test_the_readme_says_what_is_checked_as_the_catalogue_has_it():
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert readme == checked.with_table(readme), HOW


def test_each_rule_of_the_current_edition_is_counted_once():
    rows = [row.split("|")[1:-1] for row in checked.checked_table() if row.startswith("| 3.0")]
    assert sum(int(row[1]) for row in rows) == len(catalogue("3.0"))
    assert all(int(row[1]) == sum(map(int, row[2:])) > 0 for row in rows)
    assert {checked.section_of(entry.id) for entry in catalogue("3.0")} == {name for name, _ in checked.SECTIONS}
    assert checked.section_of("3.3.2") == "training"
    assert checked.section_of("RC-KVC-1 to RC-KVC-9") == "KV cache"


def test_a_rule_of_no_section_and_a_page_without_a_place_are_refused():
    with pytest.raises(ValidationError, match="ABC-1 belongs to no section"):
        checked.section_of("ABC-1")
    with pytest.raises(ValidationError, match="no place for the table"):
        checked.with_table(f"{checked.BEGIN}\n")


def test_the_options_are_those_that_pytest_shows_in_its_help(pytester):
    text = pytester.runpytest("--help").stdout.str()
    group = text[text.index("\nMLPerf Storage:") :].split("\n\n")[0]
    shown = {word.split("=")[0].rstrip(",") for line in group.splitlines() for word in line.split()[:1] if word.startswith("--")}
    page = MADE["options.md"]
    assert shown
    assert {row.split("`")[1].split("=")[0].split("[")[0] for row in page.splitlines() if row.startswith("| `--")} == shown


def test_a_default_stands_in_its_column_and_not_in_the_words():
    rows = {
        line.split("`")[1]: [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in MADE["options.md"].splitlines()
        if line.startswith("| `")
    }
    assert rows["--mlps-profile=NAME"][1] == "strict"
    assert rows["--mlps-edition=X.Y"][1] == "3.0 below closed/ and open/, 2.0 below Closed/ and Open/"
    assert rows["--results-dir=DIR"][1] == rows["--mlps-data-dir=DIR"][1] == "that of the configuration"
    assert rows["--mlps-strict"][1] == ""
    assert [name for name, cells in rows.items() if re.search(r"\(default|default:", cells[2])] == []


def test_each_key_that_the_parser_knows_stands_there_with_its_variable():
    page = MADE["configuration.md"]
    groups = {key.split(".")[0] for key in suite_keys() if "." in key}
    lacking = [key for key in suite_keys() if f"| `{key}` |" not in page or f"`{variable_of(key)}`" not in page]
    for workload in load_workloads().values():
        schema = workload.schema()
        for model, place in ((schema.model, schema.family), (schema.item_model, f"{schema.family}.{schema.item_key}[]")):
            lacking += [f"{place}.{name}" for name in (model.model_fields if model else {}) if f"| `{place}.{name}` |" not in page]
        item = set(schema.item_model.model_fields) if schema.item_model else set()
        lacking += [key for key in schema.official_keys if key not in item and f"| `{schema.family}.{key}` |" not in page]
    assert groups == {"cluster", "launch"}
    assert lacking == []


def test_a_key_shows_type_unit_default_and_what_is_allowed():
    rows = {
        line.split("`")[1]: [cell.strip() for cell in line.split(" | ")] for line in MADE["configuration.md"].splitlines() if "| `" in line
    }
    assert rows["division"][1:5] == ["word", "**required**", "`closed`, `open`, `whatif`", "`MLPS_DIVISION`"]
    assert rows["launch.heartbeat"][1:4] == ["time", "as `300s`", "`30s`"]
    assert rows["launch.deadline"][3] == "3 x the predicted time and 10 min"
    assert rows["training.workloads[].accelerators"][1:4] == ["integer", "**required**", "1 to 100 000"]
    assert rows["kvcache.io.verify"][3:6] == ["`stamps`", "`stamps`, `full`, `sample`", ""]
    assert rows["training.dataset.record_length_bytes"][1:3] == ["number or size", "bytes or as `4MiB`"]


@pytest.mark.parametrize(
    ("shape", "cells"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, ("number", "", "", "0 to 1")),
        ({"type": "integer", "exclusiveMinimum": 0}, ("integer", "", "", "above 0")),
        ({"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}]}, ("word or list", "", "", "`all`")),
        ({"type": "boolean", "default": False}, ("true or false", "", "`false`", "")),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "It (default: the edition's, 5)"},
            ("integer", "", "the edition's, 5", ""),
        ),
        ({}, ("anything", "", "", "")),
    ],
)
def test_a_shape_of_the_schema_becomes_words(shape, cells):
    assert Key("a.b", shape).cells()[1:5] == cells


def test_each_column_of_the_results_has_a_meaning_and_each_meaning_a_column():
    said = {column: meaning(column) for column in COLUMNS}
    assert all(said.values())
    assert set(MEANINGS.values()) <= set(said.values())
    assert said["VDB - # Client Nodes"] == said["Training - # Client Nodes"] == "hosts that ran ranks; blank where the runs differ"
    assert said["Training - Read B/W (GiB/s)"].startswith("Bytes of samples that all ranks together read in a second")
    assert said["VDB - Read B/W (GiB/s)"] != said["Training - Read B/W (GiB/s)"]
    with pytest.raises(KeyError):
        meaning("Training - Colour")


def test_the_columns_of_the_verdicts_are_those_that_are_written():
    written = {"metrics": {}, "findings": [], "verdict": "CLOSED", **dict.fromkeys(VERDICTS)} | {"metrics": {}, "findings": []}
    head = _table([written]).splitlines()[0].split(",")
    assert set(head) == set(VERDICTS) - {"metrics"}


def test_each_headline_stands_on_the_page_of_metrics():
    assert [headline.short for headline in HEADLINES if headline.short not in MADE["metrics.md"]] == []


def test_each_fixture_of_the_plugin_stands_there_in_its_own_words():
    page = MADE["fixtures.md"]
    assert set(FIXTURES) == {name for name in fixtures.__all__ if name.islower()}
    for name in FIXTURES:
        first = inspect.getdoc(getattr(fixtures, name)).split("\n")[0]
        assert f"## {name}\n" in page
        assert first.split("``")[0][:60] in page
    assert all(f"`{field.name}`" in page for field in dataclasses.fields(fixtures.Ran))


def test_text_of_the_code_is_shown_as_it_is():
    assert plain("draft systems/<system>.yaml, a|b, 5 * 3,\n  [x]") == r"draft systems/\<system>.yaml, a\|b, 5 \* 3, \[x]"
    assert plain("``a<b`` and <c>") == r"`a<b` and \<c>"


def test_the_command_writes_the_pages_and_renews_the_table(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{checked.BEGIN}\nold\n{checked.END}\nafter\n")
    assert main([str(tmp_path / "reference"), str(readme)]) == 0
    assert {path.name for path in (tmp_path / "reference").iterdir()} == set(PAGES)
    assert "old" not in readme.read_text()
    assert readme.read_text().startswith("before\n")
    assert readme.read_text().endswith("\nafter\n")


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / "reference")]) == 4
    assert capsys.readouterr().err.startswith("[MLPS-E4")


def test_the_list_of_rules_has_each_rule_of_the_current_edition():
    assert {entry.id for entry in catalogue("3.0")} <= {row.id for row in rules_table()}
    assert json.loads((REPO / "configs" / "schema.json").read_text())["title"]
