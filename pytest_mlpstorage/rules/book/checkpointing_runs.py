"""Rules on single checkpointing runs: size against memory, fsync, accelerators, paths (sections 4.3 and 4.4)."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Mapping
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.checkpoint_metric import CheckpointMetric, CheckpointPhase
from pytest_mlpstorage.results.coerce import boolean, native, number
from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.rules.aggregate_checkpointing import RATE_COLUMNS, aggregate_checkpointing
from pytest_mlpstorage.rules.checkpoints import checkpointing_of
from pytest_mlpstorage.rules.filesystems import filesystem_findings
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import Run, runs_of, with_metadata, with_summary
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_DONE: Final[Mapping[CheckpointPhase, str]] = {"save": "writing", "load": "reading"}

_LONGEST_PATH: Final = 28
"""Characters of a directory that is told where nothing is wrong with it."""

# Conflict C-10: what the files and the tables call GB is GiB where DLIO computed it (105, 912, 5292 and 15 427 of them), the
# published 18 TB of the largest model is no size that anything writes, and the memory of an accelerator is what its maker
# calls GB. No rule converts: the figures are compared as they stand, as the official code does, and no sanctioned run comes near
# the difference of 7 %. What a run really wrote is computed by the formula (rule MLPS-METRIC-2).


@rule("4.3.1", "checkpointDataSizeRatio", subject=CheckpointingResult, editions=("3.0",), severity=Severity.WARNING, preflight=True)
def data_size_ratio(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A host's share of a checkpoint is some times the memory of the host, else what is read back may come from its cache."""
    # Conflict C-14: one checkpoint is compared, as the official tool counts, although the wording speaks of all data that a
    # run writes. By the wording ten checkpoints would do and nearly no run be warned of, but the one that is read back next is one,
    # and it is the cache of that one which the warning is about.
    ratio = checkpointing_of(edition).data_to_memory_ratio
    for run in with_summary(result) if ratio is not None else ():
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        size, memory, hosts = CheckpointMetric.of(summary).size_gib, summary.total_host_memory_gib, summary.num_hosts
        # A host without memory may be one whose slot the emulator left empty, so it is the sum that must be a size.
        usable = {
            "metric.checkpoint_size_GB": size is not None and size > 0,
            "host_memory_GB": memory is not None and 0 < memory < math.inf and min(summary.host_memory_gib) >= 0,
            "num_hosts": hosts is not None and hosts > 0,
        }
        if size is None or memory is None or not all(usable.values()):
            missing = next(key for key, known in usable.items() if not known)
            yield NoEvidence(f"the summary has no usable {missing}", summary.path or leaf.relpath)
        elif ratio is not None and size < ratio * memory:
            yield Finding(
                "a checkpoint is small against the memory of the hosts, whose caches may serve the reads",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=f"{size:.1f} GiB a checkpoint, {memory:.1f} GiB of memory on {hosts} host(s)",
                required=f"at least {ratio:g} × the memory",
                file=summary.path,
                field="metric.checkpoint_size_GB",
            )
        elif ratio is not None:
            yield Met(
                f"{size / memory:.3g} × the memory ({size:.1f} of {memory:.1f} GiB)", f"a checkpoint of at least {ratio:g} × the memory"
            )


@rule("4.3.2", "checkpointFsyncVerification", subject=CheckpointingResult, editions=("3.0",), preflight=True)
def fsync(result: CheckpointingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every checkpoint is forced to stable storage before its time is taken: ``checkpoint.fsync`` is on."""
    key = "checkpoint.fsync"
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        given = {"parameters": metadata.parameter(key)}
        if key in metadata.override_parameters:
            given["override_parameters"] = native(metadata.override_parameters[key])
        off = next(((group, value) for group, value in given.items() if boolean(value) is not True and number(value) != 1), None)
        if off is not None:
            yield Finding(
                "checkpoints are not forced to stable storage",
                measured=shown(off[1]) or "missing",
                required=f"{key} true",
                file=metadata.path or leaf.relpath,
                field=f"{off[0]}.{key}",
            )
        else:
            yield Met(", ".join(dict.fromkeys(f"{key} {str(shown(value)).strip().lower()}" for value in given.values())), f"{key} true")


@rule("4.3.4", "checkpointAggregateAcceleratorMemory", subject=CheckpointingResult, editions=("3.0",), preflight=True)
def accelerator_memory(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The emulated accelerators together have room for the checkpoint that they are said to hold.

    The metadata names the accelerator, the edition knows its memory, and that times the accelerators of the run is not less
    than the size of a checkpoint. During the round one memory was assumed for every run, whatever was declared.
    """
    # Metadata that the official tool wrote during the round name no accelerator. The text fails them all, and so does this
    # rule; whoever judges that round as it was asks for its profile.
    assumed = edition.profile.assumed_accelerator_memory_gb if edition.profile is not None else None
    for run in runs_of(result):
        if isinstance(run, NoEvidence):
            yield run
        elif assumed is not None:
            yield from _room(run, assumed)
        else:
            yield from _declared_room(run, edition)


def _declared_room(run: Run, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    known = checkpointing_of(edition).accelerator_memory_gb
    accelerator = run.metadata.accelerator
    memory_gb = known.get((accelerator or "").lower())
    if memory_gb is None:
        yield Finding(
            "no accelerator is named, so its memory is not known"
            if not accelerator
            else "the memory of the named accelerator is not in the edition's table",
            measured=shown(accelerator) or "none",
            required=", ".join(known),
            file=run.metadata_file,
            field="accelerator",
        )
    else:
        yield from _room(run, memory_gb)


def _room(run: Run, memory_gb: int) -> Iterator[Finding | NoEvidence | Met]:
    accelerators, size = run.summary.num_accelerators, CheckpointMetric.of(run.summary).size_gib
    if accelerators is None or size is None or size <= 0:
        missing = "num_accelerators" if accelerators is None else "usable metric.checkpoint_size_GB"
        yield NoEvidence(f"the summary has no {missing}", run.summary_file)
    elif accelerators * memory_gb < size:
        yield Finding(
            f"a checkpoint is larger than the memory of {accelerators} accelerators of {memory_gb} GB",
            measured=f"{size:.1f}",
            required=f"at most {accelerators * memory_gb}",
            file=run.summary_file,
            field="metric.checkpoint_size_GB",
        )
    else:
        # Conflict C-10: a size in GiB is held against one in GB, as the numbers stand.
        yield Met(f"{size:.1f}", f"at most {accelerators * memory_gb} ({accelerators} × {memory_gb} GB), as the summary has the size")


@rule("4.3.6", "checkpointResultAggregation", subject=CheckpointingResult, editions=("3.0",))
def result_aggregation(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The runs can be reduced to one figure: each has bandwidth and duration of what it wrote and of what it read."""
    for run in runs_of(result):
        if isinstance(run, NoEvidence):
            yield run
    reduced = aggregate_checkpointing(result, edition)
    for problem in reduced.problems:
        yield Finding(problem.message, file=problem.file, field=problem.field)
    if reduced.problems:
        return
    figures = [(done, *map(reduced.metrics.get, RATE_COLUMNS[phase])) for phase, done in _DONE.items()]
    whole = [(done, rate, took) for done, rate, took in figures if rate is not None and took is not None]
    for done, rate, took in whole:
        yield Met(f"{rate:.5g} GiB/s in {took:.5g} s", f"bandwidth and duration of {done}, above 0")
    if not whole:
        yield NotAsked("no phase with both figures", "asked of runs that wrote or read")


@rule("4.4.1", "checkpointPathArgs", subject=CheckpointingResult, editions=("3.0",), preflight=True)
def path_arguments(result: CheckpointingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Checkpoint folder and results directory are both given and are not the same.

    Two spellings of one path (``/data`` and ``/data/``) are the same directory.
    """
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        file = metadata.path or leaf.relpath
        folder, results = (_path(metadata.args.get(key)) for key in ("checkpoint_folder", "results_dir"))
        for key, value in (("checkpoint_folder", folder), ("results_dir", results)):
            if not value:
                yield Finding(f"the command line gave no {key}", required=f"args.{key}", file=file, field=f"args.{key}")
        if folder and results and posixpath.normpath(folder) == posixpath.normpath(results):
            yield Finding(
                "checkpoints and results are in one directory",
                measured=folder[:200],
                required="two directories",
                file=file,
                field="args.results_dir",
            )
        elif folder and results:
            yield Met(f"{_brief(folder)} and {_brief(results)}", "two directories, of checkpoints and of results")


def _path(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _brief(path: str) -> str:
    """The end of a long path, where two differ; what was measured stands in a narrow column."""
    return path if len(path) <= _LONGEST_PATH else f"…{path[1 - _LONGEST_PATH :]}"


@rule("4.4.2", "checkpointFilesystemCheck", subject=CheckpointingResult, editions=("3.0",))
def filesystem(result: CheckpointingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Checkpoints and results lay on different filesystems while the run went on, and the run left the evidence of it.

    The evidence is the tool's own probe beside the run; leaves of older tools hold a listing of the filesystems in their log.
    A run against object storage, as the system description declares, has no filesystem to compare.
    """
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
        else:
            yield from filesystem_findings(result, *run, folder="checkpoint_folder", log="checkpointing_run.stdout.log")
