"""Our own rule on what was measured: the storage, or the memory of the hosts that read from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.page_cache import COLD_FRACTION, PAGE_CACHE, HostPageCache, PageCacheRecord
from pytest_mlpstorage.results.records import CheckpointingResult, StoredResult, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_DELIVERED_FRACTION: Final = 0.8
"""Least part of the bytes asked for that the storage must be seen to deliver.

The editions want a data set of five times the memory, so they let up to a fifth of it be found there; more than that they
cannot have meant. What the counters miss or add (headers, read-ahead, other users of the device) is far less than a fifth.
"""


def _cold_reads(result: StoredResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """What a run reads comes from the storage and not from the memory of its hosts.

    Judged by the record that this suite makes. When the reading began, no more than a hundredth of the sampled bytes lay in the
    memory of any host; and by the counters of the kernel, those of the ranks or those of the storage, at least four fifths of the
    bytes asked for came from the storage. Where nothing can be counted, as on a filesystem in memory, or this suite's record is
    gone, nothing is verified. Of a run of another tool, which makes no such record, nothing is said.
    """
    for leaf in result.runs:
        if PAGE_CACHE not in leaf.files:
            if leaf.metadata is not None and leaf.metadata.mlps and not leaf.planned:
                yield NoEvidence(f"{PAGE_CACHE} is not there", leaf.relpath)
            else:
                yield NotAsked(f"no {PAGE_CACHE}", "asked of runs that this suite made")
            continue
        file = f"{leaf.relpath}/{PAGE_CACHE}"
        files = TreeFiles(result.root)
        raw = files.json_object(leaf.path / PAGE_CACHE)
        if raw is None:
            pruned = PAGE_CACHE in leaf.pruned
            why = "could not be read (pruned by its publisher)" if pruned else next((p.message for p in files.problems), "holds nothing")
            yield NoEvidence(f"{PAGE_CACHE} {why}", leaf.relpath, pruned)
            continue
        record = PageCacheRecord.from_json(raw)
        yield from _resident(record, file)
        yield from _delivered(record, file)


for _subject in (TrainingResult, CheckpointingResult):
    rule("MLPS-COLD-1", "coldReads", subject=_subject, editions=("3.0",), severity=Severity.WARNING)(_cold_reads)


def _warning(message: str, measured: str, required: str, file: str, field: str) -> Finding:
    return Finding(
        message, severity=Severity.WARNING, category=Category.CLOSED, measured=measured, required=required, file=file, field=field
    )


def _is_warm(host: HostPageCache) -> bool:
    return (host.resident_bytes_after or 0) > COLD_FRACTION * host.bytes_sampled


def _resident(record: PageCacheRecord, file: str) -> Iterator[Finding | NoEvidence | Met]:
    unknown = [host for host in record.hosts if not host.measured or host.bytes_sampled <= 0]
    warm = [host for host in record.hosts if host not in unknown and _is_warm(host)]
    if warm:
        resident, sampled = sum(host.resident_bytes_after or 0 for host in warm), sum(host.bytes_sampled for host in warm)
        count = sum(host.files_sampled for host in warm)
        off = ", and dropping them was switched off" if record.drop is False else ""
        where = f"{count} sampled files on {len(warm)} of {len(record.hosts)} host(s)"
        yield _warning(
            f"files lay in the memory of the host when their reading began{off}",
            f"{resident} of {sampled} bytes ({resident / sampled:.1%}) of {where}",
            f"at most {COLD_FRACTION:.0%}",
            file,
            "resident_bytes_after",
        )
    if unknown or not record.hosts:
        methods = "; ".join(sorted({host.method for host in unknown if host.method})) or "the record does not say"
        yield NoEvidence(f"what lay in memory is not known of {len(unknown) or 'any'} host(s): {methods}"[:300], file)
    elif not warm:
        most = max((host.resident_bytes_after or 0) / host.bytes_sampled for host in record.hosts)
        yield Met(f"{100 * most:.2f} %", f"at most {100 * COLD_FRACTION:g} % of a host's sample in memory")


def _delivered(record: PageCacheRecord, file: str) -> Iterator[Finding | NoEvidence | Met]:
    asked, device, ranks = record.asked_bytes, record.device_read_bytes, record.rank_read_bytes
    if asked is None or asked <= 0:
        yield NoEvidence("the record does not say how many bytes were asked for", file)
    elif max(device or 0, ranks or 0) >= _DELIVERED_FRACTION * asked:
        delivered = 100 * max(device or 0, ranks or 0) / asked
        yield Met(f"{delivered:.1f} %", f"at least {100 * _DELIVERED_FRACTION:g} % of the bytes from storage")
    elif device is None:
        sources = "; ".join(sorted({counter.source for counter in record.counters if counter.device_read_bytes is None}))
        yield NoEvidence(f"what the storage delivered is not known: {sources or 'the record does not say'}"[:300], file)
    else:
        own = f", {ranks} by the counters of the ranks" if ranks is not None else ""
        sources = "; ".join(sorted({counter.source for counter in record.counters}))
        yield _warning(
            "the storage delivered fewer bytes than the ranks asked for: the rest came from memory",
            f"{device} bytes by {sources[:80]}{own}",
            f"at least {_DELIVERED_FRACTION:.0%} of {asked}",
            file,
            "device_read_bytes",
        )
