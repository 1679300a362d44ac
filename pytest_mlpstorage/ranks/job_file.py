"""The JSON file that tells every rank of a launch what to do: read strictly, whatever engine it is for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["fields_of", "read_job"]


def read_job(path: Path, what: str) -> object:
    """The JSON of a job file; ConfigurationError, in which ``what`` names the job, where it is not there or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the {what} {path} cannot be read: {error}", code="MLPS-E170") from error


def fields_of(kind: type[Any], raw: object, what: str) -> dict[str, Any]:
    """The fields of a dataclass from a JSON object that has all that must be there and no other; ConfigurationError names the rest."""
    if not isinstance(raw, Mapping):
        raise ConfigurationError(f"a {what} is a JSON object, not a {type(raw).__name__}", code="MLPS-E170")
    fields = dataclasses.fields(kind)
    needed = {field.name for field in fields if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING}
    missing, unknown = sorted(needed - raw.keys()), sorted(str(key) for key in raw.keys() - {field.name for field in fields})
    if missing or unknown:
        found = [f"{word}: {', '.join(names)}" for word, names in (("missing", missing), ("unknown", unknown)) if names]
        raise ConfigurationError(f"the fields of a {what} are not right: {'; '.join(found)}", code="MLPS-E170")
    return dict(raw)
