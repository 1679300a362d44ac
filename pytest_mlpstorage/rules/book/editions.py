"""Rules on the edition of a result: the declared one exists, the work is that of a class, DLIO is an accepted one (section 2.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_mlpstorage.editions import Edition, edition_names
from pytest_mlpstorage.editions import edition as edition_data
from pytest_mlpstorage.editions.base import Unknown
from pytest_mlpstorage.editions.core_config import core_config_hash
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import native
from pytest_mlpstorage.results.manifest import MANIFEST, edition_in
from pytest_mlpstorage.results.provenance import UNKNOWN, Provenance
from pytest_mlpstorage.results.records import CheckpointingResult, Leaf, StoredResult, Submission, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

_EVERY_EDITION = ("1.0", "2.0", "3.0")


def _without_data() -> tuple[str, ...]:
    """Editions of the official table of which nothing is known here but that they were."""
    return tuple(name for known in edition_names() for name in edition_data(known).predecessors)


@rule("EDN-01", "rulesEdition", subject=StoredResult, editions=_EVERY_EDITION)
def rules_edition(result: StoredResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The edition that a submission declares, and the edition that a leaf's provenance record declares, is one that exists.

    A result that declares another is judged by the current edition, and cannot pass.
    """
    existing = (*_without_data(), *edition_names())
    exists = f"one that exists: {' or '.join(existing)}"
    if result.edition not in existing:
        yield Finding(
            f"the declared edition does not exist; judged by edition {edition.name}",
            measured=shown(result.edition),
            required=" or ".join(existing),
            file=_manifest_of(result),
            field="rules_edition",
        )
    else:
        yield Met(f"edition {result.edition}", exists)
    for leaf in result.leaves:
        stamp = leaf.provenance
        if stamp is None or stamp.edition is None:
            continue
        if stamp.edition not in existing:
            yield Finding(
                "a leaf declares an edition that does not exist",
                measured=shown(stamp.edition),
                required=" or ".join(existing),
                file=stamp.path,
                field="rules_edition",
            )
        else:
            yield Met(f"edition {stamp.edition}", exists)


def _manifest_of(result: StoredResult) -> str:
    """Path of the manifest of a result's submission, which may be the tree itself."""
    above, results, _ = f"/{result.relpath}".partition("/results/")
    return f"{above[1:]}/{MANIFEST}" if results and above else MANIFEST


@rule("EDN-04", "checkableEdition", subject=Submission, editions=_EVERY_EDITION)
def checkable_edition(submission: Submission, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A manifest declares an edition that packages with a manifest are checked by; the older ones are from before manifests.

    A tree of an older round has no manifest, and nothing is said of it. Whether a declared edition exists at all is asked of each result.
    """
    declared = edition_in(submission.manifest) if submission.manifest is not None else None
    checkable = [name for name in edition_names() if edition_data(name).checkable]
    if declared in (*_without_data(), *edition_names()) and declared not in checkable:
        yield Finding(
            "the manifest declares an edition by which no package with a manifest is checked",
            measured=declared,
            required=" or ".join(checkable),
            file=submission.below(MANIFEST),
            field="rules_edition",
        )
    elif declared in checkable:
        yield Met(f"edition {declared}", f"one that is checked with a manifest: {' or '.join(checkable)}")
    elif submission.manifest is None:
        yield NotAsked("no manifest", "asked where there is one")
    else:
        yield NotAsked("no known edition declared", "asked of an edition that exists")


@rule("EDN-02", "comparabilityClass", subject=StoredResult, editions=("3.0",))
def comparability_class(result: StoredResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A run that is stamped with a provenance record did the work of a comparability class of its edition and division.

    The class follows from family, model, accelerator and the core-config hash, which covers all that makes the work what it is. In
    closed a run of no class fails; elsewhere it is said, because no class is declared across divisions. Where the hashes of
    a sanctioned workload were never published, that is said and nobody fails. A result without any stamped run is told the class
    that its metadata gives, for information.
    """
    stamped = [(leaf, leaf.provenance) for leaf in result.runs if leaf.provenance is not None]
    for leaf, stamp in stamped:
        yield from _stamped_class(result, leaf, stamp, edition)
    if not stamped and not result.planned:
        for leaf in result.runs:
            computed = _computed_hashes(leaf, result.benchmark)
            if computed:
                classes = [name for h in computed if (name := _class_of(result, edition, h))]
                said = f"the work is that of class {classes[0]}" if classes else "the work is that of no class that is published"
                yield _info(f"{said}, by the parameters in the metadata", computed[0], leaf.relpath, "parameters")
        yield NotAsked("no run with a provenance record", "asked of runs that have one")


def _info(message: str, measured: str, file: str, field: str) -> Finding:
    return Finding(message, severity=Severity.INFO, category=Category.CLOSED, measured=measured, file=file, field=field)


def _class_of(result: StoredResult, edition: Edition, config_hash: str) -> str | None:
    """Name of the closed class that a hash is in: the only division that classes are published of."""
    return edition.comparability_class(Division.CLOSED.value, result.benchmark, result.model, _accelerator(result), config_hash)


def _accelerator(result: StoredResult) -> str | None:
    """The accelerator as the edition writes it; which spelling the metadata have is not this rule's business (ACC-TRN folds it too)."""
    return (result.accelerator or "").strip().lower() or None


def _stamped_class(result: StoredResult, leaf: Leaf, stamp: Provenance, judged_by: Edition) -> Iterator[Finding | NoEvidence | Met]:
    edition = edition_data(stamp.edition) if stamp.edition in edition_names() else judged_by
    field = "core_config.hash"
    computed = _computed_hashes(leaf, result.benchmark)
    hashes = [stamp.core_config_hash] if stamp.core_config_hash not in (None, "", UNKNOWN) else computed
    unpublished = _unpublished(result, edition)
    if not hashes and unpublished is None and result.division is Division.CLOSED:
        yield NoEvidence("neither the provenance record nor the metadata gives a core-config hash", stamp.path)
        return
    measured = str(shown(hashes[0])) if hashes else UNKNOWN
    known = _class_of(result, edition, measured)
    free = f"{result.division.value} division: free"
    what = f"{result.benchmark} {result.model} on {result.accelerator or 'any accelerator'}"
    if computed and measured not in computed:
        # The stamp decides, as in the official check: the one hash that was published and never reproduced is such a case.
        closed = result.division is Division.CLOSED
        yield Finding(
            "the stamped core-config hash is not what the parameters in the metadata give",
            severity=Severity.WARNING if closed else Severity.INFO,
            category=Category.CLOSED,
            measured=measured,
            required=computed[0],
            file=stamp.path,
            field=field,
        )
    if known is not None and result.division is Division.CLOSED:
        yield Met(f"{known} by hash {measured}", "a comparability class of the edition")
        return
    if known is not None:
        yield _info(f"the work is that of class {known} of the closed division", measured, stamp.path, field)
        yield Met(f"{known} by hash {measured}", free)
    elif unpublished is not None:
        yield _info(f"the comparability class of {what} cannot be told: {unpublished}", measured, stamp.path, field)
        yield Met(f"hash {measured}", "any hash: no class of this work was published")
    elif result.division is Division.CLOSED:
        yield Finding(
            f"the work is that of no comparability class of {what}",
            measured=measured,
            required=_published(result, edition),
            file=stamp.path,
            field=field,
        )
    else:
        yield _info(f"the work is that of no comparability class of {what}", measured, stamp.path, field)
        yield Met(f"hash {measured}, of no class", free)


def _unpublished(result: StoredResult, edition: Edition) -> str | None:
    """Why the class of a workload that the edition sanctions is not known; None where it is, or where there is nothing to know."""
    family = [entry for entry in edition.comparability_classes.values() if entry.family == result.benchmark]
    without = [entry.hashes.unknown for entry in family if isinstance(entry.hashes, Unknown)]
    if family and len(without) == len(family):
        return without[0]
    template = edition.training.templates.get((result.model, _accelerator(result) or "")) if result.benchmark == "training" else None
    sanctioned = template is not None and result.model in edition.training.models_for(Division.CLOSED)
    return (template.unknown or None) if template is not None and sanctioned else None


def _published(result: StoredResult, edition: Edition) -> str:
    hashes = [
        entry.hash
        for known in edition.comparability_classes.values()
        if (known.family, known.model) == (result.benchmark, result.model) and known.accelerator in (None, _accelerator(result))
        for entry in (() if isinstance(known.hashes, Unknown) else known.hashes)
    ]
    return " or ".join(hashes) or "a workload that has a class"


def _computed_hashes(leaf: Leaf, family: str) -> list[str]:
    """Core-config hashes of the parameters in a leaf's metadata: as recorded, and with values from a command line as what they mean."""
    if leaf.metadata is None or not leaf.metadata.parameters:
        return []
    recorded = leaf.metadata.parameters
    try:
        return list(dict.fromkeys(core_config_hash(parameters, family) for parameters in (recorded, _native(recorded))))
    except (ConfigurationError, RecursionError, ValueError):  # a family without a published hash; nesting or numbers without end
        return []


def _native(value: Any) -> Any:
    return {key: _native(item) for key, item in value.items()} if isinstance(value, Mapping) else native(value)


@rule("EDN-03", "dlioRevision", subject=StoredResult, editions=("3.0",), severity=Severity.WARNING)
def accepted_revision(result: StoredResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A run that is stamped with a provenance record was measured by a DLIO revision that its edition accepts; another is a warning.

    A stamp that does not know the revision is a warning too. KV cache and vector database runs are not measured by DLIO. Where the
    metadata of this suite says itself that another engine measured, MLPS-ENGINE-1 tells that with more weight, and once.
    """
    if not isinstance(result, (TrainingResult, CheckpointingResult)):
        yield NotAsked("not measured by DLIO", "asked of training and checkpointing")
        return
    for leaf in result.runs:
        stamp = leaf.provenance
        if stamp is None:
            yield NotAsked("no provenance record", "asked of runs that have one")
            continue
        if _told_of_engine(leaf, edition):
            yield NotAsked("an engine that MLPS-ENGINE-1 tells of", "asked of what no other rule tells of")
            continue
        table = edition_data(stamp.edition) if stamp.edition in edition_names() else edition
        commit = stamp.dlio_commit or UNKNOWN
        if not table.dlio_revisions:
            yield Met(f"DLIO {shown(commit)}", f"any: edition {table.name} lists no revisions")
            continue
        versions = ", ".join(sorted({revision.version for revision in table.dlio_revisions}))
        accepted = f"one of {len(table.dlio_revisions)} accepted revisions ({versions})"
        if table.accepts_revision(commit):
            yield Met(f"DLIO {shown(commit)}", accepted)
            continue
        yield Finding(
            "the record does not know which DLIO measured" if commit == UNKNOWN else "the DLIO that measured is no accepted revision",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            measured=shown(commit),
            required=accepted,
            file=stamp.path,
            field="dlio.commit",
        )


def _told_of_engine(leaf: Leaf, edition: Edition) -> bool:
    """Whether the metadata names an engine that is no accepted DLIO, of which the rule on engines speaks."""
    engine = leaf.metadata.mlps.get("engine") if leaf.metadata is not None else None
    return isinstance(engine, Mapping) and not edition.accepts_revision(str(engine.get("commit") or ""))
