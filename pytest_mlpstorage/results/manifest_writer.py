"""Writes ``submission.yaml``: every leaf, system and code image of a submission as they stand in the tree (rules.md §1.5)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from pytest_mlpstorage.results.atomic import write_text
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.manifest import MANIFEST, edition_in, read_manifest
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.provenance import LAYOUT_VERSION, PROVENANCE, UNKNOWN, image_digits, image_name
from pytest_mlpstorage.results.read_submission import leaf_directories, read_pointer
from pytest_mlpstorage.results.reader import read_leaf
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.verdict import Division

__all__ = ["manifest_of", "write_manifest"]

_SCHEMA: Final = "mlps-submission-manifest/1"


def write_manifest(root: Path, division: Division, submitter: str, *, edition: str, tool: Mapping[str, str]) -> Path:
    """Write or replace the manifest of a submission; an edition that the standing one declares stays. Raises FileSystemError.

    ``tool``: name and version of what generates it.
    """
    submission = root / division.value / submitter
    standing = read_manifest(TreeFiles(root), submission)
    declared = edition_in(standing) if standing is not None else None
    manifest = manifest_of(root, division, submitter, edition=declared or edition, tool=tool)
    text = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, default_flow_style=False, width=160)
    write_text(submission / MANIFEST, text, keep_equal=True)
    return submission / MANIFEST


def manifest_of(root: Path, division: Division, submitter: str, *, edition: str, tool: Mapping[str, str]) -> dict[str, Any]:
    """Describe a submission from its leaves alone; no figure and no Public ID is in it."""
    submission = f"{division.value}/{submitter}"
    places = [place for place in read_tree(root).places if place.submission == submission]
    leaves = [entry for place in places if place.is_result for entry in _leaves(root, place, submission)]
    stamps = [entry.pop("stamps") for entry in leaves]
    return {
        "schema": _SCHEMA,
        "organisation": submitter,
        "division": division.value,
        "rules_edition": edition,
        "layout_version": LAYOUT_VERSION,
        "generated_by": dict(tool),
        "tool_versions": sorted({stamp["tool"] for stamp in stamps if stamp["tool"]}),
        "dlio_commits": sorted({stamp["dlio"] for stamp in stamps if stamp["dlio"] and stamp["dlio"] != UNKNOWN}),
        "systems": list(_systems(root / submission / "systems")),
        "leaves": leaves,
        "code_images": [
            {"name": image_name(digits), "hash": pointer}
            for pointer in sorted({entry["code_image"] for entry in leaves if entry["code_image"]})
            if (digits := image_digits(pointer)) is not None
        ],
    }


def _leaves(root: Path, place: SubjectPlace, submission: str) -> Iterator[dict[str, Any]]:
    """Every leaf of a result: in the vocabulary of rule 1.3 a run is one invocation, of whatever phase."""
    files = TreeFiles(root)
    for phase, path in leaf_directories(files, root / place.relpath, place.kind):
        leaf = read_leaf(path, root=root, phase=phase, family=place.kind)
        stamp, below = leaf.provenance, leaf.relpath.removeprefix(f"{submission}/")
        yield {
            "path": below,
            "benchmark": place.benchmark,
            "model": place.model,
            "command": phase,
            "accelerator": leaf.metadata.accelerator if leaf.metadata is not None else None,
            "system": place.system,
            "rules_edition": (stamp.edition if stamp is not None else None) or UNKNOWN,
            "core_config_hash": (stamp.core_config_hash if stamp is not None else None) or UNKNOWN,
            "code_image": read_pointer(TreeFiles(root), path),
            "provenance": f"{below}/{PROVENANCE}" if stamp is not None else None,
            "stamps": {"tool": stamp and stamp.tool_version, "dlio": stamp and stamp.dlio_commit},
        }


def _systems(folder: Path) -> Iterator[dict[str, str | None]]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names are wanted
    except OSError:
        return
    for name in names:
        stem, _, suffix = name.rpartition(".")
        if suffix.lower() == "yaml" and not name.startswith("."):
            pdf = next((other for other in names if other.lower() == f"{stem}.pdf".lower()), None)
            yield {"name": stem, "description": f"systems/{name}", "pdf": f"systems/{pdf}" if pdf else None}
