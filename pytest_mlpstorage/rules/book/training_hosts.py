"""Rules on the client hosts of training: how many, how many accelerators each, and how alike they are (3.3.3 to 3.3.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, Summary, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import runs_of, with_metadata, with_summary
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_ON_ONE_HOST = "asked of runs on one host"


@rule(
    "3.3.3", "trainingSingleHostSimulatedAccelerators", subject=TrainingResult, editions=("3.0",), severity=Severity.WARNING, preflight=True
)
def single_host_accelerators(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A run on one host emulates at least as many accelerators as the edition names; fewer is a warning."""
    least = edition.training.min_accelerators_single_host
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        if summary.num_hosts is None or summary.num_accelerators is None:
            yield _without_count(leaf, summary)
        elif least is not None and summary.num_hosts == 1 and summary.num_accelerators < least:
            yield Finding(
                "one host emulates few accelerators",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=summary.num_accelerators,
                required=f"at least {least}",
                file=summary.path,
                field="num_accelerators",
            )
        elif summary.num_hosts != 1:
            yield NotAsked(_counted(summary.num_hosts, "host"), _ON_ONE_HOST)
        else:
            demanded = "no least number known" if least is None else f"at least {least} on one host"
            yield Met(_counted(summary.num_accelerators, "accelerator"), demanded)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _without_count(leaf: Leaf, summary: Summary) -> NoEvidence:
    missing = "num_hosts" if summary.num_hosts is None else "num_accelerators"
    return NoEvidence(f"the summary has no {missing}", summary.path or leaf.relpath)


@rule("3.3.4", "trainingSingleHostClientLimit", subject=TrainingResult, editions=("3.0",), preflight=True)
def single_host_client_limit(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A run that says it ran on one host was also started for one host only."""
    for run in runs_of(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        hosts = _hosts(run.metadata)
        if run.summary.num_hosts is None:
            yield NoEvidence("the summary has no num_hosts", run.summary_file)
        elif run.summary.num_hosts != 1:
            yield NotAsked(_counted(run.summary.num_hosts, "host"), _ON_ONE_HOST)
        elif hosts is None:
            yield NoEvidence("the metadata has no args.hosts", run.metadata_file)
        elif len(hosts) > 1:
            yield Finding(
                "the summary counts one host, the command line named more",
                measured=f"{len(hosts)} hosts",
                required="1 host",
                file=run.metadata_file,
                field="args.hosts",
            )
        else:
            yield Met(f"{_counted(len(hosts), 'host')} in args.hosts", "1 host, as the summary counts")


def _hosts(metadata: LeafMetadata) -> list[str] | None:
    """Host names of the command line, given as a list or with commas."""
    given = metadata.args.get("hosts")
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, (list, tuple)):
        return None
    names = [name.strip() for text in given if isinstance(text, str) for name in text.split(",")]
    return [name for name in names if name] or None


@rule("3.3.6", "trainingIdenticalAcceleratorsPerNode", subject=TrainingResult, editions=("3.0",), preflight=True)
def identical_accelerators_per_node(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every host emulates the same number of accelerators, so the number of accelerators is a multiple of the hosts."""
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        hosts, accelerators = summary.num_hosts, summary.num_accelerators
        if hosts is None or accelerators is None:
            yield _without_count(leaf, summary)
        elif hosts < 1 or accelerators < 1:
            yield Finding(
                "a run without a host or without an accelerator measured nothing",
                measured=f"{accelerators} accelerators on {hosts} hosts",
                required="at least 1 of each",
                file=summary.path,
                field="num_hosts" if hosts < 1 else "num_accelerators",
            )
        elif accelerators % hosts:
            yield Finding(
                "the accelerators cannot be spread evenly over the hosts",
                measured=f"{accelerators} accelerators on {hosts} hosts",
                required=f"a multiple of {hosts}",
                file=summary.path,
                field="num_accelerators",
            )
        else:
            spread = f"{_counted(accelerators, 'accelerator')} on {_counted(hosts, 'host')}"
            yield Met(f"{spread}, {accelerators // hosts} each" if hosts > 1 else spread, "the same number on every host")


@rule("3.3.7", "trainingNodeCapabilityConsistency", subject=TrainingResult, editions=("3.0",), severity=Severity.WARNING, preflight=True)
def node_capability(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The hosts of a run are alike: memory and cores do not differ by more than the edition's ratio, and the tool saw no difference.

    The first run of several hosts speaks for all. What differs is a warning.
    """
    lacking: list[NoEvidence] = []
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            lacking.append(run)
            continue
        leaf, metadata = run
        hosts = _recorded_hosts(metadata)
        if len(hosts) > 1:
            yield from _unlike(hosts, metadata, edition, metadata.path or leaf.relpath)
            return
        if leaf.summary is not None and (leaf.summary.num_hosts or 0) > 1:
            lacking.append(NoEvidence("the metadata does not describe the hosts", metadata.path or leaf.relpath))
    yield from lacking
    if not lacking:
        yield NotAsked("no run that records several hosts", "asked of runs on several hosts")


def _recorded_hosts(metadata: LeafMetadata) -> list[Mapping[str, object]]:
    hosts = (metadata.system_info or {}).get("hosts")
    return [host for host in hosts if isinstance(host, Mapping)] if isinstance(hosts, (list, tuple)) else []


_COMPARED = (("memory", "total", "memory", "bytes of memory"), ("cpu", "num_cores", "number of cores", "cores"))
"""Group and key of a host's record, and what they are called."""


def _unlike(hosts: Sequence[Mapping[str, object]], metadata: LeafMetadata, edition: Edition, file: str) -> Iterator[Finding | Met]:
    ratio = edition.training.node_capability_ratio
    for group, key, name, unit in _COMPARED:
        groups = (host.get(group) for host in hosts)
        values = [value for entry in groups if isinstance(entry, Mapping) and (value := number(entry.get(key))) is not None and value > 0]
        if ratio is not None and values and max(values) > ratio * min(values):
            yield _unlike_finding(
                f"the hosts differ in their {name}",
                measured=f"{min(values):.0f} to {max(values):.0f} {unit}",
                required=f"the largest at most {ratio:g} × the smallest",
                file=file,
                field=f"system_info.hosts.{group}.{key}",
            )
        elif ratio is not None and values:
            low, high = (f"{value:.15g}" for value in (min(values), max(values)))
            told = f"{low} {unit}" if low == high else f"{low} to {high} {unit}"
            of = "" if len(values) == len(hosts) else f" ({len(values)} of {len(hosts)} hosts recorded)"
            yield Met(told + of, f"the largest at most {ratio:g} × the smallest")
    issues = (metadata.system_info or {}).get("host_consistency_issues")
    if not isinstance(issues, (list, tuple)):  # what is no list, and yet says something, is one difference
        issues = [issues] if issues else []
    if issues:
        yield _unlike_finding(
            f"the tool saw that the hosts are not alike: {shown(issues[0])}",
            measured=f"{len(issues)} differences",
            required="none",
            file=file,
            field="system_info.host_consistency_issues",
        )
    else:
        yield Met(f"{len(hosts)} hosts without a recorded difference", "no difference that the tool recorded")


def _unlike_finding(message: str, *, measured: str, required: str, file: str, field: str) -> Finding:
    return Finding(
        message, severity=Severity.WARNING, category=Category.CLOSED, measured=measured, required=required, file=file, field=field
    )
