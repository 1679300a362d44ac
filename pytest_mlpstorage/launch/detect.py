"""Which launcher to launch with: providers tried in order, each of which is there or says why not."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.errors import ConfigurationError, DependencyError
from pytest_mlpstorage.launch.job import Launcher, LauncherProvider
from pytest_mlpstorage.launch.library import library_kind
from pytest_mlpstorage.launch.mpich import MPICH
from pytest_mlpstorage.launch.openmpi import OpenMPI
from pytest_mlpstorage.launch.slurm import Slurm

__all__ = ["GROUP", "Detection", "describe", "detect_launcher", "find_launcher", "launcher_names", "library_kind", "providers"]

GROUP = "pytest_mlpstorage.launchers"
# An mpirun comes before Slurm's srun also inside an allocation: it belongs to the library that the ranks load, while srun fits it
# only where the site has built Slurm for that.
_OURS: Final[Mapping[str, LauncherProvider]] = {"openmpi": OpenMPI, "mpich": MPICH, "slurm": Slurm}
_WHOSE: Final = {"openmpi": "Open MPI's", "mpich": "MPICH's"}
_REMEDY = (
    "python -m pip install openmpi (needs neither root nor a compiler); or load your cluster's MPI module; "
    "or name an mpirun: launch.launcher: /path/to/mpirun"
)


@dataclasses.dataclass(frozen=True)
class Detection:
    """The launcher that is taken, by which word, and the providers before it with why they were not."""

    launcher: Launcher
    asked: str = "auto"
    passed_over: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """One line for pytest's header."""
        others = "".join(f"; not {name}: {reason}" for name, reason in self.passed_over)
        return f"{describe(self.launcher)}, by launch.launcher: {self.asked}{others}"


def providers() -> dict[str, LauncherProvider]:
    """All launchers by name, in the order in which ``auto`` tries them: ours, then others by name."""
    found: dict[str, LauncherProvider] = dict(_OURS)
    points = importlib.metadata.entry_points(group=GROUP)
    for point in sorted(points, key=lambda point: point.name):
        if point.name not in found:
            found[point.name] = point.load()
    return found


def launcher_names() -> tuple[str, ...]:
    """Names of all registered launchers, without loading them."""
    return tuple(dict.fromkeys([*_OURS, *sorted(point.name for point in importlib.metadata.entry_points(group=GROUP))]))


def find_launcher(name: str = "auto", environ: Mapping[str, str] | None = None) -> Launcher:
    """The launcher of ``detect_launcher``, which says what is raised."""
    return detect_launcher(name, environ).launcher


def detect_launcher(name: str = "auto", environ: Mapping[str, str] | None = None) -> Detection:
    """The launcher to use: a path to an mpirun or srun, a launcher's name, or ``auto``.

    A path or a name is explicit and nothing else is tried. ``auto`` asks every provider in turn, and takes the first launcher that
    fits the library which the ranks would load; each looks into this interpreter's own environment first and then along PATH (see
    ``openmpi._candidates`` for the reason).

    Raises DependencyError where no launcher is found or where its ranks would load a library that it cannot start;
    ConfigurationError for a name that no provider has.
    """
    environ = os.environ if environ is None else environ
    known = providers()
    if "/" in name:
        launcher = _at(Path(os.path.expanduser(name)), known)  # noqa: PTH111 - pathlib raises for the home of nobody
        _require_fit(launcher, environ)
        return Detection(launcher, name)
    if name != "auto" and name not in known:
        raise ConfigurationError(
            f"launch.launcher: {name!r} is no launcher",
            details={"allowed": ", ".join(["auto", *known, "/path/to/mpirun"])},
            code="MLPS-E114",
        )
    return _first(name, known if name == "auto" else {name: known[name]}, environ)


def describe(launcher: Launcher) -> str:
    """The launcher in one line: name, version, program."""
    return f"{launcher.name} {launcher.version()} ({launcher.executable})"


def _first(asked: str, some: Mapping[str, LauncherProvider], environ: Mapping[str, str]) -> Detection:
    """The first that is there and fits; where none fits, the first that is there is refused with the reason."""
    passed_over: list[tuple[str, str]] = []
    unfit: Launcher | None = None
    for name, provider in some.items():
        found = provider.detect(environ)
        reason = found if isinstance(found, str) else _misfit(found, environ)
        if not isinstance(found, str) and not reason:
            return Detection(found, asked, tuple(passed_over))
        unfit = unfit or (found if not isinstance(found, str) else None)
        passed_over.append((name, reason))
    if unfit is not None:
        _require_fit(unfit, environ)
    details = {"looked in": f"{sys.prefix}/bin, then PATH", **dict(passed_over)}
    path = environ.get("PATH", os.defpath)
    if other := shutil.which("mpirun", path=path) or shutil.which("mpiexec", path=path):
        details["found, of another kind"] = other
    if asked != "auto":
        ((_, reason),) = passed_over
        raise DependencyError(
            f"launch.launcher: {asked} cannot be used: {reason}", details=details, suggestion=_remedy(asked), code="MLPS-E231"
        )
    raise DependencyError("no MPI launcher was found", details=details, suggestion=_REMEDY, code="MLPS-E231")


def _remedy(asked: str) -> str:
    return "start pytest in an allocation: salloc -N 3 pytest …, or in a script of sbatch" if asked == "slurm" else _REMEDY


def _at(path: Path, known: Mapping[str, LauncherProvider]) -> Launcher:
    if not os.access(path, os.X_OK) or path.is_dir():
        raise DependencyError(f"launch.launcher: there is no program at {path}", suggestion=_REMEDY, code="MLPS-E231")
    for provider in known.values():
        launcher = provider.at(path)
        if launcher is not None:
            return launcher
    raise DependencyError(
        f"launch.launcher: {path} is of no kind that is known here",
        details={"known": ", ".join(known)},
        suggestion=_REMEDY,
        code="MLPS-E231",
    )


def _misfit(launcher: Launcher, environ: Mapping[str, str]) -> str:
    """Why a launcher cannot start ranks with the library that they would load, or nothing where it may."""
    library = library_kind(environ)
    if isinstance(launcher, Slurm):
        return launcher.misfit()
    if library is None or launcher.name not in _WHOSE or launcher.name == library[1]:
        return ""
    return f"the launcher is {_WHOSE[launcher.name]}, and the library that the ranks would load is {_WHOSE[library[1]]}"


def _require_fit(launcher: Launcher, environ: Mapping[str, str]) -> None:
    """Refuse the mixes of launcher and library that do not work (or, worse, run every rank as 0 of 1)."""
    reason = _misfit(launcher, environ)
    if not reason:
        return
    library = library_kind(environ)
    details = {"launcher": str(launcher.executable), **({"library": str(library[0])} if library else {})}
    remedy = f"one MPI an environment: python -m pip uninstall openmpi mpich impi-rt; python -m pip install {launcher.name}"
    if isinstance(launcher, Slurm):
        remedy = "take an mpirun (launch.launcher: auto), or a type of srun --mpi=list that the library knows: launch.mpi_args: [--mpi=…]"
    raise DependencyError(reason, details=details, suggestion=remedy, code="MLPS-E231")
