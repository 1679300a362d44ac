"""Reading what DLIO left: exit code 0 is no proof, so every count is checked before a leaf may stand in the tree."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.results.page_cache import PageCacheRecord, write_page_cache
from pytest_mlpstorage.results.reader import read_leaf
from pytest_mlpstorage.results.records import Leaf
from pytest_mlpstorage.units import MIB
from pytest_mlpstorage.workloads.base import Collected
from pytest_mlpstorage.workloads.training_job import EVIDENCE
from pytest_mlpstorage.workloads.training_state import file_sizes
from pytest_mlpstorage.workloads.training_verify import verify_run

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["MORE_READ", "collect", "engine_block", "evidence_of_ranks", "page_cache_record"]

MORE_READ = 1.1
"""Bytes that ranks and workers may read beyond the data set (file headers, directories, late imports)."""


def _bad(message: str, *, code: str = "MLPS-E542", **details: object) -> BenchmarkExecutionError:
    return BenchmarkExecutionError(message, details=details, code=code)


def evidence_of_ranks(folder: Path, ranks: int, kind: str) -> list[Mapping[str, Any]]:
    """The evidence files of one kind of all ranks; raises where a rank left none: it did not reach its end."""
    records, missing = [], []
    for rank in range(ranks):
        path = folder / f"{rank}_{kind}.json"
        try:
            records.append(json.loads(path.read_text()))
        except (OSError, json.JSONDecodeError):
            missing.append(rank)
    if missing:
        raise _bad(
            f"rank {', '.join(map(str, missing))} of {ranks} left no {kind} mark: the job ended with 0 but not all ranks finished",
            code="MLPS-E540",
        )
    return records


def collect(plan: TrainingPlan, step: Step, *, staged: Path, scratch: Path, outcome: Outcome) -> Collected:
    """Check a finished datagen or run and return its figures. Raises BenchmarkExecutionError for anything less."""
    folder = scratch / EVIDENCE
    evidence_of_ranks(folder, plan.ranks, "end")
    effective = evidence_of_ranks(folder, plan.ranks, "effective")
    engine = engine_block(effective)
    if step.phase == "datagen":
        return _datagen(plan, engine)
    root = staged.parent
    leaf = read_leaf(staged, root=root, phase="run")
    io = evidence_of_ranks(folder, plan.ranks, "io")
    found = _run(plan, leaf, root, engine, io)
    record = page_cache_record(folder, io, asked_bytes=plan.epoch_bytes * plan.epochs)
    if record is not None:
        write_page_cache(staged, record)
    return dataclasses.replace(found, metrics={**found.metrics, "launch_seconds": outcome.elapsed_seconds})


def page_cache_record(folder: Path, io: list[Mapping[str, Any]], *, asked_bytes: int) -> PageCacheRecord | None:
    """What rank 0 noted of the page cache, beside the bytes that ``asked_bytes`` made the ranks read; None where it noted nothing."""
    path = folder / "0_page_cache.json"
    if not path.exists():
        return None
    return dataclasses.replace(
        PageCacheRecord.from_json(json.loads(path.read_text())),
        asked_bytes=asked_bytes,
        rank_read_bytes=sum(int(record["total"]["read_bytes"]) for record in io),
        rank_asked_bytes=sum(int(record["total"]["rchar"]) for record in io),
    )


def engine_block(effective: list[Mapping[str, Any]]) -> dict[str, Any]:
    """What measured: DLIO's version and commit, the classes in use, and what was translated for it."""
    first = effective[0]
    return {
        "engine": {
            "name": "dlio",
            "version": first["dlio_version"],
            "flavour": first["flavour"],
            "commit": first["dlio_commit"],
            **dict(first["engine"]),
            "translated": first["translated"],
            "translated_from": first["translated_from"],
            "ignored": first["ignored"],
            "stand_ins": first["stand_ins"],
            "world_size": first["size"],
            "hosts": sorted({str(record["host"]) for record in effective}),
        }
    }


def _datagen(plan: TrainingPlan, engine: dict[str, Any]) -> Collected:
    train = plan.data_folder / "train"
    sizes = file_sizes(plan)
    if len(sizes) < plan.files:
        raise _bad(f"data generation left {len(sizes)} of {plan.files} files", folder=train, code="MLPS-E540")
    if min(sizes) == 0:
        raise _bad(f"data generation left {sizes.count(0)} empty files", folder=train, code="MLPS-E540")
    written = sum(sizes)
    ratio = written / plan.dataset_bytes if plan.dataset_bytes else 0.0
    # With a standard deviation the sizes vary by design; without one the bytes must be those that will be reported.
    notes = () if plan.has_spread or abs(ratio - 1) < 0.01 else (f"bytes on disk are {ratio:.3f} of the nominal {plan.dataset_bytes}",)
    return Collected({"files": len(sizes), "bytes_on_disk": written}, notes, engine)


def _run(plan: TrainingPlan, leaf: Leaf, root: Path, engine: dict[str, Any], io: list[Mapping[str, Any]]) -> Collected:
    if leaf.summary is None:
        problems = "; ".join(f"{p.file}: {p.message}" for p in leaf.problems) or "it is missing"
        raise _bad(f"DLIO ended with 0 but left no usable summary.json: {problems}", code="MLPS-E540")
    checked = verify_run(plan, leaf, root=root, first_step_counts=engine["engine"]["flavour"] == "registry")
    read_bytes = sum(int(record["total"]["rchar"]) for record in io)
    device_bytes = sum(int(record["total"]["read_bytes"]) for record in io)
    expected = plan.epoch_bytes * plan.epochs
    if read_bytes < expected and not plan.has_spread:
        raise _bad(
            "the ranks read fewer bytes than their steps ask for",
            read=f"{read_bytes} bytes by ranks and read workers",
            expected=f"{expected} bytes = {plan.epochs} epochs × {plan.steps_per_epoch} steps",
        )
    notes = checked.notes
    if read_bytes > expected * MORE_READ and not plan.has_spread:
        notes = (*notes, f"the ranks read {read_bytes} bytes where their steps ask for {expected}: something else was read too")
    metrics = {
        "train_au_mean_percentage": checked.au_percent,
        "train_throughput_mean_samples_per_second": checked.samples_per_second,
        "train_io_mean_MiB_per_second": checked.mib_per_second,
        "read_bytes_by_ranks": read_bytes,
        "read_bytes_from_device": device_bytes,
        "read_bytes_expected": expected,
    }
    if plan.read_bytes_per_sample != plan.size.record_bytes:
        # DLIO reports samples × record, but a run reads only some columns of each row: its MB/s is then no I/O rate.
        metrics["read_columns_mean_MiB_per_second"] = checked.samples_per_second * plan.read_bytes_per_sample / MIB
        notes = (
            *notes,
            f"train_io_mean_MB_per_second counts {plan.size.record_bytes} bytes a sample; the columns that are read have "
            f"{plan.read_bytes_per_sample:.0f}, which is {metrics['read_columns_mean_MiB_per_second']:.1f} MiB/s",
        )
    return Collected(metrics, notes, {**engine, "recomputed": checked.record}, f"AU {checked.au_percent:.2f} %")
