"""Rules of round 1.0 on the size of the data set and on the hosts that read it (rules.md §2.10, §4.2)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Literal

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.sizing import minimum_files_for_run, record_bytes
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.nested import value_at
from pytest_mlpstorage.results.coerce import integer, native
from pytest_mlpstorage.results.records import Summary, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_summary
from pytest_mlpstorage.rules.runs_v1 import MeasuredRun, measured_with_config, plausible
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.units import GIB, KIB
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []

_KILOBYTES = re.compile(r"\s*(\d{1,15})\s*kB\s*", re.ASCII | re.IGNORECASE)


@rule("V1-8", "datasetSteps", subject=TrainingResult, editions=("1.0",))
def dataset_steps(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The data set of every run has files enough for the least number of steps of all its accelerators.

    The floor is steps × batch size × accelerators / samples in a file, rounded down; where the workload sets its total number
    of steps, that number counts. The files are those of the summary or of the workload, whichever are fewer.
    """
    for run in measured_with_config(result):
        if isinstance(run, NoEvidence):
            yield run
        else:
            # Memory plays no part in this floor.
            yield from _below(run, edition, "steps", memory_gib=1)


@rule("V1-9", "datasetMemory", subject=TrainingResult, editions=("1.0",))
def dataset_memory(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The data set of every run is several times as large as the memory of all hosts, so that it cannot stay in their caches.

    The memory of each host counts in whole GiB, rounded down, as submitters had to give it to the tool of that round.
    """
    for run in measured_with_config(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        mean_gib = _memory_of_a_host(run.summary)
        if not isinstance(mean_gib, float):
            yield mean_gib
            continue
        counted = math.floor(mean_gib) if edition.training.sizing.whole_gib_per_host else mean_gib
        if counted:  # less than one GiB asks for nothing
            yield from _below(run, edition, "memory", memory_gib=counted * (run.summary.num_hosts or 1))
        else:
            yield NotAsked(f"{counted:g} whole GiB on a host", "asked where a host has one or more")


def _below(
    run: MeasuredRun, edition: Edition, floor: Literal["steps", "memory"], *, memory_gib: float
) -> Iterator[Finding | NoEvidence | Met]:
    summary, config = run.summary.path, run.config.config_file
    counts = (
        (_fewest_files(run), summary, "num_files_train"),
        (run.summary.num_samples_per_file, summary, "num_samples_per_file"),
        (integer(_configured(run, "reader.batch_size")), config, "workload.reader.batch_size"),
        (run.summary.num_accelerators, summary, "num_accelerators"),
    )
    for value, file, field in counts:
        if value is None:
            yield NoEvidence(f"{field} is not recorded", file)
            return
        if not plausible(value):
            yield Finding(f"{field} is no count", measured=shown(value), required="at least 1", file=file, field=field)
            return
    files, samples, batch, accelerators = (value or 0 for value, _, _ in counts)
    record = native(_configured(run, "dataset.record_length"))
    steps = integer(_configured(run, "train.total_training_steps"))
    try:
        least = minimum_files_for_run(
            edition=edition,
            record_bytes=record_bytes({edition.training.record_key: record}),
            samples_per_file=samples,
            batch_size=batch,
            num_accelerators=accelerators,
            host_memory_bytes=[memory_gib * GIB],
            total_training_steps=steps if plausible(steps) else None,
        )
    except ConfigurationError as error:
        yield Finding(f"the least data set cannot be computed: {error.message}", file=config, field="workload.dataset")
        return
    needed = next(found for found in least.floors if found.name == floor)
    times, hosts = edition.training.sizing.memory_multiple, run.summary.num_hosts
    if files < needed.files:
        if floor == "steps":
            message = f"the data set has too few files for the least number of steps: {needed.formula}"
        else:
            message = f"the data set is smaller than {times} × the memory of all hosts ({memory_gib:g} GiB on {hosts} host(s))"
        yield Finding(message, measured=f"{files} files", required=f"at least {needed.files} files", file=summary, field="num_files_train")
    else:
        why = "for the least number of steps" if floor == "steps" else f"{times} × the memory of all hosts ({memory_gib:g} GiB)"
        yield Met(f"{files} files", f"at least {needed.files} files, {why}")


def _configured(run: MeasuredRun, key: str) -> object:
    return value_at(run.config.parameters or {}, key)


def _fewest_files(run: MeasuredRun) -> int | None:
    told = (run.summary.num_files_train, integer(_configured(run, "dataset.num_files_train")))
    return min((count for count in told if count is not None), default=None)


def _memory_of_a_host(summary: Summary) -> float | Finding | NoEvidence:
    """Mean memory of a host in GiB. Only the sum over the hosts is right: the emulator may put one's memory into another's slot."""
    total, hosts = summary.total_host_memory_gib, summary.num_hosts
    if total is None or hosts is None:
        return NoEvidence(f"the summary has no {'host_memory_GB' if total is None else 'num_hosts'}", summary.path)
    if not plausible(hosts):
        return Finding(
            "a run without a host measured nothing", measured=shown(hosts), required="at least 1", file=summary.path, field="num_hosts"
        )
    if not 0 < total < math.inf:
        return Finding(
            "the memory of the hosts is no size", measured=total, required="more than 0 GiB", file=summary.path, field="host_memory_GB"
        )
    return total / hosts


@rule("V1-10", "identicalHosts", subject=TrainingResult, editions=("1.0",))
def identical_hosts(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """All hosts of a result have the same memory and the same number of CPUs, in every run.

    The mean memory of the hosts is compared with what the first host says of itself, and with the first run; a small
    difference is tolerated. The number of CPUs of every slot is a multiple of the mean.
    """
    tolerance = edition.training.identical_hosts_tolerance or 0.0
    first: dict[str, float] = {}
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        summary = run[1]
        memory = _memory_of_a_host(summary)
        if not isinstance(memory, float):
            yield memory
            continue
        own = list(_own_memory(summary, memory, tolerance))
        yield from own
        cpus = _cpus_of_a_host(summary)
        if not isinstance(cpus, float):
            yield cpus
        for key, value in (("host_memory_GB", memory), ("host_cpu_count", cpus)):
            if not isinstance(value, float):
                continue
            if _differ(value, first.setdefault(key, value), tolerance):
                yield Finding(
                    "the hosts of one run are not those of another",
                    measured=f"{value:.6g}",
                    required=f"{first[key]:.6g} as in the first run",
                    file=summary.path,
                    field=key,
                )
            elif key == "host_cpu_count":
                yield Met(f"{value:.0f} CPUs", f"CPUs the same on all hosts, between runs ± {tolerance:.0%}")
            elif not own:
                yield Met(f"{value:.2f} GiB", f"memory as on the first host and in the first run, ± {tolerance:.0%}")


def _differ(value: float, wanted: float, tolerance: float) -> bool:
    return abs(value - wanted) > tolerance * abs(wanted)


def _own_memory(summary: Summary, mean_gib: float, tolerance: float) -> Iterator[Finding | NoEvidence]:
    """The mean memory of the hosts against what the first host's kernel says."""
    recorded = summary.raw.get("host_meminfo")
    match = _KILOBYTES.fullmatch(str(recorded.get("MemTotal"))) if isinstance(recorded, Mapping) else None
    if match is None:
        yield NoEvidence("the summary has no host_meminfo.MemTotal", summary.path)
        return
    own_gib = int(match[1]) * KIB / GIB
    if _differ(mean_gib, own_gib, tolerance):
        yield Finding(
            "the hosts of a run do not all have the same memory",
            measured=f"{mean_gib:.2f} GiB in the mean of {summary.num_hosts} host(s)",
            required=f"{own_gib:.2f} GiB as on the first host, ± {tolerance:.0%}",
            file=summary.path,
            field="host_memory_GB",
        )


def _cpus_of_a_host(summary: Summary) -> float | Finding | NoEvidence:
    """Mean number of CPUs of a host; a finding where a slot shows that hosts differ."""
    given = summary.raw.get("host_cpu_count")
    slots = [integer(value) for value in (given if isinstance(given, list) else [given])]
    counts = [slot for slot in slots if slot is not None]
    if not counts or len(counts) != len(slots) or summary.num_hosts is None or not plausible(sum(counts)):
        return NoEvidence("the summary has no usable host_cpu_count", summary.path)
    total = sum(counts)
    # A slot holds nothing, or one host's CPUs, or those of several hosts: always a multiple of what each host has.
    if total % summary.num_hosts or any(count * summary.num_hosts % total for count in counts):
        return Finding(
            "the hosts of a run do not all have the same number of CPUs",
            measured=f"{', '.join(map(str, counts[:8]))} on {summary.num_hosts} host(s)",
            required="the same on every host",
            file=summary.path,
            field="host_cpu_count",
        )
    return total / summary.num_hosts
