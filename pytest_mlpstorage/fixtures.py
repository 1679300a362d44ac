"""Fixtures for our items and for any test a user writes: ``cluster``, ``mpi_launcher`` and ``mlps``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlpstorage.stash import SESSION

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.items import BenchmarkItem
    from pytest_mlpstorage.launch.job import HostLike, Launcher
    from pytest_mlpstorage.launch.supervisor import Outcome

__all__ = ["MPILauncher", "Ran", "cluster", "mlps", "mpi_launcher"]


@dataclasses.dataclass(frozen=True)
class Ran:
    """A rank program that has ended: how, and what it printed."""

    outcome: Outcome
    stdout: str
    stderr: str


@dataclasses.dataclass(frozen=True)
class MPILauncher:
    """Runs rank programs under the session's MPI, supervised and bounded, with everything reaped at the end."""

    launcher: Launcher
    hosts: tuple[HostLike, ...]
    folder: Path

    def run(
        self,
        *program: str,
        ranks: int = 1,
        env: Mapping[str, str] | None = None,
        deadline_seconds: float = 600.0,
        check: bool = True,
    ) -> Ran:
        """Run ``python *program`` on ``ranks`` ranks and return what it printed.

        ``program`` is what follows the interpreter: a file, or ``-m``, a module, and arguments. With ``check`` a rank
        that fails raises BenchmarkExecutionError with rank, signal and the last lines of stderr. Raises MPIError where
        nothing can be started.
        """
        from pytest_mlpstorage.launch.job import Job
        from pytest_mlpstorage.launch.supervisor import require_success, run_job

        number = len(list(self.folder.iterdir()))
        out, err = self.folder / f"{number}.stdout.log", self.folder / f"{number}.stderr.log"
        job = Job(ranks=ranks, program=tuple(program), env=dict(env or {}), hosts=self.hosts)
        outcome = run_job(self.launcher, job, stdout=out, stderr=err, deadline_seconds=deadline_seconds)
        if check:
            require_success(outcome)
        return Ran(outcome, out.read_text(errors="replace"), err.read_text(errors="replace"))


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> ClusterFacts:
    """Facts of every host of the configuration (this host without one): memory, CPU, kernel, mounts, network, limits, clock, versions.

    ``cluster.hosts[0].memory_bytes``, ``cluster.total_memory_bytes`` … are integers of bytes;
    ``cluster.host("node1")`` is the host that a name of the configuration means, ``cluster.disagreements`` what the hosts do not have in
    common. Asked once a session; raises MPIError that names each host which does not answer.
    """
    session = pytestconfig.stash.get(SESSION, None)
    if session is not None:
        return session.cluster()
    from pytest_mlpstorage.cluster.survey import survey_hosts

    return survey_hosts(None, (), [Path.cwd()], write=False).require()


@pytest.fixture
def mpi_launcher(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> MPILauncher:
    """Build and run rank programs: ``mpi_launcher.run("-m", "my_module", ranks=2).stdout``."""
    session = pytestconfig.stash.get(SESSION, None)
    folder = tmp_path_factory.mktemp("mpi")
    if session is not None:
        return MPILauncher(session.launcher(), session.config.cluster.hosts, folder)
    from pytest_mlpstorage.launch.detect import find_launcher

    return MPILauncher(find_launcher("auto"), (), folder)


@pytest.fixture
def mlps(request: pytest.FixtureRequest) -> BenchmarkItem:
    """What the items of ``benchmarks/`` do their work with."""
    from pytest_mlpstorage.comparing import comparer_of
    from pytest_mlpstorage.items import BenchmarkItem
    from pytest_mlpstorage.progress import voice_of

    session = request.config.stash.get(SESSION, None)
    if session is None:
        pytest.fail("this item needs a configuration: pytest benchmarks/ --mlps-config=quick.yaml", pytrace=False)
    voice, write_line = voice_of(request.config)
    return BenchmarkItem(session, request.node, voice, write_line, comparer_of(request.config))
