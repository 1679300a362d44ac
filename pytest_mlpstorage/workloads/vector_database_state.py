"""What is finished of a vector database case: the mark beside the collection, and the leaves that stand in the tree."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error, write_json
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_timestamp, metadata_name
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.workloads.vector_database_plan import BENCHMARK, VectorPlan
from pytest_mlpstorage.workloads.vector_database_records import leaf_parameters

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Collected, Step

__all__ = [
    "MARK",
    "CollectionState",
    "StandingLeaf",
    "begin_load",
    "finish_load",
    "forget_begun",
    "found",
    "leaves",
    "mark_collection",
    "may_replace",
    "read_state",
    "refuse_foreign",
    "require_collection",
    "space_bytes",
    "whole_collection",
]

MARK: Final = ".mlps-collection.json"
"""In the folder of a case on the storage under test: which collection of ours is there, and whether it is whole."""

SPACE_FACTOR: Final = 2.0
"""Vectors and index stand beside each other while the index is built."""

_NOT_COMPARED: Final = frozenset({"storage.storage_root", "run.mode"})
_OF_THE_LOAD: Final = ("dataset.", "index.", "database.")


@dataclasses.dataclass(frozen=True)
class CollectionState:
    """``missing``, ``begun`` (a load was not finished) or ``complete``; ``parameters`` are those that it was made with.

    ``first``: it was begun where no collection of its name at its address was ours before.
    """

    state: Literal["missing", "begun", "complete"] = "missing"
    run_id: str = ""
    since: str = ""
    dataset_sha256: str = ""
    dataset_fingerprint: str = ""
    leaf: str = ""
    contrast: float | None = None
    first: bool = False
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class StandingLeaf:
    """A leaf in the tree with what it says of itself; None where that cannot be read."""

    path: Path
    relpath: str
    metadata: LeafMetadata | None
    summary: dict[str, Any] | None


def read_state(plan: VectorPlan) -> CollectionState:
    """From the mark. One that is damaged counts as a load that was not finished."""
    path = plan.folder / MARK
    if not path.is_file():
        return CollectionState()
    raw = TreeFiles(plan.folder).json_object(path)
    if raw is None or raw.get("state") not in ("begun", "complete"):
        return CollectionState("begun")
    parameters = raw.get("parameters")
    texts = {key: str(raw.get(key) or "") for key in ("run_id", "since", "dataset_sha256", "dataset_fingerprint", "leaf")}
    kept = dict(parameters) if isinstance(parameters, dict) else {}
    return CollectionState(raw["state"], **texts, contrast=number(raw.get("contrast")), first=raw.get("first") is True, parameters=kept)


def _differences(state: CollectionState, plan: VectorPlan) -> list[str]:
    wanted = plan.dataset_parameters
    return [
        f"{key}: {state.parameters.get(key)!r} there, {wanted.get(key)!r} planned"
        for key in sorted(wanted.keys() | state.parameters.keys())
        if state.parameters.get(key) != wanted.get(key)
    ]


def whole_collection(plan: VectorPlan) -> CollectionState | None:
    """What the mark tells of the planned collection where that is whole; None where it is not, or the mark speaks of another one."""
    state = read_state(plan)
    return state if state.state == "complete" and not _differences(state, plan) else None


def space_bytes(plan: VectorPlan) -> int | None:
    """Bytes that must be free for a load; none where the collection is whole, and None where it lies on a server that is not ours."""
    if plan.entry.uri is not None:
        return None
    return 0 if whole_collection(plan) is not None else int((plan.raw_bytes + plan.index_bytes) * SPACE_FACTOR)


def may_replace(plan: VectorPlan) -> bool:
    """Whether a load may remove a collection of its name: only what the mark says is ours at this address, never a stranger's."""
    state = read_state(plan)
    return state.state != "missing" and _place(state, plan) == (plan.name, plan.address)


def _place(state: CollectionState, plan: VectorPlan) -> tuple[str, str]:
    """Name and address of the collection that is known; those of the plan where the mark does not tell."""
    return state.parameters.get("collection_name", plan.name), state.parameters.get("uri", plan.address)


def begin_load(plan: VectorPlan, run_id: str) -> tuple[str, ...]:
    """Mark the collection as begun, before its first row; says so when one was begun before."""
    before, first = read_state(plan), not may_replace(plan)
    _mark(plan, {"state": "begun", "run_id": run_id, "first": first, "parameters": dict(plan.dataset_parameters)})
    if before.state != "missing" and first:
        earlier, where = _place(before, plan)
        on = f" on {where}" if where else ""
        return (f"{plan.folder}: the collection {earlier}{on}, of other parameters, stays; remove it when nobody needs it",)
    if before.state == "begun":
        return (f"{plan.folder}: a load of {before.since or 'an unknown time'} was not finished; the collection is made anew",)
    return ()


def forget_begun(plan: VectorPlan) -> None:
    """Take back the mark of a load that never came to have a collection, where it was the first one."""
    state = read_state(plan)
    if state.state == "begun" and state.first:
        (plan.folder / MARK).unlink(missing_ok=True)


def finish_load(plan: VectorPlan, leaf: Path, run_id: str, collected: Collected) -> None:
    """Mark the collection as complete."""
    dataset = collected.mlps.get("dataset") or {}
    _mark(
        plan,
        {
            "state": "complete",
            "run_id": run_id,
            "leaf": leaf.relative_to(plan.config.results_dir).as_posix(),
            **_of_the_data(dataset),
            "parameters": dict(plan.dataset_parameters),
        },
    )


def _of_the_data(dataset: object) -> dict[str, Any]:
    """What the runs take from the load: all rows would have to be made again to find it."""
    known = dataset if isinstance(dataset, dict) else {}
    texts = {f"dataset_{key}": str(known.get(key) or "") for key in ("sha256", "fingerprint")}
    return {**texts, "contrast": number(known.get("contrast"))}


def _mark(plan: VectorPlan, words: dict[str, Any]) -> None:
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_system_error("cannot make the folder of the collection", plan.folder, error) from error
    write_json(plan.folder / MARK, {"schema": 1, "since": datetime.now().astimezone().isoformat(timespec="seconds"), **words})


def leaves(plan: VectorPlan, phase: str) -> list[StandingLeaf]:
    """Leaves of a phase, oldest first."""
    root = plan.config.results_dir
    files, parent = TreeFiles(root), plan.result_dir() / phase
    names = files.listing(parent).directories if parent.is_dir() else ()
    found = []
    for path in (parent / name for name in sorted(filter(is_timestamp, names))):
        record = path / metadata_name(BENCHMARK, path.name)
        raw = files.json_object(record) if record.is_file() else None
        summary = files.json_object(path / "summary.json") if (path / "summary.json").is_file() else None
        relpath = path.relative_to(root).as_posix()
        metadata = None if raw is None else LeafMetadata.from_json(raw, f"{relpath}/{record.name}")
        found.append(StandingLeaf(path, relpath, metadata, None if summary is None else dict(summary)))
    return found


def refuse_foreign(plan: VectorPlan, leaf: StandingLeaf, phase: str) -> None:
    """Raise FileSystemError with each parameter of which a leaf and the plan disagree; one without metadata says nothing."""
    if leaf.metadata is None:
        return
    from pytest_mlpstorage.nested import dotted

    mine, theirs = dict(dotted(leaf_parameters(plan))), dict(dotted(leaf.metadata.parameters))
    keys = [key for key in sorted(mine.keys() | theirs.keys()) if phase == "run" or key.startswith(_OF_THE_LOAD)]
    different = [
        f"{key}: {theirs.get(key)!r} in the tree, {mine.get(key)!r} planned"
        for key in keys
        if key not in _NOT_COMPARED and str(mine.get(key)) != str(theirs.get(key))
    ]
    if phase == "run" and leaf.metadata.num_processes != plan.ranks:
        different.append(f"num_processes: {leaf.metadata.num_processes} in the tree, {plan.ranks} planned")
    if different:
        raise FileSystemError(
            f"{leaf.relpath} was made with other parameters; one result holds runs of one workload only, and nothing was done",
            details={"differences": "; ".join(different)},
            suggestion="give what you try out a name of its own, which keeps both results side by side: --mlps-set system=NAME; or have it "
            f"measured anew, which sets the old leaves aside in .mlps/superseded: --mlps-rerun={phase}",
            code="MLPS-E432",
        )


def _lacks_mark(state: CollectionState, standing: Sequence[StandingLeaf]) -> bool:
    """Whether a load was killed between its leaf and the mark: the leaf stands only where the collection is whole."""
    metadata = standing[-1].metadata if standing else None
    return bool(metadata is not None and state.state == "begun" and state.run_id and metadata.mlps.get("run_id") == state.run_id)


def mark_collection(plan: VectorPlan) -> None:
    """Mark a collection as complete that lacks nothing but the mark; nothing else is touched."""
    standing, state = [leaf for leaf in leaves(plan, "datagen") if leaf.metadata is not None], read_state(plan)
    if _lacks_mark(state, standing) and (metadata := standing[-1].metadata) is not None:
        words = {"run_id": state.run_id, "leaf": standing[-1].relpath, **_of_the_data(metadata.mlps.get("dataset"))}
        _mark(plan, {"state": "complete", **words, "parameters": dict(plan.dataset_parameters)})


def found(plan: VectorPlan, step: Step) -> str | None:
    """Why a step counts as done, or None. Raises FileSystemError where what is there contradicts the plan."""
    standing = [leaf for leaf in leaves(plan, step.phase) if leaf.metadata is not None]
    for leaf in standing:
        refuse_foreign(plan, leaf, step.phase)
    if step.phase == "run":  # what stands of a series is decided for all runs together
        return standing[step.index].relpath if len(standing) > step.index else None
    state = read_state(plan)
    if _lacks_mark(state, standing):
        return f"{standing[-1].relpath} (its collection was whole but for the mark)"
    if whole_collection(plan) is not None:
        return standing[-1].relpath if standing else f"collection {plan.name} in {plan.folder}, loaded by {state.leaf}"
    if standing:
        if len(leaves(plan, "run")) >= sum(one.phase == "run" for one in plan.case.steps):
            return f"{standing[-1].relpath} (the collection itself is no longer there; every run is done)"
        raise FileSystemError(
            f"{standing[-1].relpath} says that the collection was loaded, but {plan.folder} does not say that it is there",
            details={"state": state.state, "differences": "; ".join(_differences(state, plan)) or "none"},
            suggestion="bring it back; or have it loaded and searched anew, which sets the old leaves aside: --mlps-rerun=datagen",
            code="MLPS-E430",
        )
    return None


def require_collection(plan: VectorPlan) -> None:
    """Raise FileSystemError unless the mark says that the planned collection is whole; what the engine says is asked in the run."""
    state = read_state(plan)
    different = _differences(state, plan) if state.state == "complete" else []
    if state.state == "complete" and not different:
        return
    what = {"missing": "there is none", "begun": f"its load of {state.since or 'an unknown time'} was not finished"}.get(
        state.state, "another one is there"
    )
    raise FileSystemError(
        f"no whole collection {plan.name} in {plan.folder}: {what}",
        details={"differences": "; ".join(different)} if different else None,
        suggestion=f"run the datagen item first: pytest benchmarks/ -k 'test_datagen and {plan.case.id}'",
        code="MLPS-E430",
    )
