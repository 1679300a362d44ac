"""The page of the fixtures, from the functions themselves."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Final

from pytest_mlpstorage import fixtures
from pytest_mlpstorage.reference.markdown import code, plain, table
from pytest_mlpstorage.results.cluster_facts import ClusterFacts
from pytest_mlpstorage.results.host_facts import HostFacts

__all__ = ["FIXTURES", "fixtures_page"]

FIXTURES: Final = ("cluster", "mpi_launcher", "mlps")
"""By the names under which tests ask for them."""


def fixtures_page() -> list[str]:
    """The lines of the page, title first."""
    lines = [
        "Fixtures",
        "They serve any test of a project that has this package installed, with `--mlps-config` or without: then they are about this",
        "machine. `pytest --fixtures` shows them too.",
    ]
    for name in FIXTURES:
        lines += ["", f"## {name}", "", *_doc(getattr(fixtures, name))]
    lines += ["", "## What `mpi_launcher` does", "", *_method(fixtures.MPILauncher.run, "mpi_launcher.run"), "", *_fields(fixtures.Ran)]
    lines += ["", "## What `cluster` holds", "", *_fields(ClusterFacts), "", *_fields(HostFacts)]
    return lines


def _doc(of: object) -> list[str]:
    return [plain(paragraph) if paragraph else "" for paragraph in _paragraphs(inspect.getdoc(of) or "")]


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        yield from ([""] if number else [])
        yield paragraph


def _method(function: object, name: str) -> list[str]:
    assert callable(function)
    signature = inspect.signature(function)
    shown = ", ".join(str(parameter) for key, parameter in signature.parameters.items() if key != "self")
    return ["```python", f"{name}({shown}) -> {signature.return_annotation}", "```", "", *_doc(function)]


def _fields(record: type) -> list[str]:
    assert dataclasses.is_dataclass(record)
    known = [(field.name, str(field.type)) for field in dataclasses.fields(record)]
    asked = [
        (name, str(inspect.signature(getter).return_annotation), inspect.getdoc(getter) or "")
        for name, member in vars(record).items()
        if not name.startswith("_") and (getter := getattr(member, "fget", None) or getattr(member, "func", None)) is not None
    ]
    rows = [(code(name), code(kind), "") for name, kind in known] + [(code(name), code(kind), plain(text)) for name, kind, text in asked]
    return [f"`{record.__name__}`: {' '.join(_doc(record)).strip()}", "", *table(("attribute", "type", "what it is"), rows)]
