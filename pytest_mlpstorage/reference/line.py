"""What stands on the line of ``python -m pytest_mlpstorage.reference``: apart from the command, whose pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.commands import CommandParser

__all__ = ["EXIT_CODES", "WRITE", "parser"]

WRITE: Final = "python -m pytest_mlpstorage.reference"

EXIT_CODES: Final[Mapping[str, str]] = {
    "0": "written",
    "4": "wrong use, a file that cannot be written, or a `README.md` without a place for the table",
}


def parser() -> CommandParser:
    """What stands on the line."""
    parser = CommandParser(prog=WRITE, description="Write the pages of docs/reference, which are made of the code.")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the pages go, docs/reference in a clone")
    parser.add_argument("readme", metavar="README.md", type=Path, nargs="?", help="file whose table of what is checked is renewed")
    return parser
