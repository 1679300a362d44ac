"""What a dry run shows of one launch: its figures, its deadline and its exact command, and what the totals are made of."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.units import format_seconds
from pytest_mlpstorage.workloads.before import before
from pytest_mlpstorage.workloads.execute import deadline_seconds
from pytest_mlpstorage.workloads.foreseen import Foreseen, foreseen
from pytest_mlpstorage.workloads.host_checks import hosts_of

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import Job
    from pytest_mlpstorage.session import BenchmarkSession
    from pytest_mlpstorage.workloads.base import Case, Step
    from pytest_mlpstorage.workloads.foreseen import Space

__all__ = ["launch_shown", "precondition_shown"]


def launch_shown(session: BenchmarkSession, case: Case, step: Step, job: Job) -> tuple[list[str], dict[str, Any]]:
    """The lines of a launch, and its part of the totals (``mlps_planned``)."""
    from pytest_mlpstorage.launch.supervisor import guard_command

    plan, configured = session.plan(case), session.config.launch.deadline_seconds
    known, expected = foreseen(plan, step), plan.expected_seconds(step)
    limit = deadline_seconds(expected, configured)
    last = before(plan, step, session.config.results_dir)
    assumed = f"3 × {format_seconds(expected)}, for which speeds are assumed, + 10 min"
    lines = [
        f"{case.id} {step.name}: dry run",
        *(f"  {line}" for line in (*known.lines(), *([last.line()] if last is not None else []))),
        f"  deadline {format_seconds(limit)}: {'launch.deadline' if configured is not None else assumed}",
        "  starts",
        f"    {shlex.join(session.launcher().command(job, guard_command()))}",
    ]
    return lines, _planned(session, case, step.name, known, limit) | {"before_seconds": last.seconds if last is not None else None}


def precondition_shown(session: BenchmarkSession, case: Case, to_write: int) -> tuple[list[str], dict[str, Any]]:
    """The same of filling the storage with ``to_write`` bytes before anything is measured."""
    because = {"takes": "how fast this storage is, nobody knows before", "memory": "that of one client", "reads": "it only writes"}
    known = Foreseen(to_write, 0, 0.0, because=because)
    return [f"  {line}" for line in known.lines()], _planned(session, case, "precondition", known, 0.0)


def _planned(session: BenchmarkSession, case: Case, step: str, known: Foreseen, limit_seconds: float) -> dict[str, Any]:
    """What the totals of a dry run are made of."""
    free = None if known.space is None else _free(session, case, known.space)
    return {"case": case.id, "step": step, "deadline_seconds": limit_seconds, "free": free, **known.to_json()}


def _free(session: BenchmarkSession, case: Case, space: Space) -> list[dict[str, Any]]:
    """What is free on the hosts that the case uses: the first one, and each that has less than all before it on a mount of that name.

    Cases use the first hosts, so that a host never has to hold more than one before it: where it has as much room, it does not decide.
    """
    hosts, workload = session.cluster().hosts, session.workload(case)
    used = hosts_of(workload, session.plan(case), [str(number) for number in range(len(hosts))])
    found: list[dict[str, Any]] = []
    least: dict[str, int] = {}
    for number in map(int, used):
        mount = hosts[number].mount(space.path)
        target = str(mount.target)
        if target not in least or mount.free_bytes < least[target]:
            least[target] = mount.free_bytes
            found.append({"host": number, "bytes": mount.free_bytes, "target": target})
    return found
