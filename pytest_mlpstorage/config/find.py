"""Which file ``--mlps-config=NAME`` means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pytest_mlpstorage.config.problems import Problems, nearest, one_of
from pytest_mlpstorage.config.tree import Origin
from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["find_config"]


def find_config(name: str, *, invocation_dir: Path, config_dirs: Sequence[Path]) -> Path:
    """The file that ``--mlps-config`` means: that file, or the one of that name in a directory of configurations.

    ``.yaml`` may be left out of the name of a shipped one.

    Raises ConfigurationError with the nearest names if there is none.
    """
    offered: dict[str, Path] = {}
    for directory in config_dirs:
        for file in sorted(directory.glob("*.yaml")) if directory.is_dir() else ():
            offered.setdefault(file.name, file)
    problems = Problems()
    origin = Origin("option", "--mlps-config")
    if name.strip() and "\0" not in name:
        try:
            file = invocation_dir / Path(name).expanduser()
            if os.path.lexists(file):
                return file
        except (OSError, RuntimeError) as error:
            problems.add(origin, "", f"given {name[:200]!r}; {error}", code="MLPS-E101")
            problems.raise_if_any()
        for candidate in (name, f"{name}.yaml"):
            if candidate in offered:
                return offered[candidate]
    words = dict.fromkeys([*(file.name for file in sorted(invocation_dir.glob("*.y*ml"))), *offered])
    stems = {Path(word).stem: word for word in words}
    near = [stems[stem] for stem in nearest(Path(name).stem, stems)] if name.strip() else []
    what = f"given {name[:200]!r}, which is no file" if name.strip() else "given nothing"
    allowed = f"a YAML file, or one of {one_of(tuple(words))}" if words else "a YAML file"
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    problems.add(origin, "", f"{what}; allowed {allowed}{hint}", code="MLPS-E101")
    problems.raise_if_any()
    raise ConfigurationError(name, code="MLPS-E101")
