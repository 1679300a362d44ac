"""``python -m pytest_mlpstorage.reference FOLDER [README.md]``: write the reference pages, and the table of rules in the README.

Exit code 0, 4 for wrong use and where a file cannot be written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_mlpstorage.commands import CommandParser, exit_code
from pytest_mlpstorage.errors import FileSystemError, code_of_os
from pytest_mlpstorage.reference.checked import with_table
from pytest_mlpstorage.reference.pages import WRITE, write_pages

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write; returns the exit code."""
    parser = CommandParser(prog=WRITE, description="Write the pages of docs/reference, which are made of the code.")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the pages go, docs/reference in a clone")
    parser.add_argument("readme", metavar="README.md", type=Path, nargs="?", help="file whose table of what is checked is renewed")
    given = parser.parse_args(arguments)
    return exit_code(lambda: _write(given.folder, given.readme))


def _write(folder: Path, readme: Path | None) -> int:
    try:
        write_pages(folder)
        if readme is not None:
            readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
    except OSError as error:
        raise FileSystemError(
            "the reference cannot be written", cause=error, suggestion="name a folder that may be written to", code=code_of_os(error)
        ) from error
    return 0


if __name__ == "__main__":
    sys.exit(main())
