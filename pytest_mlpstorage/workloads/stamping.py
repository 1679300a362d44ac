"""What every leaf of every family gets when it is finished: the pointer to its code image, and its provenance record."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata as packages
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage import __version__
from pytest_mlpstorage.dlio.flavour import origin
from pytest_mlpstorage.editions.core_config import core_config, core_config_hash
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.code_image import CodePool, code_digest, write_pointer
from pytest_mlpstorage.results.manifest_writer import write_manifest
from pytest_mlpstorage.results.pool_upkeep import settle_pool
from pytest_mlpstorage.results.provenance import LAYOUT_VERSION, PROVENANCE, UNKNOWN, Provenance, pointer_text
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.code_origin import TOOL, running_code, tool_commit

if TYPE_CHECKING:
    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.results.records import LeafMetadata
    from pytest_mlpstorage.workloads.base import Workload

__all__ = ["code_now", "keep_code", "list_leaf", "provenance_of", "stamp_leaf"]

_NOT_APPLICABLE: Final = "n/a"
_NO_LIBRARY: Final = "none"


@functools.lru_cache(maxsize=64)
def _pool(results_dir: Path, sources: tuple[Path, ...]) -> CodePool:
    return CodePool(results_dir, sources, version=__version__, git_sha=tool_commit()[0])


@functools.lru_cache(maxsize=8)
def _digest(sources: tuple[Path, ...]) -> str | None:
    return code_digest(sources)


def code_now(workload: Workload, config: SuiteConfig) -> str | None:
    """The hash of the code that runs here, found once and without writing into the results; None where there is none."""
    return _digest(_sources(workload, config))


def _sources(workload: Workload, config: SuiteConfig) -> tuple[Path, ...]:
    """What runs in this process, and the program of the user's own that a workload starts (its optional method ``own_code``)."""
    own = getattr(workload, "own_code", None)
    return (*running_code(workload), *(own(config) if own is not None else ()))


def keep_code(config: SuiteConfig, workload: Workload) -> CodePool:
    """Copy and hash the code that is about to run, once a session; the copy waits outside of the pool for a finished leaf."""
    pool = _pool(config.results_dir, _sources(workload, config))
    pool.stage()
    return pool


def stamp_leaf(staged: Path, pool: CodePool, metadata: LeafMetadata, edition: str, *, in_tree: bool = True) -> None:
    """Put the image into the pool and write pointer and provenance record into a leaf that is about to be committed.

    A leaf that will not stand in the tree yet (``in_tree`` False) has no image in its pool either: an image belongs to a leaf.
    """
    digest = pool.stage()
    if in_tree:
        pool.publish()
    write_pointer(staged, digest)
    write_json(staged / PROVENANCE, provenance_of(metadata, edition, digest).to_json())


def list_leaf(config: SuiteConfig) -> None:
    """Bring the pool and the manifest of the submission up to date with its leaves. An experiment is no submission and has none."""
    settle_pool(config.results_dir)
    if config.division is not Division.WHATIF and (config.results_dir / config.division.value / config.submitter).is_dir():
        tool = {"name": TOOL, "version": __version__}
        write_manifest(config.results_dir, config.division, config.submitter, edition=config.edition, tool=tool)


def provenance_of(metadata: LeafMetadata, edition: str, digest: str, *, now: datetime | None = None) -> Provenance:
    """The provenance record of a leaf, from its finished metadata: each value with how it came about, unknown where it did not."""
    commit, known_by = tool_commit()
    core, core_tag = _core_config(metadata)
    dlio, dlio_tags = _dlio(metadata.mlps.get("engine"))
    library, library_tag = _storage_library(metadata.parameters)
    return Provenance(
        rules_edition=edition,
        layout_version=LAYOUT_VERSION,
        tool_name=TOOL,
        tool_version=__version__,
        tool_git_sha=commit,
        code_image=pointer_text(digest),
        stamped_at=(now or datetime.now(timezone.utc)).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        stamped_by=f"{TOOL} {__version__}",
        tags={
            "rules_edition": "declared",
            "layout_version": "tool-constant",
            "tool.name": "tool-constant",
            "tool.version": "tool-constant",
            "tool.git_sha": known_by,
            "tool.code_image": "code-hash-json",
            **dlio_tags,
            "storage_library.name": library_tag,
            "storage_library.version": library_tag,
            "core_config.hash": core_tag,
            "stamped_at": "runtime",
        },
        **core,
        **dlio,
        **library,
    )


def _core_config(metadata: LeafMetadata) -> tuple[dict[str, Any], str]:
    family = metadata.benchmark_type or ""
    try:
        keys = tuple(core_config(metadata.parameters, family))
        digest = core_config_hash(metadata.parameters, family)
    except ConfigurationError:  # how the hash of this family is made is not published
        return {}, "unknown"
    named = {"core_config_algorithm": "core-config-v1", "core_config_allowlist": f"{family}@1"}
    return {**named, "core_config_hash": digest, "core_config_keys": keys}, "runtime"


def _dlio(engine: object) -> tuple[dict[str, Any], dict[str, str]]:
    """The DLIO that measured; where something else did, there is none to be told."""
    names = ("dlio.version", "dlio.source", "dlio.commit")
    if not isinstance(engine, Mapping):
        return {}, dict.fromkeys(names, "unknown")
    if not str(engine.get("name", "")).startswith("dlio"):
        return {}, dict.fromkeys(names, _NOT_APPLICABLE)
    source = origin()
    values = {"dlio_version": _text(engine.get("version")), "dlio_source": source, "dlio_commit": _text(engine.get("commit"))}
    where = "direct-url" if ":" in source else "package-metadata"
    tags = ("package-metadata", where, "direct-url")
    return values, {name: tag if value else "unknown" for name, tag, value in zip(names, tags, values.values(), strict=True)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _storage_library(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The library that spoke to object storage; files need none."""
    storage = parameters.get("storage")
    storage = storage if isinstance(storage, Mapping) else {}
    if str(storage.get("storage_type") or "local_fs").lower() in ("local_fs", "local", "file"):
        return {"storage_library_name": _NO_LIBRARY}, _NOT_APPLICABLE
    options = storage.get("storage_options")
    name = _text(options.get("storage_library")) if isinstance(options, Mapping) else ""
    try:
        version = packages.version(name) if name else ""
    except packages.PackageNotFoundError:
        version = ""
    known = {"storage_library_name": name or UNKNOWN, "storage_library_version": version or UNKNOWN}
    return known, "package-metadata" if version else "unknown"
