"""Rank program: ``python -m pytest_mlpstorage.cluster --out FILE [PATH …]`` under an MPI launcher, one entry a host.

The first rank on each host describes it, rank 0 gathers and writes a JSON list; ``--out -`` writes it to stdout as one
line, for clusters whose first host is not this one. Any exception aborts the job: a rank that waits for a dead one waits
without end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from pathlib import Path

from pytest_mlpstorage.cluster.collect import MARK
from pytest_mlpstorage.cluster.facts import host_facts

_FAILED = 3


def _gather(out: str, paths: list[str], expected: int) -> None:
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    try:
        if expected and world.size != expected:
            raise RuntimeError(f"{expected} ranks were asked for, and MPI says {world.size}: launcher and library do not match")
        local = world.Split_type(MPI.COMM_TYPE_SHARED)
        entries = world.gather(host_facts(paths).to_json() if local.rank == 0 else None)
        if entries is not None:
            text = json.dumps([entry for entry in entries if entry is not None])
            if out == "-":
                sys.stdout.write(f"{MARK}{text}\n")
                sys.stdout.flush()
            else:
                Path(out).write_text(text + "\n", encoding="utf-8")
    except BaseException:  # noqa: BLE001 - nothing may leave this rank alive while others wait for it
        traceback.print_exc()
        sys.stderr.flush()
        world.Abort(_FAILED)
        os._exit(_FAILED)


def main() -> None:
    """Parse the arguments and gather."""
    parser = argparse.ArgumentParser(prog="python -m pytest_mlpstorage.cluster")
    parser.add_argument("--out", required=True, help="file to write, or - for one line on stdout")
    parser.add_argument("--ranks", type=int, default=0, help="ranks that MPI must have")
    parser.add_argument("paths", nargs="*")
    arguments = parser.parse_args()
    _gather(arguments.out, arguments.paths, arguments.ranks)


if __name__ == "__main__":
    main()
