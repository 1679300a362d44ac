"""``submission.yaml``: the manifest of a submission, and the edition that it declares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.files import TreeFiles

__all__ = ["CURRENT_LAYOUT", "MANIFEST", "declared_edition", "read_manifest"]

CURRENT_LAYOUT: Final = "3.0"
"""The edition whose directory layout the tool writes."""

MANIFEST: Final = "submission.yaml"


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


def declared_edition(files: TreeFiles, submission: Path) -> str | None:
    """Take the edition that the manifest declares (``v3.0`` and 3.0 are ``3.0``); None where there is no manifest or it declares none."""
    manifest = read_manifest(files, submission)
    if manifest is None:
        return None
    declared = manifest.get("rules_edition")
    if not isinstance(declared, (str, int, float)) or isinstance(declared, bool):
        files.complain(submission / MANIFEST, "declares no rules_edition")
        return None
    return str(declared).strip().removeprefix("v")
