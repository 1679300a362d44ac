"""Where the subjects of rules stand in a tree: found by names alone, so that finding them opens next to no file."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, TypeAlias

from pytest_mlpstorage.verdict import Division

__all__ = ["KINDS", "RESULT_KINDS", "Kind", "SubjectPlace"]

Kind: TypeAlias = Literal["package", "submission", "system", "training", "checkpointing", "vector_database", "kv_cache"]

RESULT_KINDS: Final[tuple[Kind, ...]] = ("training", "checkpointing", "vector_database", "kv_cache")
"""Kinds that are results: what a verdict is given to."""

KINDS: Final[tuple[Kind, ...]] = ("package", "submission", "system", *RESULT_KINDS)
"""All kinds of subjects, from the outside in."""


@dataclasses.dataclass(frozen=True)
class SubjectPlace:
    """One subject before it is read.

    ``relpath`` is relative to the tree: ``.``, ``closed/acme``, ``closed/acme/systems/fastfs.yaml`` or the directory of a result.
    ``edition`` judges it; ``layout`` is the edition in whose layout it stands on disk. A level that the place lacks is empty.
    ``within``: path of its submission where the tree is less than a package (``.`` for a submission that is the root itself, empty
    for the output of a tool that is in none); None where the path tells.
    """

    kind: Kind
    relpath: str
    division: Division
    edition: str
    layout: str = "3.0"
    submitter: str = ""
    system: str = ""
    model: str = ""
    within: str | None = None

    @property
    def is_result(self) -> bool:
        """Whether a verdict is given to it."""
        return self.kind in RESULT_KINDS

    @property
    def benchmark(self) -> str:
        """The benchmark directory of a result, else the kind of subject."""
        return self.kind

    @property
    def submission(self) -> str:
        """Relative path of the submission that it belongs to; empty for the package and for what is in none."""
        if self.within is not None:
            return self.within
        return "/".join(self.relpath.split("/")[:2]) if self.kind != "package" else ""
