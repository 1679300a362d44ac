"""What the commands of this package have in common: wrong use, errors, and streams that do not take all that is said."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from pytest_mlpstorage.errors import MLPStorageError

__all__ = ["CommandParser", "exit_code"]

_WRONG_USE: Final = 4
_UNTOLD: Final = 1


class CommandParser(argparse.ArgumentParser):
    """Wrong use ends with 4, as it does under pytest."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        self.print_usage(sys.stderr)
        self.exit(_WRONG_USE, f"{self.prog}: {message}\n")


def exit_code(work: Callable[[], int]) -> int:
    """The exit code of a command: that of ``work``, 4 with the message of an error of ours, 1 where nobody read it to its end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what was done must not end in an error of how it is told
            stream.reconfigure(errors="backslashreplace")
    try:
        code = work()
        sys.stdout.flush()
    except MLPStorageError as error:
        sys.stderr.write(f"{error}\n")
        return _WRONG_USE
    except BrokenPipeError:  # "| head" has seen enough; what is left unwritten must not be tried again when the process ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNTOLD
    return code
