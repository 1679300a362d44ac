"""What a KV cache run has to say, option by option: the true rates, the official figures beside them, its load, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.kv_cache_evidence import RankEvidence
from pytest_mlpstorage.results.kv_cache_records import OptionSummary
from pytest_mlpstorage.rules.kv_cache_client import client_sentences
from pytest_mlpstorage.rules.kv_cache_serving import serving_part, serving_sentences
from pytest_mlpstorage.units import GIB

__all__ = ["UNIT", "caution_of", "option_sentences", "why_unknown"]

UNIT: Final = "GiB/s"

_SAME: Final = 0.005
"""A factor that is no further from 1 makes no difference to tell."""

_FORMULA: Final = "The official formula"
_WHY: Final = ": it counts work that ended after the window, and divides by the window alone."

_OVERLOADED: Final = 1.05
"""A backlog that is no larger tells nothing of the queue."""

_WHOLE: Final = 100
"""From here on a fraction of a millisecond is noise."""

_NOT_TESTED: Final = "caches in the storage itself are not tested"

_OFFICIAL: Final[Mapping[str, str]] = {"read": "aggregated_read_bandwidth_gbps", "write": "aggregated_write_bandwidth_gbps"}


def caution_of(says: Sequence[str]) -> str:
    """The sentence among them that tells of official figures which are not those of the storage; empty where none does."""
    return next((sentence.removesuffix(_WHY) for sentence in says if sentence.startswith(_FORMULA) and sentence.endswith(_WHY)), "")


def option_sentences(entry: OptionSummary, block: Mapping[str, Any], evidence: Sequence[RankEvidence], *, native: bool) -> Iterator[str]:
    """What one option of a run came to; ``block`` is ours of it, ``native`` whether our engine did it and not the official program.

    ``evidence`` is what its clients recorded of themselves, where they set the figures.
    """
    rates = {word: number(block.get(f"storage_{word}_bandwidth_window_gibps")) for word in _OFFICIAL}
    window, ranks, trials = number(block.get("window_s")), entry.rank_count, entry.trial_count
    where = f"in the window of {window:g} s" if window is not None else "in the window"
    whose = f"{_counted(ranks, 'client')} together, {'mean of ' if trials and trials > 1 else ''}{_counted(trials, 'trial')}"
    true = [f"{word} {rate:.3g} {UNIT}" for word, rate in rates.items() if rate is not None]
    if true:
        yield f"True rate: {', '.join(true)}: what storage completed {where}, {_counted_writes(block)} ({whose})."
    for word, rate in rates.items():
        if rate is None:
            yield f"No true rate to {word}: {why_unknown(block, f'storage_{word}_bandwidth_window_gibps')}."
    waiting = number(block.get("write_not_durable_bytes"))
    if waiting:
        besides = f"Besides, {waiting / GIB:.3g} GiB written in the window were of entries not durable at its end, and count for nothing"
        moved = sum(rate or 0.0 for rate in rates.values()) + waiting / GIB / window / trials if window and trials else None
        yield f"{besides}." if moved is None else f"{besides}; with them storage moved {moved:.3g} {UNIT} in all."
    serving = serving_part(block)
    if serving is not None:
        # The official figures are of the rule book's work; of another they say nothing.
        yield from serving_sentences(serving, trials)
    else:
        yield from _official(entry, block, rates, native=native)
    tokens = number(block.get("tokens_in_window_per_s"))
    official_tokens = entry.average_tokens_per_second if serving is None else None
    if tokens is not None:
        beside = f", by the official formula {official_tokens:,.4g}" if official_tokens is not None else ""
        yield f"Tokens generated: {tokens:,.4g} a second{beside}."
    if serving is None:
        yield from _load(block)
    yield from _trust(block, evidence, native=native)


def _counted_writes(block: Mapping[str, Any]) -> str:
    return (
        "writes when they were done: nothing was forced to disk" if block.get("durability") == "none" else "writes once they were durable"
    )


def _official(entry: OptionSummary, block: Mapping[str, Any], rates: Mapping[str, float | None], *, native: bool) -> Iterator[str]:
    """What the official formula makes of the same run."""
    told, apart = [], False
    for word, key in _OFFICIAL.items():
        official, rate = number(entry.raw.get(key)), rates[word]
        if official is None:
            continue
        factor = official / rate if rate else None
        apart = apart or (factor is not None and abs(factor - 1) > _SAME)
        told.append(f"{word} {official:.3g} {UNIT}" + (f" ({factor:.2f} × the true rate)" if factor is not None else ""))
    if told:
        would = "would have said" if native else "said"
        yield f"{_FORMULA} {would} {', '.join(told)}{_WHY if apart else '.'}"
    late = number(block.get("late_requests_lower_bound"))
    if late and not native:  # of ours the true rate says more
        yield f"At least {late:,.0f} of the requests that these figures count ended after the window."
    yield from _table(entry)


def _table(entry: OptionSummary) -> Iterator[str]:
    """Latencies and the rate that rule 6.3.4 and the results table take of this run, which are not of its whole population."""
    highest = {
        "of all storage I/O of a request": entry.p95_latency_ms if entry.storage_read_p95_ms is None else None,
        "of storage reads": entry.storage_read_p95_ms,
        "of device reads": entry.device_read_p95_ms,
        "of device writes": entry.device_write_p95_ms,
    }
    told = [f"{_ms(value)} {of}" for of, value in highest.items() if value is not None]
    if told:
        yield f"The official P95s are the highest of any client in any trial ({', '.join(told)}); the times below are of all of them."
    tokens = entry.storage_tokens_per_second
    if tokens is not None:
        yield f"The official storage throughput is {tokens:,.4g} tokens a second of all requests' waiting for caches of any tier."


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if abs(value) >= _WHOLE else f"{value:.3g} ms"


def _load(block: Mapping[str, Any]) -> Iterator[str]:
    ended, arrived, factor = (number(block.get(key)) for key in ("requests_in_window", "arrivals_in_window", "overload_factor"))
    if ended is None or arrived is None:
        return
    if arrived and not ended:
        yield f"{arrived:,.0f} requests arrived and none was served in the window: no time of a request is told."
        return
    if factor is None or factor <= _OVERLOADED:
        yield f"{ended:,.0f} of {arrived:,.0f} requests that arrived were served in the window."
        return
    yield (
        f"{arrived:,.0f} requests arrived and {ended:,.0f} were served in the window ({factor:.3g} × overload): "
        "the time in the queue is that of the load, the time in service that of client and storage."
    )


def _trust(block: Mapping[str, Any], evidence: Sequence[RankEvidence], *, native: bool) -> Iterator[str]:
    direct, filesystem = block.get("direct"), block.get("filesystem")
    where = f", on {filesystem}" if isinstance(filesystem, str) else ""
    if block.get("storage") == "memory":
        yield f"Storage: none, for {filesystem} lies in memory."
    elif block.get("backend") == "buffered":
        resident = number(block.get("resident_fraction_before_read"))
        why = f"what of it lay in it is not known: {why_unknown(block, 'resident_fraction_before_read')}"
        lay = why if resident is None else f"{resident:.1%} of what was read lay in it"
        yield f"Storage: through the page cache, each entry dropped from it before it was read ({lay}){where}; {_NOT_TESTED}."
    elif isinstance(direct, str):
        said = {
            "proved": "direct I/O, proved by the kernel's counters",
            "unproved": "direct I/O could not be proved: no counter of the kernel tells",
            "refuted": "direct I/O is refuted by the kernel's counters: figures may be of memory",
        }.get(direct, f"direct I/O: {direct}")
        yield f"Storage: {said}{where}; {_NOT_TESTED}."
    if block.get("client_bound") is True:
        yield from client_sentences(evidence, native=native)
    if block.get("comparable") is False:
        reasons = block.get("comparable_reasons")
        listed = ", ".join(map(str, reasons)) if isinstance(reasons, list) else reasons
        yield f"Not to be compared with figures of the official tool ({listed})."


def why_unknown(block: Mapping[str, Any], key: str) -> str:
    """Why a figure is not there, in the words of the block."""
    reasons = block.get("null_reasons")
    return str(reasons.get(key, "the summary does not say")) if isinstance(reasons, Mapping) else "the summary does not say"


def _counted(count: int | None, what: str) -> str:
    return f"an unknown number of {what}s" if count is None else f"{count} {what}{'' if count == 1 else 's'}"
