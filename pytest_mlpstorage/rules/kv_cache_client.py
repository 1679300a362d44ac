"""What to say of a KV cache client that set the figures, by what it was: its processors, its checks, or its wait to go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pytest_mlpstorage.kvcache.trust_client import CONTENT_MOST, CPU_MOST
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.kv_cache_evidence import RankEvidence, evidence_names
from pytest_mlpstorage.results.records import Leaf, StoredResult

__all__ = ["client_sentences", "evidence_of"]

_LIMIT: Final = "The client was the limit of the rate, not the storage"


def evidence_of(result: StoredResult, leaf: Leaf, option: int) -> list[RankEvidence]:
    """What each client of an option recorded of itself, as far as it is there."""
    files = TreeFiles(result.root)
    names = {name: place for name, place in evidence_names(leaf.files - leaf.pruned).items() if place[0] == option}
    return [RankEvidence.from_json(files.json_object(leaf.path / name), place) for name, place in names.items()]


def client_sentences(evidence: Iterable[RankEvidence], *, native: bool) -> Iterator[str]:
    """Why ``client_bound`` is recorded (kvcache.md §5.9).

    Busy processors and the time for stamps and checks keep a client from asking for more: then it was the limit. A thread that waits
    to go on makes latencies longer; of the rate that proves nothing. ``native``: of the official program only processors are judged.
    """
    if not native:
        yield f"{_LIMIT}: it used more than {_percent(CPU_MOST)} of its cores."
        return
    each = list(evidence)
    cpu = max((one.cpu_share for one in each if one.cpu_share is not None), default=0.0)
    content = max((one.content_share for one in each if one.content_share is not None), default=0.0)
    late = any(one.client_side_percentiles for one in each)
    reasons = [f"it used {_percent(cpu)} of its cores ({_percent(CPU_MOST)} at most)"] if cpu > CPU_MOST else []
    if content > CONTENT_MOST:
        reasons.append(f"stamping and checking took {_percent(content)} of its time ({_percent(CONTENT_MOST)} at most)")
    if reasons:
        yield f"{_LIMIT}: {', and '.join(reasons)}."
    if late:
        yield (
            "Latency percentiles are the client's as much as the storage's, and storage may give a higher rate: "
            "threads waited to go on (see the ranks' evidence.json)."
        )
    if not reasons and not late:
        yield "The client, and not the storage, may have set these figures: client_bound is recorded, and no reason that can be read."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
