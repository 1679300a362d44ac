"""``fs_separation.json``: the record of a probe whether data and results lie on one filesystem; read and written here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.results.coerce import JSONObject, Reading, boolean

__all__ = ["SEPARATION", "FilesystemSeparation"]

SEPARATION: Final = "fs_separation.json"
"""Name of the record in a leaf."""

_VERSION: Final = 1
_MOST_HOSTS: Final = 100_000


@dataclasses.dataclass(frozen=True)
class FilesystemSeparation:
    """What a probe found. ``same_filesystem`` is None where a foreign record does not say; ``probed_by_rank`` None: by no rank.

    The paths are as they were given, the real ones with symbolic links followed. A record of several hosts says what the
    deciding one found (one that has both on one filesystem, else the first), and holds what each found in ``hosts``.
    """

    same_filesystem: bool | None
    data_path: str = ""
    results_path: str = ""
    data_realpath: str = ""
    results_realpath: str = ""
    method: str = ""
    probed_at: str = ""  # UTC, ISO 8601
    probed_by_rank: int | None = None
    probed_by_host: str = ""
    hosts: tuple[FilesystemSeparation, ...] = ()

    @classmethod
    def of_hosts(cls, found: Sequence[FilesystemSeparation]) -> FilesystemSeparation:
        """One record of what every host found; a host that says nothing leaves the whole unsaid unless another says *same*."""
        deciding = next((one for one in found if one.same_filesystem), None)
        deciding = deciding or next((one for one in found if one.same_filesystem is None), found[0])
        return deciding if len(found) == 1 else dataclasses.replace(deciding, hosts=tuple(found))

    @classmethod
    def from_json(cls, raw: JSONObject) -> FilesystemSeparation:
        """From a parsed file of any tool."""
        fields, hosts = Reading(raw), raw.get("hosts")
        listed = hosts[:_MOST_HOSTS] if isinstance(hosts, list) else []
        return cls(
            same_filesystem=boolean(raw.get("same_filesystem")),
            data_path=fields.text("data_or_chkpt_path") or "",
            results_path=fields.text("results_path") or "",
            data_realpath=fields.text("data_or_chkpt_realpath") or "",
            results_realpath=fields.text("results_realpath") or "",
            method=fields.text("method") or "",
            probed_at=fields.text("probed_at") or "",
            probed_by_rank=fields.integer("probed_by_rank"),
            probed_by_host=fields.text("probed_by_host") or "",
            hosts=tuple(cls.from_json(entry) for entry in listed if isinstance(entry, Mapping)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the v3.0 file, keys in its order; where several hosts were asked, what each found stands under ``hosts``."""
        written: dict[str, Any] = {
            "version": _VERSION,
            "method": self.method,
            "data_or_chkpt_path": self.data_path,
            "results_path": self.results_path,
            "data_or_chkpt_realpath": self.data_realpath,
            "results_realpath": self.results_realpath,
            "same_filesystem": self.same_filesystem,
            "probed_at": self.probed_at,
            "probed_by_rank": self.probed_by_rank,
            "probed_by_host": self.probed_by_host,
        }
        if self.hosts:
            written["hosts"] = [{k: v for k, v in host.to_json().items() if k not in ("version", "hosts")} for host in self.hosts]
        return written
