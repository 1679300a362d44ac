"""Every fault, under every launcher that is here, on one host and on three, by ssh and by Slurm: bounded, named, nothing left, and the next job runs.

At the end of pytest's output stands the table of them. The cells for ``.ci/run`` are marked ``real``, the others ``full``.
"""

from __future__ import annotations

import re
import secrets
import time

import pretend_slurm
import pytest
from fault_cells import FAR_SECONDS, HELLO, RANK, Cell, Fault
from fault_places import Allocation, OneHost, ThreeHosts, written
from faults import FAULTS
from suite_on_hosts import missing, pretend

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.launch.detect import find_launcher

SETTLE_SECONDS = 3.0
"""What daemons of a launcher on other hosts may take after the launcher's own end."""


SLURM_SECONDS = 15.0
"""What Slurm takes for itself: 5 s from SIGTERM to SIGKILL, as pretend_slurm configures it, and a controller that looks at intervals."""


def own_launcher() -> str:
    """The launcher that starts this environment's ranks, or an empty text."""
    try:
        return find_launcher().name
    except DependencyError:
        return ""


def cells():
    for place, launcher in (
        (OneHost.name, own_launcher()),
        (ThreeHosts.name, own_launcher()),
        (Allocation.name, "slurm"),
        (Allocation.name, own_launcher()),
    ):
        why = "" if place == OneHost.name else missing(pretend_slurm.NEEDED if place == Allocation.name else ())
        for fault in FAULTS:
            if place in fault.places:
                short = fault.quick and place == ThreeHosts.name
                marks = [
                    pytest.mark.fault,
                    pytest.mark.real if short else pytest.mark.full,
                    pytest.mark.skipif(bool(why), reason=why or "-"),
                ]
                yield pytest.param(place, launcher, fault, id=f"{launcher}-{place}-{fault.name}", marks=marks)


pytestmark = pytest.mark.skipif(own_launcher() == "", reason="no MPI launcher")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with pretend((64, 128, 256), tmp_path_factory.getbasetemp()) as made:
        yield made


@pytest.fixture(scope="module")
def slurm(hosts):
    with pretend_slurm.PretendSlurm(hosts) as made:
        yield made


@pytest.fixture
def cell(request, place, launcher, tmp_path):
    if place == OneHost.name:
        where = OneHost()
    elif place == ThreeHosts.name:
        where = ThreeHosts(request.getfixturevalue("hosts"))
    else:
        where = Allocation(request.getfixturevalue("slurm"))
    cell = Cell(where, launcher, tmp_path)
    yield cell
    cell.clean()


def expected(fault: Fault, cell: Cell) -> str:
    """The pattern of the cause, with the ranks and hosts of this place."""
    cause = "|".join(filter(None, (fault.cause, fault.silent.get(cell.launcher))))
    names = {word: f"rank {number} on {re.escape(cell.place.host_of(number))}" for word, number in (("zero", 0), ("one", 1))}
    return cause.format(**names, far=re.escape(cell.place.host_of(1)))


@pytest.mark.parametrize(("place", "launcher", "fault"), list(cells()))
def test_fault(cell, place, launcher, fault, tmp_path, record_property):
    program = ("-c", RANK, str(tmp_path), fault.after)
    if fault.early:
        fault.act(cell)
        begun = time.monotonic()
        cell.start(*program, **fault.options)
    else:
        cell.start(*program, **fault.options)
        for rank in range(cell.place.ranks):
            cell.rank(rank)
        begun = time.monotonic()
        fault.act(cell)
    try:
        reachable = [host for host in cell.hosts if not (fault.cut and host == cell.host(1))]
        bound = fault.bound + (SLURM_SECONDS if place == Allocation.name else 0.0)
        code = cell.process.wait(bound)
        cell.wait(lambda: not cell.left(*reachable), max(SETTLE_SECONDS, begun + bound - time.monotonic()), lambda: cell.left(*reachable))
        took = time.monotonic() - begun
        cause = cell.told["cause"] if fault.cause else f"(it ended with {code})"
        for name, value in (("fault", fault.name), ("launcher", launcher), ("place", cell.place.name), ("cause", cause)):
            record_property(name, value)
        record_property("seconds", round(took, 1))
        record_property("bound_seconds", bound)
        assert took < bound
        if fault.cut:
            far = cell.wait(lambda: not cell.left_far(), FAR_SECONDS - took, cell.left_far)
            record_property("cut_off_seconds", round(took + far, 1))
    finally:
        fault.mend(cell)
    # Slurm's salloc has codes of its own for a command that a signal has ended.
    assert code == fault.exit_code or (fault.exit_code < 0 and place == Allocation.name), written(tmp_path / "driver.log")
    if fault.cause:
        assert re.search(expected(fault, cell), cause), cell.told
        assert cell.told.get("left", []) == []
        assert fault.returncode in (None, cell.told["returncode"])
    assert fault.said in written(tmp_path / "stderr"), "the evidence is kept"
    stays = fault.traces_of_srun if launcher == "slurm" else ()
    cell.wait(lambda: not cell.files(but=stays), SETTLE_SECONDS, cell.files)
    next_one(cell, tmp_path)


def next_one(cell: Cell, folder) -> None:
    """The next job runs at the same place, though this one was broken."""
    (folder / "next").mkdir()
    after = Cell(cell.place, cell.launcher, folder / "next")
    after.run_id = secrets.token_hex(6)
    try:
        after.start(*HELLO)
        assert after.process.wait(60) == 0
        assert after.told["cause"] == "", after.told
        after.wait(lambda: not after.left(), SETTLE_SECONDS, after.left)
    finally:
        after.clean()
