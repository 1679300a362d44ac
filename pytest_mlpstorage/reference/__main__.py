"""``python -m pytest_mlpstorage.reference FOLDER [README.md]``: write the reference pages, and the table of rules in the README.

Exit code 0, 4 for wrong use and where a file cannot be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_mlpstorage.commands import exit_code
from pytest_mlpstorage.errors import FileSystemError, code_of_os
from pytest_mlpstorage.reference.checked import with_table
from pytest_mlpstorage.reference.line import parser
from pytest_mlpstorage.reference.pages import write_pages

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write; returns the exit code."""
    return exit_code(lambda: _write(parser().parse_args(arguments)))


def _write(given: argparse.Namespace) -> int:
    folder: Path = given.folder
    readme: Path | None = given.readme
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
