"""One change of the whole submission for every rule that is asked of its KV cache result."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from scaled_edition import PROCESSES, TRIALS
from submission_changes import (
    ABSENT,
    METADATA,
    OPEN_ONLY,
    RESULTS,
    SUBMISSION,
    TABLE,
    Change,
    Key,
    Mutation,
    added_beside,
    called,
    change,
    field,
    gone,
    later,
    place,
    text,
)

__all__ = ["KV_CACHE_CHANGES"]

CACHE_RUN: Final = f"{RESULTS}/kv_cache/llama3.1-8b/run/2*"
RANK: Final = f"{CACHE_RUN}/option_*/trial_*/rank_*"


def cached(*keys: Key, to: Any = ABSENT, nth: int = 0) -> Change:
    """A field of the metadata of the KV cache run."""
    return field(f"{CACHE_RUN}/{METADATA}", *keys, to=to, nth=nth)


def passed(old: str, new: str, nth: int) -> Change:
    """A part of the command line of one pass of the KV cache run."""

    def to(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert old in outputs[nth]["command"], (old, outputs[nth])
        return [{**one, "command": one["command"].replace(old, new)} if n == nth else one for n, one in enumerate(outputs)]

    return cached("command_output_files", to=to)


def summed(*keys: Key, to: Any = ABSENT) -> Change:
    """A field of the summary of the KV cache run."""
    return field(f"{CACHE_RUN}/summary.json", *keys, to=to)


def cached_option(key: str, to: Any = ABSENT) -> Change:
    """A figure of the first option in that summary."""
    return summed("options", "1", key, to=to)


def repeated(pattern: str, name: Callable[[str], str]) -> Change:
    """Put a run there once more, under another timestamp."""

    def apply(tree: Path) -> None:
        run = place(tree, pattern)
        copy = run.with_name(name(run.name))
        shutil.copytree(run, copy)
        for path in copy.glob(f"*{run.name}*"):
            path.rename(path.with_name(path.name.replace(run.name, copy.name)))

    return apply


KV_CACHE_CHANGES: Final[Mapping[tuple[str, str], Mutation]] = {
    ("kv_cache", "6.3.1.1"): change(
        "the last pass was started with another number of users",
        passed("--num-users 3", "--num-users 4", 5),
    ),
    ("kv_cache", "6.3.2.1"): change("the seed was another", cached("args", "seed", to=43)),
    ("kv_cache", "6.3.2.2"): change("it scaled itself", cached("parameters", "features", "autoscaling", to=True)),
    ("kv_cache", "6.3.3.1"): change("a client is counted that was none", summed("total_ranks", to=lambda count: count + 1)),
    ("kv_cache", "6.3.3.2"): change("the first option had fewer users", cached("parameters", "options", "1", "num_users", to=1)),
    ("kv_cache", "6.3.3.3"): change("the results of a client in one trial are lost", gone(f"{RANK}/kvcache_results_*.json", 2)),
    ("kv_cache", "6.3.4.1"): change(
        "the summary says more was read", cached_option("aggregated_read_bandwidth_gbps", to=lambda rate: 1.01 * rate)
    ),
    ("kv_cache", "6.3.4.2"): change(
        "the summary says more tokens a second", cached_option("aggregated_storage_throughput_tokens_per_sec", to=lambda rate: 1.01 * rate)
    ),
    ("kv_cache", "6.3.4.3"): change(
        "the summary says that reads were quicker", cached_option("aggregated_device_read_p95_ms", to=lambda time: 0.99 * time)
    ),
    ("kv_cache", "6.3.4.4"): change(
        "no client kept anything on storage in the second option",
        *(
            field(f"{CACHE_RUN}/option_2/trial_*/rank_*/kvcache_results_*.json", "summary", "cache_stats", "storage_entries", to=0, nth=nth)
            for nth in range(TRIALS * PROCESSES)
        ),
        several="one client that kept something there is enough",
    ),
    ("kv_cache", "6.3.4.5"): change("the summary has no rate of writing", cached_option("aggregated_write_bandwidth_gbps", to=0.0)),
    ("kv_cache", "6.4.1"): change(
        "cache and results lay on one filesystem", field(f"{CACHE_RUN}/fs_separation.json", "same_filesystem", to=True)
    ),
    ("kv_cache", "6.6.1"): change("it was started with RAG", passed("--seed-base", "--enable-rag --seed-base", 0)),
    ("kv_cache", "6.6.2"): change(
        "an open run made another number of writes at once",
        cached("parameters", "options", "3", "max_concurrent_allocs", to=16),
        called("closed", "open"),
        several=OPEN_ONLY,
    ),
    ("kv_cache", "EDN-01"): change(
        "the run is stamped with an edition that is none", field(f"{CACHE_RUN}/provenance.json", "rules_edition", to="9.0")
    ),
    ("kv_cache", "EDN-02"): change(
        "the run is stamped with the hash of no class",
        field(f"{CACHE_RUN}/provenance.json", "core_config", "hash", to="0" * 16),
        no_worse="info",
    ),
    ("kv_cache", "LEAF-01"): change(
        "there is a second metadata file", added_beside(f"{CACHE_RUN}/summary.json", "kv_cache_20260101_000000_metadata.json")
    ),
    ("kv_cache", "MLPS-ENGINE-1"): change("the run does not say which engine measured", cached("mlps", "engine")),
    ("kv_cache", "MLPS-FILES-1"): change("the metadata cannot be read", text(f"{CACHE_RUN}/{METADATA}", "{")),
    ("kv_cache", "MLPS-LEAF-1"): change("the run was made as an experiment", cached("mlps", "not_for_submission", to=True)),
    ("kv_cache", "MLPS-NAME-1"): change("the submitter is a placeholder", called(SUBMISSION, "your-company")),
    ("kv_cache", "MLPS-TABLE-1"): change(
        "the table publishes another rate", field(TABLE, 1, "KVCache llama3.1-8b Storage Only - Read B/W (GiB/s)", to=lambda rate: rate + 1)
    ),
    ("kv_cache", "MLPS-TRUST-1"): change(
        "a client found that its reads came from memory",
        field(
            f"{RANK}/evidence.json",
            "notes",
            to=lambda notes: [*notes, {"check": "kernel_bytes", "level": "error", "message": "storage gave half of what was read"}],
        ),
    ),
    ("kv_cache", "PROV-01"): change("the provenance record of the run is lost", gone(f"{CACHE_RUN}/provenance.json")),
    ("kv_cache", "REP-KVC-1"): change("a trial of the run failed", summed("trial_failures", to={"2": {"0": "rank 1 was killed"}})),
    ("kv_cache", "SUB-2"): change(
        "a later run was of another model",
        repeated(CACHE_RUN, lambda name: later(name, hours=2)),
        cached("model", to="tiny-1b", nth=1),
        several="one run has nothing to differ from",
    ),
}
"""By kind of subject and id of rule."""
