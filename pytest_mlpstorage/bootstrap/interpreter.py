"""Asks a Python what it is before anything is installed with it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from pytest_mlpstorage.errors import DependencyError

__all__ = ["Interpreter", "ask", "base_of_this"]

OLDEST = (3, 10)

# Runs on any Python 3 that a user may name.
QUESTION = (
    "import json, sys, importlib.util as u; "
    "print(json.dumps([list(sys.version_info[:3]), all(u.find_spec(name) for name in ('venv', 'ensurepip'))]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python program, its version, and whether it can make virtual environments with pip in them."""

    program: str
    version: tuple[int, int, int]
    makes_venvs: bool

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor version."""
        return self.version[:2]

    def require_supported(self) -> None:
        """Raise ``DependencyError`` for a Python that is too old."""
        if self.version < OLDEST:
            raise DependencyError(
                f"Python 3.10 or newer is needed; {self.program} is {'.'.join(map(str, self.version))}",
                suggestion="--python with a newer one",
                code="MLPS-E201",
            )

    def require_venv(self) -> None:
        """Raise ``DependencyError`` naming the missing package where the distribution split venv off, as Debian does."""
        if not self.makes_venvs:
            name = f"python{self.version[0]}.{self.version[1]}-venv"
            raise DependencyError(
                f"{self.program} cannot make a virtual environment: its modules venv and ensurepip are not both installed",
                details={"Debian, Ubuntu": f"apt install {name}"},
                suggestion=f"install {name}, or name another interpreter by --python, or use an environment of your own with --here",
                code="MLPS-E201",
            )


def base_of_this() -> str:
    """Return the interpreter underneath a virtual environment, or the running one: a venv that is remade must not be its own parent."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def ask(program: str) -> Interpreter:
    """Return what ``program`` says of itself; raises ``DependencyError`` where it cannot be started."""
    try:
        answer = subprocess.run(
            [program, "-I", "-c", QUESTION], capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL
        )
        (major, minor, micro), makes_venvs = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise DependencyError(
            f"{program} is no Python that can be started", cause=error, suggestion="--python with the path of one", code="MLPS-E201"
        ) from error
    return Interpreter(program=program, version=(major, minor, micro), makes_venvs=bool(makes_venvs))
