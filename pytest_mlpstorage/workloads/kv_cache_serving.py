"""Profiles ``serving`` and ``replay`` of the KV cache: their keys of the configuration, what they refuse, and what the ranks get of them.

Neither is the work of the rule book, so neither is ever CLOSED: a closed configuration that asks for one is refused.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pytest_mlpstorage.config.sections import Directory
from pytest_mlpstorage.errors import ConfigurationError, MLPStorageError
from pytest_mlpstorage.kvcache.limits import MOST_WORKERS
from pytest_mlpstorage.units import MIB, parse_duration
from pytest_mlpstorage.verdict import Category, Division, Finding, Severity

if TYPE_CHECKING:
    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.kvcache.serving_job import ServingJob
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan, OptionPlan
    from pytest_mlpstorage.workloads.kv_cache_settings import KVCacheSection

__all__ = [
    "OFFICIAL_WORK", "LoadSection", "PolicySection", "TraceSection", "check_profile", "chunk_tokens", "durability_of", "serving_findings",
    "serving_identity", "serving_of", "trace_content", "warmup_seconds", "workers_of",
]  # fmt: skip

OFFICIAL_WORK: Final = "mlc-v3"

_WARMUP_SECONDS: Final = 10.0
_REQUESTS_PER_USER: Final = 10

_ONLY_SERVING: Final = ("load", "policy", "warmup", "max_concurrent_allocs")
_FAMILY: Final = "kvcache"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)


class LoadSection(_Part):
    """``kvcache.load``: how requests come to a client, in ``serving`` and ``replay``."""

    model: Annotated[
        Literal["closed", "open"],
        Field(description="closed: so many requests outstanding, from a fixed list; open: they arrive at a rate, or as the trace says"),
    ] = "closed"
    outstanding: Annotated[
        int | None,
        Field(ge=1, le=MOST_WORKERS, description="Requests in service at a time (default: 32)"),
    ] = None
    rate: Annotated[float | None, Field(gt=0, description="Requests that arrive at each client in a second; open only")] = None
    requests: Annotated[
        int | None, Field(ge=1, le=10_000_000, description="Length of the list of a closed load (default: 10 for each user)")
    ] = None


class TraceSection(_Part):
    """``kvcache.trace``: a recorded stream of requests, for ``replay``; each client plays all of it."""

    format: Annotated[Literal["mooncake", "burstgpt"], Field(description="How the file is written")]
    path: Annotated[Directory, Field(description="The file; a relative path is taken from this file's directory")]
    speedup: Annotated[float, Field(ge=0, description="The gaps of the trace are divided by it; 0 leaves none")] = 1.0
    passes: Annotated[int, Field(ge=1, le=1000, description="How often it is played; each pass has entries of its own")] = 1


class PolicySection(_Part):
    """``kvcache.policy``: which chunks stay where, in ``serving`` and ``replay``."""

    order: Annotated[Literal["lru", "fifo"], Field(description="What goes first: what was used longest ago, or what came first")] = "lru"
    promotion: Annotated[bool, Field(description="Whether what was loaded goes to the fastest tier that makes room for it")] = False
    rename: Annotated[bool, Field(description="Whether a chunk is written beside its place, and takes it when it is whole")] = True
    chunk_tokens: Annotated[int, Field(ge=1, le=131_072, description="Tokens of a chunk, unless the trace names blocks")] = 256


def check_profile(section: KVCacheSection, config: SuiteConfig) -> None:
    """Refuse what does not go together, with the place of the key."""
    profile = section.profile

    def refuse(key: str, why: str) -> None:
        try:
            place = f"{config.origin(f'{_FAMILY}.{key}')}: {_FAMILY}.{key}"
        except KeyError:  # nobody gave it
            place = f"{_FAMILY}.{key}"
        raise ConfigurationError(f"{place}: {why}", code="MLPS-E113")

    if profile == OFFICIAL_WORK:
        for key in (*_ONLY_SERVING, "trace"):
            if getattr(section, key) is not None:
                refuse(key, "has no meaning in profile mlc-v3, whose work is fixed; allowed in serving and replay")
        if section.io.layout == "chunk":
            refuse("io.layout", "given chunk; allowed in profile mlc-v3 object: one file an entry (kvcache.md §5.2)")
        return
    if config.division is Division.CLOSED:
        refuse("profile", f"given {profile}, which is other work than the rule book's; allowed in closed mlc-v3, elsewhere any")
    if section.engine != "native":
        refuse("engine", f"the official program cannot do profile {profile}; allowed native")
    if (profile == "replay") != (section.trace is not None):
        refuse("trace", "profile replay plays a trace, and no other does: give both or neither")


def workers_of(section: KVCacheSection, users: int) -> int:
    """Requests that a client serves at a time."""
    from pytest_mlpstorage.kvcache.serving_job import OUTSTANDING

    at_once = users if section.profile == OFFICIAL_WORK else (section.load or LoadSection()).outstanding or OUTSTANDING
    return min(at_once, MOST_WORKERS)


def chunk_tokens(section: KVCacheSection) -> int | None:
    """Tokens of what is stored as one; None in ``mlc-v3``, where that is all of a request's."""
    if section.profile == OFFICIAL_WORK:
        return None
    if section.trace is not None and section.trace.format == "mooncake":
        from pytest_mlpstorage.kvcache.traces_mooncake import BLOCK_TOKENS

        return BLOCK_TOKENS
    return (section.policy or PolicySection()).chunk_tokens


def warmup_seconds(section: KVCacheSection) -> float:
    """How long before its window a pass begins: 10 s, in ``mlc-v3`` none."""
    if section.profile == OFFICIAL_WORK:
        return 0.0
    return _WARMUP_SECONDS if section.warmup is None else parse_duration(section.warmup)


def durability_of(section: KVCacheSection) -> str:
    """When a store counts. What inference servers keep is a cache: they force nothing to disk unless they are told to."""
    given = "durability" in section.io.model_fields_set
    return section.io.durability if given or section.profile == OFFICIAL_WORK else "none"


def serving_of(plan: KVCachePlan, option: OptionPlan) -> ServingJob | None:
    """How the requests of an option are served; None in ``mlc-v3``."""
    section = plan.section
    if section.profile == OFFICIAL_WORK:
        return None
    from pytest_mlpstorage.kvcache.serving_job import OUTSTANDING, ServingJob, TraceJob

    load, policy, trace = section.load or LoadSection(), section.policy or PolicySection(), section.trace
    return ServingJob(
        load=load.model,
        outstanding=load.outstanding or OUTSTANDING,
        requests=load.requests or _REQUESTS_PER_USER * option.users,
        rate_per_second=load.rate,
        warmup_seconds=warmup_seconds(section),
        chunk_tokens=policy.chunk_tokens,
        layout=section.io.layout or "chunk",
        rename=policy.rename,
        order=policy.order,
        promotion=policy.promotion,
        trace=None if trace is None else TraceJob(trace.format, str(_trace_path(plan.config, trace)), trace.speedup, trace.passes),
    )


def serving_identity(section: KVCacheSection) -> dict[str, Any]:
    """What tells passes of these profiles from any others; nothing in ``mlc-v3``."""
    if section.profile == OFFICIAL_WORK:
        return {}
    parts = {key: getattr(section, key) for key in ("load", "policy", "trace")}
    dumped = {key: None if part is None else part.model_dump() for key, part in parts.items()}
    return {**dumped, "warmup": warmup_seconds(section), "durability": durability_of(section), "allocations": section.max_concurrent_allocs}


def serving_findings(plan: KVCachePlan) -> Iterator[Finding]:
    """That the profile is other work, and whether its trace can be played."""
    if plan.section.profile == OFFICIAL_WORK:
        return
    yield Finding(
        f"profile {plan.section.profile} is other work than the rule book's: its result is never CLOSED, and compares with none of mlc-v3",
        severity=Severity.INFO,
        category=Category.OPEN,
        measured=plan.section.profile,
        required=OFFICIAL_WORK,
        field="kvcache.profile",
        rule="MLPS-KVC-4",
    )
    try:
        all_options = [serving_of(plan, option) for option in plan.options]
        for trace in {serving.trace for serving in all_options if serving is not None and serving.trace is not None}:
            from pytest_mlpstorage.kvcache.serving_work import read_trace

            read_trace(trace)
    except MLPStorageError as error:
        yield Finding(error.message, measured=str(error.suggestion or ""), field="kvcache.load", rule="MLPS-KVC-4")


def trace_content(plan: KVCachePlan) -> dict[str, str]:
    """The hash of a trace, whose path alone does not tell what is played; nothing where there is none, or none that can be read."""
    trace = plan.section.trace
    if trace is None:
        return {}
    path = _trace_path(plan.config, trace)
    try:
        now = path.stat()
        return {"trace_sha256": _sha256(path, now.st_size, now.st_mtime_ns)} if path.is_file() else {}
    except OSError:  # the preflight reads it, and says so
        return {}


@functools.lru_cache(maxsize=8)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(MIB):
            found.update(part)
    return found.hexdigest()


def _trace_path(config: SuiteConfig, trace: TraceSection) -> Path:
    base = config.path.parent if config.path is not None else Path.cwd()
    return (base / Path(trace.path).expanduser()).absolute()
