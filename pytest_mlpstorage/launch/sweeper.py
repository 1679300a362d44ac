"""What runs on each host of a sweep. Standard library only."""

from __future__ import annotations

import os
import time

from pytest_mlpstorage.launch.processes import carriers, end_all
from pytest_mlpstorage.launch.segments import remove_abandoned

__all__ = ["main"]

_GRACE_SECONDS = 1.0
_LEAST_SECONDS = 0.5
"""Open MPI 5 sometimes hangs after a program that ends at once."""


def main(argv: list[str]) -> int:
    """End what carries run ``argv[0]``, begun at ``argv[1]``, on this host, but for those above; 1 where something hangs in the kernel."""
    begun = time.monotonic()
    left = end_all(lambda: [pid for pid in carriers(argv[0]) if pid != os.getppid()], grace_seconds=_GRACE_SECONDS)
    remove_abandoned(float(argv[1]))
    time.sleep(max(0.0, begun + _LEAST_SECONDS - time.monotonic()))
    return 1 if left else 0
