"""What the commands of this package have in common: wrong use, errors, and streams that do not take all that is said."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import IO, Any, Final, NoReturn, cast

from pytest_mlpstorage.errors import FileSystemError, MLPStorageError, code_of_os

__all__ = ["CommandParser", "exit_code"]

_WRONG_USE: Final = 4
_UNTOLD: Final = 1


class CommandParser(argparse.ArgumentParser):
    """Wrong use ends with 4, as it does under pytest."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        self.print_usage(sys.stderr)
        self.exit(_WRONG_USE, f"{self.prog}: {message}\n")


class _UntoldError(Exception):
    """Standard output did not take what was said. No OSError: argparse keeps those of its help to itself."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Output:
    """Standard output, whose own failures are told apart from those of the work; where there is none, nothing is said."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Say it; raises _UntoldError."""
        try:
            return len(text) if self._stream is None else self._stream.write(text)
        except OSError as error:
            raise _UntoldError(error) from error

    def flush(self) -> None:
        """Say all that was kept back; raises _UntoldError."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            raise _UntoldError(error) from error


def exit_code(work: Callable[[], int]) -> int:
    """The exit code of a command: that of ``work``, 4 with the message of an error of ours, 1 where nobody read it to its end.

    ``work`` parses the arguments too, so that it is no other with ``--help``.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what was done must not end in an error of how it is told
            stream.reconfigure(errors="backslashreplace")
    try:
        with contextlib.redirect_stdout(cast("IO[str]", _Output(sys.stdout))):
            return _done(work)
    except MLPStorageError as error:
        _tell(error)
        return _WRONG_USE
    except _UntoldError as untold:
        _give_up(sys.stdout)
        if isinstance(untold.cause, BrokenPipeError):  # "| head" has seen enough
            return _UNTOLD
        what, remedy = "cannot write to standard output", "free space where it leads, or send it elsewhere"
        _tell(FileSystemError(what, cause=untold.cause, suggestion=remedy, code=code_of_os(untold.cause)))
        return _WRONG_USE


def _done(work: Callable[[], int]) -> int:
    """Its code when all that it said is out; what it said before an error of ours is let go where nobody takes it."""
    try:
        code = work()
    except MLPStorageError:
        try:
            sys.stdout.flush()
        except _UntoldError:
            _give_up(sys.stdout)
        raise
    except SystemExit:  # --help
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return code


def _tell(error: MLPStorageError) -> None:
    if sys.stderr is None:  # the exit code tells it too, here and below
        return
    try:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: IO[str]) -> None:
    """Let go what a stream keeps back: it must not be tried again when the process ends."""
    with contextlib.suppress(OSError):
        descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
