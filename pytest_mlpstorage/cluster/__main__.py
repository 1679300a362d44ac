"""Rank program: ``python -m pytest_mlpstorage.cluster --out FILE [PATH …]`` under an MPI launcher, one entry a host.

The first rank on each host describes it, rank 0 gathers and writes a JSON list; ``--out -`` writes it to stdout as one
line, for clusters whose first host is not this one. With ``--separation`` each host says instead whether its two paths lie
on one filesystem. Any exception aborts the job: a rank that waits for a dead one waits
without end.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_mlpstorage.cluster.collect import MARK
from pytest_mlpstorage.cluster.facts import host_facts
from pytest_mlpstorage.cluster.filesystem_probe import probe_separation

_FAILED = 3


def _separation(paths: list[str], rank: int) -> dict[str, Any]:
    data, results = map(Path, paths)
    return dataclasses.replace(probe_separation(data, results), probed_by_rank=rank).to_json()


def _gather(out: str, describe: Callable[[int], dict[str, Any]], expected: int) -> None:
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    try:
        if expected and world.size != expected:
            raise RuntimeError(f"{expected} ranks were asked for, and MPI says {world.size}: launcher and library do not match")
        local = world.Split_type(MPI.COMM_TYPE_SHARED)
        entries = world.gather(describe(world.rank) if local.rank == 0 else None)
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
    parser.add_argument("--separation", action="store_true", help="say whether the two PATHs, data and results, lie on one filesystem")
    parser.add_argument("paths", nargs="*")
    arguments = parser.parse_args()
    if arguments.separation and len(arguments.paths) != 2:
        parser.error("--separation needs two paths: that of the data and that of the results")
    paths = arguments.paths
    describe = (lambda rank: _separation(paths, rank)) if arguments.separation else (lambda _rank: host_facts(paths).to_json())
    _gather(arguments.out, describe, arguments.ranks)


if __name__ == "__main__":
    main()
