"""A launcher that starts processes without any MPI."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

# Starts `number` ranks as an MPI launcher does, waits for them, and ends with `code`, or with the first bad code of a rank.
PLAIN = """
import os, subprocess, sys
number, code, *argv = sys.argv[1:]
ranks = [subprocess.Popen(argv, env={**os.environ, "PMI_RANK": str(n)}) for n in range(int(number))]
codes = [rank.wait() for rank in ranks]
sys.exit(int(code) if code != "ranks" else next((c for c in codes if c), 0))
"""


@dataclasses.dataclass(frozen=True)
class Plain:
    """A launcher of ``started`` processes (None: as many as asked for) that ends with ``code``."""

    started: int | None = None
    code: str = "ranks"
    script: str = PLAIN
    name: str = "plain"
    executable: Path = Path(sys.executable)
    said: str = ""

    def version(self):
        return "1"

    def command(self, job, guard=()):
        number = job.ranks if self.started is None else self.started
        return [sys.executable, "-c", self.script, str(number), self.code, *guard, sys.executable, *job.program]

    def explain(self, lines):
        return self.said
