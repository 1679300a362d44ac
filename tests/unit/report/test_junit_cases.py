"""One testcase of the JUnit file: its address, its sentence, its properties, its size."""

import json
from xml.etree import ElementTree as ET

import pytest

from pytest_mlpstorage.report import records
from pytest_mlpstorage.report.junit_cases import Budget, sentence, tidy_case

FINDING = {
    "rule": "3.3.2", "severity": "error", "category": "INVALID", "message": "the accelerators were idle", "measured": 88.125,
    "required": 90.0, "file": "closed/acme/summary.json", "field": "metric.au", "count": 1,
}  # fmt: skip
LINE = "[3.3.2] the accelerators were idle; measured 88.125; required 90.0; in closed/acme/summary.json:metric.au"


def case(text=LINE, tag="failure", message=None, classname="rules.test_training", file="rules/test_training.py", **properties):
    element = ET.Element("testcase", classname=classname, name="test_rule[x]", file=file, line="7", time="0.1")
    holder = ET.SubElement(element, "properties")
    for name, value in {"mlps_rule": "3.3.2", **properties}.items():
        ET.SubElement(holder, "property", name=name, value=value)
    if tag:
        ET.SubElement(element, tag, message=f"Failed: {text}" if message is None else message).text = text
    return element


def tidied(element, budget=None, **options):
    tidy_case(element, budget or Budget(), **options)
    return {p.get("name"): p.get("value") for p in element.iter("property")}


@pytest.mark.parametrize(
    ("classname", "expected"),
    [
        ("rules.test_training", "rules.test_training"),
        ("benchmarks.test_cluster.TestCluster", "benchmarks.test_cluster.TestCluster"),
        (".venv.lib.python3.12.site-packages.pytest_mlpstorage.suites.rules.test_training", "rules.test_training"),
        (".......clone.benchmarks.test_cluster.TestCluster", "benchmarks.test_cluster.TestCluster"),
        ("nightly.rules.test_training", "nightly.rules.test_training"),  # --junitprefix
        ("mine.test_rules", "mine.test_rules"),
    ],
)
def test_an_item_has_one_classname_wherever_the_suite_stands(classname, expected):
    element = case(classname=classname)
    tidied(element)
    assert element.get("classname") == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("rules/test_training.py", "rules/test_training.py"),
        (
            ".venv/lib/python3.12/site-packages/pytest_mlpstorage/suites/rules/test_training.py",
            "pytest_mlpstorage/suites/rules/test_training.py",
        ),
        ("../../usr/lib/python3/dist-packages/pytest_mlpstorage/suites/rules/test_x.py", "pytest_mlpstorage/suites/rules/test_x.py"),
    ],
)
def test_the_file_of_an_item_names_no_folder_of_an_installation(file, expected):
    element = case(file=file)
    tidied(element)
    assert element.get("file") == expected
    assert element.get("line") == "8"


def test_an_item_of_somebody_else_stays_as_it_is():
    element = ET.Element("testcase", classname="a.rules.test_b", name="x", file="a/site-packages/pytest_mlpstorage/x.py", line="3")
    ET.SubElement(element, "failure", message="Failed: one\ntwo").text = "one\ntwo"
    before = ET.tostring(element)
    tidy_case(element, Budget())
    assert ET.tostring(element) == before


def test_the_message_is_one_sentence_and_the_text_has_all():
    text = LINE + "\n[3.3.2] another; in x\n[3.6.2] a third"
    element = case(text, mlps_findings=json.dumps([FINDING]))
    tidied(element)
    failure = element.find("failure")
    assert (
        failure.get("message")
        == "[3.3.2] the accelerators were idle: measured 88.125; required 90.0 (in closed/acme/summary.json:metric.au) (and 2 more)"
    )
    assert failure.get("type") == "3.3.2"
    assert failure.text == text


def test_an_error_with_a_code_is_told_by_its_first_line_and_typed_by_its_code():
    text = "[MLPS-E410] no room\n  path: /mnt\n  cause: OSError: [Errno 28] full\n  next: remove something"
    element = case(text, mlps_error="MLPS-E410 MLPS-E411")
    tidied(element)
    assert element.find("failure").attrib == {"message": "[MLPS-E410] no room", "type": "MLPS-E410"}


def test_a_traceback_is_told_by_what_was_raised():
    element = case("def f():\n>   x()\nE   KeyError: 'a'", message="KeyError: 'a'", tag="error")
    tidied(element)
    assert element.find("error").get("message") == "KeyError: 'a'"


def test_a_sentence_is_cut_and_holds_no_control_character():
    said = sentence("[R] " + "x" * 1000 + "\x1b[2J\n[R] more")
    assert len(said) < 350
    assert said.endswith("… (1008 characters) (and 1 more)")
    assert "\x1b" not in sentence("a\x1b[2Jb")
    assert sentence("") == ""


def test_a_finding_of_another_line_is_not_the_reason():
    assert sentence("[9.9.9] something else; in a:b", [FINDING]) == "[9.9.9] something else (in a:b)"


def test_the_place_of_a_finding_is_told_below_its_result_and_a_semicolon_in_it_breaks_nothing():
    line = "[9.9.9] x; in closed/acme/results/fastfs/training/unet3d/run/1/summary.json:metric.au"
    assert sentence(line, (), "closed/acme/results/fastfs/training/unet3d") == "[9.9.9] x (in run/1/summary.json:metric.au)"
    assert sentence(line, (), "closed/acme") == "[9.9.9] x (in results/fastfs/training/unet3d/run/1/summary.json:metric.au)"
    odd = {"rule": "9.9.9", "message": "x", "file": ["a"], "field": "b"}
    assert sentence("[9.9.9] x", [odd]) == "[9.9.9] x (in b)"


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("[9.9.9] None", {"rule": "9.9.9"}),
        ("[None] x", {"message": "x", "measured": 1}),
        ("[None] None", {}),
        ("[9.9.9] ['x']", {"rule": "9.9.9", "message": ["x"]}),
        ("[9] x", {"rule": 9, "message": "x", "required": {}}),
    ],
)
def test_findings_that_are_none_of_ours_are_no_reason(text, foreign):
    assert sentence(text, [foreign]) == text
    element = case(text, mlps_findings=json.dumps([foreign]))
    tidied(element)
    assert element.find("failure").get("message") == text


def test_a_skipped_item_names_its_reason_twice_its_rule_and_no_path_of_the_machine():
    """Viewers show the one or the other; that of GitLab shows a table of the attributes where there is no text."""
    element = case("/home/me/checks.py:7: human review", tag="skipped", message="human review")
    tidied(element)
    assert element.find("skipped").attrib == {"message": "human review", "type": "3.3.2"}
    assert element.find("skipped").text == "human review"
    long = case("p:1: " + "y" * 500, tag="skipped", message="y" * 500)
    tidied(long)
    assert long.find("skipped").text == "y" * 500


def test_a_skipped_item_of_no_rule_keeps_the_type_of_pytest():
    element = case("p:1: why", tag="skipped", message="why", mlps_rule="")
    element.find("skipped").set("type", "pytest.skip")
    tidied(element)
    assert element.find("skipped").get("type") == "pytest.skip"


def test_a_reason_of_one_sentence_is_told_where_details_have_no_more_room():
    budget = Budget(0)
    short, long = (case("p:1: x", tag="skipped", message=text) for text in ("human review", "y" * 500))
    tidied(short, budget)
    tidied(long, budget)
    assert short.find("skipped").text == "human review"
    assert long.find("skipped").text == "y" * 300 + "… (500 characters; this file has no more room)"


def test_a_judgement_does_not_repeat_the_findings():
    judgement = {"path": "a", "metrics": {"train_au": 90}, "findings": [FINDING] * 40}
    said = tidied(case(mlps_judgement=json.dumps(judgement), mlps_findings=json.dumps([FINDING])))
    assert json.loads(said["mlps_judgement"]) == {"path": "a", "metrics": {"train_au": 90}}
    assert json.loads(said["mlps_findings"]) == [FINDING]
    assert tidied(case(mlps_judgement="[1"))["mlps_judgement"] == "[1"


def test_what_travels_for_programs_stays_out_and_empty_details_too():
    heavy = dict.fromkeys((records.PICTURES, records.SUBJECT, records.MOVED, records.PLANNED), "{}" * 10)
    said = tidied(case(mlps_findings="[]", mlps_lacking="[]", **heavy))
    assert said == {"mlps_rule": "3.3.2"}


def test_many_findings_are_cut_and_counted():
    said = tidied(case(mlps_findings=json.dumps([FINDING] * 12)))
    assert len(json.loads(said["mlps_findings"])) == 5
    assert said["mlps_findings_in_all"] == "12"


def test_a_detail_that_is_too_long_is_named_instead():
    said = tidied(case(mlps_reasons=json.dumps(["x" * 20_000])))
    assert "mlps_reasons" not in said
    assert said["mlps_left_out"] == "mlps_reasons: 20004 characters, see verdicts.json"


def test_findings_that_are_no_json_break_nothing():
    for value in ("{", '{"a": 1}', '["a"]', "7"):
        tidied(case(mlps_findings=value))


def test_details_of_all_items_together_are_bounded_and_messages_stay():
    budget, elements = Budget(3000), [case(LINE + "\n" + "z" * 900, mlps_findings=json.dumps([FINDING] * 3)) for _ in range(50)]
    said = [tidied(element, budget) for element in elements]
    assert "mlps_findings" in said[0]
    assert "mlps_findings" not in said[-1]
    assert said[-1]["mlps_rule"] == "3.3.2"
    assert elements[-1].find("failure").get("message").startswith("[3.3.2] the accelerators were idle: measured 88.125")
    assert elements[-1].find("failure").text.endswith("this file has no more room)")
    assert sum(len(ET.tostring(element)) for element in elements) < 3000 * 6 + 50 * 1500


def test_a_long_text_is_cut_with_its_length():
    element = case(LINE + "\n" + "z" * 20_000)
    tidied(element)
    assert element.find("failure").text.endswith(f"({len(LINE) + 20_001} characters)")


def test_in_the_strict_family_properties_become_output():
    element = case(mlps_findings=json.dumps([FINDING]))
    tidied(element, strict=True)
    assert element.find("properties") is None
    assert element.find("system-out").text == "mlps_rule: 3.3.2"
