"""What the hosts of a run do not agree on, and how grave that is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pytest_mlpstorage.results.host_facts import HostFacts
from pytest_mlpstorage.units import format_bytes
from pytest_mlpstorage.verdict import Category, Finding, Severity

__all__ = ["AGREEMENT_RULE", "CLOCK_LIMIT_SECONDS", "Disagreement", "disagreements"]

AGREEMENT_RULE: Final = "MLPS-HOSTS-1"
"""Id of the findings that a disagreement makes."""

CLOCK_LIMIT_SECONDS: Final = 0.5
"""How far the clock of a host may be from that of the first: beyond it, lines of several logs no longer tell what came first."""

_MEMORY_TOLERANCE = 0.02  # firmware reserves differ by board; a missing DIMM is far more
_NAMED = 3

_TUNABLE: Final = (
    "vm.dirty_ratio", "vm.dirty_bytes", "vm.dirty_background_ratio", "vm.dirty_background_bytes", "vm.swappiness",
    "vm.vfs_cache_pressure", "vm.zone_reclaim_mode", "kernel.numa_balancing", "net.ipv4.tcp_congestion_control", "transparent_hugepage",
    "cpu_governor", "clocksource",
)  # fmt: skip
"""Settings that equal machines have in common; the others follow from memory and cores."""


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """One thing that hosts differ in: ``message`` is a sentence with the values and who has them.

    ``hosts`` are those that differ from the first host (or all that share what each should have alone). ``of_machines`` false:
    it says nothing of the machines themselves but of this moment or of the network. ``about`` is the word for what was compared.
    """

    message: str
    severity: Severity
    hosts: tuple[str, ...]
    required: str
    of_machines: bool = True
    about: str = ""

    def finding(self) -> Finding:
        """As the finding of a preflight."""
        category = Category.INVALID if self.severity is Severity.ERROR else Category.CLOSED
        return Finding(self.message, self.severity, category, required=self.required, field="cluster.hosts", rule=AGREEMENT_RULE)


@dataclasses.dataclass(frozen=True)
class _Compared:
    name: str
    value_of: Callable[[HostFacts], object]
    severity: Severity = Severity.WARNING
    show: Callable[[object], str] = str
    required: str = "the same on every host"
    verb: str = "differs"


def _version(key: str) -> Callable[[HostFacts], object]:
    return lambda host: host.versions.get(key, "")


def _or_none(value: object) -> str:
    return str(value) or "none"


def _minor(host: HostFacts) -> str:
    return ".".join(host.python.split(".")[:2])


def _speed(host: HostFacts) -> object:
    return max((i.speed_mbps or 0 for i in host.interfaces if i.physical and i.state == "up"), default=0)


# Ranks of two Pythons or two of this package send each other what the other cannot read, and two DLIOs are two benchmarks.
_COMPARED: Final[tuple[_Compared, ...]] = (
    _Compared("CPU model", lambda host: host.cpu_model),
    _Compared("architecture", lambda host: host.architecture),
    _Compared("physical cores", lambda host: host.cores, verb="differ"),
    _Compared("logical cores", lambda host: host.logical_cores, verb="differ"),
    _Compared("usable cores", lambda host: host.usable_cores, verb="differ"),
    _Compared("NUMA nodes", lambda host: len(host.numa_nodes), verb="differ"),
    _Compared("operating system", lambda host: host.os_release.get("PRETTY_NAME", "")),
    _Compared("kernel", lambda host: host.kernel),
    _Compared("Python", _minor, Severity.ERROR),
    _Compared("Python's patch level", lambda host: host.python),
    _Compared("interpreter", _version("interpreter")),
    _Compared("pytest-mlpstorage", lambda host: host.package, Severity.ERROR),
    _Compared("dlio-benchmark", _version("dlio-benchmark"), Severity.ERROR, _or_none),
    _Compared("mpi4py", _version("mpi4py"), Severity.WARNING, _or_none),
    _Compared("MPI library", _version("mpi"), Severity.WARNING, _or_none),
    _Compared("limit of open files", lambda host: host.open_files_limit),
    _Compared("swap", lambda host: host.swap_bytes > 0, show=lambda on: "on" if on else "off"),
    _Compared("speed of the fastest interface", _speed, show=lambda mbps: f"{mbps} Mbit/s" if mbps else "not told"),
)


def disagreements(hosts: Sequence[HostFacts]) -> tuple[Disagreement, ...]:
    """What the hosts do not agree on; nothing where there is one."""
    return tuple(_all(hosts)) if len(hosts) > 1 else ()


def _all(hosts: Sequence[HostFacts]) -> Iterator[Disagreement]:
    yield from _memory(hosts)
    seen = ""
    for compared in _COMPARED:
        found = _differ(hosts, compared)
        if found is None or (compared.name == "Python's patch level" and seen == "Python"):
            continue
        seen = compared.name
        yield found
    for name in _TUNABLE:
        if found := _differ(hosts, _Compared(name, lambda host, name=name: host.settings.get(name, ""), show=_or_none)):  # type: ignore[misc] # a default binds the name
            yield found
    yield from _paths(hosts)
    yield from _clocks(hosts)
    yield from _networks(hosts)


def _differ(hosts: Sequence[HostFacts], compared: _Compared) -> Disagreement | None:
    groups = _groups(hosts, compared.value_of)
    if len(groups) < 2:
        return None
    return _disagreement(f"{compared.name} {compared.verb}", compared, groups)


def _groups(hosts: Sequence[HostFacts], value_of: Callable[[HostFacts], object]) -> dict[object, list[str]]:
    groups: dict[object, list[str]] = {}
    for host in hosts:
        groups.setdefault(value_of(host), []).append(host.called)
    return groups


def _disagreement(words: str, compared: _Compared, groups: dict[object, list[str]]) -> Disagreement:
    told = "; ".join(f"{compared.show(value)} on {names(who)}" for value, who in groups.items())
    others = tuple(name for who in list(groups.values())[1:] for name in who)  # the first has the value of the first host
    return Disagreement(f"{words}: {told}", compared.severity, others, compared.required, about=compared.name)


def _memory(hosts: Sequence[HostFacts]) -> Iterator[Disagreement]:
    sizes = [host.memory_bytes for host in hosts]
    if max(sizes) - min(sizes) > _MEMORY_TOLERANCE * max(sizes):
        compared = _Compared("memory", lambda host: host.memory_bytes, show=lambda size: format_bytes(int(str(size))))
        yield _disagreement("memory differs", compared, _groups(hosts, compared.value_of))


def _paths(hosts: Sequence[HostFacts]) -> Iterator[Disagreement]:
    """A path that some hosts do not have, or that is another filesystem there."""
    asked = [mount.path for mount in hosts[0].mounts]
    for path in (path for path in asked if all(any(m.path == path for m in host.mounts) for host in hosts)):
        there = _Compared(path, lambda host, path=path: host.mount(path).exists, show=lambda yes: "there" if yes else "missing")  # type: ignore[misc] # a default binds the path
        kind = _Compared(path, lambda host, path=path: f"{host.mount(path).fstype} of {host.mount(path).source}")  # type: ignore[misc] # likewise
        groups = _groups(hosts, there.value_of)
        if len(groups) > 1:
            yield _disagreement(f"{path} is not on every host", there, groups)
            continue
        groups = _groups(hosts, kind.value_of)
        if len(groups) > 1:
            yield _disagreement(f"the filesystem of {path} differs", kind, groups)


def _clocks(hosts: Sequence[HostFacts]) -> Iterator[Disagreement]:
    told = [(host, host.clock_offset_seconds, host.clock_uncertainty_seconds or 0.0) for host in hosts]
    wrong = [(host, offset, known) for host, offset, known in told if offset is not None and abs(offset) - known > CLOCK_LIMIT_SECONDS]
    if wrong:
        shown = "; ".join(f"{host.called} {offset:+.3f} s (±{known:.3f} s)" for host, offset, known in wrong[:_NAMED])
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        yield Disagreement(
            f"the clock is not that of {hosts[0].called}: {shown}{more}",
            Severity.WARNING,
            tuple(host.called for host, _, _ in wrong),
            f"within {CLOCK_LIMIT_SECONDS:g} s of the first host; let one time service set all clocks",
            of_machines=False,
        )


def _networks(hosts: Sequence[HostFacts]) -> Iterator[Disagreement]:
    """An address that several hosts have, and packets of two sizes in one network."""
    holders: dict[str, list[tuple[str, str]]] = {}
    sizes: dict[str, dict[object, list[str]]] = {}
    for host in hosts:
        for interface in host.interfaces:
            for address in interface.addresses:
                holders.setdefault(address.partition("/")[0], []).append((host.called, interface.name))
                sizes.setdefault(_network(address), {}).setdefault(interface.mtu, []).append(host.called)
    for address, held in holders.items():
        who, excluded = tuple(dict.fromkeys(host for host, _ in held)), ",".join(dict.fromkeys(name for _, name in held))
        if len(who) > 1:
            yield Disagreement(
                f"{address} ({excluded}) is an address of several hosts, {names(who)}: Open MPI may wait for ever where it tries it",
                Severity.WARNING,
                who,
                f"an address of its own, or launch.mpi_args: [--mca, btl_tcp_if_exclude, 'lo,{excluded}']",
                of_machines=False,
            )
    for network, groups in sizes.items():
        if len(groups) > 1:
            compared = _Compared("MTU", lambda _host: None, show=lambda mtu: f"{mtu} bytes")
            found = _disagreement(f"the packet size (MTU) in network {network} differs", compared, groups)
            yield dataclasses.replace(found, of_machines=False)


def _network(address: str) -> str:
    import ipaddress

    return str(ipaddress.ip_interface(address).network)


def names(who: Sequence[str]) -> str:
    """Names of hosts for a sentence: some, and how many more."""
    more = f" and {len(who) - _NAMED} more" if len(who) > _NAMED else ""
    return ", ".join(who[:_NAMED]) + more
