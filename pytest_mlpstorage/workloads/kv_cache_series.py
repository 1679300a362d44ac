"""The series of passes that becomes one leaf, and how it fits the house's rule of one leaf a step.

A step is one pass (option × trial), and ``execute`` treats it as it treats any step: it is staged, checked and renamed into its
place, where it has its metadata, code pointer and provenance record. Only that place is not the tree: it is the directory of the
series, ``.mlps/series/kv_cache-<division>-<fingerprint>-…/<timestamp>/`` with ``option_<O>/trial_<T>/rank_<N>`` below. So a finished
pass appears at once or not at all, a start that is interrupted loses the pass that it was in and no other, and no reader of the tree
ever sees a part of a run. ``test_result`` makes a whole series the leaf ``run/<timestamp>``: one staged leaf gets every
``trial_<T>`` (hard links, so that a start that ends in between loses nothing), the summary over all of them and one metadata record, is
renamed into the tree, and the series is removed.

The fingerprint holds every parameter that makes the work or the way it is measured. Passes of other parameters lie in another
directory, so they can never be mixed; the partial series of each is resumed when its parameters come back. Of one fingerprint the checksums
of the compiled work must agree over the trials (:mod:`.kv_cache_collect`). A leaf names the one code that made it, so a pass that other
code measured does not count: it is done again, and set aside when its series is whole.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_timestamp, metadata_name, output_name
from pytest_mlpstorage.results.provenance import PROVENANCE, image_digits
from pytest_mlpstorage.results.read_submission import POINTER
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.results.separation import SEPARATION
from pytest_mlpstorage.results.superseded import supersede
from pytest_mlpstorage.results.time_series import TIME_SERIES
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.workloads.cluster_record import write_cluster_info
from pytest_mlpstorage.workloads.kv_cache_plan import BENCHMARK, KVCachePlan, place_of
from pytest_mlpstorage.workloads.kv_cache_records import log_name, run_metadata
from pytest_mlpstorage.workloads.kv_cache_settings import FAMILY
from pytest_mlpstorage.workloads.stamping import code_now, keep_code, list_leaf, stamp_leaf

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Step, Workload

__all__ = ["found", "moved_passes", "of_other_code", "passes", "publish", "standing_run"]

_LONGEST_POINTER: Final = 4096


def passes(plan: KVCachePlan) -> dict[str, Path]:
    """Finished passes of this plan's series that wait for the others, by step; those of other code than runs now do not count."""
    standing = _waiting(plan)
    latest = {step: leaf for leaf, step in standing.items() if _made_by(leaf, plan) == _running(plan)}
    return {step.name: latest[step.name] for step in plan.case.steps if step.name in latest}


def of_other_code(plan: KVCachePlan, step: Step) -> Path | None:
    """A finished pass of a step that does not count because other code measured it."""
    if step.name in passes(plan):
        return None
    return next((leaf for leaf, name in _waiting(plan).items() if name == step.name), None)


def _running(plan: KVCachePlan) -> str | None:
    from pytest_mlpstorage.workloads.kv_cache import WORKLOAD

    return code_now(cast("Workload", WORKLOAD), plan.config)


def _made_by(leaf: Path, plan: KVCachePlan) -> str | None:
    content = TreeFiles(plan.config.results_dir).content(leaf / POINTER, limit=_LONGEST_POINTER)
    return image_digits((content or b"").decode(errors="replace"))


def _waiting(plan: KVCachePlan) -> dict[Path, str]:
    """Every leaf of the series with its step, oldest first."""
    files = TreeFiles(plan.config.results_dir)
    names = files.listing(plan.series_dir).directories if plan.series_dir.is_dir() else ()
    standing = {}
    for name in sorted(filter(is_timestamp, names)):
        metadata = _metadata(files, plan.series_dir / name, FAMILY)
        step = metadata.mlps.get("step") if metadata is not None else None
        if isinstance(step, str):
            standing[plan.series_dir / name] = step
    return standing


def standing_run(plan: KVCachePlan) -> str | None:
    """The latest run in the tree, relative to the results directory. Raises FileSystemError for one of other parameters."""
    runs = _runs(plan)
    if not runs:
        return None
    latest = runs[-1]
    metadata = _metadata(TreeFiles(plan.config.results_dir), latest, BENCHMARK)
    relpath = latest.relative_to(plan.config.results_dir).as_posix()
    if metadata is None or metadata.mlps.get("series") != plan.fingerprint:
        raise FileSystemError(
            f"{relpath} was made with other parameters; one result holds the runs of one workload only",
            details={"series": metadata.mlps.get("series") if metadata is not None else "unknown", "planned": plan.fingerprint},
            suggestion="give what you try out a name of its own, which keeps both results side by side: --mlps-set system=NAME",
            code="MLPS-E432",
        )
    return relpath


def found(plan: KVCachePlan, step: Step) -> str | None:
    """Where a pass stands finished: waiting in its series, else in the run in the tree; None where it is to be done."""
    run, waiting = standing_run(plan), passes(plan)
    if step.name in waiting:
        return waiting[step.name].relative_to(plan.config.results_dir).as_posix()
    # A series that goes on beside a run is one that was begun anew: its missing passes are done, not taken from the run.
    return run if not waiting else None


def moved_passes(plan: KVCachePlan, run: str) -> dict[str, str]:
    """Where each pass of a run waited → where it is in it, both relative to the results directory."""
    metadata = _metadata(TreeFiles(plan.config.results_dir), plan.config.results_dir / run, BENCHMARK)
    told = metadata.mlps.get("passes") if metadata is not None else None
    series = plan.series_dir.relative_to(plan.config.results_dir).as_posix()
    moved = {}
    for entry in told if isinstance(told, list) else ():
        step = next((step for step in plan.case.steps if isinstance(entry, Mapping) and step.name == entry.get("step")), None)
        if step is not None:
            option, trial = place_of(step)
            moved[f"{series}/{entry.get('staged_as')}"] = f"{run}/option_{option}/trial_{trial}"
    return moved


def _runs(plan: KVCachePlan) -> list[Path]:
    parent = plan.result_dir() / "run"
    names = TreeFiles(plan.config.results_dir).listing(parent).directories if parent.is_dir() else ()
    return [parent / name for name in sorted(filter(is_timestamp, names))]


def _metadata(files: TreeFiles, leaf: Path, family: str) -> LeafMetadata | None:
    path = leaf / metadata_name(family, leaf.name)
    raw = files.json_object(path) if path.is_file() else None
    return None if raw is None else LeafMetadata.from_json(raw)


def publish(plan: KVCachePlan, workload: Workload) -> Path | None:
    """Make a whole series the leaf of the run; None where no pass waits. Raises FileSystemError where some are missing."""
    waiting = passes(plan)
    if not waiting:
        if (others := _waiting(plan)) and not _runs(plan):
            raise FileSystemError(
                f"{len(others)} finished passes wait that were measured by other code than runs now, and do not count",
                details={"waiting": plan.series_dir},
                suggestion="start again: they are done anew, and set aside then",
                code="MLPS-E432",
            )
        return None
    missing = [step.name for step in plan.case.steps if step.name not in waiting]
    if missing:
        raise FileSystemError(
            f"{len(waiting)} of {len(plan.case.steps)} passes of {plan.case.id} are done; a part of a run is no result",
            details={"missing": ", ".join(missing), "waiting": plan.series_dir},
            suggestion=f"do the missing ones, the others are kept: pytest benchmarks/ -k {plan.case.id}",
            code="MLPS-E433",
        )
    config = plan.config
    code = keep_code(config, workload)
    if code.stage() != _running(plan):
        raise FileSystemError(
            "the code was changed while this process ran", suggestion="start again: what is of other code is done again", code="MLPS-E432"
        )
    with LeafWriter.create_next(config.results_dir, plan.result_dir() / "run", run_id=secrets.token_hex(6), now=datetime.now()) as writer:
        metadata = _fill(plan, waiting, writer)
        write_cluster_info(writer, plan)
        writer.write_json(metadata_name(BENCHMARK, writer.final.name), metadata.to_json())
        stamp_leaf(writer.path, code, metadata, config.edition)
        older = {run.relative_to(config.results_dir).as_posix(): "a later series of passes is whole" for run in _runs(plan)}
        if older:
            supersede(config.results_dir, older)
        leaf = writer.commit()
    unused = [one.relative_to(config.results_dir).as_posix() for one in _waiting(plan) if one not in waiting.values()]
    if unused:
        supersede(config.results_dir, dict.fromkeys(unused, "it was measured by other code than the rest of its series"))
    shutil.rmtree(plan.series_dir, ignore_errors=True)
    list_leaf(config)
    return leaf


def _fill(plan: KVCachePlan, waiting: Mapping[str, Path], writer: LeafWriter) -> LeafMetadata:
    """Every pass, the summary over them, and the record that tells of all."""
    from pytest_mlpstorage.kvcache.run_summary import OptionRun, RunShape, run_summary

    files = TreeFiles(plan.config.results_dir)
    told: list[dict[str, Any]] = []
    times: list[datetime] = []
    for step in plan.case.steps:
        source = waiting[step.name]
        option, trial = place_of(step)
        _link(source / f"option_{option}" / f"trial_{trial}", writer.path / f"option_{option}" / f"trial_{trial}")
        for stream in ("stdout", "stderr"):
            _link(source / output_name(FAMILY, step.phase, stream), writer.path / log_name(step, writer.final.name, stream))
        series = f"time_series_option{option}-trial{trial}.csv"
        _link(source / TIME_SERIES, writer.path / series)
        metadata = _metadata(files, source, FAMILY)
        assert metadata is not None  # it was read to find the pass
        told.append({"step": step.name, "staged_as": source.name, "command": metadata.executed_command, **_of_pass(metadata, series)})
        times += [time for time in (metadata.invocation_start_time, metadata.invocation_end_time) if time is not None]
    _link(waiting[plan.case.steps[-1].name] / SEPARATION, writer.path / SEPARATION)
    relpath = writer.final.relative_to(plan.config.results_dir).as_posix()
    shape = RunShape(writer.final.name, plan.hosts, plan.section.clients_per_host, plan.sequence.trials, relpath)
    options = {option.number: OptionRun(has_memory=bool(option.gpu_bytes or option.cpu_bytes)) for option in plan.options}
    summary, _figures = run_summary(writer.path, shape, options)
    writer.write_json("summary.json", summary)
    return dataclasses.replace(
        run_metadata(plan, writer.final, told),
        invocation_start_time=min(times, default=None),
        invocation_end_time=max(times, default=None),
        runtime_seconds=sum(entry["seconds"] or 0.0 for entry in told),
        executed_command="; ".join(str(entry["command"]) for entry in told),
        provenance_file=PROVENANCE,
    )


def _of_pass(metadata: LeafMetadata, series: str) -> dict[str, Any]:
    sampled = metadata.mlps.get("time_series")
    return {
        "start": None if metadata.invocation_start_time is None else metadata.invocation_start_time.isoformat(),
        "seconds": metadata.runtime_seconds,
        "run_id": metadata.mlps.get("run_id"),
        "launch": metadata.mlps.get("launch"),
        "metrics": metadata.mlps.get("metrics"),
        "notes": metadata.mlps.get("notes"),
        "trust": metadata.mlps.get("trust"),
        **({"time_series": {**sampled, "file": series if sampled.get("file") else ""}} if isinstance(sampled, Mapping) else {}),
    }


def _link(source: Path, target: Path) -> None:
    """Another name for a file, or for every file of a directory; a copy where the filesystem has no hard links."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_link_or_copy)
        elif source.is_file():
            _link_or_copy(str(source), str(target))
    except (OSError, shutil.Error) as error:
        cause = error if isinstance(error, OSError) else OSError(str(error))
        raise file_system_error("cannot put a pass into the leaf of its run", target, cause) from error


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
