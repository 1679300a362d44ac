"""Rules on how the runs of a checkpointing result fit together: writes, then reads, and what lies between (4.7, SUB-CKP, GATE)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import boolean, integer, number
from pytest_mlpstorage.results.records import CheckpointingResult, Leaf
from pytest_mlpstorage.rules.checkpoints import checkpointing_of, counts, pairs, read_start, write_end
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import Run, runs_of, with_metadata, with_summary
from pytest_mlpstorage.rules.wording import LONGEST, seconds
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

_DONE = {"num_checkpoints_write": "written", "num_checkpoints_read": "read"}

_NOT_SPLIT = "no pair of a writing and a reading run"
_ASKED_OF_SPLIT = "asked of such a pair"

_CAPABILITIES = "system_under_test.solution.capabilities"

_MOST_NAMED = 4
"""Runs whose numbers of checkpoints are told one by one."""

# Conflict C-11: a summary has `start` and `end`; texts that speak of `start_time` and `end_time` mean them. The reader takes
# either, those of the text first.


@rule("4.7.1", "checkpointCacheFlushValidation", subject=CheckpointingResult, editions=("3.0",))
def cache_flush(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed result is one run that wrote and read all checkpoints, or one that wrote them and then one that read them.

    In either division no more time passes between a run that only writes and the one that reads after it than the edition's
    limit, which is meant for flushing caches. Times are those of the invocations, else of the summaries.
    """
    runs = [run for run in runs_of(result) if isinstance(run, Run)]
    lacking = [run for run in runs_of(result) if isinstance(run, NoEvidence)]
    yield from lacking
    silent = [run for run in runs if counts(run.metadata) is None]
    for run in silent:
        yield NoEvidence("the metadata does not say how many checkpoints were to be written and read", run.metadata_file)
    # A run that could not be read may be the missing half: what is left of the result says nothing of its structure.
    if not lacking and not silent and result.division is not Division.OPEN:
        yield from _structure(result, runs, edition)
    elif not lacking and not silent:
        more = " …" if len(runs) > _MOST_NAMED else ""
        yield Met(_in_words([counts(run.metadata) for run in runs[:_MOST_NAMED]])[:LONGEST] + more, "open division: any runs")
    for written, read in pairs(result):
        yield from _gap(written, read, checkpointing_of(edition).failover_gap_seconds)


def _structure(result: CheckpointingResult, runs: Sequence[Run], edition: Edition) -> Iterator[Finding | Met]:
    forms = checkpointing_of(edition).closed_invocations or ()
    found = tuple(counts(run.metadata) for run in runs)
    if found not in forms:
        yield Finding(
            "the runs are not those of a closed result, as (checkpoints written, read) in order",
            measured=", ".join(map(str, found[:_MOST_NAMED])) + (" …" if len(found) > _MOST_NAMED else ""),
            required=" or ".join(" then ".join(map(str, form)) for form in forms),
            file=result.relpath,
            part="structure",
        )
        return
    yield Met(_in_words(found), " or ".join(map(_in_words, forms)))
    for written, read in itertools.pairwise(runs):
        begin, end = read.summary.start, written.summary.end
        if begin is None or end is None:
            of, field = (read, "start") if begin is None else (written, "end")
            yield Finding(f"the summary has no usable {field}", file=of.summary_file, field=field, part="structure")
        elif begin < end:
            yield Finding(
                "the checkpoints were read while they were still written",
                measured=begin.isoformat(),
                required=f"not before {end.isoformat()}",
                file=read.summary_file,
                field="start",
                part="structure",
            )
        else:
            yield Met(seconds((begin - end).total_seconds()), "at least 0 s between them by the summaries")


def _in_words(form: Sequence[tuple[int, int] | None]) -> str:
    """The (checkpoints written, read) of runs in order, as a person says them."""
    parts = ([f"{n} {done}" for n, done in zip(count, _DONE.values(), strict=True) if n] for count in form if count is not None)
    return " then ".join(" + ".join(told) or "nothing" for told in parts)


def _gap(written: Leaf, read: Leaf, limit_seconds: float | None) -> Iterator[Finding | Met]:
    end, begin = write_end(written), read_start(read)
    if end is None or begin is None:
        yield Finding(
            f"nothing says when the {'writing run ended' if end is None else 'reading run began'}",
            required="invocation times in the metadata, or those of the summary",
            file=(written if end is None else read).relpath,
            part="gap",
        )
        return
    gap_seconds = (begin.time - end.time).total_seconds()
    if limit_seconds is not None and gap_seconds > limit_seconds:
        yield Finding(
            "too much time passed between writing and reading",
            measured=seconds(gap_seconds),
            required=f"at most {seconds(limit_seconds)}",
            file=begin.file,
            field=begin.field,
            part="gap",
        )
    elif gap_seconds < 0:
        # Conflict C-9: the validator warns, the tool's own check refuses. Two hosts' clocks, or a time that was recorded in
        # another zone, can give it, so it alone proves nothing; that the reads began before the writes ended by the summaries,
        # which one kind of clock wrote, is seen above and fails.
        yield Finding(
            "by their clocks the reading run began before the writing one ended",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            measured=seconds(gap_seconds),
            required="0 s or more",
            file=begin.file,
            field=begin.field,
        )
    else:
        limit = "any time" if limit_seconds is None else f"at most {seconds(limit_seconds)}"
        yield Met(seconds(gap_seconds), f"{limit} between writing and reading")


@rule("4.7.2", "checkpointTotalTestDuration", subject=CheckpointingResult, editions=("3.0",))
def total_duration(result: CheckpointingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Where writing and reading were two runs, the time from the first write to the last read can be told, and is."""
    paired = pairs(result)
    if not paired:
        yield NotAsked(_NOT_SPLIT, _ASKED_OF_SPLIT)
        return
    first, last = paired[0][0], paired[-1][1]
    for leaf in (first, last):
        if leaf.summary is None:
            yield NoEvidence("summary could not be read", leaf.relpath)
    if first.summary is None or last.summary is None:
        return
    begin, end = first.summary.start, last.summary.end
    for summary, time, field in ((first.summary, begin, "start"), (last.summary, end, "end")):
        if time is None:
            yield Finding(f"the summary has no usable {field}", file=summary.path, field=field)
    if begin is not None and end is not None:
        yield Finding(
            "the time from the first write to the last read",
            severity=Severity.INFO,
            category=Category.CLOSED,
            measured=seconds((end - begin).total_seconds()),
            file=result.relpath,
        )
        yield Met(f"{seconds((end - begin).total_seconds())} from first write to last read", "told where two runs wrote and read")


@rule("4.7.3", "checkpointRemappingTimeReporting", subject=CheckpointingResult, editions=("3.0",))
def remapping_time(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A system that declares a time for remapping took a good part of it between the last write and the first read."""
    fraction = checkpointing_of(edition).remap_time_fraction
    paired = pairs(result)
    if not paired:
        yield NotAsked(_NOT_SPLIT, _ASKED_OF_SPLIT)
    if not paired or fraction is None:
        return
    key = f"{_CAPABILITIES}.remap_time_in_seconds"
    declared_seconds = number(result.description.value(key)) if result.description is not None else None
    if declared_seconds is None:
        yield NoEvidence("the system description declares no time for remapping", result.description.relpath if result.description else "")
        return
    begins = [read.summary.start if read.summary is not None else None for _, read in paired]
    ends = [written.summary.end if written.summary is not None else None for written, _ in paired]
    begin = min((time for time in begins if time is not None), default=None)
    end = max((time for time in ends if time is not None), default=None)
    if declared_seconds <= 0:
        yield NotAsked(f"{declared_seconds:g} s of remapping declared", "asked where remapping takes time")
        return
    if begin is None or end is None or None in begins or None in ends:
        yield NoEvidence("the summaries do not say when writing ended and reading began", result.relpath)
    elif (begin - end).total_seconds() < fraction * declared_seconds:
        yield Finding(
            "less time passed between writing and reading than the system says that it needs for remapping",
            measured=seconds((begin - end).total_seconds()),
            required=f"at least {fraction:g} × {seconds(declared_seconds)}",
            file=result.description.relpath if result.description is not None else "",
            field=key,
        )
    else:
        least = f"at least {fraction:g} × the {seconds(declared_seconds)} of remapping"
        yield Met(f"{seconds((begin - end).total_seconds())} between writing and reading", least)


@rule("4.7.4", "checkpointSimultaneousRwSupport", subject=CheckpointingResult, editions=("3.0",), severity=Severity.WARNING)
def simultaneous_access(result: CheckpointingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A system whose clients cannot all write, or all read, at the same time needs a reviewer's look at how it ran checkpoints."""
    if result.description is None:
        yield NoEvidence("there is no system description")
        return
    for key in ("simultaneous_write", "simultaneous_read"):
        said = boolean(result.description.value(f"{_CAPABILITIES}.{key}"))
        if said is None:
            yield NoEvidence(f"the system description does not say {key}", result.description.relpath)
        elif not said and result.runs:
            yield Finding(
                f"checkpoints were measured on a system without {key}",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured="false",
                file=result.description.relpath,
                field=f"{_CAPABILITIES}.{key}",
            )
        elif said:
            yield Met(f"{key} true", "both true")


@rule("SUB-CKP-1", "check_num_runs", subject=CheckpointingResult, editions=("3.0",), preflight=True)
def checkpoints_in_all(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The runs of a result together wrote and read the edition's number of checkpoints, by their parameters."""
    book = checkpointing_of(edition)
    required = dict(zip(_DONE, (book.checkpoints_written, book.checkpoints_read), strict=True))
    sums = dict.fromkeys(required, 0)
    lacking: list[NoEvidence] = []
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            lacking.append(run)
            continue
        leaf, metadata = run
        for key in sums:
            value = integer(metadata.parameter(f"checkpoint.{key}"))
            if value is None:
                lacking.append(NoEvidence(f"the metadata has no checkpoint.{key}", metadata.path or leaf.relpath))
            sums[key] += value or 0
    yield from lacking
    for key, total in sums.items() if not lacking else ():
        if total != required[key]:
            yield Finding(
                f"the runs together were to have another number of checkpoints {_DONE[key]}",
                measured=str(total)[:80],
                required=required[key],
                file=result.relpath,
                field=f"parameters.checkpoint.{key}",
            )
        else:
            yield Met(f"{total} {_DONE[key]}", f"{required[key]} {_DONE[key]} in all")


_MOST_LISTS = 20


@rule("GATE-CKP-10", "tenCheckpoints", subject=CheckpointingResult, editions=("3.0",))
def values_per_checkpoint(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A metric that a summary gives as a list has one value for each of the edition's checkpoints."""
    required = checkpointing_of(edition).metric_list_length
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        metric = summary.raw.get("metric")
        lists = [(key, value) for key, value in (metric.items() if isinstance(metric, Mapping) else ()) if isinstance(value, list)]
        wrong = [(key, value) for key, value in lists if len(value) != required]
        if not lists:
            yield NotAsked("no list of values", "asked where a summary has one")
        elif not wrong:
            yield Met(f"{required} values", f"{required} values in each list")
        for key, value in wrong[:_MOST_LISTS]:
            yield Finding(
                "a metric has another number of values than there are checkpoints",
                measured=len(value),
                required=required,
                file=summary.path or leaf.relpath,
                field=f"metric.{str(key)[:80]}",
            )
