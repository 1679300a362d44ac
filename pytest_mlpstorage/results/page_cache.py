"""``page_cache.json``: how much of what a run read lay in memory before it, and what the storage was seen to deliver."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.coerce import JSONObject, Reading, boolean

__all__ = ["COLD_FRACTION", "PAGE_CACHE", "UNAVAILABLE", "HostIoSince", "HostPageCache", "LaterDrop", "PageCacheRecord", "write_page_cache"]

PAGE_CACHE: Final = "page_cache.json"
"""Name of the record in a leaf."""

UNAVAILABLE: Final = "unavailable"
"""How a method or a source begins that could tell nothing; the reason follows after a colon."""

COLD_FRACTION: Final = 0.01
"""Part of the sampled bytes that may still lie in memory after a drop.

A drop that works leaves nothing of a file or a few pages that somebody holds at that moment; one that does not work leaves
nearly all. A hundredth tells the two apart, and being served from memory it could not move a figure by more than a hundredth,
which is within what the recomputed figures may differ.
"""

_VERSION: Final = 1


_MOST: Final = 1 << 63
"""No file, device or number of files reaches it; arithmetic with more would be none of the machine's."""


def _count(fields: Reading, key: str) -> int | None:
    """Bytes or files: a whole number that can be one, else None."""
    value = fields.integer(key)
    return value if value is not None and 0 <= value < _MOST else None


@dataclasses.dataclass(frozen=True)
class HostPageCache:
    """One host's measurement of one set of files.

    ``method``: ``cachestat``, ``mincore`` or ``unavailable: <why>``. ``drop_method``: ``drop_caches``, ``fadvise`` or ``none``.
    The resident bytes are those of the sampled files and ranges (``bytes_sampled``), None where nothing could be measured.
    ``files_dropped`` of ``files_total`` were dropped file by file; fewer than all where the time for it ran out. ``seed`` draws
    the same sample again. ``note`` says what did not work.
    """

    host: str
    method: str
    drop_method: str
    files_total: int
    files_sampled: int
    bytes_sampled: int
    resident_bytes_before: int | None
    resident_bytes_after: int | None
    seconds: float
    filesystem: str = ""
    files_dropped: int = 0
    seed: int = 0
    note: str = ""

    @property
    def measured(self) -> bool:
        """Whether residency could be measured on this host."""
        return self.resident_bytes_after is not None

    @classmethod
    def from_json(cls, raw: JSONObject) -> HostPageCache:
        """From one entry of ``hosts`` of any tool."""
        fields = Reading(raw)
        return cls(
            host=fields.text("host") or "",
            method=fields.text("method") or "",
            drop_method=fields.text("drop_method") or "",
            files_total=_count(fields, "files_total") or 0,
            files_sampled=_count(fields, "files_sampled") or 0,
            bytes_sampled=_count(fields, "bytes_sampled") or 0,
            resident_bytes_before=_count(fields, "resident_bytes_before"),
            resident_bytes_after=_count(fields, "resident_bytes_after"),
            seconds=fields.number("seconds") or 0.0,
            filesystem=fields.text("filesystem") or "",
            files_dropped=_count(fields, "files_dropped") or 0,
            seed=_count(fields, "seed") or 0,
            note=fields.text("note") or "",
        )


@dataclasses.dataclass(frozen=True)
class HostIoSince:
    """Bytes that one host's storage delivered while a phase ran, all its users together; ``source`` says who counted."""

    host: str
    source: str
    device_read_bytes: int | None
    seconds: float

    @classmethod
    def from_json(cls, raw: JSONObject) -> HostIoSince:
        """From one entry of ``counters`` of any tool."""
        fields = Reading(raw)
        return cls(
            fields.text("host") or "", fields.text("source") or "", _count(fields, "device_read_bytes"), fields.number("seconds") or 0.0
        )


@dataclasses.dataclass(frozen=True)
class LaterDrop:
    """A drop within a phase (``before``: ``epoch 2``), all hosts together, None where one of them could not measure."""

    before: str
    resident_bytes_before: int | None
    resident_bytes_after: int | None
    seconds: float

    @classmethod
    def of(cls, before: str, hosts: Sequence[HostPageCache]) -> LaterDrop:
        """Sum over the hosts; ``seconds`` are those of the slowest one."""
        known = all(host.measured for host in hosts)
        return cls(
            before,
            _sum(host.resident_bytes_before for host in hosts) if known else None,
            _sum(host.resident_bytes_after for host in hosts) if known else None,
            max((host.seconds for host in hosts), default=0.0),
        )

    @classmethod
    def from_json(cls, raw: JSONObject) -> LaterDrop:
        """From one entry of ``later`` of any tool."""
        fields = Reading(raw)
        return cls(
            fields.text("before") or "",
            _count(fields, "resident_bytes_before"),
            _count(fields, "resident_bytes_after"),
            fields.number("seconds") or 0.0,
        )


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@dataclasses.dataclass(frozen=True)
class PageCacheRecord:
    """The record of one read phase (``read``) or training run (``run``).

    ``drop`` is whether a drop was asked for. ``asked_bytes`` is what the ranks had to read, ``rank_read_bytes`` what the kernel
    says storage gave to them and to their read workers (``read_bytes`` of /proc/<pid>/io), ``rank_asked_bytes`` what they asked of
    any file (``rchar``). The sums over hosts are None where no host knows.
    """

    phase: str
    drop: bool | None
    hosts: tuple[HostPageCache, ...] = ()
    counters: tuple[HostIoSince, ...] = ()
    later: tuple[LaterDrop, ...] = ()
    asked_bytes: int | None = None
    rank_read_bytes: int | None = None
    rank_asked_bytes: int | None = None

    @property
    def measured_hosts(self) -> tuple[HostPageCache, ...]:
        """Hosts that could measure residency."""
        return tuple(host for host in self.hosts if host.measured)

    @property
    def resident_bytes_before(self) -> int | None:
        """Bytes of the samples that lay in memory before the drop."""
        return _sum(host.resident_bytes_before for host in self.measured_hosts)

    @property
    def resident_bytes_after(self) -> int | None:
        """Bytes of the samples that lay in memory when the phase began."""
        return _sum(host.resident_bytes_after for host in self.measured_hosts)

    @property
    def files_sampled(self) -> int:
        """Files in the samples of the hosts that could measure."""
        return sum(host.files_sampled for host in self.measured_hosts)

    @property
    def bytes_sampled(self) -> int:
        """Bytes of these samples."""
        return sum(host.bytes_sampled for host in self.measured_hosts)

    @property
    def device_read_bytes(self) -> int | None:
        """What the storage of all hosts delivered; None where one of them has no counter, since a part proves nothing."""
        if not self.counters or any(counter.device_read_bytes is None for counter in self.counters):
            return None
        return _sum(counter.device_read_bytes for counter in self.counters)

    @classmethod
    def from_json(cls, raw: JSONObject) -> PageCacheRecord:
        """From a parsed file of any tool; what is not as it should be is left out."""
        fields = Reading(raw)
        return cls(
            phase=fields.text("phase") or "",
            drop=boolean(raw.get("drop")),
            hosts=tuple(HostPageCache.from_json(entry) for entry in _objects(raw.get("hosts"))),
            counters=tuple(HostIoSince.from_json(entry) for entry in _objects(raw.get("counters"))),
            later=tuple(LaterDrop.from_json(entry) for entry in _objects(raw.get("later"))),
            asked_bytes=_count(fields, "asked_bytes"),
            rank_read_bytes=_count(fields, "rank_read_bytes"),
            rank_asked_bytes=_count(fields, "rank_asked_bytes"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the file: the sums first, for people, then what each host found."""
        return {
            "version": _VERSION,
            "phase": self.phase,
            "drop": self.drop,
            "method": _listed(host.method for host in self.hosts),
            "drop_method": _listed(host.drop_method for host in self.hosts),
            "files_total": max((host.files_total for host in self.hosts), default=0),
            "files_sampled": self.files_sampled,
            "bytes_sampled": self.bytes_sampled,
            "resident_bytes_before": self.resident_bytes_before,
            "resident_bytes_after": self.resident_bytes_after,
            "asked_bytes": self.asked_bytes,
            "rank_read_bytes": self.rank_read_bytes,
            "rank_asked_bytes": self.rank_asked_bytes,
            "device_read_bytes": self.device_read_bytes,
            "device_read_source": _listed(counter.source for counter in self.counters),
            "hosts": [dataclasses.asdict(host) for host in self.hosts],
            "counters": [dataclasses.asdict(counter) for counter in self.counters],
            "later": [dataclasses.asdict(drop) for drop in self.later],
        }


def _objects(value: object) -> list[JSONObject]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _listed(values: Iterable[str]) -> str:
    return "; ".join(sorted({value for value in values if value}))


def write_page_cache(folder: Path, record: PageCacheRecord) -> None:
    """Write the record into a leaf. Raises FileSystemError."""
    write_json(folder / PAGE_CACHE, record.to_json())
