"""Which MPI to launch with."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.errors import ConfigurationError, DependencyError
from pytest_mlpstorage.launch.job import Launcher, LauncherProvider
from pytest_mlpstorage.launch.mpich import MPICH
from pytest_mlpstorage.launch.openmpi import OpenMPI

__all__ = ["GROUP", "describe", "find_launcher", "library_kind", "providers"]

GROUP = "pytest_mlpstorage.launchers"
_OURS: Final[Mapping[str, LauncherProvider]] = {"openmpi": OpenMPI, "mpich": MPICH}
_REMEDY = (
    "python -m pip install openmpi (needs neither root nor a compiler); or load your cluster's MPI module; "
    "or name an mpirun: launch.launcher: /path/to/mpirun"
)


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
    """The launcher to use: a path to an mpirun, a launcher's name, or ``auto``.

    A path or a name is explicit and nothing else is tried. ``auto`` asks every provider in turn, and takes the first launcher of the
    library that the ranks would load; each looks into this interpreter's own environment first and then along PATH (see
    ``openmpi._candidates`` for the reason).

    Raises DependencyError where no MPI is found or where its ranks would load the library of another MPI;
    ConfigurationError for a name that no provider has.
    """
    environ = os.environ if environ is None else environ
    known = providers()
    if "/" in name:
        launcher = _at(Path(os.path.expanduser(name)), known)  # noqa: PTH111 - pathlib raises for the home of nobody
    elif name == "auto":
        kind = (library_kind(environ) or (None, None))[1]
        fitting = (one for one in _found(known.values(), environ) if kind is None or _fits(one, kind))
        launcher = next(fitting, None) or next(_found(known.values(), environ), None) or _missing(known, environ)
    elif name in known:
        launcher = next(_found([known[name]], environ), None) or _missing({name: known[name]}, environ)
    else:
        raise ConfigurationError(
            f"launch.launcher: {name!r} is no launcher",
            details={"allowed": ", ".join(["auto", *known, "/path/to/mpirun"])},
        )
    _check_library(launcher, environ)
    return launcher


def describe(launcher: Launcher) -> str:
    """One line for pytest's header."""
    return f"{launcher.name} {launcher.version()} ({launcher.executable})"


def library_kind(environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """The libmpi that mpi4py will load in a rank, and whose it is: ``openmpi`` or ``mpich``; None: the loader decides.

    mpi4py looks at MPI4PY_LIBMPI, then into the interpreter's own environment, in this order of names. Nothing is loaded
    to find out: a libmpi in this process would break later launches.
    """
    named = environ.get("MPI4PY_LIBMPI", "")
    folders = [Path(part).expanduser() for part in named.split(os.pathsep)] if named else [Path(sys.prefix) / "lib"]
    for folder in folders:
        for path in [folder / name for name in ("libmpi.so", "libmpi.so.12", "libmpi.so.40")] if folder.is_dir() else [folder]:
            if path.is_file():
                text = path.read_bytes()[:200].decode("ascii", errors="replace") if path.stat().st_size < 200 else ""
                target = text or path.resolve().name
                return path, "mpich" if "libmpi.so.12" in target or "libmpich" in target else "openmpi"
    return None


def _found(some: Iterable[LauncherProvider], environ: Mapping[str, str]) -> Iterator[Launcher]:
    for provider in some:
        launcher = provider.detect(environ)
        if launcher is not None:
            yield launcher


def _at(path: Path, known: Mapping[str, LauncherProvider]) -> Launcher:
    if not os.access(path, os.X_OK) or path.is_dir():
        raise DependencyError(f"launch.launcher: there is no program at {path}", suggestion=_REMEDY)
    for provider in known.values():
        launcher = provider.at(path)
        if launcher is not None:
            return launcher
    raise DependencyError(
        f"launch.launcher: {path} is of no kind that is known here", details={"known": ", ".join(known)}, suggestion=_REMEDY
    )


def _missing(known: Mapping[str, LauncherProvider], environ: Mapping[str, str]) -> Launcher:
    other = shutil.which("mpirun", path=environ.get("PATH", os.defpath)) or shutil.which("mpiexec", path=environ.get("PATH", os.defpath))
    details = {"tried": ", ".join(known), "looked in": f"{sys.prefix}/bin, then PATH"}
    if other:
        details["found, of another kind"] = other
    raise DependencyError("no MPI launcher was found", details=details, suggestion=_REMEDY)


def _fits(launcher: Launcher, kind: str) -> bool:
    """Whether a launcher is not known to start ranks that load this kind of library as nothing of one job."""
    return launcher.name not in _OURS or launcher.name == kind


def _check_library(launcher: Launcher, environ: Mapping[str, str]) -> None:
    """Refuse the mixes of launcher and library that do not work (or, worse, run every rank as 0 of 1)."""
    library = library_kind(environ)
    if library is not None and not _fits(launcher, library[1]):
        words = {"openmpi": "Open MPI's", "mpich": "MPICH's"}
        raise DependencyError(
            f"the launcher is {words[launcher.name]}, and the library that the ranks would load is {words[library[1]]}",
            details={"launcher": str(launcher.executable), "library": str(library[0])},
            suggestion=f"one MPI an environment: python -m pip uninstall openmpi mpich impi-rt; python -m pip install {launcher.name}",
        )
