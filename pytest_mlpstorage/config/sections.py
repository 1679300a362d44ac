"""The part of the YAML that belongs to no workload, as pydantic models: who, where to, which hosts, how to launch.

Only the edge of the house uses them; what the rest sees are the frozen dataclasses of ``suite.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from pytest_mlpstorage.units import parse_duration, parse_size
from pytest_mlpstorage.verdict import Division

__all__ = ["PLACEHOLDER", "ClusterSection", "LaunchSection", "SuiteSection", "host_parts"]

PLACEHOLDER: Final = re.compile(r"<[^<>\n]+>")
SHORTEST_INTERVAL_SECONDS: Final = 0.1
"""Of samples of a host: ten a second cost a hundredth of a core."""

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")
_HOST: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?::([1-9][0-9]{0,5}))?")


def _name(text: str) -> str:
    # A leading dot would hide the directory of that name, and "." and ".." would leave the tree.
    if not PLACEHOLDER.fullmatch(text) and (not _NAME.fullmatch(text) or text.startswith(".")):
        raise ValueError("allowed letters, digits, '.', '_' and '-', not beginning with '.': it becomes a directory of the results tree")
    return text


def host_parts(text: str) -> tuple[str, int | None]:
    """Name and slots of ``node1:4``; raises ValueError for anything else."""
    if PLACEHOLDER.fullmatch(text):
        return text, None
    match = _HOST.fullmatch(text)
    if match is None:
        raise ValueError("allowed a host name or address, or name:slots, such as node1:4")
    return match[1], int(match[2]) if match[2] else None


def _host(text: str) -> str:
    host_parts(text)
    return text


def _hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if not hosts:
        raise ValueError("given an empty list; allowed a list of at least one host")
    seen: set[str] = set()
    for host in hosts:
        name, _ = host_parts(host)
        if name in seen:
            raise ValueError(f"the host {name} is named twice; allowed each host once")
        seen.add(name)
    return hosts


def _path(text: str) -> str:
    if not text.strip():
        raise ValueError("allowed a directory, such as ./mlps-data")
    if text.startswith("~"):
        try:
            Path(text).expanduser()
        except RuntimeError as error:
            raise ValueError(f"there is no home directory for {text.split('/', 1)[0]}") from error
    return text


def _duration(text: str) -> str:
    if parse_duration(text) <= 0:
        raise ValueError("allowed a time longer than 0s")
    return text


def _program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise ValueError("given an empty list; allowed a program and its arguments, such as [ssh, -F, my_config]")
    return words


def _interval(text: str) -> str:
    if 0 < parse_duration(text) < SHORTEST_INTERVAL_SECONDS:
        raise ValueError(f"allowed {SHORTEST_INTERVAL_SECONDS:g}s or longer, or 0s for none: a shorter one would cost what is measured")
    return text


def _size(text: str) -> str:
    if parse_size(text) <= 0:
        raise ValueError("allowed a size larger than 0B")
    return text


# What the configuration says in words of its own: a second word for it would contradict the first.
_SAID_ELSEWHERE: Final = frozenset(
    {"-n", "-np", "--np", "-c", "--n", "--host", "-host", "-H", "--hostfile", "-hostfile", "--machinefile", "-machinefile"}
    | {"-hosts", "--hosts", "-w", "--nodelist", "-N", "--nodes", "--ntasks"}
)


def _mpi_argument(text: str) -> str:
    if text.partition("=")[0] in _SAID_ELSEWHERE:
        raise ValueError("accelerators and cluster.hosts say that already")
    return text


Name = Annotated[
    str, AfterValidator(_name), WithJsonSchema({"type": ["string", "number"], "pattern": r"^([A-Za-z0-9_-][A-Za-z0-9._-]*|<[^<>]+>)$"})
]
Host = Annotated[
    str, AfterValidator(_host), WithJsonSchema({"type": "string", "pattern": r"^([A-Za-z0-9][A-Za-z0-9._-]*(:[1-9][0-9]*)?|<[^<>]+>)$"})
]
Directory = Annotated[str, AfterValidator(_path), WithJsonSchema({"type": "string", "minLength": 1})]
# Kept as written, so that it can be shown as written; the core gets seconds and bytes (load.py).
Duration = Annotated[str, AfterValidator(_duration), WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *(ms|s|min|h|d)$"})]
Interval = Annotated[str, AfterValidator(_interval), WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *(ms|s|min|h|d)$"})]
Size = Annotated[str, AfterValidator(_size), WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *([KMGTP]iB|[kKMGTP]?B)$"})]


class Section(BaseModel):
    """A mapping of the YAML: every key known, nothing converted that was not written so, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)


class ClusterSection(Section):
    """``cluster:``, the machines that run the simulated accelerators."""

    hosts: Annotated[
        tuple[Host, ...],
        Field(
            description="Hosts that run ranks: names or addresses, with slots as node1:4, or allocation: those of the Slurm job that "
            "this runs in (default: this machine)",
            # Not min_length: pydantic would count only the hosts that are right, and tell of an empty list too. The word stands
            # only in the YAML: what is validated is the list that it means (hosts.py).
            json_schema_extra=lambda schema: schema.update(
                anyOf=[{"type": schema.pop("type"), "items": schema.pop("items"), "minItems": 1}, {"const": "allocation"}]
            ),
        ),
        AfterValidator(_hosts),
    ] = ("localhost",)
    host_file: Annotated[
        str | None,
        Field(
            min_length=1,
            description="File that names the hosts in place of cluster.hosts, one a line: node1, node1 slots=4 (Open MPI), node1:4 (MPICH)",
        ),
    ] = None
    memory_per_host: Annotated[
        Size | None,
        Field(
            description="Memory of each host, such as 512GiB; only to plan for hosts that cannot be asked (default: the hosts are asked)"
        ),
    ] = None
    collect: Annotated[
        Literal["mpi", "ssh", "declared"],
        Field(
            description="How the hosts are asked what they are: by a rank on each, by a login at each, or not at all, for a dry run: "
            "each is then taken for one like this, with memory_per_host"
        ),
    ] = "mpi"
    ssh: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(description="Program that logs in at a host where collect is ssh, and its arguments, such as [ssh, -F, my_config]"),
        AfterValidator(_program),
    ] = ("ssh",)


class LaunchSection(Section):
    """``launch:``, how ranks are started and watched."""

    launcher: Annotated[
        str, Field(min_length=1, description="What starts the ranks: auto, openmpi, mpich, slurm (srun), or the path of an mpirun or srun")
    ] = "auto"
    deadline: Annotated[
        Duration | None, Field(description="A launch is ended after this time, such as 2h (default: 3 x the predicted time and 10 min)")
    ] = None
    heartbeat: Annotated[Duration, Field(description="A line is printed this often while a launch is on, such as 30s")] = "30s"
    stall_warning: Annotated[Duration, Field(description="Warn after this time without bytes, CPU or a declared wait")] = "120s"
    stall_abort: Annotated[
        Duration | None, Field(description="End the launch after this time without bytes, CPU or a declared wait (default: never)")
    ] = None
    sample_interval: Annotated[
        Interval, Field(description="What every host does is sampled this often while a launch is on, such as 1s; 0s takes no samples")
    ] = "1s"
    mpi_args: Annotated[
        tuple[Annotated[str, AfterValidator(_mpi_argument)], ...],
        Field(description="Arguments put before the program of every launch, such as [--mca, btl, tcp]"),
    ] = ()
    oversubscribe: Annotated[
        bool | None,
        Field(description="Allow more ranks than slots on a host (default: where the slots, or the cores of this machine, are fewer)"),
    ] = None


class SuiteSection(Section):
    """The top level of the YAML without the sections of the workload families."""

    edition: Annotated[
        str,
        Field(description="Edition of the rule book, such as 3.0"),
        WithJsonSchema({"type": ["string", "number"]}),
    ] = "3.0"
    division: Annotated[Division, Field(description="Division of the results: closed, open or whatif (no submission, nothing claimed)")]
    submitter: Annotated[Name, Field(description="Your organisation, a directory of the results tree")]
    system: Annotated[Name, Field(description="Name of the system under test, a directory of the results tree")]
    data_dir: Annotated[Directory, Field(description="Directory on the storage under test that holds the data sets")] = "./mlps-data"
    results_dir: Annotated[Directory, Field(description="Submission tree that results are written to; not on the storage under test")] = (
        "./mlps-results"
    )
    cluster: ClusterSection = Field(default_factory=ClusterSection, description="Machines that run the simulated accelerators")
    launch: LaunchSection = Field(default_factory=LaunchSection, description="How ranks are started and watched")
