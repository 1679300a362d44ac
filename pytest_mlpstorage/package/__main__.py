"""``python -m pytest_mlpstorage.package RESULTS --to OUT[.tar.gz]``: gather a submission, judge it, put it in its place.

Exit code 0 where no rule found an error, 1 where one did (the package is made all the same), 4 where none could be made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from pytest_mlpstorage.commands import CommandParser, exit_code
from pytest_mlpstorage.package.build import ARCHIVE, check_target, clear_leftovers, fill, finish, workshop
from pytest_mlpstorage.package.select import select
from pytest_mlpstorage.package.summary import PROFILES, STRICT, judge_package, passed, summary
from pytest_mlpstorage.package.tables import complete_tables
from pytest_mlpstorage.rules import Profile

__all__ = ["EXIT_CODES", "main", "parser"]

_FOUND_ERRORS = 1

EXIT_CODES: Final[Mapping[str, str]] = {
    "0": "made, and no rule found an error",
    "1": "made, and a rule found an error; or what is said was not read to its end (`| head`)",
    "4": "wrong use, no results, a target that exists or cannot be written: none was made; or standard output cannot be written",
}


def parser() -> CommandParser:
    """What stands on the line."""
    parser = CommandParser(prog="python -m pytest_mlpstorage.package", description="Gather a submission from a results tree, and judge it.")
    parser.add_argument("results", metavar="RESULTS", type=Path, help="results tree, as benchmarks/ wrote it; it is only read")
    parser.add_argument("--to", metavar=f"OUT[{ARCHIVE}]", type=Path, required=True, help="folder or archive to make; it must not exist")
    parser.add_argument("--submitter", metavar="NAME", help="whose submission, where the tree holds several")
    parser.add_argument("--profile", choices=PROFILES, default=STRICT, help="how it is judged (default: strict)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Package and judge; returns the exit code."""
    return exit_code(lambda: _package(parser().parse_args(arguments)))


def _package(given: argparse.Namespace) -> int:
    root, target = given.results.absolute(), given.to.absolute()
    check_target(target, root)
    cleared = clear_leftovers(target)
    selection = select(root, given.submitter)
    with workshop(target) as place:
        package = place / "package"
        size_bytes = fill(selection, package)
        complete_tables(package)
        judged = judge_package(package, cast("Profile", given.profile))
        finish(package, target, selection.submissions[0][1])
    sys.stdout.write("\n".join((*cleared, *summary(selection, size_bytes, judged, target))) + "\n")
    return 0 if passed(judged) else _FOUND_ERRORS


if __name__ == "__main__":
    sys.exit(main())
