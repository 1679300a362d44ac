"""The ``kvcache:`` section of the configuration: its own keys, and what its entries must not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from pytest_mlpstorage.config.sections import PLACEHOLDER, Directory, Duration, Size
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.base import nearest
from pytest_mlpstorage.editions.families import KVCacheEdition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.units import KIB, MIB, parse_duration, parse_size
from pytest_mlpstorage.workloads.kv_cache_serving import LoadSection, PolicySection, TraceSection

if TYPE_CHECKING:
    from pytest_mlpstorage.config import ItemConfig
    from pytest_mlpstorage.verdict import Division

__all__ = ["FAMILY", "IOSection", "KVCacheEntry", "KVCacheSection", "contradictions", "known_to_the_edition", "kv_cache_rules"]

FAMILY: Final = "kvcache"
"""Name of the section, as the official command line calls the benchmark; its directory in a tree is ``kv_cache``."""

_MOST_USERS: Final = 100_000
_LONGEST_SECONDS: Final = 86_400
"""Limits of the official tool."""

_CHUNKS: Final = (128 * KIB, 2 * MIB)


def _absolute(text: str) -> str:
    if not PurePath(text).is_absolute() and not PLACEHOLDER.search(text):
        raise ValueError("allowed an absolute path: ranks on other hosts have other working directories")
    return text


def _pass_seconds(text: str) -> str:
    seconds = parse_duration(text)
    if seconds > _LONGEST_SECONDS:
        raise ValueError(f"allowed at most {_LONGEST_SECONDS} s")
    return text


def _chunk(text: str) -> str:
    size, (least, most) = parse_size(text), _CHUNKS
    if not least <= size <= most or size & (size - 1):
        raise ValueError("allowed a power of two from 128KiB to 2MiB")
    return text


def _delay(text: str) -> str:
    parse_duration(text)
    return text


# As a Duration, but none at all is a delay too.
Delay = Annotated[str, AfterValidator(_delay), WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *(ms|s|min|h|d)$"})]
PassDuration = Annotated[Duration, AfterValidator(_pass_seconds)]
Users = Annotated[int, Field(ge=1, le=_MOST_USERS)]
Generation = Literal["none", "fast", "realistic"]


class IOSection(BaseModel):
    """``kvcache.io``: how the bytes move. What is not the default makes the result OPEN at best."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    path: Annotated[
        Literal["direct", "buffered"],
        Field(
            description="direct: past the page cache, what a cold read must be; buffered: the official tool's way, dropped before a read"
        ),
    ] = "direct"
    chunk: Annotated[
        Annotated[Size, AfterValidator(_chunk)] | None,
        Field(description="Largest request, a power of two from 128KiB to 2MiB (default: 2MiB, less where many users share 384 MiB)"),
    ] = None
    durability: Annotated[
        Literal["fsync", "fdatasync", "dsync", "none"],
        Field(description="When a write counts; the sanctioned work has fsync (default in serving and replay: none)"),
    ] = "fsync"
    layout: Annotated[
        Literal["object", "chunk"] | None,
        Field(description="object: one file an entry, as in mlc-v3; chunk: by hash, two levels of folders (default in serving and replay)"),
    ] = None
    verify: Annotated[Literal["stamps", "full", "sample"], Field(description="What of each read is compared with what was written")] = (
        "stamps"
    )
    compressible_fraction: Annotated[float, Field(ge=0, le=1, description="Share of each 4 KiB that is zero (default 0)")] = 0.0


class KVCacheSection(BaseModel):
    """Keys of ``kvcache:`` that hold for all its options; of those that an option has too, the option's own goes first."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    profile: Annotated[
        Literal["mlc-v3", "serving", "replay"],
        Field(description="mlc-v3: the official work; serving: what inference servers do; replay: the same on a trace (both never CLOSED)"),
    ] = "mlc-v3"
    engine: Annotated[
        Literal["native", "official"],
        Field(description="native: our own program, OPEN at best; official: your copy of the official one (official_path)"),
    ] = "native"
    official_path: Annotated[
        Annotated[Directory, AfterValidator(_absolute)] | None,
        Field(description="Folder of your copy that holds kv-cache.py, the same path on all hosts"),
    ] = None
    official_python: Annotated[
        str | None, Field(min_length=1, description="Interpreter of the official program, with numpy and yaml (default: this one)")
    ] = None
    official_preload: Annotated[
        str | None,
        Field(min_length=1, description="LD_PRELOAD that you declare for the official program; without it, it gets none (never in CLOSED)"),
    ] = None
    cache_dir: Annotated[
        Annotated[Directory, AfterValidator(_absolute)] | None,
        Field(description="Directory on the storage under test, the same path on all hosts (default: kv_cache in data_dir)"),
    ] = None
    clients_per_host: Annotated[int, Field(ge=1, le=10_000, description="Clients (MPI ranks) on each host; each has all users")] = 1
    trials: Annotated[int | None, Field(ge=1, le=1000, description="Passes of each option (default: the edition's, 3)")] = None
    seed: Annotated[int | None, Field(ge=0, le=2**32 - 1, description="Of rank 0; rank N has seed + N (default: the edition's, 42)")] = None
    start_delay: Annotated[Delay | None, Field(description="Idle time before each pass (default: the edition's, 90 s)")] = None
    end_delay: Annotated[Delay | None, Field(description="Idle time after each pass (default: the edition's, 90 s)")] = None
    inter_option_delay: Annotated[Delay | None, Field(description="Idle time between options (default: the edition's, 90 s)")] = None
    duration: Annotated[PassDuration | None, Field(description="The window of a pass (default: the option's, 300 s)")] = None
    model: Annotated[str | None, Field(min_length=1, description="Model of every option (default: the option's)")] = None
    num_users: Annotated[Users | None, Field(description="Users of each client (default: the option's)")] = None
    gpu_mem: Annotated[Size | None, Field(description="Modelled accelerator memory before storage (default: the option's, none)")] = None
    cpu_mem: Annotated[Size | None, Field(description="Host memory before storage, really used (default: the option's)")] = None
    generation_mode: Annotated[Generation | None, Field(description="Time that a generated token takes (default: the option's, none)")] = (
        None
    )
    workload_config: Annotated[
        Directory | None,
        Field(description="A config.yaml of the official benchmark; a relative path is taken from this file's directory"),
    ] = None
    capacity: Annotated[
        Size | None,
        Field(description="Bytes that each client keeps on storage at most (default: 95 % of what is free, divided by clients)"),
    ] = None
    shared_cache: Annotated[
        bool | None, Field(description="Whether all hosts see one cache_dir (default: where they mount it from the same network source)")
    ] = None
    preconditioned: Annotated[
        bool, Field(description="You declare that the storage was filled before, with twice its capacity; it is recorded")
    ] = False
    load: LoadSection | None = Field(default=None, description="How requests come (serving and replay)")
    trace: TraceSection | None = Field(default=None, description="The recorded requests of profile replay")
    policy: PolicySection | None = Field(default=None, description="Which chunks stay where (serving and replay)")
    warmup: Annotated[Delay | None, Field(description="Time before the window of a pass (default: 10 s; in mlc-v3 none, ever)")] = None
    max_concurrent_allocs: Annotated[
        int | None, Field(ge=0, description="Stores at a time, 0: no limit (serving and replay; in mlc-v3 it is the edition's)")
    ] = None
    precondition: Annotated[
        bool, Field(description="Fill the storage before the first pass: twice the capacity that is used, once, then removed")
    ] = False
    io: IOSection = Field(default_factory=IOSection, description="How the bytes move")


class KVCacheEntry(BaseModel):
    """One entry of ``kvcache.options``: an option of the edition, and what is changed of it (never in CLOSED)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    option: Annotated[int, Field(ge=1, le=999_999, description="Number of the option in the edition: 1, 2 or 3")]
    duration: Annotated[PassDuration | None, Field(description="The window of a pass of this option")] = None
    model: Annotated[str | None, Field(min_length=1, description="Model of this option")] = None
    num_users: Annotated[Users | None, Field(description="Users of each client in this option")] = None
    gpu_mem: Annotated[Size | None, Field(description="Modelled accelerator memory before storage in this option")] = None
    cpu_mem: Annotated[Size | None, Field(description="Host memory before storage in this option")] = None
    generation_mode: Annotated[Generation | None, Field(description="Time that a generated token takes in this option")] = None


def kv_cache_rules(edition_name: str) -> KVCacheEdition:
    """What the edition says of the KV cache; ConfigurationError where it has none."""
    found = edition(edition_name).kv_cache
    if found is None:
        raise ConfigurationError(f"edition {edition_name} has no KV cache", suggestion="choose edition 3.0", code="MLPS-E116")
    return found


def known_to_the_edition(entry: Mapping[str, str], edition_name: str, _division: Division) -> Iterator[tuple[str, str]]:
    """Refuse an option that the edition does not have, with the nearest numbers. Yields (key, message)."""
    rules = edition(edition_name).kv_cache
    if rules is None:
        yield "option", f"edition {edition_name} has no KV cache; allowed in edition 3.0"
        return
    number = entry.get("option")
    if number is not None and number.isdecimal() and int(number) not in rules.options:
        yield "option", f"option {number} is none of edition {edition_name}; {nearest(number, map(str, rules.options))}"


def contradictions(items: Sequence[ItemConfig]) -> Iterator[tuple[int, str, str]]:
    """Refuse an option that is given twice, or after a higher one. Yields (index of the entry, key, message)."""
    before: dict[int, int] = {}
    for position, item in enumerate(items):
        entry = item.own
        assert isinstance(entry, KVCacheEntry)
        if entry.option in before:
            yield position, "option", f"given {entry.option}, as in entry {before[entry.option]}; allowed each option once"
        elif before and entry.option < max(before):
            yield position, "option", f"given {entry.option} after {max(before)}; allowed options in the order of their numbers (6.3.1)"
        before.setdefault(entry.option, item.index)
