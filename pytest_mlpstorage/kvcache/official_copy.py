"""The user's own copy of the official program: what is in its folder, and which of its two kinds of wrapper is beside it."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pytest_mlpstorage.errors import ConfigurationError, DependencyError
from pytest_mlpstorage.results.tree_hash import tree_hash

__all__ = ["PROGRAM", "WRAPPER", "Form", "OfficialCopy", "child_environment", "find_copy", "folder_digest"]

PROGRAM: Final = "kv-cache.py"
WRAPPER: Final = "mlperf_wrapper.py"
_CONFIG: Final = "config.yaml"

Form = Literal["wrapper", "table", "program"]
"""``wrapper`` takes every parameter of a pass; ``table``, the older one, the number of an option; ``program``: no wrapper is used."""

_ASK_SECONDS: Final = 120.0
_FLAG: Final = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])")
_NEEDED: Final[Mapping[Form, tuple[str, ...]]] = {
    "wrapper": (
        "rank-output-base", "rank-cache-base", "seed-base", "model", "num-users", "duration", "gpu-mem-gb", "cpu-mem-gb",
        "max-concurrent-allocs", "generation-mode",
    ),
    "table": ("option", "seed", "base-output-dir", "cache-dir"),
    "program": (
        "cache-dir", "output", "seed", "model", "num-users", "duration", "gpu-mem-gb", "cpu-mem-gb", "max-concurrent-allocs",
        "generation-mode",
    ),
}  # fmt: skip
_TOLD_BY: Final[Mapping[Form, str]] = {"wrapper": "rank-output-base", "table": "option"}


@dataclasses.dataclass(frozen=True)
class OfficialCopy:
    """A copy as it was found: ``digest`` is the hash of its folder (md5-tree-v2), ``flags`` those that its ``--help`` shows, by script.

    ``form`` is that of the wrapper beside the program, ``program`` where there is none.
    """

    folder: Path
    python: str
    digest: str
    form: Form
    flags: Mapping[str, frozenset[str]]

    def script(self, form: Form) -> Path:
        """What is started in a form."""
        return self.folder / (PROGRAM if form == "program" else WRAPPER)

    def takes(self, form: Form, flag: str) -> bool:
        """Whether what is started in a form shows a flag in its help."""
        return flag in self.flags.get(self.script(form).name, frozenset())

    @property
    def config(self) -> Path | None:
        """The configuration that the copy brings."""
        path = self.folder / _CONFIG
        return path if path.is_file() else None


def child_environment(preload: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of the official program: libraries are loaded into it before all others only where that was declared."""
    kept = {name: value for name, value in environment.items() if name != "LD_PRELOAD"}
    return kept | ({"LD_PRELOAD": preload} if preload else {})


def folder_digest(folder: Path) -> str:
    """The hash of a copy's folder (rule 2.1.6). ConfigurationError where it cannot be hashed."""
    found = tree_hash(folder)
    if found.digest is None:
        raise ConfigurationError(f"the official program in {folder} cannot be hashed: {found.problem}", code="MLPS-E151")
    return found.digest


def find_copy(folder: Path, python: str, *, preload: str = "") -> OfficialCopy:
    """Look at a copy and ask its scripts what they take.

    ConfigurationError where the folder holds no such program or one that takes other flags; DependencyError where the interpreter
    lacks what the program needs.
    """
    if not (folder / PROGRAM).is_file():
        raise ConfigurationError(
            f"{folder} holds no {PROGRAM}", suggestion="give the folder of your copy of the official program", code="MLPS-E151"
        )
    environment = child_environment(preload)
    _ask_interpreter(python, environment)
    flags = {}
    form: Form = "program"
    if (folder / WRAPPER).is_file():
        flags[WRAPPER] = _shown(python, folder / WRAPPER, environment)
        of_wrapper: list[Form] = [kind for kind, flag in _TOLD_BY.items() if flag in flags[WRAPPER]]
        if not of_wrapper:
            raise ConfigurationError(
                f"{folder / WRAPPER} is of neither known form: its --help shows neither --rank-output-base nor --option",
                details={"flags": ", ".join(sorted(flags[WRAPPER])) or "none"},
                code="MLPS-E151",
            )
        form = of_wrapper[0]
    flags[PROGRAM] = _shown(python, folder / PROGRAM, environment) if form != "wrapper" else frozenset()
    found = OfficialCopy(folder, python, folder_digest(folder), form, flags)
    missing = [flag for flag in _NEEDED[form] if not found.takes(form, flag)]
    if missing:
        raise ConfigurationError(f"{found.script(form)} does not take what it has to be told: --{', --'.join(missing)}", code="MLPS-E151")
    return found


def _ask_interpreter(python: str, environment: Mapping[str, str]) -> None:
    try:
        done = _ask([python, "-c", "import numpy, yaml"], environment)
    except (OSError, subprocess.SubprocessError) as error:
        raise DependencyError(f"{python} cannot be started: {error}", suggestion="set kvcache.official_python", code="MLPS-E221") from error
    if done.returncode:
        raise DependencyError(
            f"{python} cannot import numpy and yaml, which the official program needs: {_last_line(done.stderr)}",
            suggestion=f"{python} -m pip install numpy pyyaml, or another kvcache.official_python",
            code="MLPS-E221",
        )


def _shown(python: str, script: Path, environment: Mapping[str, str]) -> frozenset[str]:
    """Flags that the help of a script shows."""
    try:
        done = _ask([python, str(script), "--help"], environment)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(f"{script} --help does not answer: {error}", code="MLPS-E151") from error
    if done.returncode:
        raise ConfigurationError(f"{script} --help ends with exit code {done.returncode}: {_last_line(done.stderr)}", code="MLPS-E151")
    return frozenset(_FLAG.findall(done.stdout))


def _ask(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    # What is only asked leaves no trace in the user's copy.
    quiet = {**environment, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    return subprocess.run(
        command, env=quiet, capture_output=True, text=True, errors="replace", timeout=_ASK_SECONDS, stdin=subprocess.DEVNULL, check=False
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it says nothing"
