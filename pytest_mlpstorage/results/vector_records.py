"""What a vector database load or run wrote about itself, in each form that the official tool has, as records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from pytest_mlpstorage.results.coerce import JSONObject, boolean, integer, number
from pytest_mlpstorage.results.metadata import LeafMetadata

__all__ = [
    "CONFIG",
    "MEAN_RECALL",
    "RECALL",
    "STATISTICS",
    "VERDICT",
    "Form",
    "Given",
    "ResultVerdict",
    "SideFile",
    "VectorRecord",
    "recall_fraction",
    "value_at",
]

CONFIG: Final = "config.json"
"""What a single-node run was started with."""

STATISTICS: Final = "statistics.json"
"""What a single-node run measured."""

RECALL: Final = "recall_stats.json"
"""How many of the exact neighbours a run found."""

VERDICT: Final = "result_verdict.json"
"""Whether the exact answers were complete; its own verdict is not to be trusted."""

Form: TypeAlias = Literal["summary", "single-node", "metadata"]
"""Where a record comes from: ``summary.json``; the files that a single-node run leaves in its place; what was asked for."""


def value_at(raw: object, dotted: str) -> object:
    """The value at a dotted key; None where there is none."""
    node = raw
    for part in dotted.split("."):
        if not isinstance(node, Mapping):
            return None
        node = node.get(part)
    return node


@dataclasses.dataclass(frozen=True)
class Given:
    """One value as its file has it (None: it is not there), and where it stands or should stand.

    ``readable`` is False where that file itself was not there or no record, so that nothing can be said of the value.
    """

    raw: object
    file: str
    field: str
    readable: bool = True

    @property
    def number(self) -> float | None:
        """As a finite number."""
        return number(self.raw)

    @property
    def integer(self) -> int | None:
        """As a whole number."""
        return integer(self.raw)

    @property
    def text(self) -> str | None:
        """As text that is not empty."""
        return self.raw if isinstance(self.raw, str) and self.raw else None


@dataclasses.dataclass(frozen=True)
class SideFile:
    """A file beside the summary: its path relative to the tree, and its object (None: not there, pruned or no record)."""

    path: str
    raw: JSONObject | None = None

    def given(self, dotted: str) -> Given:
        """One of its values."""
        return Given(value_at(self.raw, dotted), self.path, dotted, readable=self.raw is not None)


@dataclasses.dataclass(frozen=True)
class VectorRecord:
    """The values of one load or run, by the keys of ``summary.json`` whatever form they were read from."""

    form: Form
    sources: Mapping[str, Given]
    rest: SideFile

    def given(self, key: str) -> Given:
        """One value by the summary's dotted key (``database.storage_backend``)."""
        return self.sources.get(key) or self.rest.given(key)

    @classmethod
    def of_summary(cls, raw: JSONObject, path: str) -> VectorRecord:
        """From ``summary.json``: a value that it lacks is not there, whatever other files say."""
        return cls("summary", {}, SideFile(path, raw))

    @classmethod
    def of_single_node(cls, config: SideFile, statistics: SideFile, verdict: SideFile, metadata: LeafMetadata | None) -> VectorRecord:
        """From the files of a run on one node, which hold the same values under other names."""
        sources = {
            "num_vectors": verdict.given("flat_setup.total_vectors"),
            "dimension": config.given("vector_dim"),
            "index_type": config.given("index_type"),
            "query_count": statistics.given("total_queries"),
            "database.database": _asked(metadata, ("vdb_engine",)),
        }
        return cls("single-node", sources, statistics)

    @classmethod
    def of_metadata(cls, metadata: LeafMetadata) -> VectorRecord:
        """From the metadata: what was asked for, which is all that a load on one node (and a plan) leaves."""
        sources = {
            "num_vectors": _asked(metadata, ("num_vectors",)),
            "dimension": _asked(metadata, ("dimension", "vector_dim")),
            "index_type": _asked(metadata, ("index_type", "vdb_index")),
            "database.database": _asked(metadata, ("vdb_engine",)),
        }
        return cls("metadata", sources, SideFile(metadata.path))


def _asked(metadata: LeafMetadata | None, keys: Iterable[str]) -> Given:
    """The first of these keys that the metadata has at its top or among its arguments."""
    wanted = tuple(keys)
    if metadata is None:
        return Given(None, "", wanted[0], readable=False)
    for key in wanted:
        for prefix, part in (("", metadata.raw), ("args.", metadata.args)):
            if part.get(key) is not None:
                return Given(part[key], metadata.path, f"{prefix}{key}")
    return Given(None, metadata.path, wanted[0])


MEAN_RECALL: Final = ("mean_recall", "recall_at_k", "recall")
"""Keys of the recall over all queries, in the order in which they are believed."""


def recall_fraction(raw: object, keys: Iterable[str]) -> float | None:
    """The recall that a value stands for: the number itself, or of an object the first of ``keys`` that is there; else None."""
    if isinstance(raw, Mapping):
        return next((number(raw[key]) for key in keys if raw.get(key) is not None), None)
    return number(raw)


@dataclasses.dataclass(frozen=True)
class ResultVerdict:
    """``result_verdict.json`` as far as it is evidence: whether the exact answers were complete."""

    path: str
    flat_setup: bool  # whether it speaks of the exact answers at all
    ok: bool | None = None
    ok_given: object = None
    coverage: Given = Given(None, "", "flat_setup.coverage")
    reason: str = ""

    @classmethod
    def from_json(cls, raw: JSONObject, path: str) -> ResultVerdict:
        """From a parsed file."""
        setup = raw.get("flat_setup")
        reason = value_at(setup, "reason")
        return cls(
            path=path,
            flat_setup=isinstance(setup, Mapping),
            ok=boolean(value_at(setup, "ok")),
            ok_given=value_at(setup, "ok"),
            coverage=Given(value_at(setup, "coverage"), path, "flat_setup.coverage"),
            reason=reason[:200] if isinstance(reason, str) else "",
        )
