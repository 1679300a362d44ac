"""Rules on system descriptions beyond their examples: what is no evidence, any value anywhere, real descriptions."""

import copy
import datetime as dt
import math
from pathlib import Path

import pydantic
import pytest
import yaml
from system_tree import CLIENT, DOCUMENT, NODE, SystemTree

from pytest_mlpstorage.editions import edition, load
from pytest_mlpstorage.editions.system_description import SystemSchema
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.read_submission import read_system
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.rules import all_rules
from pytest_mlpstorage.rules.system_checks import MOST_PROBLEMS, Lack, Problem, problems
from pytest_mlpstorage.verdict import Division, NoEvidence, Severity

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"
RULES = {rule.id: rule for rule in all_rules() if rule.subject is SystemDescription and rule.id.startswith("SYS-")}
BOOK = edition("3.0")
SCHEMA = BOOK.system_description
FILE = "closed/acme/systems/fastfs.yaml"
JUNK = [None, 5, -1, 10**300, 0.5, math.nan, True, "", "x", "n/a", [], [1], [[1]], {}, {"a": 1}, {1: 2}, dt.date(2026, 1, 2), b"x", {1}]


def described(document, book=BOOK):
    return SystemDescription(Path("/tree"), FILE, Division.CLOSED, "acme", "fastfs", book.name, document)


def said(rule_id, document, book=BOOK):
    return RULES[rule_id].evaluate(described(document), book)


def places(node, way=()):
    """The way to every value in the document."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield (*way, key)
        yield from places(value, (*way, key))


def changed(way, value):
    document = copy.deepcopy(DOCUMENT)
    at = document
    for key in way[:-1]:
        at = at[key]
    at[way[-1]] = value
    return document


def test_every_rule_but_the_human_one_is_there():
    assert sorted(RULES) == [f"SYS-{number:02d}" for number in range(1, 22)]


@pytest.mark.parametrize(
    "document", [None, 5, "text", [], [1], {}, {"a": 1}, {"system_under_test": None}, {"system_under_test": [1]}, {1: 2}]
)
def test_without_the_block_only_the_first_rule_fails_and_the_others_have_no_evidence(document):
    for rule_id in RULES:
        evaluation = said(rule_id, document)
        assert bool(evaluation.findings) == (rule_id == "SYS-01")
        assert bool(evaluation.lacking) == (rule_id != "SYS-01")


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (None, "the description is empty; required a mapping; in {file}"),
        ([1], "the description is no mapping at its top level; measured a list of 1 values; required a mapping; in {file}"),
        ({}, "the description has no system_under_test; required system_under_test; in {file}"),
        ({"system_under_test": 5}, "a block is no mapping; measured 5; required a mapping; in {file}:system_under_test"),
    ],
)
def test_what_is_no_description_is_told_whole(document, line):
    assert [f.line() for f in said("SYS-01", document).findings] == ["[SYS-01] " + line.format(file=FILE)]


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path):
    tree = SystemTree.write(tmp_path)
    tree.text("a: [1")
    (finding,) = RULES["SYS-01"].evaluate(tree.read(), BOOK).findings
    assert finding.message.startswith("the description is no YAML: ")
    assert (finding.required, finding.file) == ("a YAML document", FILE)


@pytest.mark.parametrize(
    ("rule_id", "way", "value", "line"),
    [
        ("SYS-02", ("solution", "submission_name"), "", "a field is empty; measured ; required a text that is not empty; in {file}:{path}"),
        (
            "SYS-19",
            ("product_nodes", 0, "drives", 0, "vendor_name"),
            [],
            "a field is no text; measured a list of 0 values; required a text; in {file}:{path}",
        ),
        (
            "SYS-17",
            ("clients", 0, "quantity"),
            0,
            "a number is too small; measured 0; required a whole number of at least 1; in {file}:{path}",
        ),
        ("SYS-12", ("total_rack_units",), "x", "a field is no number; measured x; required a number; in {file}:{path}"),
        (
            "SYS-18",
            ("clients", 0, "networking", 0, "traffic"),
            5,
            "a field is no list; measured 5; required a list of at least 1 of management, data, metadata, backend; in {file}:{path}",
        ),
        (
            "SYS-18",
            ("clients", 0, "networking", 0, "traffic"),
            [],
            "a list has too few entries; measured a list of 0 values; required a list of at least 1 of management, data, metadata, backend; in {file}:{path}",
        ),
        (
            "SYS-18",
            ("clients", 0, "networking", 0, "traffic"),
            [None],
            "an entry is none of the words that the schema has; measured a list of 1 values; required a list of at least 1 of management, data, metadata, backend; in {file}:{path}",
        ),
        (
            "SYS-08",
            ("solution", "availability"),
            [],
            "a field is none of the words that the schema has; measured a list of 0 values; required one of available, preview, RDI; in {file}:{path}",
        ),
        ("SYS-10", ("total_rack_units",), None, "a field that a deployment on premises needs is not there; in {file}:{path}"),
        (
            "SYS-16",
            ("product_nodes",),
            None,
            "storage is remote and no product node is described; required at least 1 node; in {file}:{path}",
        ),
        (
            "SYS-06",
            ("solution", "capabilities", "remap_time_in_seconds"),
            3,
            "a remap time is given although hosts can write and read at once; measured 3 s; required 0 s; in {file}:{path}",
        ),
        (
            "SYS-12",
            ("total_rack_units",),
            10**18 + 1,
            "the rack units are not those of the nodes and switches together; measured 1000000000000000000; required 10; in {file}:{path}",
        ),
        (
            "SYS-12",
            ("total_rack_units",),
            12.25,
            "the rack units are not those of the nodes and switches together; measured 12.25; required 10; in {file}:{path}",
        ),
    ],
)
def test_a_finding_says_what_it_saw_what_it_wants_and_where(rule_id, way, value, line):
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in ("system_under_test", *way))[1:]
    lines = [f.line() for f in said(rule_id, changed(("system_under_test", *way), value)).findings]
    assert lines == [f"[{rule_id}] " + line.format(file=FILE, path=path)]


def test_a_field_in_a_cloud_and_two_words_that_do_not_go_together_are_told_whole():
    document = changed(("system_under_test", "deployment"), "cloud")
    lines = [f.line() for f in said("SYS-11", document).findings]
    assert (
        lines[0]
        == f"[SYS-11] a field has no place in a cloud; measured a list of 1 values; required no such field; in {FILE}:system_under_test.product_switches"
    )
    assert all("a field has no place in a cloud; measured" in line for line in lines)
    assert len(lines) == 5
    document = changed(("system_under_test", "solution", "architecture", "client_footprint"), "n/a")
    assert [f.line() for f in said("SYS-04", document).findings] == [
        "[SYS-04] only one of the two does not apply; measured client_footprint n/a and client_installation in_box;"
        f" required both or neither n/a; in {FILE}:system_under_test.solution.architecture"
    ]
    document = changed(("system_under_test", "solution", "architecture", "storage_location"), "local")
    assert [f.field for f in said("SYS-15", document).findings] == ["system_under_test.product_switches"]


def test_a_switch_in_a_cloud_adds_no_rack_units_that_it_does_not_have():
    document = changed(("system_under_test", "product_switches", 0, "rack_units"), None)
    document["system_under_test"].update(deployment="cloud", total_rack_units=8)
    assert (said("SYS-12", document).findings, said("SYS-12", document).lacking) == ((), ())


def test_a_sum_that_no_float_holds_is_written_as_it_is():
    document = changed(("system_under_test", "total_rack_units"), 0.5)
    document["system_under_test"]["product_nodes"][0].update(quantity=10**300, chassis={"rack_units": 1e300})
    (finding,) = said("SYS-12", document).findings
    assert (finding.measured, finding.required) == ("0.5", "1" + "0" * 79)
    assert (said("SYS-12", changed(("system_under_test", "total_rack_units"), 10**15 + 0.5)).findings[0].measured) == "1000000000000000"


def test_the_location_of_an_information_is_named():
    document = changed(("system_under_test", "clients"), [])
    assert [(f.file, f.field, f.measured) for f in said("SYS-09", document).findings] == [(FILE, "system_under_test.clients", 0)]
    document = changed(("system_under_test", "rack_power_supplies"), [{}])
    assert [(f.file, f.field) for f in said("SYS-21", document).findings] == [(FILE, "system_under_test.rack_power_supplies")]
    document = changed(("system_under_test", "solution", "architecture", "storage_location"), "remote_and_local")
    document["system_under_test"]["product_nodes"] = []
    assert [(f.file, f.field) for f in said("SYS-16", document).findings] == [(FILE, "system_under_test.product_nodes")]
    assert [f.file for f in said("SYS-01", {**DOCUMENT, "more": 1}).findings] == [FILE]


def test_an_edition_without_a_schema_has_no_evidence():
    for rule_id in RULES:
        evaluation = said(rule_id, DOCUMENT, edition("1.0"))
        assert (evaluation.findings, len(evaluation.lacking)) == ((), 1)
        assert "edition 1.0 has no schema" in evaluation.lacking[0].reason


@pytest.mark.parametrize("way", sorted(places(DOCUMENT), key=str), ids=lambda way: ".".join(map(str, way)))
def test_any_value_anywhere_is_a_finding_or_fine_and_never_a_crash(way):
    for value in JUNK:
        document = changed(way, value)
        for rule_id in RULES:
            evaluation = said(rule_id, document)
            for finding in evaluation.findings:
                assert finding.line().isprintable()
                assert len(finding.line()) < 500
                assert finding.file == FILE
                assert finding.field.startswith("system_under_test") or rule_id == "SYS-01"
            assert {lacking.file for lacking in evaluation.lacking} <= {FILE}


@pytest.mark.parametrize("way", sorted(places(DOCUMENT), key=str), ids=lambda way: ".".join(map(str, way)))
def test_a_value_of_no_type_that_the_schema_knows_fails_the_rule_that_speaks_of_it(way):
    owners = {rule_id for rule_id in RULES if said(rule_id, changed(way, {1})).findings}
    assert owners or "performance" in way


@pytest.mark.parametrize(
    ("rule_id", "key", "path"),
    [
        ("SYS-03", "solution", "system_under_test.solution is not there"),
        ("SYS-05", "solution", "system_under_test.solution is not there"),
        ("SYS-07", "solution", "system_under_test.solution is not there"),
        ("SYS-08", "solution", "system_under_test.solution is not there"),
        ("SYS-17", "clients", "system_under_test.clients is not there"),
        ("SYS-18", "clients", "system_under_test.clients is not there"),
        ("SYS-21", "clients", "system_under_test.clients is not there"),
        ("SYS-04", "solution", "client_footprint is not known"),
        ("SYS-06", "solution", "simultaneous_write is not known"),
        ("SYS-10", "deployment", "system_under_test.deployment is not known"),
        ("SYS-11", "deployment", "system_under_test.deployment is not known"),
        ("SYS-14", "solution", "storage_location is not known"),
        ("SYS-15", "solution", "storage_location is not known"),
        ("SYS-16", "solution", "storage_location is not known"),
        ("SYS-16", "deployment", "system_under_test.deployment is not known"),
    ],
)
def test_a_field_that_is_missing_is_told_by_its_own_rule_and_is_no_evidence_for_others(rule_id, key, path):
    document = copy.deepcopy(DOCUMENT)
    del document["system_under_test"][key]
    evaluation = said(rule_id, document)
    assert evaluation.findings == ()
    assert any(path in lacking.reason for lacking in evaluation.lacking)
    assert all(lacking.file == FILE for lacking in evaluation.lacking)


@pytest.mark.parametrize(
    ("rule_id", "way", "value", "path"),
    [
        ("SYS-04", ("solution", "architecture", "client_installation"), None, "architecture.client_installation is not known"),
        ("SYS-06", ("solution", "capabilities", "simultaneous_read"), "yes", "capabilities.simultaneous_read is not known"),
        ("SYS-06", ("solution", "capabilities", "remap_time_in_seconds"), "long", "capabilities.remap_time_in_seconds is not known"),
        ("SYS-10", ("product_nodes", 0, "chassis"), 5, "system_under_test.product_nodes[0].chassis is not there"),
        ("SYS-10", ("deployment",), "elsewhere", "system_under_test.deployment is not known"),
        ("SYS-12", ("product_nodes", 0, "quantity"), "many", "the rack units of a node or switch"),
        ("SYS-12", ("product_nodes", 0, "chassis", "rack_units"), None, "the rack units of a node or switch"),
        ("SYS-12", ("product_nodes", 0, "chassis"), None, "the rack units of a node or switch"),
        ("SYS-12", ("product_switches", 0, "rack_units"), "one", "the rack units of a node or switch"),
        ("SYS-12", ("product_switches", 0, "unit_count"), None, "the rack units of a node or switch"),
        ("SYS-13", ("clients", 0, "chassis", "power", "min_psus_active"), None, "clients[0].chassis.power does not say"),
        ("SYS-13", ("clients", 0, "chassis", "power", "psus_configured"), 2, "clients[0].chassis.power does not say"),
        ("SYS-13", ("product_switches", 0, "power", "psus_configured", 0, "unit_count"), "x", "product_switches[0].power does not say"),
        ("SYS-13", ("product_switches", 0, "power", "psus_configured", 0), 5, "product_switches[0].power does not say"),
        ("SYS-18", ("clients",), 5, "system_under_test.clients is no list"),
        ("SYS-18", ("clients", 0), 5, "system_under_test.clients[0] is no mapping"),
        ("SYS-21", ("clients", 0, "chassis"), None, "system_under_test.clients[0].chassis is not there"),
        ("SYS-05", ("solution",), "x", "system_under_test.solution is no mapping"),
    ],
)
def test_a_value_that_cannot_be_read_is_no_evidence_for_the_rules_that_compare_it(rule_id, way, value, path):
    evaluation = said(rule_id, changed(("system_under_test", *way), value))
    assert evaluation.findings == ()
    assert [lacking for lacking in evaluation.lacking if path in lacking.reason]


def test_in_a_cloud_a_node_without_chassis_is_no_evidence():
    document = changed(("system_under_test", "deployment"), "cloud")
    document["system_under_test"].pop("product_switches")
    document["system_under_test"]["product_nodes"] = [{**NODE, "chassis": None}]
    document["system_under_test"]["clients"] = []
    evaluation = said("SYS-11", document)
    assert evaluation.findings == ()
    assert evaluation.lacking == (NoEvidence("system_under_test.product_nodes[0].chassis is not there", FILE),)


@pytest.mark.parametrize(
    ("rule_id", "change", "severity"),
    [
        ("SYS-01", lambda d: d.update(more=1, other=2), Severity.INFO),
        ("SYS-09", lambda d: d["system_under_test"].update(clients=[]), Severity.WARNING),
        ("SYS-16", lambda d: d["system_under_test"].update(product_nodes=[], clients=[{**CLIENT, "drives": [{}]}]), Severity.INFO),
        ("SYS-21", lambda d: d["system_under_test"].update(rack_power_supplies=[{}]), Severity.INFO),
    ],
)
def test_what_is_not_published_is_told_and_costs_nothing(rule_id, change, severity):
    document = copy.deepcopy(DOCUMENT)
    change(document)
    (finding,) = said(rule_id, document).findings
    assert (finding.severity, finding.category.value) == (severity, "CLOSED")
    assert "not published" in finding.message


def test_the_keys_beside_the_block_are_named():
    (finding,) = said("SYS-01", {**DOCUMENT, "more": 1, "other": 2}).findings
    assert finding.measured == "more, other"


def test_many_problems_of_one_rule_are_cut_off_and_the_missing_blocks_are_not_counted():
    block = copy.deepcopy(DOCUMENT["system_under_test"])
    block["clients"] = [{}] * (MOST_PROBLEMS + 50)
    wrong = list(problems(block, SCHEMA, "SYS-17"))
    assert len(wrong) == MOST_PROBLEMS + 1
    assert wrong[-1] == Problem("system_under_test", f"more than {MOST_PROBLEMS} fields are wrong; the rest is not told")
    assert all(isinstance(item, Lack) for item in problems({**block, "clients": [5] * 150}, SCHEMA, "SYS-18"))
    exact = {**block, "clients": [5] * MOST_PROBLEMS}
    assert len(list(problems(exact, SCHEMA, "SYS-17"))) == MOST_PROBLEMS


def test_a_key_that_was_meant_for_one_that_is_there_is_not_taken_for_it():
    (problem,) = problems({**DOCUMENT["system_under_test"], "deploymnt": 1}, SCHEMA, "SYS-01")
    assert "did you mean" not in problem.message


def test_a_block_of_the_schema_must_exist():
    data = yaml.safe_load((Path(load.__file__).parent / "v3.0.yaml").read_text())["system_description"]
    assert SystemSchema.model_validate(data) == SCHEMA
    with pytest.raises(pydantic.ValidationError, match="no such block: nowhere"):
        SystemSchema.model_validate({**data, "root": "nowhere"})
    del data["blocks"]["port"], data["blocks"]["drive"]
    with pytest.raises(pydantic.ValidationError, match="no such block: drive, port"):
        SystemSchema.model_validate(data)


def test_the_rules_within_a_block_are_those_of_its_fields_and_of_what_they_hold():
    assert SCHEMA.rules_within("power") == {"SYS-21"}
    assert SCHEMA.rules_within("switch") == {"SYS-20", "SYS-21"}
    assert SCHEMA.rules_within("solution") == {"SYS-02", "SYS-03", "SYS-05", "SYS-07", "SYS-08"}


def test_a_description_that_was_written_with_tags_quotes_and_any_order_passes(tmp_path):
    tree = SystemTree.write(tmp_path)
    text = yaml.dump(DOCUMENT, default_style='"', sort_keys=True)
    tree.text(text)
    assert "!!int" in text or '"4"' in text
    description = tree.read()
    for rule in RULES.values():
        evaluation = rule.evaluate(description, BOOK)
        assert ([f.line() for f in evaluation.findings], evaluation.lacking) == ([], ())


def test_the_descriptions_that_the_round_accepted_pass():
    paths = [*CORPORA.glob("v3.0/*/*/systems/*.yaml"), *CORPORA.glob("examples/v3.0_system_description.yaml")]
    if not paths:
        pytest.skip("the shared corpora are not here")
    assert len(paths) >= 3
    for path in paths:
        relpath = path.relative_to(CORPORA).as_posix()
        description = read_system(SubjectPlace("system", relpath, Division.CLOSED, "3.0", system=path.stem), root=CORPORA)
        for rule in RULES.values():
            evaluation = rule.evaluate(description, BOOK)
            assert ([f.line() for f in evaluation.findings], evaluation.lacking) == ([], ())
