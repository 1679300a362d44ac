"""Rank program: ``python -m pytest_mlpstorage.cluster --out FILE [PATH …]`` under an MPI launcher, one entry a host.

The first rank on each host describes it, rank 0 gathers and writes a JSON list; ``--out -`` writes it to stdout as one
line, for clusters whose first host is not this one. First of all they tell each other their versions of this package, and end
with those where one has another (``introduction``). With ``--separation`` each host says instead whether its two paths lie
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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_mlpstorage.cluster.collect import MARK
from pytest_mlpstorage.cluster.filesystem_probe import probe_separation
from pytest_mlpstorage.cluster.host_probe import probe_of_team
from pytest_mlpstorage.cluster.introduction import Introduction, introductions
from pytest_mlpstorage.cluster.naming import read_names
from pytest_mlpstorage.cluster.team import Team, facts_of_team

_FAILED = 3


def _gather(out: str, wanted: str, expected: int, describe: Callable[[Team], dict[str, Any]]) -> None:
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    try:
        if expected and world.size != expected:
            raise RuntimeError(f"{expected} ranks were asked for, and MPI says {world.size}: launcher and library do not match")
        local = world.Split_type(MPI.COMM_TYPE_SHARED)
        firsts = world.Split(0 if local.rank == 0 else MPI.UNDEFINED, world.rank)
        if firsts != MPI.COMM_NULL and _introduced(out, wanted, firsts):
            entries = firsts.gather(describe(Team(firsts, world.rank, MPI.Get_library_version())))
            if entries is not None:
                _write(out, entries)
    except BaseException:  # noqa: BLE001 - nothing may leave this rank alive while others wait for it
        traceback.print_exc()
        sys.stderr.flush()
        world.Abort(_FAILED)
        os._exit(_FAILED)


def _introduced(out: str, wanted: str, ranks: Any) -> bool:
    """Whether all hosts are of the version that pytest is; else the first one has written who is of which.

    Raises RuntimeError where one does not even introduce itself, for it waits for what is not said any more.
    """
    told = ranks.allgather(Introduction.of_this_host().to_json())
    differing = introductions(told, wanted or Introduction.of_this_host().key)
    if not differing:
        return True
    if ranks.rank == 0:
        _write(out, [one.to_json() for one in differing])
    if not all(one.package for one in differing):
        known = ", ".join(f"{one.host} has {one.package}" for one in differing if one.package)
        raise RuntimeError(f"a host has an older version of pytest-mlpstorage, which does not say so ({known})")
    return False


def _write(out: str, entries: Sequence[dict[str, Any]]) -> None:
    text = json.dumps(entries)
    if out == "-":
        sys.stdout.write(f"{MARK}{text}\n")
        sys.stdout.flush()
    else:
        Path(out).write_text(text + "\n", encoding="utf-8")


def _words() -> argparse.ArgumentParser:
    """What every version of this program takes, whatever else its pytest tells it."""
    parser = argparse.ArgumentParser(prog="python -m pytest_mlpstorage.cluster", allow_abbrev=False, add_help=False)
    parser.add_argument("--out", required=True, help="file to write, or - for one line on stdout")
    parser.add_argument("--ranks", type=int, default=0, help="ranks that MPI must have")
    parser.add_argument(
        "--same-as", default="", help="version and words of the pytest that asks; a host with others tells them and no more"
    )
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_mlpstorage.cluster", allow_abbrev=False, parents=[_words()])
    parser.add_argument("--names", type=read_names, default={}, help="declared names of the hosts, with commas; NAME=OTHER known as OTHER")
    parser.add_argument("--separation", action="store_true", help="say whether the two PATHs, data and results, lie on one filesystem")
    parser.add_argument(
        "--probe", metavar="TOKEN", help="say too whether the PATHs can be used; pytest has left TOKEN in them, or - nothing"
    )
    parser.add_argument("--look-only", action="store_true", help="try the PATHs without making a file")
    parser.add_argument("paths", nargs="*")
    return parser


def _describer() -> Callable[[Team], dict[str, Any]]:
    """What this host says, as the arguments want it."""
    parser = _parser()
    arguments = parser.parse_args()
    paths = arguments.paths
    if arguments.separation and len(paths) != 2:
        parser.error("--separation needs two paths: that of the data and that of the results")

    def describe(team: Team) -> dict[str, Any]:
        if arguments.separation:
            return dataclasses.replace(probe_separation(*map(Path, paths)), probed_by_rank=team.world_rank).to_json()
        facts = facts_of_team(team, paths, arguments.names).to_json()
        if arguments.probe is None:
            return facts
        probe = probe_of_team(team.ranks, paths, of_pytest=arguments.probe.strip("-"), write=not arguments.look_only)
        return {**facts, "probe": probe.to_json()}

    return describe


def _stranger(_team: Team) -> dict[str, Any]:
    raise AssertionError("a host of another version describes nothing")


def main() -> None:
    """Parse the arguments and gather. Arguments of a pytest of another version are not looked at."""
    known, _ = _words().parse_known_args()
    stranger = known.same_as not in ("", Introduction.of_this_host().key)
    _gather(known.out, known.same_as, known.ranks, _stranger if stranger else _describer())


if __name__ == "__main__":
    main()
