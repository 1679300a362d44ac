"""``python -m pytest_mlpstorage.history RESULTS``: what a results tree remembers, one line a result; show one, run one again.

Exit code 0, or 4 for wrong use; ``--rerun`` ends as its pytest does.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pytest_mlpstorage.errors import ConfigurationError, MLPStorageError
from pytest_mlpstorage.history.again import again
from pytest_mlpstorage.history.entries import FAMILIES, SET_ASIDE, Filter, entries_of, find_entry, read_since
from pytest_mlpstorage.history.told import details, objects, table
from pytest_mlpstorage.verdict import Verdict

__all__ = ["main"]

_WRONG_USE = 4


class _Parser(argparse.ArgumentParser):
    """Wrong use ends with 4, as it does under pytest."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(_WRONG_USE, f"{self.prog}: {message}\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m pytest_mlpstorage.history",
        description="What a results tree remembers: results that stand in it, and those set aside in .mlps/superseded.",
        epilog="What follows -- goes to pytest with --rerun.",
    )
    families = sorted({*FAMILIES, *FAMILIES.values()})
    verdicts = [*(verdict.value for verdict in Verdict), SET_ASIDE]
    parser.add_argument("results", metavar="RESULTS", nargs="?", type=Path, default=Path("mlps-results"), help="default: ./mlps-results")
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    own, extra = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    given = _parser().parse_args(own)
    try:
        return _main(given, tuple(extra))
    except MLPStorageError as error:
        sys.stderr.write(f"{error}\n")
        return _WRONG_USE


def _main(given: argparse.Namespace, extra: tuple[str, ...]) -> int:
    root = given.results.absolute()
    if not root.is_dir():
        raise ConfigurationError(f"{root} is no directory", suggestion="name the results directory", code="MLPS-E132")
    wanted = Filter(
        family=FAMILIES.get(given.family, given.family or ""),
        model=given.model,
        system=given.system,
        since=read_since(given.since) if given.since else None,
        verdict=given.verdict or "",
    )
    named = given.show or given.rerun
    found = entries_of(root, wanted, judged=not given.no_verdicts and not given.rerun)
    if named:
        entry = find_entry(found, named)
        if given.rerun:
            start = again(entry, root, extra)
            sys.stdout.write(f"{start.shown()}\n")
            start.replace_process()
        sys.stdout.write("\n".join(details(entry, root)) + "\n")
        return 0
    text = json.dumps(objects(found), indent=2) if given.json else "\n".join(table(found, root))
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
