"""A result that was only planned, in the record of one that was run, so that preflight asks the same rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_mlpstorage.results.layout import check_component, result_path
from pytest_mlpstorage.results.records import (
    CheckpointingResult,
    KVCacheResult,
    Leaf,
    LeafMetadata,
    Listing,
    Summary,
    TrainingResult,
    VectorDatabaseResult,
)
from pytest_mlpstorage.verdict import Division

__all__ = ["planned_checkpointing", "planned_kv_cache", "planned_result", "planned_vector_database"]


def planned_result(
    *,
    root: Path,
    division: Division,
    submitter: str,
    system: str,
    edition: str,
    metadata: LeafMetadata,
    summary: Summary,
    runs: int,
    datasize: LeafMetadata | None = None,
    datagen: LeafMetadata | None = None,
) -> TrainingResult:
    """Build the result that a plan will give: ``runs`` leaves (warm-up included) of one metadata and one predicted summary.

    ``planned`` is set on the result and its leaves, which have no files; their names have the shape of timestamps so that
    a rule can count them. Raises ConfigurationError where a name may not be a level of the path.
    """
    model = metadata.model or ""
    place = result_path(root, division, submitter, system, "training", model)
    relpath = place.relative_to(root).as_posix()

    run_leaves = tuple(_leaf(f"{relpath}/run", number, root, metadata, summary) for number in range(1, runs + 1))
    sizes = (_leaf(f"{relpath}/datasize", 0, root, datasize, phase="datasize"),) if datasize is not None else ()
    generated = (_leaf(f"{relpath}/datagen", 0, root, datagen, phase="datagen"),) if datagen is not None else ()
    phases = tuple(phase for phase, there in (("datagen", generated), ("datasize", sizes), ("run", run_leaves)) if there)
    names = tuple(run.name for run in run_leaves)
    return TrainingResult(
        root=root,
        relpath=relpath,
        division=division,
        submitter=submitter,
        system=system,
        model=model,
        edition=edition,
        accelerator=metadata.accelerator,
        datasize=sizes,
        datagen=generated,
        runs=run_leaves,
        entries=Listing(phases, phases),
        datasize_entries=_names(sizes),
        datagen_entries=_names(generated),
        run_listing=Listing((*names, "results.json"), names),
        planned=True,
    )


def planned_checkpointing(
    *, root: Path, division: Division, submitter: str, system: str, edition: str, runs: Sequence[LeafMetadata], summary: Summary
) -> CheckpointingResult:
    """Build the checkpointing result that a plan will give: one leaf for each metadata, all with one predicted summary.

    As ``planned_result`` in all else.
    """
    model = (runs[0].model or "") if runs else ""
    place = result_path(root, division, submitter, system, "checkpointing", model)
    relpath = place.relative_to(root).as_posix()
    leaves = tuple(_leaf(relpath, number, root, metadata, summary) for number, metadata in enumerate(runs, 1))
    names = tuple(leaf.name for leaf in leaves)
    listing = Listing((*names, "results.json"), names)
    return CheckpointingResult(
        root=root,
        relpath=relpath,
        division=division,
        submitter=submitter,
        system=system,
        model=model,
        edition=edition,
        accelerator=runs[0].accelerator if runs else None,
        runs=leaves,
        entries=listing,
        run_listing=listing,
        planned=True,
    )


def _leaf(parent: str, number: int, root: Path, metadata: LeafMetadata, summary: Summary | None = None, *, phase: str = "run") -> Leaf:
    """A leaf below ``parent`` (relative to ``root``) that has no files yet."""
    name = f"00000000_{number:06d}"
    path = f"{parent}/{name}"
    return Leaf(path=root / path, relpath=path, name=name, phase=phase, summary=summary, metadata=metadata, planned=True)


def _names(leaves: tuple[Leaf, ...]) -> Listing:
    names = tuple(leaf.name for leaf in leaves)
    return Listing(names, names)


def planned_kv_cache(*, root: Path, division: Division, submitter: str, system: str, edition: str, metadata: LeafMetadata) -> KVCacheResult:
    """Build the KV cache result that a plan will give: one run of every pass, with a summary that says nothing yet.

    As ``planned_result`` in all else.
    """
    model = metadata.model or ""
    place = result_path(root, division, submitter, system, "kv_cache", model)
    relpath, name = place.relative_to(root).as_posix(), "00000000_000001"
    leaf = Leaf(
        path=place / "run" / name, relpath=f"{relpath}/run/{name}", name=name, phase="run", summary=None, metadata=metadata, planned=True
    )
    return KVCacheResult(
        root=root,
        relpath=relpath,
        division=division,
        submitter=submitter,
        system=system,
        model=model,
        edition=edition,
        accelerator=None,
        runs=(leaf,),
        entries=Listing(("run",), ("run",)),
        run_listing=Listing((name,), (name,)),
        planned=True,
    )


def planned_vector_database(
    *,
    root: Path,
    division: Division,
    submitter: str,
    system: str,
    edition: str,
    engine: str,
    index: str,
    runs: Sequence[LeafMetadata],
    datagen: LeafMetadata,
) -> VectorDatabaseResult:
    """Build the vector database result that a plan will give: one load, and one run for each metadata, none with a summary yet.

    As ``planned_result`` in all else.
    """
    place = result_path(root, division, submitter, system, "vector_database", engine) / check_component(index, "index")
    relpath = place.relative_to(root).as_posix()
    leaves = tuple(_leaf(f"{relpath}/run", number, root, metadata) for number, metadata in enumerate(runs, 1))
    loaded = (_leaf(f"{relpath}/datagen", 0, root, datagen, phase="datagen"),)
    return VectorDatabaseResult(
        root=root,
        relpath=relpath,
        division=division,
        submitter=submitter,
        system=system,
        model=f"{engine}_{index}",
        edition=edition,
        accelerator=None,
        engine=engine,
        datagen=loaded,
        datagen_entries=_names(loaded),
        runs=leaves,
        entries=Listing(("datagen", "run"), ("datagen", "run")),
        run_listing=_names(leaves),
        planned=True,
    )
