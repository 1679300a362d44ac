"""YAML that somebody else wrote: what it may hold, and what is refused before it costs anything."""

import datetime as dt
import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlpstorage.results import yaml_files
from pytest_mlpstorage.results.files import MAX_YAML_BYTES, TreeFiles
from pytest_mlpstorage.results.yaml_files import MAX_ALIASES, MAX_DEPTH, MAX_DIGITS, MAX_NODES, bounded_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(ord(name) + 1)}: &{chr(ord(name) + 1)} [{', '.join(['*' + name] * 9)}]\n" for name in "abcdefgh"
)
MERGES = "a: &a {k: v}\n" + "".join(
    f"n{n}: &n{n} {{<<: [{'*a' if n == 0 else f'*n{n - 1}'}, {'*a' if n == 0 else f'*n{n - 1}'}]}}\n" for n in range(60)
)


SCANNER = 'while increasing flow level exceeded maximum nesting depth in "<file>", line 1, column 1001'


def refused(text):
    began = time.perf_counter()
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at by the test
        bounded_yaml(text.encode() if isinstance(text, str) else text)
    assert type(caught.value) is ValueError
    assert time.perf_counter() - began < 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("", None),
        ("# nothing", None),
        ("---\na: 1\n...\n", {"a": 1}),
        ("[1, 2.5, true, null, x]", [1, 2.5, True, None, "x"]),
        ('"cpu_qty": "2"', {"cpu_qty": "2"}),
        ('a: !!int "0"', {"a": 0}),
        ("a: !!str 3.0", {"a": "3.0"}),
        ('a: !!float "2"', {"a": 2.0}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1_000", {"a": 1000}),
        ("\ufeffa: é", {"a": "é"}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
    ],
)
def test_what_people_write_is_read_as_the_official_tool_reads_it(text, value):
    assert bounded_yaml(text.encode()) == value


@pytest.mark.parametrize("text", ["2026-07-13", "2026-02-30", "2026-07-13T08:00:00Z", "!!timestamp 2026-07-13"])
def test_a_date_stays_the_text_that_was_written_even_where_the_calendar_has_no_such_day(text):
    value = bounded_yaml(f"a: {text}".encode())["a"]
    assert value == text.split()[-1]
    assert not isinstance(value, dt.date)


@pytest.mark.parametrize(("text", "keys"), [("3.0: x", ["3.0"]), ("1: x\nyes: y\n~: z\n2026-07-13: d", ["1", "yes", "~", "2026-07-13"])])
def test_every_key_is_text_as_written_so_that_keys_can_be_sorted(text, keys):
    assert list(bounded_yaml(text.encode())) == keys


def test_merge_keys_are_merged_and_what_stands_beside_them_wins():
    text = "base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\nmany: {<<: [*base, {c: 4}], d: 5}\n"
    assert bounded_yaml(text.encode())["other"] == {"a": 1, "b": 3}
    assert bounded_yaml(text.encode())["many"] == {"a": 1, "b": 2, "c": 4, "d": 5}


def test_a_merge_of_what_is_no_mapping_is_refused():
    assert "mapping" in refused("<<: 3")


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "rules_edition: '3.0'\nx: {b: 1, c: 2, b: 3}",
        "1: x\n'1': y",
        "- {a: 1, a: 1}",
        "x: &x {a: 1}\nl: [{<<: *x, b: 1, b: 2}]",
    ],
)
def test_a_key_that_stands_twice_is_refused_because_the_verdict_must_not_hang_on_which_is_read(text):
    assert "stands twice" in refused(text)


def test_the_place_of_a_double_key_is_named():
    assert refused("a: 1\nb: 2\nlong: 3\nb: 4\n") == "the key 'b' stands twice, the second time in line 4"


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [id]",
        "!!python/name:os.system",
        "a: !own thing",
        "a: !!binary aGVsbG8=",
        "a: !!set {x, y}",
        "a: !!omap [x: 1]",
        "a: !!pairs [x: 1]",
        "!<tag:example.com,2000:x> y",
    ],
)
def test_a_tag_of_anything_but_plain_types_is_refused(text):
    assert "tag" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: !!int x",
        "a: !!int ''",
        "a: !!bool x",
        "a: !!float x",
        "a: !!map x",
        "a: !!seq x",
        "!!str {a: 1}",
        "a: !!int [1]",
        "? [1]\n: x",
        "? {a: 1}\n: x",
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_refused_and_nothing_else_is_raised(text):
    refused(text)


@pytest.mark.parametrize("text", ["{", "a: b: c", "\tx", "a: 'x", "%YAML 9.9\n---\na", "a: 1\n---\nb: 2", "@x", "*nowhere", "a: [1", "&a"])
def test_what_is_no_single_yaml_document_is_refused_or_empty(text):
    if text == "&a":
        assert bounded_yaml(text.encode()) in (None, "")
    else:
        refused(text)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: \xe9\n", b"a: \x00", b"a: \x1b[31mred", bytes(range(256)), b"\x80" * 100])
def test_what_is_no_text_is_refused(content):
    refused(content)


@pytest.mark.parametrize("text", ['a: "\\ud800"', 'a: "\\uDFFF"', '"\\ud800": a'])
def test_half_a_character_is_refused_because_no_report_could_write_it(text):
    refused(text)


@pytest.mark.parametrize("name", ["LAUGHS", "MERGES"])
def test_aliases_that_multiply_are_refused(name):
    assert "more than" in refused(globals()[name])


@pytest.mark.parametrize(("count", "fits"), [(MAX_ALIASES, True), (MAX_ALIASES + 1, False)])
def test_aliases_are_counted(count, fits):
    text = "a: &a 1\nb: [" + ", ".join(["*a"] * count) + "]"
    if fits:
        assert bounded_yaml(text.encode())["b"] == [1] * count
    else:
        assert refused(text) == f"more than {MAX_ALIASES} aliases"


def test_an_alias_counts_as_much_as_what_it_stands_for(monkeypatch):
    text = b"a: &a [1, 1]\nb: &b [*a, *a]\nc: *b"
    # The root, three keys, then 3 + 7 + 7 nodes as they would stand without aliases.
    monkeypatch.setattr(yaml_files, "MAX_NODES", 21)
    assert bounded_yaml(text)["c"] == [[1, 1], [1, 1]]
    monkeypatch.setattr(yaml_files, "MAX_NODES", 20)
    assert refused(text) == "more than 20 values"


def test_a_scalar_may_be_an_anchor_too():
    assert bounded_yaml(b"a: &x 1\nb: *x") == {"a": 1, "b": 1}


@pytest.mark.parametrize("text", ["&a [*a]", "&a {k: *a}", "x: &a [1, {b: [*a]}]", "&a {<<: *a}"])
def test_what_holds_itself_is_refused(text):
    assert "holds itself" in refused(text)


@pytest.mark.parametrize(("brackets", "fits"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (1_000_000, False)])
def test_deep_nesting_is_refused(brackets, fits):
    text = "[" * brackets + "]" * brackets
    if fits:
        bounded_yaml(text.encode())
    else:
        # The C scanner looks ahead and may be the first to object.
        assert refused(text) in (f"nested more than {MAX_DEPTH} deep", SCANNER)


def test_deep_nesting_by_indentation_is_refused():
    refused("".join(f"{' ' * n}a:\n" for n in range(1000)))


def test_brackets_side_by_side_are_not_nested():
    assert len(bounded_yaml(b"[" + b"[1]," * 500 + b"]")) == 500


@pytest.mark.parametrize(
    "text", ["9" * (MAX_DIGITS + 1), "0x" + "f" * 100_000, "0b" + "1" * 100_000, "1" + ":59" * 30_000, "9" * 3_000_000]
)
def test_a_number_of_endless_digits_is_refused_because_it_cannot_even_be_printed(text):
    assert "digits" in refused(f"a: {text}")


def test_a_long_number_is_exact():
    assert bounded_yaml(b"a: " + b"9" * MAX_DIGITS)["a"] == 10**MAX_DIGITS - 1


@pytest.mark.parametrize("text", ["1.0e+400", ".inf", "-.inf", ".nan", "1e400", "1:59:59.5"])
def test_floats_of_any_size_are_read_without_a_crash(text):
    bounded_yaml(f"a: {text}".encode())


def test_a_float_of_endless_sexagesimal_parts_is_refused():
    refused("a: 1" + ":59" * 100_000 + ".5")


def test_a_wide_document_is_refused_before_it_is_built(monkeypatch):
    monkeypatch.setattr(yaml_files, "MAX_NODES", 1000)
    refused("[" + "1," * 2000 + "]")
    assert MAX_NODES > 100_000


def test_the_pure_python_loader_gives_the_same(monkeypatch):
    import yaml

    for text in ("a: 2026-07-13\n1: {x: [1, '2', !!int '3']}", "b: &b {k: v}\nc: {<<: *b}"):
        with_c = bounded_yaml(text.encode())
        with monkeypatch.context() as patch:
            patch.setattr(yaml_files, "_PlainLoader", yaml_files._plain(yaml.SafeLoader))
            assert bounded_yaml(text.encode()) == with_c
            for bad in ('a: "\\ud800"', '"\\ud800": a', "a: 1\na: 2", "a: !!set {x}", "&a [*a]"):
                refused(bad)


@given(st.binary(max_size=300))
def test_any_bytes_give_plain_types_or_a_value_error(content):
    _plain_or_refused(content)


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                ": ",
                "\n",
                "- ",
                "[",
                "]",
                "{",
                "}",
                ", ",
                "&a ",
                "*a",
                "<<",
                "!!int ",
                "!!bool ",
                "!x ",
                "'",
                '"',
                "1",
                "? ",
                "| ",
                "  ",
                "#",
                "%",
                "---\n",
            ]
        ),
        max_size=40,
    )
)
def test_any_heap_of_yaml_signs_gives_plain_types_or_a_value_error(parts):
    _plain_or_refused("".join(parts).encode())


def _plain_or_refused(content):
    try:
        value = bounded_yaml(content)
    except ValueError:
        return
    json.dumps(value).encode()
    assert _plain(value)


def _plain(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_plain(item) for item in value)
    return value is None or type(value) in (str, int, float, bool)


# -- through the tree -----------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    return TreeFiles(tmp_path)


def test_a_document_of_the_tree_is_read(files):
    (files.root / "a.yaml").write_text("a: [1]")
    assert files.yaml_document(files.root / "a.yaml") == {"a": [1]}
    assert files.problems == []


@pytest.mark.parametrize(("content", "words"), [("{", "is no YAML: "), ("a: !x 1", "is no YAML: "), (LAUGHS, "more than")])
def test_damage_is_a_problem_of_that_file(files, content, words):
    (files.root / "a.yaml").write_text(content)
    assert files.yaml_document(files.root / "a.yaml") is None
    (problem,) = files.problems
    assert problem.file == "a.yaml"
    assert words in problem.message


def test_a_pruned_document_is_none_without_a_problem(files):
    (files.root / "a.yaml").write_text("PRUNED BY STAFF\n")
    assert files.yaml_document(files.root / "a.yaml") is None
    assert files.problems == []


def test_an_absent_document_is_a_problem(files):
    assert files.yaml_document(files.root / "a.yaml") is None
    assert "cannot be read" in files.problems[0].message


def test_a_large_document_is_not_read(files):
    with (files.root / "a.yaml").open("wb") as file:
        file.truncate(2 * 1024**3)
    assert files.yaml_document(files.root / "a.yaml") is None
    assert str(MAX_YAML_BYTES) in files.problems[0].message


def test_a_document_behind_a_link_out_of_the_tree_is_not_read(files, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.yaml"
    outside.write_text("secret: 1")
    (files.root / "a.yaml").symlink_to(outside)
    assert files.yaml_document(files.root / "a.yaml") is None
    assert "out of the tree" in files.problems[0].message


def test_a_pipe_is_not_waited_for(files):
    os.mkfifo(files.root / "a.yaml")
    assert files.yaml_document(files.root / "a.yaml") is None
    assert "no regular file" in files.problems[0].message


@pytest.mark.parametrize(("content", "value"), [("[1]", [1]), ('"x"', "x"), ("3", 3), ("null", None), ("{}", {})])
def test_a_json_document_may_be_of_any_type(files, content, value):
    (files.root / "a.json").write_text(content)
    assert files.json_document(files.root / "a.json") == value
    assert files.problems == []


@pytest.mark.parametrize(("content", "words"), [("", "is empty"), ("{", "is no JSON"), ("[" * 100_000, "is no JSON")])
def test_a_damaged_json_document_is_none_and_a_problem(files, content, words):
    (files.root / "a.json").write_text(content)
    assert files.json_document(files.root / "a.json") is None
    assert words in files.problems[0].message


@pytest.mark.parametrize(
    ("content", "words"), [("null", "NoneType, not an object"), ("[1]", "list, not an object"), ("PRUNED BY STAFF", None)]
)
def test_a_json_object_is_an_object_or_a_problem_unless_it_was_pruned(files, content, words):
    (files.root / "a.json").write_text(content)
    assert files.json_object(files.root / "a.json") is None
    assert [words in problem.message for problem in files.problems] == ([True] if words else [])
