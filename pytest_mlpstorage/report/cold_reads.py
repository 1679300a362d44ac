"""Whether what a result read came from the storage and not from memory: proved, refuted or unavailable, and by what, in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.report.result_facts import ColdReads, ColdState
from pytest_mlpstorage.results.coerce import boolean, number
from pytest_mlpstorage.results.files import TreeFiles, printable
from pytest_mlpstorage.results.page_cache import PAGE_CACHE, PageCacheRecord
from pytest_mlpstorage.results.records import CheckpointingResult, KVCacheResult, StoredResult, TrainingResult, VectorDatabaseResult
from pytest_mlpstorage.results.vector_limits import recorded
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.rules.judging import rules_for
from pytest_mlpstorage.rules.kv_cache_runs import with_summary
from pytest_mlpstorage.units import format_bytes
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["cold_reads_of"]

_RULE: Final = "MLPS-COLD-1"
_READS: Final = "MLPS-VDB-03"
_PHASES: Final = "mlps.phases"
_LONGEST: Final = 300
_NOTHING: Final = ColdReads("unavailable", "the tool that measured it recorded nothing of what lay in memory")


def cold_reads_of(result: StoredResult, edition: Edition) -> ColdReads:
    """What the runs of a result recorded of where their reads came from; for training and checkpointing as rule MLPS-COLD-1 judges it."""
    if isinstance(result, (TrainingResult, CheckpointingResult)):
        return _page_cache(result, edition)
    if isinstance(result, VectorDatabaseResult):
        return _searches(result)
    if isinstance(result, KVCacheResult):
        return _kv_cache(result)
    return _NOTHING


def _page_cache(result: TrainingResult | CheckpointingResult, edition: Edition) -> ColdReads:
    rule = next((rule for rule in rules_for(result) if rule.id == _RULE), None)
    if rule is None or not any(PAGE_CACHE in leaf.files or (leaf.metadata is not None and leaf.metadata.mlps) for leaf in result.runs):
        return _NOTHING
    said = rule.evaluate(result, edition)
    measured = _measured(list(_records(result)))
    if said.findings:
        why = "; ".join(dict.fromkeys(finding.message for finding in said.findings))
        return ColdReads("refuted", f"{why}: {measured}"[:_LONGEST])
    if said.lacking:
        return ColdReads("unavailable", "; ".join(dict.fromkeys(lacking.reason for lacking in said.lacking))[:_LONGEST])
    return ColdReads("proved", measured)


def _records(result: StoredResult) -> Iterator[PageCacheRecord]:
    files = TreeFiles(result.root)
    for leaf in result.runs:
        if PAGE_CACHE in leaf.files - leaf.pruned:
            raw = files.json_object(leaf.path / PAGE_CACHE)
            if raw is not None:
                yield PageCacheRecord.from_json(raw)


def _measured(records: Sequence[PageCacheRecord]) -> str:
    """The sums over the runs; what one of them does not know is left out."""
    resident, sampled, asked = (
        _sum(values)
        for values in (
            (record.resident_bytes_after for record in records),
            (record.bytes_sampled for record in records),
            (record.asked_bytes for record in records),
        )
    )
    told = []
    if resident is not None and sampled:
        told.append(
            f"{format_bytes(resident) if resident else 'nothing'} of {format_bytes(sampled)} sampled lay in memory before the reads"
        )
    if asked is not None:
        told.append(f"{format_bytes(asked)} asked for")
        told += _counted(records)
    return f"{', '.join(told)} ({len(records)} run{'' if len(records) == 1 else 's'})"


def _counted(records: Sequence[PageCacheRecord]) -> Iterator[str]:
    device, ranks = (
        _sum(values) for values in ((record.device_read_bytes for record in records), (record.rank_read_bytes for record in records))
    )
    by = {f"by {_sources(records)}": device, "by the ranks' own counters": ranks}
    amounts: dict[str, list[str]] = {}
    for whom, counted in by.items():
        if counted is not None:
            amounts.setdefault(format_bytes(counted), []).append(whom)
    yield from (f"{amount} counted {' and '.join(whom)}" for amount, whom in amounts.items())


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if known and len(known) == len(found) else None


def _sources(records: Sequence[PageCacheRecord]) -> str:
    sources = sorted({counter.source for record in records for counter in record.counters if counter.source})
    return f"{', '.join(sources[:2])}{' and others' if len(sources) > 2 else ''}" or "the storage"


def _searches(result: VectorDatabaseResult) -> ColdReads:
    """Whether the searches of the runs read the storage: the first ones, after the index was opened, and the steady ones."""
    raws = [leaf.summary.raw for leaf in result.runs if leaf.summary is not None and isinstance(value_at(leaf.summary.raw, _PHASES), list)]
    if not raws:
        return _NOTHING
    reads: dict[str, list[float | None]] = {}
    for raw in raws:
        for phase in cast("list[object]", value_at(raw, _PHASES)):
            if isinstance(phase, Mapping):
                reads.setdefault(printable(str(phase.get("name"))), []).append(number(phase.get("read_4kib_per_query")))
    counted = {name: [count for count in counts if count is not None] for name, counts in reads.items()}
    told = [f"{name} {_range(counts)}" for name, counts in counted.items() if counts]
    statements = dict.fromkeys(said for raw in raws if isinstance(said := value_at(raw, "mlps.cold_proof.statement"), str))
    line = "; ".join([f"4-KiB reads of storage a search: {', '.join(told)}" if told else "nobody counted what searches read", *statements])
    least = min(number(recorded(raw, _READS).value) or 0.0 for raw in raws)
    if any(count < least for counts in counted.values() for count in counts):
        return ColdReads("refuted", line[:_LONGEST])
    all_known = bool(reads) and all(None not in counts for counts in reads.values())
    verified = all(boolean(value_at(raw, "mlps.cold_proof.verified")) for raw in raws)
    return ColdReads("proved" if verified and all_known else "unavailable", line[:_LONGEST])


def _range(counts: Sequence[float]) -> str:
    low, high = f"{min(counts):.3g}", f"{max(counts):.3g}"
    return low if low == high else f"{low} to {high}"


def _kv_cache(result: KVCacheResult) -> ColdReads:
    found = with_summary(result)
    if isinstance(found, NoEvidence):
        return ColdReads("unavailable", found.reason)
    blocks = {option.number: option.raw.get("mlps") for option in found[1].options.values()}
    return _together([_option(number, block) for number, block in blocks.items() if isinstance(block, Mapping) and block])


def _option(option: int, block: Mapping[str, Any]) -> ColdReads:
    direct, filesystem = block.get("direct"), block.get("filesystem")
    where = f" on {filesystem}" if isinstance(filesystem, str) else ""
    if block.get("storage") == "memory":
        return ColdReads("refuted", f"option {option}: the cache lay in memory{where}")
    if block.get("backend") == "buffered":
        resident = number(block.get("resident_fraction_before_read"))
        if resident is None:
            return ColdReads("unavailable", f"option {option}: through the page cache{where}, and what of it lay there is not known")
        lay = f"option {option}: {resident:.1%} of what was read lay in the page cache{where}"
        return ColdReads("proved" if resident <= 0.01 else "refuted", lay)
    if direct == "proved":
        return ColdReads("proved", f"direct I/O, by the kernel's counters{where}; caches in the storage itself are not tested")
    if direct == "refuted":
        return ColdReads("refuted", f"option {option}: direct I/O is refuted by the kernel's counters{where}")
    return ColdReads("unavailable", f"option {option}: no counter of the kernel tells whether direct I/O was direct{where}")


def _together(each: Sequence[ColdReads]) -> ColdReads:
    """The worst of several, with the lines of those that are as bad; alike lines once."""
    if not each:
        return _NOTHING
    order: tuple[ColdState, ...] = ("refuted", "unavailable", "proved")
    state = next(one for one in order if any(part.state == one for part in each))
    lines = list(dict.fromkeys(part.text for part in each if part.state == state))
    more = f" (and {len(lines) - 2} more)" if len(lines) > 2 else ""
    return ColdReads(state, f"{'; '.join(lines[:2])}{more}")
