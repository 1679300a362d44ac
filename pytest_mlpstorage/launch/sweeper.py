"""What runs on each host of a sweep. Standard library only."""

from __future__ import annotations

import os
import time

from pytest_mlpstorage.launch.processes import carriers, end_all

__all__ = ["main"]

_GRACE_SECONDS = 1.0
_LEAST_SECONDS = 0.5
"""Open MPI 5 sometimes hangs after a program that ends at once."""


def main(argv: list[str]) -> int:
    """End what carries run ``argv[0]`` on this host, but for this process and those above it; 1 where something hangs in the kernel."""
    begun = time.monotonic()
    left = end_all(lambda: [pid for pid in carriers(argv[0]) if pid != os.getppid()], grace_seconds=_GRACE_SECONDS)
    time.sleep(max(0.0, begun + _LEAST_SECONDS - time.monotonic()))
    return 1 if left else 0
