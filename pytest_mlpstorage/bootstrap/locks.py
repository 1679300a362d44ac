"""Which lock files belong to a Python, and whether an environment still agrees with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_mlpstorage.errors import DependencyError

__all__ = ["CLONE", "TORCH", "Choice", "Locks", "Stamp", "is_clone", "locks_for", "read_stamp", "stamp_of", "write_stamp"]

PACKAGE = Path(__file__).resolve().parents[1]
CLONE = PACKAGE.parent
FOLDER = PACKAGE / "dlio" / "locks"

TORCH = "torch==2.13.0"
"""The torch that the locks were resolved beside; it brings its own dependencies, which differ between CPU and CUDA builds."""

STAMP = ".mlps-lock"


@dataclass(frozen=True)
class Choice:
    """What an environment holds: DLIO with torch, an MPI of its own, the test tools."""

    dlio: bool = True
    mpi: bool = True
    tests: bool = False


@dataclass(frozen=True)
class Locks:
    """The lock files of one Python minor version."""

    build: Path
    run: Path
    test: Path


@dataclass(frozen=True)
class Stamp:
    """What stands in ``.mlps-lock`` of a finished environment; ``hashes`` maps file name to SHA-256."""

    python: str
    choice: Choice
    hashes: Mapping[str, str]

    def serves(self, wanted: Stamp) -> bool:
        """Whether an environment with this stamp can be used as it is where ``wanted`` is asked for."""
        return (
            self.python == wanted.python
            and self.choice.mpi == wanted.choice.mpi
            and self.choice.dlio >= wanted.choice.dlio
            and self.choice.tests >= wanted.choice.tests
            and all(self.hashes.get(name) == digest for name, digest in wanted.hashes.items())
        )


def is_clone() -> bool:
    """Whether this package runs from a clone and not from an installed wheel."""
    return (CLONE / "pyproject.toml").is_file() and (CLONE / "benchmarks").is_dir()


def locks_for(version: tuple[int, int]) -> Locks:
    """Return the locks of Python ``version``; raises ``DependencyError`` naming the Pythons that have some."""
    tag = f"py{version[0]}{version[1]}"
    locks = Locks(build=FOLDER / "build.txt", run=FOLDER / f"dlio-{tag}.txt", test=FOLDER / f"test-{tag}.txt")
    if not locks.run.is_file():
        have = sorted((path.stem.removeprefix("dlio-py") for path in FOLDER.glob("dlio-py*.txt")), key=int)
        known = ", ".join(f"{name[0]}.{name[1:]}" for name in have)
        raise DependencyError(
            f"there is no lock for Python {version[0]}.{version[1]}; there is one for each of {known}",
            suggestion=f"--python python{have[-1][0]}.{have[-1][1:]}",
            code="MLPS-E201",
        )
    return locks


def stamp_of(version: tuple[int, int], choice: Choice) -> Stamp:
    """Return the stamp that an environment of ``choice`` made now would get."""
    locks = locks_for(version)
    files = [locks.build, locks.run, *([locks.test] if choice.tests else [])]
    if is_clone():
        # An editable install notices neither a new entry point nor a new version by itself.
        files += [CLONE / "pyproject.toml", PACKAGE / "__init__.py"]
    return Stamp(
        python=f"{version[0]}.{version[1]}",
        choice=choice,
        hashes={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    )


def read_stamp(prefix: Path) -> Stamp | None:
    """Return the stamp of a finished environment; ``None`` where there is none or it cannot be read."""
    try:
        raw = json.loads((prefix / STAMP).read_text(encoding="utf-8"))
        return Stamp(python=str(raw["python"]), choice=Choice(**raw["choice"]), hashes=dict(raw["hashes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_stamp(prefix: Path, stamp: Stamp | None) -> None:
    """Say that the environment under ``prefix`` is finished, or with ``None`` that it is not."""
    path = prefix / STAMP
    if stamp is None:
        path.unlink(missing_ok=True)
        return
    path.write_text(json.dumps(asdict(stamp), indent=1) + "\n", encoding="utf-8")
