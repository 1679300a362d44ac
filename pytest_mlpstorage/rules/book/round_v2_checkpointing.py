"""Rules of edition 2.0 on checkpointing, as its checker was coded (section 2.10)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from fractions import Fraction

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import CheckpointingEdition, CheckpointModel
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.checkpoint_metric import CheckpointMetric, CheckpointPhase
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.records import CheckpointingResult, Summary
from pytest_mlpstorage.rules.checkpoints import checkpoint_count, checkpointing_of, processes_of
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.round_v2 import cached_gib, host_share_gib, least_share_gib
from pytest_mlpstorage.rules.round_v2_runs import RoundRun, directories_without_run, measured_runs, run_directories
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

_MODE, _SUBSET, _WHOLE = "checkpoint.mode", "subset", "default"
_NOT_ASKED = NotAsked("no run that reads", "asked of runs that read checkpoints")


def _model(result: CheckpointingResult, edition: Edition) -> CheckpointModel | None:
    return checkpointing_of(edition).models.get(result.model)


def _processes(run: RoundRun) -> int | None:
    """Ranks that ran; where the summary does not say it, those that were asked for."""
    ran = run.summary.num_accelerators if run.summary is not None else None
    return ran if ran is not None or run.metadata is None else processes_of(run.metadata)


def _count(run: RoundRun, phase: CheckpointPhase) -> int | None:
    """Checkpoints that a run was given to write or to read."""
    key = f"checkpoint.num_checkpoints_{'write' if phase == 'save' else 'read'}"
    given = integer(run.parameter(key))
    return given if given is not None or run.metadata is None else checkpoint_count(run.metadata, phase)


@rule("V2-CKP-check_num_processes", "check_num_processes", subject=CheckpointingResult, editions=("2.0",))
def number_of_processes(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed run has the model's number of ranks, or that of the subset form where it ran in it; there is no third form.

    An open run may also have any whole number of the ranks that hold one copy of the model. A closed one that has such a
    number is invalid; it would be OPEN under ``open/``.
    """
    book, model = checkpointing_of(edition), _model(result, edition)
    if model is None:
        yield Finding(
            "the edition has no such model", measured=shown(result.model), required=f"one of {', '.join(book.models)}", file=result.relpath
        )
        return
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
        elif not run.has_parameters or _processes(run) is None:
            yield NoEvidence("nothing says in which form and with how many ranks the run ran", run.leaf.relpath)
        else:
            yield from _number_of_processes(result, run, book, model)


def _number_of_processes(
    result: CheckpointingResult, run: RoundRun, book: CheckpointingEdition, model: CheckpointModel
) -> Iterator[Finding | Met]:
    mode, processes = run.parameter(_MODE), _processes(run) or 0
    subset = mode == _SUBSET
    if not subset and mode not in (None, _WHOLE):
        required = f"{_WHOLE} or {_SUBSET}"
        yield Finding("a run has an unknown form", measured=shown(mode), required=required, file=run.origin(_MODE), field=_MODE)
        return
    closed = book.subset_processes if subset else model.processes
    multiple = processes > 0 and processes % model.open_multiple == 0
    # What the closed division accepts the open one accepts too: eight ranks in subset mode are no multiple of a copy of the
    # larger models, and were meant to be run everywhere.
    also = f", or a multiple of {model.open_multiple}" if result.division is Division.OPEN else ""
    form = f"{result.model}{' in subset mode' if subset else ''}"
    if processes == closed or (multiple and result.division is Division.OPEN):
        free = f"{also} in the open division" if also else ""
        yield Met(f"{processes} ranks", f"{closed} ranks of {form}{free}")
        return
    hint = "; under open/ the result would be OPEN" if multiple else ""
    yield Finding(
        f"a run of {form} had another number of ranks{hint}",
        measured=processes,
        required=f"{closed}{also}",
        file=run.summary_file,
        field="num_accelerators",
    )


@rule("V2-CKP-check_allowed_params", "check_allowed_params", subject=CheckpointingResult, editions=("2.0",))
def allowed_parameters(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A run overrides only parameters of the edition's list; the open division has no list of its own and adds none.

    Overrides are those that the tool recorded and those that DLIO was given.
    """
    # The checker has a list for closed and an empty one for open, and anything in neither fails: its outcome is never OPEN, as it is
    # for training. So the rule counts in both divisions.
    allowed = checkpointing_of(edition).closed_keys
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        if run.overrides is None:
            yield NoEvidence("nothing says which parameters were overridden", run.leaf.relpath)
            continue
        refused = [override for override in run.overrides if override.key not in allowed]
        if not refused:
            yield Met(f"{len(run.overrides)} overrides", "only keys of the closed list, in the open division too")
        for override in refused:
            yield Finding(
                f"{override.key} is in no list of parameters that a submission may set",
                measured=shown(override.value),
                file=override.file,
                field=override.field,
            )


@dataclasses.dataclass(frozen=True)
class _Memory:
    """What a run could have read from memory: GiB that a host had, or held cached, and the share of a checkpoint it is held to.

    ``coded``: the share by the tool's constants, which decides; ``written``: the same by the size that the run itself recorded.
    """

    gib: Fraction
    coded: Fraction
    written: Fraction | None
    what: str
    field: str


def _memory(run: RoundRun, summary: Summary, model: CheckpointModel) -> _Memory | NoEvidence | None:
    """What the rule on caches measures of a run; None for one that only wrote."""
    writes, reads = _count(run, "save"), _count(run, "load")
    processes, hosts, total = _processes(run), summary.num_hosts, summary.total_host_memory_gib
    if writes is None or reads is None:
        return NoEvidence("nothing says how many checkpoints the run wrote and read", run.leaf.relpath)
    if reads <= 0:
        return None
    if processes is None or processes < 1 or hosts is None or hosts < 1:
        return NoEvidence("the summary does not say how many ranks ran on how many hosts", run.summary_file)
    size = CheckpointMetric.of(summary).size_gib
    written = Fraction(size) / hosts if size is not None and size > 0 else None
    if writes > 0:
        if total is None or not math.isfinite(total) or total <= 0:
            return NoEvidence("the summary has no usable host_memory_GB", run.summary_file)
        # Only the sum is reliable: the emulator may put a host's memory into another's slot, or twice and none.
        share = least_share_gib(model, processes=processes, hosts=hosts)
        return _Memory(Fraction(total) / hosts, share, written, "hosts with {} GiB of memory each", "host_memory_GB")
    cached = cached_gib(summary)
    if cached is None or cached < 0:
        return NoEvidence("the summary has no usable host_meminfo.Cached", run.summary_file)
    share = host_share_gib(model, processes=processes, hosts=hosts, host=0)
    return _Memory(Fraction(cached), share, written, "{} GiB cached", "host_meminfo.Cached")


def _memories(result: CheckpointingResult, edition: Edition) -> Iterator[tuple[RoundRun, _Memory] | NoEvidence]:
    """Each run that read, with what it could have read from memory."""
    model = _model(result, edition)
    if model is None:
        yield NoEvidence("the edition has no such model", result.relpath)
        return
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
        elif run.summary is not None:
            found = _memory(run, run.summary, model)
            if isinstance(found, NoEvidence):
                yield found
            elif found is not None:
                yield run, found


def _gib(value: Fraction) -> str:
    return f"{float(value):.2f}"


@rule("V2-CKP-check_clear_cache_requirement", "check_clear_cache_requirement", subject=CheckpointingResult, editions=("2.0",))
def clear_caches(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Checkpoints are read from the storage and not from the memory of the hosts that wrote them.

    Hosts with more memory than a multiple of what one of them writes of a checkpoint must have their caches cleared before
    they read, which one invocation that writes and reads cannot do. A run that only reads must not have found more than
    that multiple cached.
    """
    # The formula divides the whole checkpoint over the ranks that ran. In subset mode that is too much: each of the eight
    # ranks writes no more than its share of a full run, so the check speaks only of far more memory than its own text means.
    # Its verdict stands, as coded; where the size that the run recorded would have made it speak, the reviewer is told.
    multiple = Fraction(str(checkpointing_of(edition).cache_memory_multiple or 0))
    asked = False
    for item in _memories(result, edition):
        asked = True
        if isinstance(item, NoEvidence):
            yield item
            continue
        run, memory = item
        coded = memory.gib > multiple * memory.coded
        if coded or (memory.written is not None and memory.gib > multiple * memory.written):
            share = memory.coded if coded or memory.written is None else memory.written
            told = "" if coded else ", by the size of the checkpoints that it recorded"
            yield Finding(
                f"a run could read checkpoints from memory{told}",
                severity=Severity.ERROR if coded else Severity.WARNING,
                category=Category.INVALID if coded else Category.CLOSED,
                measured=memory.what.format(_gib(memory.gib)),
                required=f"at most {_gib(multiple * share)} GiB, {float(multiple):g} × what the host writes of a checkpoint",
                file=run.summary_file,
                field=memory.field,
            )
        else:
            unit = memory.what.partition("{} ")[2]
            limit = f"{_gib(multiple * memory.coded)} {unit}, {float(multiple):g} × what a host writes"
            yield Met(f"{_gib(memory.gib)} GiB", f"at most {limit}")
    if not asked:
        yield _NOT_ASKED


@rule("V2-CKPSUB-check_num_runs", "check_num_runs", subject=CheckpointingResult, editions=("2.0",))
def number_of_checkpoints(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """All runs together write and read as many checkpoints as the edition demands, in any number of invocations.

    No more of them than the edition allows write and read at once. A directory without a summary is a run that did not
    finish; it must not stand in a package.
    """
    book, runs = checkpointing_of(edition), run_directories(result)
    untidy = list(directories_without_run(result, runs))
    yield from untidy
    if not untidy:
        yield Met(f"{len(runs)} directories", "a finished run in each, named as a timestamp")
    counts: list[tuple[int, int]] = []
    for run in runs:
        if run.finished:
            writes, reads = _count(run, "save"), _count(run, "load")
            if writes is None or reads is None:
                yield NoEvidence("nothing says how many checkpoints the run wrote and read", run.leaf.relpath)
                return
            if min(writes, reads) < 0:
                yield Finding("a run has a negative number of checkpoints", measured=min(writes, reads), required=0, file=run.leaf.relpath)
            counts.append((writes, reads))
    met: list[str] = []
    for done, total, required in (
        ("written", sum(writes for writes, _ in counts), book.checkpoints_written),
        ("read", sum(reads for _, reads in counts), book.checkpoints_read),
    ):
        if total != required:
            yield Finding(
                f"the checkpoints {done} by all runs are not as many as a result has",
                measured=total,
                required=required,
                file=result.relpath,
            )
        else:
            met.append(f"{total} {done}")
    if met:
        yield Met(", ".join(met), f"{book.checkpoints_written} checkpoints written, {book.checkpoints_read} read by all runs")
    both = sum(writes > 0 and reads > 0 for writes, reads in counts)
    if book.combined_runs is not None and both > book.combined_runs:
        yield Finding("too many runs both write and read", measured=both, required=f"at most {book.combined_runs}", file=result.relpath)
    elif book.combined_runs is not None:
        yield Met(f"{both} runs do both", f"at most {book.combined_runs} that both write and read")


@rule("V2-CKPSUB-check_filesystem_cache", "check_filesystem_cache", subject=CheckpointingResult, editions=("2.0",))
def caches_of_group(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """No run of the result could read checkpoints from memory: the measure of a single run, taken over all of them."""
    multiple = Fraction(str(checkpointing_of(edition).cache_memory_multiple or 0))
    reading = cached = lacking = 0
    for item in _memories(result, edition):
        if isinstance(item, NoEvidence):
            lacking += 1
            yield item
        else:
            reading += 1
            cached += item[1].gib > multiple * item[1].coded
    if cached:
        yield Finding(
            "runs of the result could read checkpoints from memory",
            measured=f"{cached} of {reading} runs that read",
            required="none",
            file=result.relpath,
        )
    elif reading:
        yield Met(f"0 of {reading} runs that read", f"none with more than {float(multiple):g} × what a host writes in memory")
    elif not lacking:
        yield _NOT_ASKED
