"""What the installed DLIO can do, asked once of a child process and remembered."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.dlio.flavour import INSTALL, MLCOMMONS, engine_name, package_folder
from pytest_mlpstorage.errors import DependencyError

__all__ = ["PROBE_SECONDS", "Capabilities", "probe", "require"]

PROBE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """Facts about one interpreter's DLIO.

    ``flavour`` is ``registry``, ``mlcommons`` or ``unknown``; ``record_key`` how it spells the record length; ``missing``
    the imports that get a stand-in; ``torch`` and ``pyarrow`` versions or empty; ``problem`` why it cannot be used, empty
    where it can. ``version`` and ``commit`` are what an edition's list of accepted revisions is asked about.
    """

    installed: bool
    version: str = ""
    flavour: str = "unknown"
    commit: str = ""
    folder: str = ""
    record_key: str = ""
    parquet: bool = False
    odirect: bool = False
    llm_checkpoint: bool = False
    subset: bool = False
    per_rank_stats: bool = False
    missing: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    storage_types: tuple[str, ...] = ()
    object_libraries: tuple[str, ...] = ()
    torch: str = ""
    pyarrow: str = ""
    problem: str = ""

    @property
    def usable(self) -> bool:
        """True if a run can be started."""
        return self.installed and not self.problem and self.flavour != "unknown"

    @property
    def engine(self) -> str:
        """Name of the key list that belongs to it."""
        return engine_name(self.flavour)

    @property
    def needs_translation(self) -> bool:
        """True if the rank program must turn the edition's vocabulary into this DLIO's."""
        return self.flavour != MLCOMMONS

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Capabilities:
        """From what :meth:`to_json` gave; fields of another version of it are passed over."""
        names = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items() if key in names}
        return cls(**values)


_remembered: dict[tuple[str, float], Capabilities] = {}


def _stamp(python: str) -> float:
    """Return a time that changes when this interpreter's DLIO does; for another interpreter, when that does."""
    place = package_folder() if python == sys.executable else Path(python)
    try:
        return max((p.stat().st_mtime for p in (place, *place.parent.glob("dlio_benchmark-*"))), default=0.0) if place else 0.0
    except OSError:
        return 0.0


def probe(python: str = sys.executable) -> Capabilities:
    """Ask ``python``'s DLIO in a child process, at most once as long as the installation stays; never raises for what it finds."""
    key = (python, _stamp(python))
    if key not in _remembered:
        _remembered[key] = _probe(python)
    return _remembered[key]


def _probe(python: str) -> Capabilities:
    # MPI variables of a job around us must not reach it: it would take itself for a rank.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "PRTE_", "PMI_"))}
    command = [python, "-m", "pytest_mlpstorage.dlio.probe"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, env=environment, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        return Capabilities(installed=True, problem=f"asking DLIO what it can do took more than {PROBE_SECONDS:.0f} s")
    except OSError as error:
        return Capabilities(installed=False, problem=f"{python} cannot be started: {error}")
    lines = done.stdout.strip().splitlines()
    try:
        return Capabilities.from_json(json.loads(lines[-1]))
    except (IndexError, ValueError):
        tail = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        return Capabilities(installed=True, problem=f"asking DLIO what it can do ended with exit {done.returncode}: {tail}")


def require(capabilities: Capabilities) -> None:
    """Raise DependencyError naming the remedy where no run can be started."""
    if not capabilities.usable:
        raise DependencyError(
            f"DLIO cannot be used: {capabilities.problem or 'a version that is not known'}",
            details={"folder": capabilities.folder} if capabilities.folder else None,
            suggestion=INSTALL,
            code="MLPS-E220",
        )
