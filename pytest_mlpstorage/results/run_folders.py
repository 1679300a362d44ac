"""Run folders of round 1.0, which were named by hand: found by what they hold, then by the forms that their names take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS, is_noise
from pytest_mlpstorage.results.layout_recognition import is_code_folder
from pytest_mlpstorage.results.records import Listing

__all__ = ["MAX_DEPTH", "Held", "RunFolders", "is_generation_name", "is_run_name"]

MAX_DEPTH: Final = 8
"""Levels below a submission's results that are searched for runs; the deepest real tree has six."""

_RUN: Final = re.compile(r"(?:.*[^a-z])?run[-_ .#]*\d{1,6}(?:[^a-z0-9].*)?", re.IGNORECASE | re.DOTALL)
_GENERATION: Final = re.compile(r"data[-_ ]?gen|generat(?:ion|ed?)(?:[^a-z]|$)|(?:^|[-_ ])gen$", re.IGNORECASE)
_LATER_TOOL: Final = re.compile(rf"(?:{'|'.join(BENCHMARKS)})_.*metadata\.json", re.IGNORECASE | re.DOTALL)
_STATISTICS: Final = re.compile(r"(?:\d+_)?per_epoch_stats\.json|\d+_output\.json", re.IGNORECASE)
_CONFIG_FOLDERS: Final = frozenset({"configs", "dlio_config", ".hydra"})
_GENERATES: Final = re.compile(rb"generate_data\s*[=:]\s*(true|false)", re.IGNORECASE)
_NO_RUN: Final = "holds no run: nothing named run1, run2 … and no summary.json"
_PEEKED_BYTES: Final = 256 * 1024


class Held(Enum):
    """What a folder is: the output of one run, of data generation, of a run of a later round, or none of these."""

    RUN = "run"
    GENERATION = "generation"
    LATER = "later"
    OTHER = "other"


def is_run_name(name: str) -> bool:
    """Whether a name has one of the forms of a run: ``run1``, ``run-1``, ``Run_01``, ``unet3d_a100_run_1``."""
    return _RUN.fullmatch(name) is not None


def is_generation_name(name: str) -> bool:
    """Whether a name says that data were generated: ``datagen``, ``data_gen``, ``generation_logs``, ``unet3d-gen``."""
    return _GENERATION.search(name) is not None


class RunFolders:
    """Sorts the folders below a directory. Each is listed once; a file is opened only where neither names nor contents tell.

    ``most``: directories that are listed at most; all further ones count as empty.
    """

    def __init__(self, files: TreeFiles, *, most: int | None = None) -> None:
        self.files = files
        self.most = most
        self._listings: dict[Path, Listing] = {}

    def listing(self, path: Path) -> Listing:
        """The names in a directory, asked once."""
        if self.most is not None and len(self._listings) >= self.most:
            return self._listings.get(path, Listing())
        if path not in self._listings:
            self._listings[path] = self.files.listing(path)
        return self._listings[path]

    def inside(self, path: Path) -> Iterator[Path]:
        """The directories in one, without what desktops leave behind."""
        return (path / name for name in self.listing(path).directories if not is_noise(name))

    def runs(self, folder: Path) -> tuple[str, ...]:
        """Names of the folders directly in one that are runs."""
        return tuple(path.name for path in self.inside(folder) if not is_generation_name(path.name) and self.held(path) is Held.RUN)

    def holds_summary(self, group: Path) -> bool:
        """Whether a run of a group has its summary, itself or in the folder of a client."""
        runs = [group / name for name in self.runs(group)]
        return any("summary.json" in self.listing(path).files for run in runs for path in (run, *self.inside(run)))

    def held(self, path: Path) -> Held:
        """What one folder is.

        A summary makes a run, whatever the name. Without one (a crash, or a level for each client) the name makes it, else
        statistics of epochs, which data generation does not write, or overrides that say what was done. What holds runs is none.
        """
        names = [name.lower() for name in self.listing(path).files if not is_noise(name)]
        if any(_LATER_TOOL.fullmatch(name) for name in names):
            return Held.LATER
        named, summed = is_run_name(path.name), "summary.json" in names
        if named and summed:
            return Held.RUN
        if self._holds_run_names(path, levels=2 if named else 1):
            return Held.OTHER
        if named or summed or any(_STATISTICS.fullmatch(name) for name in names):
            return Held.RUN
        generates = self._generates(path)
        if generates is None:
            return Held.OTHER
        return Held.GENERATION if generates else Held.RUN

    def _holds_run_names(self, path: Path, levels: int) -> bool:
        inner = list(self.inside(path))
        if any(is_run_name(folder.name) for folder in inner):
            return True
        return levels > 1 and any(self._holds_run_names(folder, levels - 1) for folder in inner)

    def _generates(self, path: Path) -> bool | None:
        """What the configuration in a folder says of ``generate_data``; None where there is none or it does not say."""
        scratch = TreeFiles(self.files.root)
        for folder in self.inside(path):
            for name in ("overrides.yaml", "config.yaml") if folder.name.lower() in _CONFIG_FOLDERS else ():
                if name in self.listing(folder).files:
                    said = _GENERATES.search(scratch.content(folder / name, limit=_PEEKED_BYTES) or b"")
                    if said:
                        return said[1].lower() == b"true"
        return None

    def groups(self, top: Path, left: list[tuple[Path, str]], *, depth: int = MAX_DEPTH) -> list[Path]:
        """Folders at or below ``top`` that hold runs; each folder that leads to none is added to ``left`` with the reason."""
        found = [top] if self.runs(top) else []
        for path in self.inside(top):
            held = self.held(path)
            # The first level is that of systems, and a system may be of the next generation.
            generation = is_generation_name(path.name) and (held is Held.RUN or depth < MAX_DEPTH)
            if held is Held.GENERATION or generation:
                left.append((path, "the output of data generation, no run"))
            elif held is Held.LATER:
                left.append((path, "a run of a later round, out of its place"))
            elif path.name.startswith("."):
                left.append((path, "a dot entry"))
            elif held is Held.OTHER and is_code_folder(path.name):
                left.append((path, "a folder of code"))
            elif held is Held.OTHER and depth <= 1:
                left.append((path, f"lies more than {MAX_DEPTH} levels deep and was not searched for runs"))
            elif held is Held.OTHER:
                before = len(left)
                below = self.groups(path, left, depth=depth - 1)
                if not below and all(reason == _NO_RUN for _, reason in left[before:]):
                    left[before:] = [(path, _NO_RUN)]
                found += below
        return found
