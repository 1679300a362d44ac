"""The command line: ``quick`` and ``test`` start pytest in the environment, ``install`` only makes it."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from pytest_mlpstorage.bootstrap.environment import install_here, install_venv
from pytest_mlpstorage.bootstrap.locks import CLONE, Choice, is_clone
from pytest_mlpstorage.bootstrap.pip import say
from pytest_mlpstorage.commands import exit_code
from pytest_mlpstorage.errors import ConfigurationError, FileSystemError, code_of_os

__all__ = ["EXIT_CODES", "main", "parser", "pytest_command"]

USAGE_ERROR = 4
INTERRUPTED = 2

EXIT_CODES: Final[Mapping[str, str]] = {
    "0": "`install`: the environment is there; `quick` and `test`: nothing failed",
    "1": "`quick` and `test`: something failed; or what is said was not read to its end (`| head`)",
    "2": "interrupted; the next start begins an unfinished installation anew",
    "4": "wrong use, or the environment cannot be made",
    "another": "that of pytest",
}

HELP = """\
quick    make the environment and run the scaled-down benchmarks; the report is mlps-report.html
test     make the environment with the test tools and run this project's own tests
install  make the environment only

Everything else on the command line goes to pytest: quick -k unet3d --mlps-set training.measured_runs=1
"""


class _Parser(argparse.ArgumentParser):
    """Ends with pytest's exit code for wrong usage, because 2 means interrupted there."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{message}\n")


def parser() -> argparse.ArgumentParser:
    """What stands on the line."""
    parser = _Parser(
        prog="python3 -m pytest_mlpstorage.bootstrap",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=("quick", "test", "install"), metavar="quick|test|install", help="what to do")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--venv", metavar="DIR", type=Path, help="the environment to make or use (default: .venv in the clone)")
    place.add_argument(
        "--here", action="store_true", help="install into the Python that runs this, not with --python; a torch that is there is kept"
    )
    parser.add_argument("--python", metavar="PYTHON", help="the interpreter to make the environment with (default: the running one)")
    parser.add_argument("--tests", action="store_true", help="with install: the test tools too")
    parser.add_argument("--without-dlio", action="store_true", help="no torch and no DLIO: enough to collect items and to judge results")
    mpi = parser.add_mutually_exclusive_group()
    mpi.add_argument(
        "--without-mpi", dest="mpi", action="store_false", default=None, help="use the system's MPI; remembered by the environment"
    )
    mpi.add_argument("--with-mpi", dest="mpi", action="store_true", default=None, help="an Open MPI inside the environment (default)")
    return parser


def pytest_command(python: str, command: str, arguments: Sequence[str], *, directory: Path) -> list[str]:
    """Return the pytest command line of ``quick`` or ``test``; ``arguments`` are the user's own and win over ours."""
    pytest = [python, "-m", "pytest"]
    if command == "test":
        return [*pytest, *arguments]
    if not is_clone():
        suite = ["--pyargs", "pytest_mlpstorage.suites.benchmarks"]
    else:
        suite = ["benchmarks/" if directory == CLONE else str(CLONE / "benchmarks")]
    ours = {"--mlps-config": "quick.yaml", "--html": "mlps-report.html", "--junitxml": "mlps-junit.xml"}
    kept = [f"{option}={value}" for option, value in ours.items() if _value(arguments, option) is None]
    return [*pytest, *suite, *kept, "--self-contained-html", *arguments]


def _value(arguments: Sequence[str], option: str) -> str | None:
    """Return the last value of ``option`` in ``arguments``, written with a blank or an equals sign."""
    found = None
    for index, argument in enumerate(arguments):
        if argument.startswith(option + "="):
            found = argument.partition("=")[2]
        elif argument == option and index + 1 < len(arguments):
            found = arguments[index + 1]
    return found


def _run(command: Sequence[str], directory: Path) -> int:
    """Run pytest and return its exit code; signals are its business, we only pass on those that reach us alone."""
    say(f"$ {shlex.join(command)}")
    with subprocess.Popen(command, cwd=directory) as process:

        def forward(number: int, _frame: FrameType | None) -> None:
            process.send_signal(number)

        # Ctrl-C reaches pytest by the terminal; a handler (not SIG_IGN, which a child would inherit) keeps us waiting for it.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, forward)
        signal.signal(signal.SIGHUP, forward)
        returncode = process.wait()
    return returncode if returncode >= 0 else 128 - returncode


def _reports(command: Sequence[str], directory: Path, started: float) -> list[str]:
    """Return a line for each file that the run has written since ``started`` (seconds of the epoch)."""
    lines = []
    for label, option in (("report", "--html"), ("junit", "--junitxml")):
        value = _value(command, option)
        path = directory / value if value is not None else None
        if path is not None and path.is_file() and path.stat().st_mtime >= started - 1:
            lines.append(f"{label:8}{path}")
    return lines


def _work(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    if sys.platform != "linux":
        raise ConfigurationError(
            f"the benchmarks run on Linux only; this is {sys.platform}",
            suggestion="pip install . is enough to judge results: pytest rules/ --results-dir=DIR",
            code="MLPS-E133",
        )
    if options.command == "install" and arguments:
        raise ConfigurationError(f"install takes no {arguments[0]}", suggestion="--help shows its options", code="MLPS-E130")
    if options.command == "test" and not (is_clone() and (CLONE / "tests").is_dir()):
        raise ConfigurationError(
            "the tests are part of a clone, not of an installed package or an sdist", suggestion="run this in a clone", code="MLPS-E133"
        )
    choice = Choice(dlio=not options.without_dlio, tests=options.tests or options.command == "test")
    started = time.monotonic()
    if options.here:
        if options.python is not None:
            raise ConfigurationError("--here and --python exclude each other", suggestion="start this with that Python", code="MLPS-E130")
        python = install_here(choice, mpi=options.mpi, environ=os.environ)
    else:
        prefix = (options.venv or CLONE / ".venv").absolute()
        python = install_venv(prefix, choice, python=options.python, mpi=options.mpi, environ=os.environ)
    say(f"environment ready after {time.monotonic() - started:.0f} s: {python}")
    if options.command == "install":
        return 0
    directory = CLONE if options.command == "test" else Path.cwd()
    command = pytest_command(python, options.command, arguments, directory=directory)
    begun = time.time()
    returncode = _run(command, directory)
    for line in _reports(command, directory, begun):
        say(line)
    return returncode


def main(argv: Sequence[str]) -> int:
    """Run the command line ``argv`` and return its exit code: pytest's own, or 4 where the environment cannot be made."""
    return exit_code(lambda: _main(argv))


def _main(argv: Sequence[str]) -> int:
    ours, dashes, theirs = list(argv), "--" in argv, []
    if dashes:
        ours, theirs = list(argv[: argv.index("--")]), list(argv[argv.index("--") + 1 :])
    options, unknown = parser().parse_known_args(ours)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    try:
        return _work(options, [*unknown, *theirs])
    except OSError as error:  # a full or read-only disk, met between two commands of pip
        what, remedy = "the environment cannot be written", "--venv with another folder"
        raise FileSystemError(what, cause=error, suggestion=remedy, code=code_of_os(error)) from error
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the next start begins the installation anew\n")
        return INTERRUPTED
