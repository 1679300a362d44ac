"""What else is not the same of two results: their system, hosts, engine and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pytest_mlpstorage.results.coerce import native
from pytest_mlpstorage.results.history import last_run
from pytest_mlpstorage.results.records import LeafMetadata, StoredResult

__all__ = ["differing"]

_LONGEST: Final = 60

_OF_THE_PLACE: Final = frozenset(
    {
        "hosts", "results_dir", "orgname", "systemname", "params", "mode", "benchmark", "program", "command", "model", "data_dir", "debug",
        "verbose", "stream_log_level", "num_processes", "num_accelerators", "accelerator_type", "client_host_memory_in_gb", "config_file",
        "output_dir", "output_folder", "workflow.generate_data", "loops", "what_if", "dry_run", "allow_run_as_root",
    }
)  # fmt: skip
"""Arguments that say where something stood, or what another line or the identity of the workload says already."""


def differing(before: StoredResult, now: StoredResult) -> Iterator[str]:
    """One line for each thing that differs, ``key: before -> now``; what only one of the two recorded is none."""
    for what in ("system", "division", "edition", "submitter"):
        yield from _told(what, getattr(before, what), getattr(now, what))
    one, other = _metadata(before), _metadata(now)
    if one is None or other is None:
        return
    for what, of in (("hosts", _hosts), ("engine", _engine), ("tool", _tool)):
        yield from _told(what, of(one), of(other))
    mine, theirs = _parameters(other), _parameters(one)
    for key in sorted(mine.keys() & theirs.keys()):
        yield from _told(key, theirs[key], mine[key])


def _told(what: str, before: Any, now: Any) -> Iterator[str]:
    if before not in (None, "") and now not in (None, "") and str(before) != str(now):
        yield f"{what}: {str(before)[:_LONGEST]} -> {str(now)[:_LONGEST]}"


def _metadata(result: StoredResult) -> LeafMetadata | None:
    leaf = last_run(result)
    return leaf.metadata if leaf is not None else None


def _hosts(metadata: LeafMetadata) -> object:
    if metadata.system is not None and metadata.system.num_hosts is not None:
        return metadata.system.num_hosts
    listed = metadata.args.get("hosts")
    return len(listed) if isinstance(listed, list) else None


def _engine(metadata: LeafMetadata) -> object:
    engine = metadata.mlps.get("engine")
    if not isinstance(engine, Mapping):
        return None
    return " ".join(str(engine[key]) for key in ("name", "version", "commit") if engine.get(key))


def _tool(metadata: LeafMetadata) -> object:
    tool = metadata.mlps.get("tool")
    return f"{tool.get('name')} {tool.get('version')}" if isinstance(tool, Mapping) else None


def _parameters(metadata: LeafMetadata) -> dict[str, Any]:
    """Workload parameters and scalar arguments in their native types, without those of the place."""
    arguments = {key: value for key, value in metadata.args.items() if not isinstance(value, (Mapping, list))}
    found = {**arguments, **metadata.flat_parameters}
    places = {key for key in found if key in _OF_THE_PLACE or key.endswith(("_folder", "_dir", "_path"))}
    return {key: native(found[key]) for key in found.keys() - places}
