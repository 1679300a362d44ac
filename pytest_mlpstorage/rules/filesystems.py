"""Whether data and results of a run lay on different filesystems, from what the run itself recorded (3.4.2, 4.4.2, 5.4.2)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, StoredResult
from pytest_mlpstorage.results.separation import SEPARATION, FilesystemSeparation
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__ = ["SIDECAR", "filesystem_findings", "mount_point", "mount_points", "uses_object_storage"]

SIDECAR: Final = SEPARATION
"""Evidence of a probe with hard links between the two directories."""

_MAX_LOG_BYTES: Final = 64 * 1024**2
_HEADER: Final = re.compile(rb"^Filesystem\b.*\bMounted on[ \t\r]*$", re.MULTILINE)
_BLANK_LINE: Final = re.compile(rb"\n[ \t\r]*(?=\n|\Z)")
_ROW: Final = re.compile(r"\s(?:\d+%|-)\s+(/.*)$")
_API: Final = "system_under_test.solution.architecture.benchmark_API"
_TWO: Final = "data and results on two filesystems"


def uses_object_storage(result: StoredResult) -> bool:
    """Whether the system description says that the benchmark spoke to object storage, which has no filesystem."""
    api = result.description.value(_API) if result.description is not None else None
    return isinstance(api, str) and api.strip().lower() == "object"


def filesystem_findings(
    result: StoredResult, leaf: Leaf, metadata: LeafMetadata, *, folder: str, log: str
) -> Iterator[Finding | NoEvidence | Met]:
    """Findings on one leaf whose data were not shown to be on another filesystem than its results.

    ``folder`` is the key of ``args`` that names the directory of the data (``data_dir``, ``checkpoint_folder``), ``log`` the file
    of the leaf that may hold a listing of ``df``, which older tools left as their only evidence. No evidence at all is an error.
    """
    if uses_object_storage(result):
        yield NotAsked("object storage", "asked where data lie on a filesystem")
        return
    files = TreeFiles(result.root)
    damage: list[str] = []
    if SIDECAR in leaf.files - leaf.pruned:
        record = files.json_object(leaf.path / SIDECAR)
        same = None if record is None else FilesystemSeparation.from_json(record).same_filesystem
        if same is not None:
            if same:
                yield _one_filesystem(f"{leaf.relpath}/{SIDECAR}", "same_filesystem")
            else:
                yield Met(f"two filesystems ({SIDECAR})", _TWO)
            return
        damage = [f"{SIDECAR} {p.message}" for p in files.problems] or [f"{SIDECAR} does not say whether same_filesystem is true or false"]
    yield from _from_log(files, leaf, metadata, folder, log, damage)


def _one_filesystem(file: str, field: str) -> Finding:
    return Finding("data and results lie on one filesystem", required="two filesystems", file=file, field=field)


def _from_log(
    files: TreeFiles, leaf: Leaf, metadata: LeafMetadata, folder: str, log: str, damage: list[str]
) -> Iterator[Finding | NoEvidence | Met]:
    place = f"{leaf.relpath}/{log}"
    if log in leaf.pruned:
        # Publishers prune logs, which costs nobody a verdict. A record of a probe is no log, and a damaged one proves nothing.
        withheld = not damage and SIDECAR not in leaf.pruned
        yield NoEvidence(f"{log} could not be read (pruned by its publisher)", leaf.relpath, withheld)
        return
    seen = len(files.problems)
    content = files.content(leaf.path / log, limit=_MAX_LOG_BYTES) if log in leaf.files else b""
    if content is None:
        yield NoEvidence(f"{log} {files.problems[seen].message}", place)
        return
    mounts = mount_points(content)
    if not mounts and SIDECAR in leaf.pruned:
        yield NoEvidence(f"{SIDECAR} could not be read (pruned by its publisher)", leaf.relpath)
        return
    if not mounts:
        why = f": {damage[0]}" if damage else ""
        yield Finding(
            f"nothing shows that data and results lie on different filesystems{why}",
            required=f"{SIDECAR}, or a listing of df in {log}",
            file=leaf.relpath,
        )
        return
    paths = [metadata.args.get(key) for key in (folder, "results_dir")]
    for key, path in zip((folder, "results_dir"), paths, strict=True):
        if not isinstance(path, str) or not path:
            yield NoEvidence(f"the command line gave no {key}", metadata.path or leaf.relpath)
            return
    data, results = (mount_point(str(path), mounts) for path in paths)
    if data is None or results is None:
        # The official code lets this pass with a note: df lists what was mounted then, by names that a link may hide.
        yield Finding(
            "a path of the command line is below no mount point that the log lists; taken as separate",
            severity=Severity.INFO,
            category=Category.CLOSED,
            measured=str(paths[0] if data is None else paths[1])[:200],
            file=place,
        )
        yield Met("a path below no listed mount point (taken as separate)", _TWO)
    elif data == results:
        yield _one_filesystem(place, "Mounted on")
    else:
        yield Met(f"data on {shown(data)}, results on {shown(results)} (df)", _TWO)


def mount_points(log: bytes) -> frozenset[str]:
    """Mount points of every listing of ``df`` in a log: the rows after a header that begins with ``Filesystem``, until a blank line."""
    found: set[str] = set()
    position = 0
    while (header := _HEADER.search(log, position)) is not None:
        blank = _BLANK_LINE.search(log, header.end())
        position = blank.start() if blank else len(log)
        rows = log[header.end() : position].decode("utf-8", "replace").splitlines()
        found |= {posixpath.normpath(row[1].rstrip()) for line in rows if (row := _ROW.search(line)) is not None}
    return frozenset(found)


def mount_point(path: str, mounts: frozenset[str]) -> str | None:
    """The longest mount point that a path lies at or below; None where there is none, as for a relative path."""
    clean = posixpath.normpath(path)
    fitting = [mount for mount in mounts if clean == mount or clean.startswith(mount.rstrip("/") + "/")]
    return max(fitting, key=len, default=None)
