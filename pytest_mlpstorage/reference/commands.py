"""The page of the commands beside pytest, as their own parsers have them."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pytest

from pytest_mlpstorage import error_codes
from pytest_mlpstorage.bootstrap import command as bootstrap
from pytest_mlpstorage.dlio import probe
from pytest_mlpstorage.history import __main__ as history
from pytest_mlpstorage.kvcache import export_trace
from pytest_mlpstorage.package import __main__ as package
from pytest_mlpstorage.reference import line as reference
from pytest_mlpstorage.reference.markdown import code, plain, table, told_default
from pytest_mlpstorage.vectordb_contract import __main__ as contract
from pytest_mlpstorage.vectordb_contract.options import pytest_addoption

__all__ = ["COMMANDS", "Argument", "Command", "arguments_of", "commands_page"]

_TYPES: Final[Mapping[object, str]] = {int: "integer", float: "number"}


class Argument(NamedTuple):
    """One word of a line: as it is written, what holds without it, what it may be, and what it does."""

    written: str
    default: str
    values: str
    does: str


@dataclasses.dataclass(frozen=True)
class Command:
    """A module that people start with ``python -m``: its argparse parser or what adds its options to pytest's, and how it ends."""

    module: str
    exit_codes: Mapping[str, str]
    parser: Callable[[], argparse.ArgumentParser] | None = None
    options: Callable[[pytest.Parser], None] | None = None
    first: str = ""
    rest: str = ""
    about: str = ""


COMMANDS: Final = (
    Command("pytest_mlpstorage.bootstrap", bootstrap.EXIT_CODES, bootstrap.parser, rest="[what goes to pytest]"),
    Command("pytest_mlpstorage.history", history.EXIT_CODES, history.parser, rest="[-- what goes to pytest]"),
    Command("pytest_mlpstorage.package", package.EXIT_CODES, package.parser),
    Command("pytest_mlpstorage.kvcache.export_trace", export_trace.EXIT_CODES, export_trace.parser),
    Command(
        "pytest_mlpstorage.vectordb_contract",
        contract.EXIT_CODES,
        options=pytest_addoption,
        first="ENGINE…",
        rest="[what goes to pytest]",
        about="Run the contract of engines of vector databases on engines by their names.",
    ),
    Command(
        "pytest_mlpstorage.dlio.probe",
        probe.EXIT_CODES,
        about="What the DLIO of this interpreter can do, as one line of JSON; the last step of an installation by hand.",
    ),
    Command("pytest_mlpstorage.reference", reference.EXIT_CODES, reference.parser),
    Command("pytest_mlpstorage.error_codes", error_codes.EXIT_CODES, error_codes.parser),
)
"""All that is for people; what the suite itself starts on hosts is not."""


def commands_page() -> list[str]:
    """The lines of the page, title first."""
    lines = [
        "Commands",
        "What there is beside pytest, whose options have [a page of their own](options.md). Each is started with `python -m`, the",
        "environment's Python; those that take options say the same with `--help`. To compare is an option of pytest:",
        "`--mlps-compare`. Where standard output cannot be written, to a full disk say, the first four end with 4.",
    ]
    for command in COMMANDS:
        lines += ["", f"## {command.module}", "", *_section(command)]
    return lines


def _section(command: Command) -> Iterator[str]:
    arguments = list(arguments_of(command))
    python = "python3" if command.parser is bootstrap.parser else "python"  # the first that anybody starts, without an environment
    placed = [one.written for one in arguments if not one.written.startswith("-")]
    options = "[options]" if len(placed) < len(arguments) else ""
    line = (f"{python} -m {command.module}", command.first, *placed, options, command.rest)
    yield from ("```text", " ".join(word for word in line if word), "```", "")
    about = command.about or (command.parser().description if command.parser else "") or ""
    if "\n" in about:
        yield from ("```text", *about.rstrip().splitlines(), "```", "")
    else:
        yield from (plain(about), "")
    if arguments:
        rows = [(code(one.written), plain(one.default), one.values, one.does) for one in arguments]
        yield from (*table(("argument", "default", "values", "what it does"), rows), "")
    yield from table(("exit code", "when"), [(name, plain(text)) for name, text in command.exit_codes.items()])


def arguments_of(command: Command) -> Iterator[Argument]:
    """Every argument of a command but ``--help``, those that are told by their place first."""
    if command.options is not None:
        parser = pytest.Parser(_ispytest=True)  # as in options.py
        command.options(parser)
        for option in (one for group in parser._groups for one in group.options):
            yield _argument(option.names(), option.attrs(), ())
    if command.parser is not None:
        parsed = command.parser()
        actions = [action for action in parsed._actions if not isinstance(action, argparse._HelpAction)]
        for action in sorted(actions, key=lambda action: bool(action.option_strings)):
            others = [
                other.option_strings[-1]
                for group in parsed._mutually_exclusive_groups
                if action in group._group_actions
                for other in group._group_actions
                if other is not action
            ]
            yield _argument(action.option_strings, vars(action), others)


def _argument(names: Sequence[str], facts: Mapping[str, Any], others: Sequence[str]) -> Argument:
    choices = [str(choice) for choice in facts.get("choices") or ()]
    help_text = str(facts.get("help") or "").replace("%%", "%").removesuffix(f": {', '.join(choices)}")
    word = str(facts.get("metavar") or str(facts.get("dest")).upper())
    takes = names and facts.get("nargs") != 0 and facts.get("action") != "store_true"
    written = f"{max(names, key=len)}{f' {word}' if takes else ''}" if names else f"[{word}]" if facts.get("nargs") == "?" else word
    default = facts.get("default")
    told, without = told_default(help_text)
    does = plain(told)
    if not without and default is not None and not isinstance(default, bool):
        without = str(default)
    needed = ["**required**"] if names and facts.get("required") else []
    excluded = [f"not with {' or '.join(code(other) for other in others)}"] if others else []
    values = ", ".join(code(choice) for choice in choices) or _TYPES.get(facts.get("type"), "")
    return Argument(written, without, values, "; ".join([*([does] if does else []), *needed, *excluded]))
