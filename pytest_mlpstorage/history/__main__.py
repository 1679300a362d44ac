"""``python -m pytest_mlpstorage.history RESULTS``: what a results tree remembers, one line a result; show one, run one again.

Exit code 0, 4 for wrong use, 1 where what is said is not read to its end (``| head``); ``--rerun`` ends as its pytest does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.commands import CommandParser, exit_code
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.history.again import again
from pytest_mlpstorage.history.entries import FAMILIES, SET_ASIDE, Filter, entries_of, find_entry, read_since, with_verdict
from pytest_mlpstorage.history.told import details, objects, table
from pytest_mlpstorage.results.files import is_directory
from pytest_mlpstorage.verdict import Verdict

__all__ = ["EXIT_CODES", "main", "parser"]

EXIT_CODES: Final[Mapping[str, str]] = {
    "0": "told",
    "1": "what is said was not read to its end (`| head`)",
    "4": "wrong use, no directory, an id that is no result's, or standard output that cannot be written",
    "any": "with `--rerun`, that of its pytest",
}


def parser() -> CommandParser:
    """What stands on the line."""
    parser = CommandParser(
        prog="python -m pytest_mlpstorage.history",
        description="What a results tree remembers: results that stand in it, and those set aside in .mlps/superseded.",
        epilog="What follows -- goes to pytest with --rerun.",
    )
    families = sorted({*FAMILIES, *FAMILIES.values()})
    verdicts = [*(verdict.value for verdict in Verdict), SET_ASIDE]
    parser.add_argument(
        "results", metavar="RESULTS", nargs="?", type=Path, default=Path("mlps-results"), help="results tree (default: ./mlps-results)"
    )
    parser.add_argument("--family", choices=families, metavar="NAME", help=f"only one family: {', '.join(families)}")
    parser.add_argument("--model", default="", metavar="WORD", help="only models with this in their name")
    parser.add_argument("--system", default="", metavar="WORD", help="only systems with this in their name")
    parser.add_argument("--since", metavar="TIME", help="only what was measured since: 2026-11-26, '2026-11-26 10:00', 12h, 7d")
    parser.add_argument("--verdict", type=str.upper, choices=verdicts, metavar="WORD", help=f"only this verdict: {', '.join(verdicts)}")
    parser.add_argument("--no-verdicts", action="store_true", help="do not judge: a tree of many results is listed at once")
    parser.add_argument("--json", action="store_true", help="write a list of objects instead of a table")
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--show", metavar="ID", help="all of one result: figures, verdict with reasons, and the command that measures it again"
    )
    one.add_argument("--rerun", metavar="ID", help="measure it again with that command, and compare; the old runs are set aside")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """List, show or rerun; returns the exit code."""
    words = tuple(sys.argv[1:] if arguments is None else arguments)
    own, extra = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, ())
    return exit_code(lambda: _main(parser().parse_args(own), extra))


def _main(given: argparse.Namespace, extra: tuple[str, ...]) -> int:
    root = given.results.absolute()
    if not is_directory(root):
        raise ConfigurationError(f"{root} is no directory", suggestion="name the results directory", code="MLPS-E132")
    wanted = Filter(
        family=FAMILIES.get(given.family, given.family or ""),
        model=given.model,
        system=given.system,
        since=read_since(given.since) if given.since else None,
        verdict=given.verdict or "",
    )
    named = given.show or given.rerun
    found = entries_of(root, wanted, judged=not given.no_verdicts and not named)
    if named:
        entry = find_entry(found, named)
        if given.rerun:
            start = again(entry, root, extra)
            sys.stdout.write(f"{start.shown()}\n")
            start.replace_process()
        told = entry if entry.verdict or given.no_verdicts else with_verdict(entry, {})
        sys.stdout.write("\n".join(details(told, root)) + "\n")
        return 0
    text = json.dumps(objects(found), indent=2) if given.json else "\n".join(table(found, root))
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
