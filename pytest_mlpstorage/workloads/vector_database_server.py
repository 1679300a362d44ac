"""What a vector database itself says, asked in a process of its own: a native library may crash, and a server may be silent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.errors import EngineError
from pytest_mlpstorage.workloads.vector_database_job import PROGRESS_FILE
from pytest_mlpstorage.workloads.vector_database_state import forget_begun

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan

__all__ = ["DROP_SECONDS", "PROBE_SECONDS", "asked", "clear_away"]

PROBE_SECONDS: Final = 25.0
"""Whatever is wrong with an address is told within half a minute."""

DROP_SECONDS: Final = 40.0
"""How long a server may take to drop a collection whose index it goes on building."""

_INSERTING: Final = '"phase": "load"'
"""What a rank tells once its collection was made."""


def asked(plan: VectorPlan, *, drop: bool = False, seconds: float = PROBE_SECONDS) -> dict[str, Any]:
    """The answer of ``pytest_mlpstorage.vectordb.probe``, in which ``message`` tells an error of the engine's.

    Raises EngineError where its process says nothing that can be read, or nothing within so many seconds. The address, which may hold a
    password, goes by its standard input.
    """
    engine = plan.entry.engine
    spec = {"name": plan.name, "dim": plan.dim, "metric": plan.metric, "family": plan.entry.index_type, "shards": plan.shards}
    words = json.dumps({"where": plan.entry.uri or "", "drop": drop, "spec": {**spec, "build": dict(plan.build)}})
    command = [sys.executable, "-m", "pytest_mlpstorage.vectordb.probe", engine]
    try:
        done = subprocess.run(command, input=words, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"{engine} did not answer within {seconds:g} s", details={"asked": plan.address or "its package"}, code="MLPS-E512"
        ) from error
    try:
        said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EngineError(
            f"{engine} cannot be asked: its process ended with {done.returncode}", details={"it said": last}, code="MLPS-E512"
        ) from error
    return said


def clear_away(plan: VectorPlan, scratch: Path) -> Sequence[str]:
    """After a load that failed: a line for what stays of it on a server that is not ours, which would go on building.

    Where the load never came to have a collection there - there was a stranger's of this name, say - the mark is taken back: nothing may
    be removed by it later.
    """
    if plan.entry.uri is None:
        return ()
    if not _created(scratch):
        forget_begun(plan)
        return ()
    try:
        said = asked(plan, drop=True, seconds=DROP_SECONDS)
    except EngineError as error:
        why = error.message
    else:
        words = said if "message" in said else said.get("attach") or {}
        if "message" not in said and "cause" not in words.get("details", {}):
            return ()  # it was dropped, or there is none
        why = str(words.get("message"))
    return (f"the collection {plan.name} on {plan.address}, whose index may still be built: {why}",)


def _created(scratch: Path) -> bool:
    """Whether the load came as far as to insert rows, by what its rank told of its progress."""
    try:
        text = (scratch / PROGRESS_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return _INSERTING in text
