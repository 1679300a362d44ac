"""One edition of the rule book: the families, files per leaf, comparability classes, accepted revisions."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pytest_mlpstorage.editions.base import Data, Frozen, Parameters, Unknown
from pytest_mlpstorage.editions.description_structure import DescriptionStructure
from pytest_mlpstorage.editions.families import CheckpointingEdition, KVCacheEdition, VectorDatabaseEdition
from pytest_mlpstorage.editions.models import TrainingEdition
from pytest_mlpstorage.editions.system_description import SystemSchema
from pytest_mlpstorage.nested import plain
from pytest_mlpstorage.verdict import Severity

__all__ = ["ComparabilityClass", "CoreConfigHash", "DLIORevision", "Edition", "RequiredFiles", "RoundProfile"]


class RequiredFiles(Data):
    """What a leaf must hold (rules.md §1.4).

    ``any_of``: regular expressions, each *searched* unanchored over the leaf's file names (paths relative to the leaf for
    nested ones), at least one match each. ``exactly_one``: the same with exactly one match. ``folders``: sub-directory to
    the exact set of its files.
    """

    any_of: tuple[str, ...] = ()
    exactly_one: tuple[str, ...] = ()
    folders: Frozen[str, frozenset[str]] = Field(default_factory=dict)


class CoreConfigHash(Data):
    """A published ``core-config-v1`` hash.

    ``template`` and ``changes`` (dotted keys laid over the template) reproduce it from this edition's data; ``unreproduced``
    says why it cannot be.
    """

    hash: str
    template: str = ""
    changes: Parameters = Field(default_factory=dict)
    unreproduced: str = ""


class ComparabilityClass(Data):
    """Results of one class may be compared with each other (EDN-02). ``accelerator`` None: any. ``hashes`` may be unknown."""

    division: str
    family: str
    model: str
    accelerator: str | None
    hashes: tuple[CoreConfigHash, ...] | Unknown


class DLIORevision(Data):
    """A DLIO commit that the edition accepts (EDN-03)."""

    commit: str
    version: str
    repository: str


class RoundProfile(Data):
    """How the rules weighed while the round ran (§5.2).

    ``severity``: rule id, or rule id and part of it, to what its findings weighed; ``inactive`` never fired; ``inverted`` had
    their sense turned round; ``missing_files``: files below the floor tolerated; ``au_minimum`` False: DLIO's verdict alone.
    """

    missing_files: int
    severity: Frozen[str, Severity]
    inactive: tuple[str, ...]
    inverted: tuple[str, ...]
    assumed_accelerator_memory_gb: int
    au_minimum: bool


class Edition(Data):
    """All values of one edition of the rule book; families that the edition does not have are None.

    ``checkable``: a manifest may declare it (EDN-04). ``predecessors``: earlier editions of which no data are known.
    ``leaf_kinds`` of ``required_files`` are ``<family>/<phase>``; ``every_leaf`` holds for each of them. ``runs_per_result`` counts
    run directories (checkpointing: phases). ``client_memory_tolerance``: fraction by which hosts may differ from the system
    description (2.1.9). ``system_description`` is the schema of a description, None where an edition checks none in this way.
    ``profile`` is the relaxation that is in force, None for the rules as they stand (see ``relaxed``).
    """

    name: str
    checkable: bool
    predecessors: tuple[str, ...] = ()
    current: bool
    timestamp_pattern: str
    component_pattern: str
    divisions: tuple[str, ...]
    categories: tuple[str, ...]
    training: TrainingEdition
    checkpointing: CheckpointingEdition | None
    kv_cache: KVCacheEdition | None
    vector_database: VectorDatabaseEdition | None
    required_files: Frozen[str, RequiredFiles | Unknown]
    every_leaf: RequiredFiles
    optional_files: tuple[str, ...]
    pruned_text: str
    runs_per_result: Frozen[str, int]
    comparability_classes: Frozen[str, ComparabilityClass]
    dlio_revisions: tuple[DLIORevision, ...]
    storage_libraries: Frozen[str, tuple[str, ...]]
    client_memory_tolerance: float | None
    round_profile: RoundProfile | None
    system_description: SystemSchema | None = None
    description_structure: DescriptionStructure | None = None
    profile: RoundProfile | None = None

    def relaxed(self) -> Edition:
        """The same edition under the relaxations of its round (§5.2); itself where the round had none."""
        return self.model_copy(update={"profile": self.round_profile}) if self.round_profile is not None else self

    def template_parameters(self, name: str, family: str) -> dict[str, Any]:
        """Copy the parameters of a training template (``unet3d_b200``) or checkpoint model (``llama3-8b``); KeyError if absent."""
        if family == "checkpointing" and self.checkpointing is not None:
            return dict(plain(self.checkpointing.models[name].parameters))
        return {t.name: t for t in self.training.templates.values()}[name].copy_parameters()

    def comparability_class(self, division: str, family: str, model: str, accelerator: str | None, config_hash: str) -> str | None:
        """Name of the class that a run belongs to, None when it is in none (division and accelerator as in the run's metadata)."""
        for name, entry in self.comparability_classes.items():
            same = (entry.division, entry.family, entry.model) == (division, family, model) and entry.accelerator in (None, accelerator)
            if same and not isinstance(entry.hashes, Unknown) and any(h.hash == config_hash for h in entry.hashes):
                return name
        return None

    def accepts_revision(self, commit: str) -> bool:
        """Whether the DLIO commit (full, or its first 7 characters and more) is one that the edition accepts."""
        return len(commit) >= 7 and any(r.commit.startswith(commit.lower()) for r in self.dlio_revisions)
