"""One rank's state from its arguments to its end mark, and the files that it leaves as evidence."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.dlio.arguments import Arguments
from pytest_mlpstorage.dlio.cold_reads import ColdReads
from pytest_mlpstorage.dlio.engine import Engine
from pytest_mlpstorage.dlio.io_counters import RankCounters
from pytest_mlpstorage.dlio.progress import Progress

__all__ = ["Session"]


class Session:
    """What the hooks around DLIO share within one rank."""

    def __init__(self, arguments: Arguments, *, rank: int, size: int, kind: str, stand_ins: tuple[str, ...]) -> None:
        self.arguments = arguments
        self.rank = rank
        self.size = size
        self.kind = kind
        self.stand_ins = stand_ins
        progress = os.environ.get("MLPS_PROGRESS")
        self.progress = Progress(Path(progress) if progress and rank == 0 else None)
        self.counters: RankCounters | None = None
        self.cold: ColdReads | None = None
        self.begin_loads: Callable[[], ColdReads] | None = None
        self.engine: Engine | None = None
        self.training = False
        self.checkpointing = False
        self.wanted: Mapping[str, Any] = {}
        self.parquet: Mapping[str, Any] = {}
        self.effective: dict[str, Any] = {}
        self.end: dict[str, Any] = {}

    @property
    def evidence(self) -> Path | None:
        """Folder for this run's evidence, or None where none was asked for."""
        return self.arguments.evidence

    def begin_counting(self) -> None:
        """Take the I/O baseline; called when DLIO has been imported."""
        if self.evidence is not None:
            self.evidence.mkdir(parents=True, exist_ok=True)
            self.counters = RankCounters(self.evidence / f"{self.rank}_workers.jsonl")

    def io_record(self) -> dict[str, Any]:
        """Who this rank is (``number``: its rank) and the counts of itself (``rank``), its ``workers`` and both together."""
        who = self.identity()
        return {"number": who.pop("rank"), **who, **(self.counters.record() if self.counters else {})}

    def write(self, name: str, record: dict[str, Any]) -> None:
        """Put ``<rank>_<name>.json`` among the evidence, whole or not at all."""
        if self.evidence is None:
            return
        path = self.evidence / f"{self.rank}_{name}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(record, indent=1, default=str))
        part.replace(path)

    def identity(self) -> dict[str, Any]:
        """Who this rank is."""
        return {
            "rank": self.rank,
            "size": self.size,
            "asked_ranks": self.arguments.ranks,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "python": sys.executable,
        }
