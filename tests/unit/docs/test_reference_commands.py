"""The page of the commands against their parsers: each command that people start, each option, and how wrong use ends."""

import argparse
import importlib
import re

import pytest
from written import REPO

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.reference.commands import COMMANDS, Argument, Command, arguments_of, commands_page

PACKAGE = REPO / "pytest_mlpstorage"
PARSED = [command for command in COMMANDS if command.parser is not None]

STARTED_BY_THE_SUITE = {
    "pytest_mlpstorage.checkpointing",
    "pytest_mlpstorage.cluster",
    "pytest_mlpstorage.cluster.ssh_bridge",
    "pytest_mlpstorage.dlio",
    "pytest_mlpstorage.kvcache",
    "pytest_mlpstorage.kvcache.leftovers",
    "pytest_mlpstorage.kvcache.official",
    "pytest_mlpstorage.kvcache.precondition",
    "pytest_mlpstorage.launch",
    "pytest_mlpstorage.vectordb",
    "pytest_mlpstorage.vectordb.become",
    "pytest_mlpstorage.vectordb.probe",
    "pytest_mlpstorage.vectordb.worker",
}
"""Programs of ranks, of hosts and beside them: their lines are written by the suite, with files that it has made."""


def row(name, written):
    command = next(command for command in COMMANDS if command.module == f"pytest_mlpstorage.{name}")
    return next(one for one in arguments_of(command) if one.written == written)


def section(module):
    return "\n".join(commands_page()).split(f"\n## {module}\n")[1].split("\n## ")[0]


def test_each_module_that_can_be_started_is_on_the_page_or_is_started_by_the_suite():
    startable = {
        ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__main__")
        for path in PACKAGE.rglob("*.py")
        if "suites" not in path.parts and re.search(r'^if __name__ == "__main__":', path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert startable == {command.module for command in COMMANDS} | STARTED_BY_THE_SUITE
    assert [one for one in STARTED_BY_THE_SUITE if f"## {one}\n" in "\n".join(commands_page())] == []


def test_the_package_installs_no_other_command():
    assert "[project.scripts]" not in (REPO / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", PARSED, ids=lambda command: command.module)
def test_each_option_of_the_help_stands_in_the_section_of_its_command(command):
    help_text = command.parser().format_help()
    shown = set(re.findall(r"--[a-z][a-z-]+", help_text[help_text.rindex("options:") :])) - {"--help"}
    options = {one.written.split()[0] for one in arguments_of(command) if one.written.startswith("-")}
    words = re.findall(r"^\| `(--[a-z-]+)", section(command.module), re.MULTILINE)
    assert set(words) == options
    assert len(words) == len(options)
    defined = {name for action in command.parser()._actions for name in action.option_strings if name.startswith("--")}
    assert options == defined - {"--help"}
    assert options <= shown


@pytest.mark.parametrize("command", PARSED, ids=lambda command: command.module)
def test_each_argument_says_what_it_does(command):
    assert [one.written for one in arguments_of(command) if not one.does] == []


def test_default_and_values_stand_in_columns_of_their_own():
    assert row("history", "[RESULTS]") == Argument("[RESULTS]", "./mlps-results", "", "results tree")
    assert row("history", "--json") == Argument("--json", "", "", "write a list of objects instead of a table")
    assert row("history", "--show ID").does.endswith("measures it again; not with `--rerun`")
    verdict = row("history", "--verdict WORD")
    assert (verdict.default, verdict.does) == ("", "only this verdict")
    assert verdict.values == "`CLOSED`, `OPEN`, `INVALID`, `NOT VERIFIED`, `WHATIF`, `SET ASIDE`"
    assert row("package", "--to OUT[.tar.gz]").does == "folder or archive to make; it must not exist; **required**"
    assert row("package", "--profile PROFILE")[1:3] == ("strict", "`strict`, `v3.0-round`")
    assert row("bootstrap", "--venv DIR").default == ".venv in the clone"
    assert row("kvcache.export_trace", "--rank N")[1:3] == ("0", "integer")
    assert row("kvcache.export_trace", "--seconds S")[1:3] == ("all", "number")
    assert row("vectordb_contract", "--vectordb-seconds S")[1:] == ("120", "number", "longest that one call may take")


def test_a_line_has_what_is_told_by_its_place_before_the_options():
    assert "python3 -m pytest_mlpstorage.bootstrap quick|test|install [options] [what goes to pytest]\n" in section(COMMANDS[0].module)
    assert "python -m pytest_mlpstorage.vectordb_contract ENGINE… [options] [what goes to pytest]\n" in section(COMMANDS[4].module)
    assert "python -m pytest_mlpstorage.package RESULTS [options]\n" in section("pytest_mlpstorage.package")


def test_a_default_within_the_words_of_a_help_is_found():
    def parser():
        parser = argparse.ArgumentParser()
        parser.add_argument("--a", help="one (default: the edition's (3.0))")
        parser.add_argument("--b", help="two; default 7", default=None)
        parser.add_argument("--c", help="by default nothing is done", default=5)
        parser.add_argument("--d", action="store_true", help="100 %% of it")
        return parser

    told = [(one.written, one.default, one.does) for one in arguments_of(Command("x", {}, parser))]
    assert told == [
        ("--a A", "the edition's (3.0)", "one"),
        ("--b B", "7", "two"),
        ("--c C", "5", "by default nothing is done"),
        ("--d", "", "100 % of it"),
    ]


def ended(command, *arguments):
    """The exit code of a command in this process."""
    module = importlib.import_module(command.module)
    module = importlib.import_module(f"{command.module}.__main__") if hasattr(module, "__path__") else module
    try:
        return module.main(list(arguments))
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("command", PARSED, ids=lambda command: command.module)
def test_wrong_use_ends_with_4_and_help_with_0_and_neither_leaves_anything(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "4" in command.exit_codes
    assert ended(command) == 4 or command.module.endswith("history")  # whose folder has a default
    assert ended(command, "--no-such-option") == 4
    capsys.readouterr()
    assert ended(command, "--help") == 0
    assert command.module in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_pages_that_cannot_be_written_are_one_message(tmp_path, capsys):
    (tmp_path / "file").touch()
    for name in ("reference", "error_codes"):
        command = next(one for one in COMMANDS if one.module == f"pytest_mlpstorage.{name}")
        assert ended(command, str(tmp_path / "file" / "pages")) == 4
        assert capsys.readouterr().err.startswith(f"[{FileSystemError.code[:6]}")
