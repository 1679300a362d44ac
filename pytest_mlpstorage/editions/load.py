"""Reading an edition's data file into its frozen models."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pydantic
import yaml

from pytest_mlpstorage.editions.base import nearest
from pytest_mlpstorage.editions.edition import Edition
from pytest_mlpstorage.errors import ConfigurationError, ValidationError

__all__ = ["edition", "edition_names", "load_edition"]

# The C loader is several times faster; a PyYAML without it is as right.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DATA = Path(__file__).parent


@functools.cache
def edition_names() -> tuple[str, ...]:
    """Names of the editions that have data here, oldest first."""
    return tuple(sorted(path.stem[1:] for path in _DATA.glob("v*.yaml")))


@functools.cache
def edition(name: str) -> Edition:
    """Return the edition of that name (``3.0``), loaded once and shared; ConfigurationError naming the editions there are."""
    if name not in edition_names():
        raise ConfigurationError(
            f"unknown edition {name!r}; {nearest(name, edition_names())}", suggestion='write edition: "3.0"', code="MLPS-E114"
        )
    return load_edition(_DATA / f"v{name}.yaml")


def load_edition(path: Path) -> Edition:
    """Read the edition in a data file; ValidationError naming the file and every wrong key or value."""
    try:
        text = path.read_text(encoding="utf-8")
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - both loaders are safe ones
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValidationError(
            f"edition data {path} cannot be read", cause=error, suggestion="reinstall pytest-mlpstorage", code="MLPS-E620"
        ) from error
    try:
        return Edition.model_validate(_prepared(raw))
    except pydantic.ValidationError as error:
        wrong = {".".join(map(str, e["loc"])): e["msg"] for e in error.errors(include_url=False)}
        raise ValidationError(
            f"edition data {path} is not valid", details=wrong, suggestion="reinstall pytest-mlpstorage", code="MLPS-E620"
        ) from error


def _prepared(raw: Any) -> Any:
    """Drop the anchors and put each template under its (model, accelerator)."""
    if not isinstance(raw, dict):
        return raw
    data = {key: value for key, value in raw.items() if not str(key).startswith("x-")}
    training = data.get("training")
    if isinstance(training, dict) and isinstance(training.get("templates"), list):
        templates = [t for t in training["templates"] if isinstance(t, dict)]
        keyed = {(t.get("model"), t.get("accelerator")): t for t in templates}
        if len(keyed) == len(training["templates"]):
            data["training"] = {**training, "templates": keyed}
    return data
