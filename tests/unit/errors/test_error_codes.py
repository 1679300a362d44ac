"""The table of error codes against the places where errors are made, and the pages against the table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import raised

from pytest_mlpstorage import errors
from pytest_mlpstorage.config.sources import suite_keys
from pytest_mlpstorage.error_codes import INDEX, error_codes, index_page, page, write_pages
from pytest_mlpstorage.errors import ConfigurationError, FileSystemError, MLPStorageError
from pytest_mlpstorage.options import add_options

PAGES = Path(__file__).parents[3] / "docs" / "errors"
CODES = error_codes()
KINDS = {name: kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)}


def test_the_table_has_the_six_kinds_and_each_code_is_of_one():
    kinds = {entry.kind for entry in CODES.values()}
    assert kinds == {
        "BenchmarkExecutionError",
        "ConfigurationError",
        "DependencyError",
        "FileSystemError",
        "MPIError",
        "ValidationError",
    }
    assert {code for code, entry in CODES.items() if entry.is_kind} == {f"MLPS-E{digit}00" for digit in range(1, 7)}
    assert list(CODES) == sorted(CODES)


def test_each_code_says_what_is_the_case_and_what_to_do():
    lacking = [code for code, entry in CODES.items() if not (entry.title and entry.means.endswith(".") and entry.remedies)]
    assert lacking == []
    assert len({entry.title for entry in CODES.values()}) == len(CODES)
    assert [code for code, entry in CODES.items() if not entry.is_kind and not entry.example] == []


def test_each_error_is_made_with_a_code_of_its_own(made):
    assert [f"{one.place} {one.name}" for one in made if not one.explicit] == []


def test_each_code_that_is_given_is_in_the_table(modules):
    unknown = {code: sorted(places) for code, places in raised.literals(modules).items() if code not in CODES}
    assert set(unknown) <= {MLPStorageError.code}, unknown


def test_each_code_of_the_table_is_given_somewhere(modules):
    given = raised.literals(modules)
    assert [code for code in CODES if not given.get(code, set()) - {"pytest_mlpstorage/error_codes.py"}] == []


def test_each_code_is_of_the_kind_of_its_class(made, modules):
    digits = {name: code[:7] for name, code in raised.codes_of_classes(modules).items()}
    wrong = [f"{one.place} {one.name} {code}" for one in made for code in one.codes if one.name in digits and code[:7] != digits[one.name]]
    assert wrong == []


def test_each_example_is_a_message_of_its_code(made):
    patterns: dict[str, set[str]] = {}
    for one in made:
        # Where a variable says the code, the message may be that of each code of its kind.
        for code in one.codes or [code for code, entry in CODES.items() if entry.kind == one.name]:
            patterns.setdefault(code, set()).add(one.message)
    strange = [
        code
        for code, entry in CODES.items()
        if entry.example and not any(re.search(pattern, entry.example) for pattern in patterns.get(code, ()))
    ]
    assert strange == []


def test_what_is_wrong_with_a_command_line_is_an_error_with_a_code_too(modules):
    """Only the words of an error of ours may become a usage error: other texts would have no code."""
    bare = []
    for module, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "UsageError":
                texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
                bare += [f"{module}:{node.lineno} {text!r}" for text in texts if text.strip()]
    assert bare == []


def test_options_and_keys_that_the_table_names_exist():
    text = " ".join([entry.means + " ".join(entry.remedies) for entry in CODES.values()])
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    options = {name for option in parser.getgroup("mlpstorage").options for name in option.names()}
    assert set(re.findall(r"--(?:mlps-|results-dir)[a-z-]*", text)) - options == set()
    named = set(re.findall(r"`((?:cluster|launch)\.[a-z_]+)", text))
    assert named - set(suite_keys()) == set()
    assert len(named) >= 5


@pytest.mark.parametrize("name", KINDS)
def test_each_class_says_a_code_that_is_explained(name):
    assert KINDS[name].code in CODES or KINDS[name] is MLPStorageError


def test_the_pages_are_those_of_the_table(tmp_path):
    write_pages(tmp_path)
    if not PAGES.is_dir():
        pytest.skip("the pages are part of a clone, not of an installed package")
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    standing = {path.name: path.read_text(encoding="utf-8") for path in PAGES.iterdir()}
    assert sorted(standing) == sorted(made)
    assert [name for name in made if standing[name] != made[name]] == [], "python -m pytest_mlpstorage.error_codes docs/errors"


def test_a_page_of_a_code_that_is_no_more_is_removed_and_other_files_stay(tmp_path):
    (tmp_path / "MLPS-E999.md").touch()
    (tmp_path / "notes.md").touch()
    write_pages(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {INDEX, "notes.md", *(f"{code}.md" for code in CODES)}


def test_a_page_has_title_kind_meaning_remedies_and_an_example():
    text = page(CODES["MLPS-E420"])
    assert text.startswith("# MLPS-E420: Another start is using it\n\n*FileSystemError*\n")
    assert "* Wait for the process" in text
    assert "[MLPS-E420] /results is in use by another start" in text
    assert "Such a message begins" not in page(CODES["MLPS-E400"])


def test_the_index_links_each_page():
    assert [code for code in CODES if f"[{code}]({code}.md)" not in index_page()] == []


def test_an_error_shows_its_code_details_cause_and_the_next_step():
    error = FileSystemError("no", details={"path": "/x"}, cause=OSError("why"), suggestion="try", code="MLPS-E410")
    assert str(error) == "[MLPS-E410] no\n  path: /x\n  cause: OSError: why\n  next: try"
    assert error.__cause__ is error.cause
    assert str(ConfigurationError("no")) == "[MLPS-E100] no"
