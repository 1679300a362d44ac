"""All hosts asked at once what they are and whether they can use the directories of a run; a host that fails keeps no other unheard."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.cluster.collect import ask_hosts, host_answer
from pytest_mlpstorage.cluster.facts import ClusterFacts, HostFacts, host_facts
from pytest_mlpstorage.cluster.host_probe import HostProbe, left_token, probe_host
from pytest_mlpstorage.cluster.naming import names_argument
from pytest_mlpstorage.cluster.survey_ways import planned_hosts, probed_over_ssh
from pytest_mlpstorage.cluster.which_host import ask_apart, cause_of, limit_seconds
from pytest_mlpstorage.errors import MLPStorageError, MPIError
from pytest_mlpstorage.launch.job import Host, is_local
from pytest_mlpstorage.results.host_agreement import names as host_names

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import HostLike, Launcher

__all__ = ["Survey", "planned_survey", "survey_hosts"]

_Answers = Mapping[str, tuple[HostFacts, HostProbe]]


@dataclasses.dataclass(frozen=True)
class Survey:
    """What hosts say, by their declared ``names``; ``probes`` lack those that did not answer or were not asked.

    ``here``: this process runs on the only host. ``tried``: files were made, and not only looked for. ``apart`` is why they cannot be
    asked together though each of them answers alone, which no single host is to blame for.
    """

    names: tuple[str, ...]
    cluster: ClusterFacts
    probes: Mapping[str, HostProbe]
    here: bool
    tried: bool
    apart: MLPStorageError | None = None

    def require(self) -> ClusterFacts:
        """The facts of all hosts; raises MPIError that names each host which did not answer, or what they fail with together."""
        if self.apart is not None:
            raise self.apart
        silent = self.cluster.unreachable
        if silent:
            raise MPIError(
                f"{len(silent)} of {len(self.names)} hosts cannot be asked: {', '.join(silent)}",
                details=silent,
                suggestion="mend or leave out what cluster.hosts names; log in once by hand: ssh HOST true",
                code="MLPS-E320",
            )
        return self.cluster


def survey_hosts(
    launcher: Launcher | None,
    hosts: Sequence[HostLike],
    paths: Sequence[str | Path],
    *,
    write: bool,
    declared_memory_bytes: int | None = None,
    mpi_args: Sequence[str] = (),
    ssh: Sequence[str] | None = None,
) -> Survey:
    """Ask this host directly where it is the only one, else all by one rank on each, in one launch; or over ``ssh``, a program.

    Where that launch fails, it is found out which hosts are to blame, in bounded time; they are in ``cluster.unreachable``. With
    ``write`` each directory is tried with a file that is gone afterwards. Raises MPIError where there is nothing to ask with,
    OSError for a path of this host that cannot be looked at.
    """
    names = tuple(dict.fromkeys(host.name for host in hosts)) or ("localhost",)
    here = len(names) == 1 and is_local(names[0])
    found: Mapping[str, tuple[HostFacts, HostProbe] | MLPStorageError]
    if here:
        found = {names[0]: (host_facts(paths, declared=names[0]), probe_host(paths, write=write))}
        apart = None
    elif ssh is not None:
        found, apart = probed_over_ssh(names, tuple(map(str, paths)), ssh, write=write), None
    elif launcher is None:
        raise MPIError(
            f"{len(names)} hosts cannot be asked without a launcher",
            suggestion="see launch.launcher in the configuration",
            code="MLPS-E310",
        )
    else:
        found, apart = _all(_Asker(launcher, names, tuple(map(str, paths)), tuple(mpi_args)), write=write)
    answers = [(name, found[name]) for name in names]
    told = {name: answer for name, answer in answers if not isinstance(answer, MLPStorageError)}
    silent = {name: cause_of(answer) for name, answer in answers if isinstance(answer, MLPStorageError)}
    facts = tuple(answer[0] for answer in told.values())
    method = "local" if here else "mpi" if ssh is None else "ssh"
    if declared_memory_bytes is not None:
        facts = tuple(dataclasses.replace(host, memory_bytes=declared_memory_bytes, memory_declared=True) for host in facts)
        method += " + declared memory"
    cluster = ClusterFacts(facts, method, unreachable=silent)
    return Survey(names, cluster, {name: answer[1] for name, answer in told.items()}, here, write, apart)


def planned_survey(hosts: Sequence[HostLike], paths: Sequence[str | Path], memory_bytes: int) -> Survey:
    """Hosts that are only planned for: nobody is asked, and each is taken for one like this with so much memory."""
    names = tuple(dict.fromkeys(host.name for host in hosts))
    facts = planned_hosts(names, tuple(map(str, paths))).values()
    like_this = tuple(dataclasses.replace(host, memory_bytes=memory_bytes, memory_declared=True) for host in facts)
    return Survey(names, ClusterFacts(like_this, "declared"), {}, here=False, tried=False)


@dataclasses.dataclass(frozen=True)
class _Asker:
    launcher: Launcher
    names: tuple[str, ...]
    paths: tuple[str, ...]
    mpi_args: tuple[str, ...]

    def ask(self, names: Sequence[str], token: str | None, deadline_seconds: float | None = None) -> _Answers:
        """What these hosts say; ``token`` is what pytest has left for them, None: they are only to look."""
        look = ("--look-only",) if token is None else ()
        arguments = ["--names", names_argument(self.names), "--probe", token or "-", *look]
        limit = {} if deadline_seconds is None else {"deadline_seconds": deadline_seconds}
        entries = ask_hosts(self.launcher, [Host(name, 1) for name in names], (*arguments, *self.paths), self.mpi_args, **limit)
        return dict(_named(names, entries, whole=names[0] == self.names[0]))


def _all(asker: _Asker, *, write: bool) -> tuple[Mapping[str, tuple[HostFacts, HostProbe] | MLPStorageError], MLPStorageError | None]:
    """What each host says or fails with; and what they fail with together where none of them does alone."""
    with left_token(asker.paths) if write else contextlib.nullcontext() as token:
        here = probe_host(asker.paths, of_pytest=token or "", write=False)

        def ask(names: Sequence[str], deadline_seconds: float | None = None) -> _Answers:
            answers = asker.ask(names, token, deadline_seconds)
            return {name: (facts, probe.held_against(here, "as_pytest")) for name, (facts, probe) in answers.items()}

        try:
            return ask(asker.names), None
        except MLPStorageError as failure:
            if len(asker.names) == 1:
                return {asker.names[0]: failure}, None
            found = ask_apart(asker.names, failure, lambda some: ask(some, limit_seconds(len(some))))
            alone = {name: answer for name, answer in found.items() if not isinstance(answer, MLPStorageError)}
            return found, None if len(alone) < len(found) else _together(alone, failure)


def _together(alone: _Answers, failure: MLPStorageError) -> MLPStorageError:
    """Why hosts fail together that answer alone: a name that several call themselves by, where there is one."""
    called: dict[str, list[str]] = {}
    for name, (facts, _) in alone.items():
        called.setdefault(facts.name, []).append(name)
    alike = next(((own, group) for own, group in called.items() if len(group) > 1), None)
    if alike is None:
        return failure
    own, group = alike
    return MPIError(
        f"{host_names(group)} call themselves {own}, each of them: {failure.message}",
        details=failure.details,
        suggestion="give each host a host name of its own: an MPI may take ranks of one name for ranks of one host",
        cause=failure.cause,
        code=failure.code,
    )


def _named(names: Sequence[str], entries: Sequence[Mapping[str, Any]], *, whole: bool) -> Iterator[tuple[str, tuple[HostFacts, HostProbe]]]:
    """Each answer under the name that means its host.

    What was held against the first of those asked counts only where that is the first host of all (``whole``).
    """
    left = list(names)
    unnamed = []
    for entry in entries:
        facts, probe = host_answer(entry)
        if not whole:
            facts = dataclasses.replace(facts, clock_offset_seconds=None, clock_uncertainty_seconds=None)
            probe = probe.held_against(None, "as_first")
        answer = facts, probe
        if facts.declared in left:
            left.remove(facts.declared)
            yield facts.declared, answer
        else:
            unnamed.append(answer)
    for name, (facts, probe) in zip(left, unnamed, strict=True):  # what no name means stands in the order of the ranks
        yield name, (dataclasses.replace(facts, declared=name), probe)
