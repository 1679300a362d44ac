"""What to say of a KV cache client that set the figures, by what it was: its processors, its checks, or its wait to go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pytest_mlpstorage.kvcache.trust_client import CONTENT_MOST, CPU_MOST
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.kv_cache_evidence import RankEvidence, evidence_names
from pytest_mlpstorage.results.records import Leaf, StoredResult

__all__ = ["client_sentences", "evidence_of"]

_LIMIT: Final = "The client limited the rate, and storage may give a higher one"


def evidence_of(result: StoredResult, leaf: Leaf, option: int) -> list[RankEvidence]:
    """What each client of an option recorded of itself, as far as it is there."""
    files = TreeFiles(result.root)
    names = {name: place for name, place in evidence_names(leaf.files - leaf.pruned).items() if place[0] == option}
    return [RankEvidence.from_json(files.json_object(leaf.path / name), place) for name, place in names.items()]


def client_sentences(evidence: Iterable[RankEvidence], *, native: bool) -> Iterator[str]:
    """Why ``client_bound`` is recorded (kvcache.md §5.9).

    Busy processors and the time for stamps and checks keep a client from asking for more. How many of the records show it is said: one
    client of many takes little of the rate. A thread that waits to go on makes latencies longer; of the rate that proves nothing.
    ``native``: of the official program only processors are judged.
    """
    if not native:
        yield f"{_LIMIT}: it used more than {100 * CPU_MOST:.0f} % of its cores."
        return
    each = list(evidence)
    cpu = _over((one.cpu_share for one in each), CPU_MOST, len(each), "of its cores were used")
    content = _over(
        (one.content_share for one in each), CONTENT_MOST, len(each), "of the time objects were under way went to stamps and checks"
    )
    late = any(one.client_side_percentiles for one in each)
    reasons = [reason for reason in (cpu, content) if reason]
    if reasons:
        yield f"{_LIMIT}: {', and '.join(reasons)}."
    if late:
        yield (
            "Latency percentiles are the client's as much as the storage's, and storage may give a higher rate: "
            "threads waited to go on (see the ranks' evidence.json)."
        )
    if not reasons and not late:
        yield "The client, and not the storage, may have set these figures: client_bound is recorded, and no reason that can be read."


def _over(shares: Iterable[float | None], most: float, records: int, what: str) -> str:
    """What went over its limit, up to how far and in how many records; empty where nothing did."""
    over = [share for share in shares if share is not None and share > most]
    return f"up to {100 * max(over):.1f} % {what}, over {100 * most:.0f} % in {len(over)} of {records} records" if over else ""
