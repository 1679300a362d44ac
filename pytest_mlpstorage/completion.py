"""What a shell may complete after our options, where argcomplete is installed and told of pytest (docs/terminal.md)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["codes", "comparable", "completed", "configurations", "directories", "editions", "profiles"]


class _Store(argparse.Action):
    """Stores a value as any option does; argcomplete asks it for values by the name ``completer``."""

    words: Callable[[str], Iterable[str]]

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - what argparse calls with
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Store the value."""
        setattr(namespace, self.dest, values)

    def completer(self, prefix: str, **_: Any) -> Sequence[str]:
        """Every word that begins with what was typed."""
        return sorted(word for word in type(self).words(prefix) if word.startswith(prefix))


def completed(words: Callable[[str], Iterable[str]]) -> type[argparse.Action]:
    """The ``action`` of an option whose value is one of ``words`` (which get what was typed), or anything else."""
    return type("_Completed", (_Store,), {"words": staticmethod(words)})


def directories(prefix: str) -> list[str]:
    """Folders that begin so."""
    return [f"{path}/" for path in _beside(prefix) if Path(path).expanduser().is_dir()]


def _beside(prefix: str) -> list[str]:
    """Every path in the folder of what was typed, written as it was typed; nothing where that cannot be read."""
    head, slash, _ = prefix.rpartition("/")
    try:
        return [f"{head}{slash}{path.name}" for path in Path(head + slash or ".").expanduser().iterdir()]
    except OSError:
        return []


def configurations(prefix: str) -> list[str]:
    """The shipped configurations by name, YAML files, and folders on the way to one."""
    from pytest_mlpstorage.options import config_dirs

    shipped = [path.name for folder in config_dirs() for path in Path(folder).glob("*.yaml")]
    files = [path for path in _beside(prefix) if path.endswith((".yaml", ".yml"))]
    return [*shipped, *files, *directories(prefix)]


def comparable(prefix: str) -> list[str]:
    """The word ``last``, and folders."""
    return ["last", *directories(prefix)]


def profiles(_prefix: str) -> Iterable[str]:
    """Profiles of judging."""
    from pytest_mlpstorage.rules import PROFILES

    return PROFILES


def editions(_prefix: str) -> Iterable[str]:
    """Editions of the rule book."""
    from pytest_mlpstorage.editions import edition_names

    return edition_names()


def codes(_prefix: str) -> Iterable[str]:
    """Error codes."""
    from pytest_mlpstorage.error_codes import error_codes

    return ["all", *error_codes()]
