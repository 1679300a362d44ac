"""What the first ranks of all hosts find out together: the facts of each, its name, and how far its clock is off."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.cluster.clocks import Accuracy, clock_offsets, kernel_of_clock
from pytest_mlpstorage.cluster.facts import host_facts
from pytest_mlpstorage.cluster.naming import by_address, by_name
from pytest_mlpstorage.results.host_facts import HostFacts

__all__ = ["WALL_CLOCK", "Team", "facts_of_team"]

WALL_CLOCK: Final = Accuracy(rounds=4, most_rounds=40, known_ns=2_000_000)
"""Facts only tell that a clock is wrong; milliseconds do."""


@dataclasses.dataclass(frozen=True)
class Team:
    """One rank of each host. ``ranks`` is mpi4py's communicator of them, ``library`` what the MPI library says that it is."""

    ranks: Any
    world_rank: int
    library: str = ""

    @property
    def mpi(self) -> str:
        """Name and version of the MPI library in one line."""
        return " ".join(self.library.strip("\0 \n").splitlines()[0].partition(",")[0].split()) if self.library.strip("\0 \n") else ""


def facts_of_team(team: Team, paths: Sequence[str], names: Mapping[str, str]) -> HostFacts:
    """The facts of this rank's host; every rank of the team calls this at the same time. Raises OSError as ``host_facts`` does."""
    told = team.ranks.allgather(kernel_of_clock())
    offset = clock_offsets(team.ranks, told, team.ranks.allgather, time.time_ns, WALL_CLOCK)[team.ranks.rank]
    facts = host_facts(paths, mpi=team.mpi)
    return dataclasses.replace(
        facts,
        declared=_declared(team, names, facts),
        clock_offset_seconds=offset.offset_ns / 1e9,
        clock_uncertainty_seconds=offset.error_ns / 1e9,
    )


def _declared(team: Team, names: Mapping[str, str], facts: HostFacts) -> str:
    if not names:
        return ""
    mine = by_name(names, facts.name)
    all_told: list[str] = team.ranks.allgather(mine)
    if len(set(all_told)) == len(all_told) and all(all_told):
        return mine
    # Some host calls itself otherwise, or as another one does: the network tells.
    addresses = [address for interface in facts.interfaces for address in interface.addresses]
    return by_address(names, addresses) or (mine if all_told.count(mine) == 1 else "")
