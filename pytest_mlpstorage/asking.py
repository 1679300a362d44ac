"""Programs that are asked something small and answer in words, such as ``mpirun --version``."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

__all__ = ["answer"]

_SECONDS: Final = 15.0


def answer(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What a program says, and its exit code; it gets no input. Bytes that are no text are replaced: the program may be anybody's.

    Raises OSError where it cannot be started, and TimeoutError, which is one, where it is not done after 15 s.
    """
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"it was not done after {_SECONDS:g} s") from error
