"""The codes of the errors as a table: what ``--mlps-explain`` shows and ``docs/errors/`` holds.

``python -m pytest_mlpstorage.error_codes docs/errors`` writes the pages; a test holds them against the table, and the table against
the places in the code where errors are raised.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import yaml

from pytest_mlpstorage import errors
from pytest_mlpstorage.commands import CommandParser, exit_code
from pytest_mlpstorage.errors import ConfigurationError, FileSystemError, MLPStorageError, ValidationError, code_of_os

__all__ = ["CODE", "EXIT_CODES", "ErrorCode", "codes_in", "error_codes", "explain", "index_page", "main", "page", "parser", "write_pages"]

CODE: Final = re.compile(r"\bMLPS-E[1-6]\d\d\b")
INDEX: Final = "README.md"
_TABLE: Final = Path(__file__).with_name("error_codes.yaml")
_ALL: Final = "all"
_NEAR: Final = 2
_FIELDS: Final = {"title": str, "means": str, "remedies": list, "example": str}
_WRITE: Final = "python -m pytest_mlpstorage.error_codes docs/errors"

EXIT_CODES: Final[Mapping[str, str]] = {"0": "written", "4": "wrong use, or a page cannot be written"}


@dataclasses.dataclass(frozen=True)
class ErrorCode:
    """One code: what is the case, what to do next, and the first line of such a message where there is one."""

    code: str
    title: str
    means: str
    remedies: tuple[str, ...]
    example: str = ""

    @property
    def kind(self) -> str:
        """Name of the class of errors.py whose errors have codes with this first digit."""
        return _kinds()[self.code[: len("MLPS-E1")]].__name__

    @property
    def is_kind(self) -> bool:
        """Whether it stands for a whole kind, for errors of which nothing more is known."""
        return self.code.endswith("00")


@cache
def _kinds() -> Mapping[str, type[MLPStorageError]]:
    """The six classes right below the root, by the beginning of their codes."""
    found = (kind for name in errors.__all__ if MLPStorageError in getattr(kind := getattr(errors, name), "__bases__", ()))
    return {kind.code[: len("MLPS-E1")]: kind for kind in found}


@cache
def error_codes() -> Mapping[str, ErrorCode]:
    """Every code, in order. Raises ValidationError where the table of the package is damaged."""
    try:
        written = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
        found = {code: _entry(code, fields) for code, fields in written.items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise ValidationError(
            f"the table of error codes {_TABLE} cannot be read", cause=error, suggestion="reinstall pytest-mlpstorage", code="MLPS-E620"
        ) from error
    return MappingProxyType(dict(sorted(found.items())))


def _entry(code: str, fields: Mapping[str, object]) -> ErrorCode:
    wrong = [name for name, value in fields.items() if not isinstance(value, _FIELDS.get(name, type(None)))]
    wrong += [name for name in _FIELDS if name != "example" and name not in fields]
    if wrong or not CODE.fullmatch(code):
        raise ValueError(f"{code}: {', '.join(wrong) or 'no code'}")
    remedies = fields["remedies"] if isinstance(fields["remedies"], list) else []
    return ErrorCode(code, str(fields["title"]), str(fields["means"]), tuple(map(str, remedies)), str(fields.get("example", "")))


def codes_in(text: str) -> tuple[str, ...]:
    """The codes that a message names, each once, in order: its own first, then those of what it passes on."""
    return tuple(dict.fromkeys(CODE.findall(text)))


def page(entry: ErrorCode) -> str:
    """The page of one code in Markdown."""
    lines = [f"# {entry.code}: {entry.title}", "", f"*{entry.kind}*", "", entry.means, "", "What to do:", ""]
    lines += [f"* {step}" for step in entry.remedies]
    if entry.example:
        lines += ["", "Such a message begins:", "", "```text", f"[{entry.code}] {entry.example}", "```"]
    return "\n".join(lines) + "\n"


def index_page() -> str:
    """The table of all codes in Markdown, linked to their pages."""
    head = [
        "# Error codes",
        "",
        f"Written by `{_WRITE}`; a test holds these pages against the code.",
        "",
        "Each message that is no rule's begins with a code in brackets, and `pytest --mlps-explain=CODE` shows its page on the terminal.",
        "JUnit files have the codes of a failed item as its property `mlps_error`. The first digit is the kind: 1 configuration,",
        "2 dependency, 3 MPI, 4 filesystem, 5 execution, 6 validation. A code never changes its meaning.",
        "",
        "| code | what is the case |",
        "| --- | --- |",
    ]
    rows = [f"| [{code}]({code}.md) | {entry.title} |" for code, entry in error_codes().items()]
    return "\n".join([*head, *rows]) + "\n"


def explain(asked: str) -> str:
    """The page of a code as it may be written (``MLPS-E320``, ``e320``), or of ``all`` the table; ConfigurationError for other words."""
    word = asked.strip().strip("[]").upper()
    if word == _ALL.upper():
        return index_page()
    known = error_codes()
    code = f"MLPS-E{word.removeprefix('MLPS-').removeprefix('E')}"
    if code in known:
        return page(known[code])
    begun = [one for one in known if one.startswith(code)] if word.removeprefix("MLPS-").removeprefix("E") else []
    near = begun[:_NEAR] or difflib.get_close_matches(code, known, n=1, cutoff=0.85)
    hint = f"; did you mean {' or '.join(near)}?" if near else f", which lists all {len(known)} from {min(known)} to {max(known)}"
    raise ConfigurationError(f"--mlps-explain={asked}: allowed a code such as MLPS-E320, or all{hint}", code="MLPS-E130")


def write_pages(folder: Path) -> None:
    """Write the page of each code and the table of all into a folder, and remove pages of codes that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {INDEX: index_page(), **{f"{code}.md": page(entry) for code, entry in error_codes().items()}}
    for path in folder.glob("MLPS-E*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def parser() -> CommandParser:
    """What stands on the line."""
    parser = CommandParser(
        prog=_WRITE.rpartition(" ")[0], description="Write the pages of docs/errors, which are made of the table of codes."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="where the pages go, docs/errors in a clone; those of codes that are no more go"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages; returns the exit code."""
    return exit_code(lambda: _main(parser().parse_args(arguments).folder))


def _main(folder: Path) -> int:
    try:
        write_pages(folder)
    except OSError as error:
        raise FileSystemError(
            "the pages cannot be written", cause=error, suggestion="name a folder that may be written to", code=code_of_os(error)
        ) from error
    return 0


if __name__ == "__main__":
    sys.exit(main())
