"""``submission.yaml``: the manifest of a submission, the edition that it declares, the run leaves that it lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS, is_timestamp

__all__ = ["CURRENT_LAYOUT", "MANIFEST", "ListedLeaves", "declared_edition", "edition_in", "listed_leaves", "read_manifest"]

CURRENT_LAYOUT: Final = "3.0"
"""The edition whose directory layout the tool writes."""

MANIFEST: Final = "submission.yaml"

_LEAF_LISTS: Final = ("leaves", "runs", "run_leaves")
_SYSTEM_KEYS: Final = ("system", "system_name", "systemname")
_BENCHMARK_KEYS: Final = ("benchmark", "benchmark_type")


def read_manifest(files: TreeFiles, submission: Path) -> JSONObject | None:
    """Parse the manifest of a submission directory; None where there is none, and a problem where it is damaged."""
    path = submission / MANIFEST
    if MANIFEST not in files.listing(submission).files:
        return None
    before = len(files.problems)
    document = files.yaml_document(path)
    if isinstance(document, Mapping):
        return document
    if len(files.problems) == before:
        files.complain(path, "holds no mapping")
    return None


def edition_in(manifest: JSONObject) -> str | None:
    """Take the edition that a parsed manifest declares (``v3.0`` and 3.0 are ``3.0``); None where it declares none."""
    declared = manifest.get("rules_edition")
    if not isinstance(declared, (str, int, float)) or isinstance(declared, bool):
        return None
    return str(declared).strip().removeprefix("v") or None


def declared_edition(files: TreeFiles, submission: Path) -> str | None:
    """Take the edition that the manifest of a submission declares; None where there is no manifest or it declares none."""
    manifest = read_manifest(files, submission)
    if manifest is None:
        return None
    declared = edition_in(manifest)
    if declared is None:
        files.complain(submission / MANIFEST, "declares no rules_edition")
    return declared


@dataclasses.dataclass(frozen=True)
class ListedLeaves:
    """The run leaves that a manifest lists, as ``<system>/<benchmark>/…/<timestamp>``, and how many entries name none.

    ``found`` is False where nothing in the manifest looks like a list of leaves.
    """

    leaves: frozenset[str] = frozenset()
    nameless: int = 0
    found: bool = False


def listed_leaves(manifest: JSONObject) -> ListedLeaves:
    """Find the run leaves in a manifest.

    What the manifest holds is published, the names of its keys are not. So a list of leaves is one under a likely name, or one
    with an entry that names a leaf: by a path with a timestamp directory in it, or by system, benchmark, model, command and time.
    """
    leaves: set[str] = set()
    nameless = 0
    found = False
    for key, entries in _lists(manifest):
        named = [_leaf_of(entry) for entry in entries]
        if key in _LEAF_LISTS or any(named):
            found = True
            leaves.update(name for name in named if name)
            nameless += named.count(None)
    return ListedLeaves(frozenset(leaves), nameless, found)


def _lists(node: JSONObject) -> Iterator[tuple[str, list[Any]]]:
    """Every list in mappings below mappings with its key; what stands in a list is looked at as its entry only."""
    for key, value in node.items():
        if isinstance(value, list):
            yield str(key), value
        elif isinstance(value, Mapping):
            yield from _lists(value)


def _leaf_of(entry: object) -> str | None:
    """The leaf that one entry of a list names."""
    if isinstance(entry, str):
        return _leaf_in_path(entry)
    if not isinstance(entry, Mapping):
        return None
    texts = [value for value in entry.values() if isinstance(value, str)]
    paths = (_leaf_in_path(text) for text in texts)
    return next((path for path in paths if path), None) or _leaf_by_parts(entry, texts)


def _leaf_in_path(path: str) -> str | None:
    """``<system>/<benchmark>/…/<timestamp>`` of any path into a leaf, wherever the path begins; None where it is no such path."""
    parts = path.split("/")
    end = next((n for n, part in enumerate(parts) if is_timestamp(part)), None)
    if end is None:
        return None
    begin = next((n for n in range(end - 1, 0, -1) if parts[n] in BENCHMARKS), None)
    return None if begin is None else "/".join(parts[begin - 1 : end + 1])


def _leaf_by_parts(entry: JSONObject, texts: list[str]) -> str | None:
    system, benchmark = (next((entry[k] for k in keys if isinstance(entry.get(k), str)), None) for keys in (_SYSTEM_KEYS, _BENCHMARK_KEYS))
    model, command = entry.get("model"), entry.get("command")
    time = next((text for text in texts if is_timestamp(text)), None)
    if not (system and benchmark in BENCHMARKS and isinstance(model, str) and isinstance(command, str) and time):
        return None
    if benchmark == "checkpointing":  # its leaves have no level of the command above them
        return f"{system}/{benchmark}/{model}/{time}"
    place = model.replace("_", "/", 1) if benchmark == "vector_database" else model
    return f"{system}/{benchmark}/{place}/{command}/{time}"
