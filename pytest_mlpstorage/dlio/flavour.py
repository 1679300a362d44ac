"""Which DLIO this is, told by what is on disk: package metadata and source text, without importing any of it."""

from __future__ import annotations

import json
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_mlpstorage.errors import DependencyError

__all__ = [
    "INSTALL",
    "MLCOMMONS",
    "REGISTRY",
    "UNKNOWN",
    "commit",
    "engine_name",
    "flavour",
    "origin",
    "package_folder",
    "require_dlio",
    "source",
    "version",
]

REGISTRY, MLCOMMONS, UNKNOWN = "registry", "mlcommons", "unknown"
INSTALL = "python -m pytest_mlpstorage.bootstrap install"

_PACKAGE = "dlio_benchmark"


def package_folder() -> Path | None:
    """Folder of the DLIO that an import would find, or None."""
    spec = find_spec(_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def source(relative: str) -> str:
    """Text of one of its files (``utils/config.py``), empty where there is none."""
    folder = package_folder()
    path = folder / relative if folder else None
    return path.read_text(encoding="utf-8", errors="replace") if path and path.is_file() else ""


def version() -> str:
    """Version in the package's metadata, empty where it runs from a plain folder."""
    try:
        return metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        return ""


def commit() -> str:
    """Git commit that pip recorded for an installation from a repository (PEP 610), or empty."""
    recorded = (_direct_url() or {}).get("vcs_info", {})
    return str(recorded.get("commit_id", "")) if isinstance(recorded, dict) else ""


def origin() -> str:
    """Where pip says that it was installed from: a URL (PEP 610), ``package index``, or empty where nothing is recorded."""
    recorded = _direct_url()
    return "" if recorded is None else str(recorded.get("url", "")) or "package index"


def _direct_url() -> dict[str, Any] | None:
    """What pip recorded of an installation from a URL; empty for one from an index, None where it is not installed."""
    try:
        text = metadata.distribution(_PACKAGE).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def flavour() -> str:
    """``mlcommons`` where the loader reads ``record_length_bytes``, ``registry`` where it does not, ``unknown`` without one.

    The key and not the version number decides: it is what the parameters depend on.
    """
    text = source("utils/config.py")
    if "LoadConfig" not in text:
        return UNKNOWN
    return MLCOMMONS if "record_length_bytes" in text else REGISTRY


def engine_name(kind: str) -> str:
    """Name the key list that belongs to a flavour."""
    return "dlio-mlcommons-3.0.0" if kind == MLCOMMONS else "dlio-2.0.0"


def require_dlio() -> str:
    """Tell the flavour of the DLIO that is here; raises DependencyError naming the remedy where it, torch or hydra is missing."""
    missing = [name for name in (_PACKAGE, "torch", "hydra", "omegaconf", "numpy", "pandas", "psutil") if find_spec(name) is None]
    if missing:
        raise DependencyError(f"DLIO cannot start here: {', '.join(missing)} not installed", suggestion=INSTALL, code="MLPS-E220")
    kind = flavour()
    if kind == UNKNOWN:
        raise DependencyError(
            "the dlio_benchmark that is installed is none that this program knows",
            details={"folder": package_folder()},
            suggestion=INSTALL,
            code="MLPS-E220",
        )
    return kind
