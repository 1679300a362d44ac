"""How the code of an error reaches the reports: as a property of the item, in the HTML column, and from a worker of a rank."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import DependencyError, EngineError, FileSystemError
from pytest_mlpstorage.report import html, records
from pytest_mlpstorage.vectordb.failures import of_words, words_of

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SUITE = """\
division: {division}
submitter: "<you>"
system: box
training:
  workloads: [{{model: unet3d, accelerator: b200, accelerators: 2}}]
"""


def test_the_codes_of_a_failed_item_are_a_property_of_it_in_the_junit_file(pytester):
    (pytester.path / "suite.yaml").write_text(SUITE.format(division="closed"))
    result = pytester.runpytest_subprocess(
        BENCHMARKS, "--mlps-config=suite.yaml", "--junitxml=junit.xml", "-k", "test_preflight", "-p", "no:cacheprovider"
    )
    assert result.ret == 1
    cases = ET.parse(pytester.path / "junit.xml")  # noqa: S314 - written a moment ago
    cases = cases.getroot().iter("testcase")
    (case,) = [case for case in cases if case.get("name", "").startswith("test_preflight")]
    told = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert told[records.ERROR] == "MLPS-E120"
    assert case.find("failure").get("message").removeprefix("Failed: ").startswith("[MLPS-E120] the configuration still holds placeholders")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("[MLPS-E530] rank 1 on h2: [MLPS-E410] no space", "MLPS-E530 MLPS-E410"),
        ("[3.3.2] too low", None),
    ],
)
def test_all_codes_of_a_message_are_recorded_its_own_first(message, told):
    properties = []
    records.add_codes(properties, message)
    assert dict(properties).get(records.ERROR) == told


def test_an_item_that_failed_with_a_code_and_no_rule_shows_it_in_the_column_of_the_rule():
    said = records.facts([(records.ERROR, "MLPS-E530 MLPS-E410")])
    assert said.error == "MLPS-E530 MLPS-E410"
    assert html.row_cells(said)[-1] == '<td class="col-rule">MLPS-E530 MLPS-E410</td>'
    of_rule = records.facts([(records.ERROR, "MLPS-E530"), (records.RULE, "3.3.2")])
    assert html.row_cells(of_rule)[-1] == '<td class="col-rule">3.3.2</td>'


@pytest.mark.parametrize("error", [FileSystemError("full", code="MLPS-E410"), EngineError("no"), DependencyError("no", code="MLPS-E221")])
def test_an_error_of_a_worker_keeps_its_code(error):
    assert of_words(words_of(error)).code == error.code


def test_what_nobody_expected_of_a_worker_is_a_fault_of_the_suite():
    error = of_words(words_of(KeyError("x")))
    assert str(error).startswith("[MLPS-E590] KeyError: 'x'")


@pytest.mark.parametrize("code", [None, 5, "MLPS-E9", "E410", "rm"])
def test_a_code_that_is_none_is_not_taken_from_a_worker(code):
    words = {**words_of(FileSystemError("full")), "code": code}
    assert of_words(words).code == "MLPS-E400"
