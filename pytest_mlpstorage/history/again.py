"""The command that measures a result once more, made of what its leaf keeps of the start that made it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.history.entries import Entry
from pytest_mlpstorage.options import suite_dirs
from pytest_mlpstorage.results.history import last_run
from pytest_mlpstorage.workloads.again import AGAIN

__all__ = ["Again", "again", "again_of", "again_shown"]

_MODULES: Final[Mapping[str, str]] = {
    "training": "test_training.py",
    "checkpointing": "test_checkpointing.py",
    "kvcache": "test_kv_cache.py",
    "vectordb": "test_vector_database.py",
}
_OTHERS: Final = "test_workloads.py"


@dataclasses.dataclass(frozen=True)
class Again:
    """One start of pytest: its arguments, the ``MLPS_…`` variables it needs, and the directory it was given in."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str

    def shown(self) -> str:
        """As a person would type it."""
        variables = [f"{name}={shlex.quote(text)}" for name, text in self.environment.items()]
        return " ".join([*variables, "pytest", shlex.join(self.arguments)])

    def replace_process(self) -> None:
        """Become that pytest, so that its exit code, its signals and its terminal are its own."""
        sys.stdout.flush()
        with contextlib.suppress(OSError):  # gone, or not ours to enter: only what was written relative to it is another then
            os.chdir(self.directory)
        os.execve(sys.executable, [sys.executable, "-m", "pytest", *self.arguments], {**os.environ, **self.environment})  # noqa: S606 - no shell


def again(entry: Entry, results_dir: Path, extra: tuple[str, ...] = ()) -> Again:
    """The start that measures the workload of an entry once more and compares it with what stands now.

    Raises ConfigurationError where the result was made by another tool, where its configuration is gone, or a password was left out.
    """
    leaf = last_run(entry.result)
    command = leaf.metadata.executed_command if leaf is not None and leaf.metadata is not None else None
    return again_of(entry.mlps.get(AGAIN), results_dir, extra, name=entry.id, command=command)


def again_of(kept: object, results_dir: Path, extra: tuple[str, ...] = (), *, name: str, command: str | None = None) -> Again:
    """The same from what the leaf ``kept``; ``name`` stands for the result in messages, ``command`` is what its run recorded.

    Raises ConfigurationError as ``again`` does.
    """
    if not isinstance(kept, Mapping) or not kept.get("case"):
        raise ConfigurationError(
            f"{name} does not say what start of this suite made it: it is older, or of another tool",
            details={"what it recorded": command} if command else None,
            code="MLPS-E181",
        )
    config, family, case = (str(kept.get(key) or "") for key in ("config", "family", "case"))
    if not os.path.isfile(config):  # noqa: PTH113 - that of pathlib raises for a name that none can have
        raise ConfigurationError(
            f"the configuration that made {name} is gone: {config}",
            suggestion="put it back, or give pytest another",
            code="MLPS-E181",
        )
    given = kept.get("set")
    assignments = [str(text) for text in given] if isinstance(given, list) else []
    variables = kept.get("environment")
    # The tree may be anybody's: what is no setting of the suite, such as PATH, is not taken from it.
    listed = variables.items() if isinstance(variables, Mapping) else ()
    environment = {str(variable): str(text) for variable, text in listed if str(variable).startswith("MLPS_")}
    hidden = [text for text in (*assignments, *environment.values()) if "***" in text]
    if hidden:
        raise ConfigurationError(
            f"a password of {name} is not kept: {', '.join(hidden)}",
            suggestion="give pytest the command yourself, with the password",
            code="MLPS-E181",
        )
    texts = (
        config,
        case,
        str(kept.get("directory") or ""),
        str(kept.get("data_dir") or ""),
        *assignments,
        *environment,
        *environment.values(),
    )
    if not all(map(_can_be_given, texts)) or any("=" in variable for variable in environment):
        raise ConfigurationError(f"what {name} keeps of its start is damaged: no program can be given it", code="MLPS-E181")
    # In a clone the folder of the package is there and empty.
    modules = [folder / _MODULES.get(family, _OTHERS) for folder in suite_dirs("benchmarks")]
    module = next((path for path in modules if path.is_file()), modules[0])
    options = [f"--mlps-config={config}", f"--results-dir={results_dir}"]
    options += [f"--mlps-data-dir={folder}"] if (folder := kept.get("data_dir")) else []
    options += [f"--mlps-set={text}" for text in assignments]
    return Again(
        (str(module), *options, "-k", case, "--mlps-rerun=run", "--mlps-compare=last", *extra),
        environment,
        str(kept.get("directory") or ""),
    )


def again_shown(kept: Mapping[str, Any], name: str, results_dir: Path) -> str:
    """The same as a person would type it, or why it cannot be given."""
    try:
        return again_of(kept, results_dir, name=name).shown()
    except ConfigurationError as error:
        return error.message


def _can_be_given(text: str) -> bool:
    """Whether a program can be given a text: no NUL, and bytes that a file name may have."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half a character
        return False
