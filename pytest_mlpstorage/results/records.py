"""A results tree as records: results and what they stand in, made of leaves. Damage is a record, never an exception."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.leaf import NO_NAMES, Leaf, Listing, ReadProblem
from pytest_mlpstorage.results.metadata import CommandOutput, LeafMetadata, SystemInfo
from pytest_mlpstorage.results.provenance import CodeHash, Provenance
from pytest_mlpstorage.results.summary import EpochStats, RankEpoch, RankOutput, Span, Summary, TrainingMetric
from pytest_mlpstorage.verdict import Division

__all__ = [
    "CheckpointingResult",
    "CodeHash",
    "CodeImage",
    "CodePointer",
    "CommandOutput",
    "EpochStats",
    "ImagePool",
    "KVCacheResult",
    "Leaf",
    "LeafMetadata",
    "Listing",
    "Package",
    "Provenance",
    "RankEpoch",
    "RankOutput",
    "ReadProblem",
    "Result",
    "Span",
    "StoredResult",
    "Subject",
    "Submission",
    "Summary",
    "SystemDescription",
    "SystemInfo",
    "TrainingMetric",
    "TrainingResult",
    "VectorDatabaseResult",
]


@dataclasses.dataclass(frozen=True)
class SystemDescription:
    """One file of ``systems/``: the parsed document (None where it could not be parsed) and whether a PDF stands beside it.

    ``name`` is the file's name without its suffix. A v1.0 description is JSON, later ones are YAML.
    """

    root: Path
    relpath: str  # closed/acme/systems/fastfs.yaml
    division: Division
    submitter: str
    name: str
    edition: str
    document: object = None
    has_pdf: bool = False
    problems: tuple[ReadProblem, ...] = ()

    benchmark: ClassVar = "system"

    def value(self, dotted: str) -> Any:
        """One value by its dotted key (``system_under_test.solution.architecture.benchmark_API``); None where there is none."""
        node: Any = self.document
        for part in dotted.split("."):
            if not isinstance(node, Mapping) or part not in node:
                return None
            node = node[part]
        return node


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredResult:
    """What all kinds of results share: one workload under one system, and the names found in its directory.

    Only directories named ``YYYYMMDD_HHMMSS`` are leaves (v1.0 names them ``run1``); all else stands in a listing. A ``planned`` result
    was never run: its leaves hold predicted records and no files. ``layout`` is the edition whose directory layout it stands in.
    """

    root: Path
    relpath: str  # closed/acme/results/fastfs/training/unet3d
    division: Division
    submitter: str
    system: str
    model: str
    edition: str
    layout: str = "3.0"
    accelerator: str | None = None
    runs: tuple[Leaf, ...] = ()
    entries: Listing = NO_NAMES
    run_listing: Listing = NO_NAMES
    problems: tuple[ReadProblem, ...] = ()
    planned: bool = False
    description: SystemDescription | None = None

    benchmark: ClassVar[str] = ""

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """All leaves, phase by phase."""
        return self.runs

    @property
    def accelerators(self) -> tuple[str, ...]:
        """Every accelerator that a leaf names, sorted; more than one is a contradiction."""
        return tuple(sorted({m.accelerator for leaf in self.leaves if (m := leaf.metadata) and m.accelerator}))

    @property
    def all_problems(self) -> tuple[ReadProblem, ...]:
        """What stood in the way of reading, of the result and of its leaves."""
        return self.problems + tuple(p for leaf in self.leaves for p in leaf.problems)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingResult(StoredResult):
    """One training model under one system; of any edition (v1.0: the group of runs of one model and accelerator)."""

    datasize: tuple[Leaf, ...] = ()
    datagen: tuple[Leaf, ...] = ()
    datasize_entries: Listing = NO_NAMES
    datagen_entries: Listing = NO_NAMES

    benchmark: ClassVar[str] = "training"

    @property
    def run_entries(self) -> tuple[str, ...]:
        """All names in ``run/``, bad ones too."""
        return self.run_listing.names

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """All leaves, phase by phase."""
        return self.datasize + self.datagen + self.runs


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointingResult(StoredResult):
    """One model whose checkpoints were written and read. Its leaves stand in the model directory: ``run_listing`` is ``entries``."""

    benchmark: ClassVar[str] = "checkpointing"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorDatabaseResult(StoredResult):
    """One index in one database. ``model`` is ``<engine>_<index>``; ``engine`` is None where the path has no such level (C-3).

    Of a leaf's ``summary`` only ``raw`` has meaning.
    """

    engine: str | None = None
    datagen: tuple[Leaf, ...] = ()
    datagen_entries: Listing = NO_NAMES

    benchmark: ClassVar[str] = "vector_database"

    @property
    def index(self) -> str:
        """Name of the index directory, such as ``DISKANN``."""
        return self.relpath.rpartition("/")[2]

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """All leaves, phase by phase."""
        return self.datagen + self.runs


@dataclasses.dataclass(frozen=True, kw_only=True)
class KVCacheResult(StoredResult):
    """One KV cache workload. Of a leaf's ``summary`` only ``raw`` has meaning; ``files`` go as deep as the ranks' result files."""

    benchmark: ClassVar[str] = "kv_cache"


Result: TypeAlias = TrainingResult | CheckpointingResult | VectorDatabaseResult | KVCacheResult


@dataclasses.dataclass(frozen=True)
class Submission:
    """Everything of one submitter in one division.

    ``systems`` are the descriptions that could be found in ``systems/``, ``system_entries`` the names in each ``results/<system>``.
    ``manifest`` is the parsed ``submission.yaml``, None where it is absent or unreadable (``problems`` tells which).
    ``results`` are the relative paths of its results.
    """

    root: Path
    relpath: str  # closed/acme
    division: Division
    submitter: str
    edition: str
    layout: str = "3.0"
    entries: Listing = NO_NAMES
    results_entries: Listing = NO_NAMES
    systems_entries: Listing = NO_NAMES
    system_entries: Mapping[str, Listing] = dataclasses.field(default_factory=dict)
    systems: tuple[SystemDescription, ...] = ()
    manifest: JSONObject | None = None
    results: tuple[str, ...] = ()
    problems: tuple[ReadProblem, ...] = ()

    benchmark: ClassVar = "submission"

    def below(self, *parts: str) -> str:
        """Path of something in it, relative to the tree, which may be the submission itself."""
        return "/".join(part for part in (self.relpath, *parts) if part != ".")


@dataclasses.dataclass(frozen=True)
class CodeImage:
    """One ``code-<hash8>`` directory of a pool; ``record`` is its parsed ``.code-hash.json``, None where that is absent or unreadable."""

    relpath: str
    name: str
    record: CodeHash | None = None
    problems: tuple[ReadProblem, ...] = ()


@dataclasses.dataclass(frozen=True)
class ImagePool:
    """A directory of code images: ``code-images`` (one for the package) or ``<org>``. ``marked``: it holds ``.mlps-image-pool``."""

    relpath: str
    name: str
    marked: bool
    images: tuple[CodeImage, ...] = ()


@dataclasses.dataclass(frozen=True)
class CodePointer:
    """What a leaf's ``.mlps-code-image`` says, as written.

    ``text`` is None where it is absent, or cannot be read for the reason in ``problem``.
    """

    leaf: str  # relative path of the leaf
    submitter: str
    phase: str
    text: str | None = None
    division: Division = Division.CLOSED
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Package:
    """The whole tree: what stands at its top, its pools of code images, and the pointers of all leaves to them.

    Pointers are those of submissions in the current layout. ``unhashed_code``: ``code/`` directories of the way before pools.
    """

    root: Path
    relpath: str  # "."
    division: Division
    edition: str
    layout: str = "3.0"
    entries: Listing = NO_NAMES
    pools: tuple[ImagePool, ...] = ()
    pointers: tuple[CodePointer, ...] = ()
    submissions: tuple[str, ...] = ()  # relative paths
    unhashed_code: tuple[str, ...] = ()  # relative paths
    problems: tuple[ReadProblem, ...] = ()

    benchmark: ClassVar = "package"


Subject: TypeAlias = Package | Submission | SystemDescription | Result
