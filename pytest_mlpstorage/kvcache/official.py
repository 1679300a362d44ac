"""One rank's pass by the official program: ``python -m pytest_mlpstorage.kvcache.official JOB.json``, under a launcher or alone.

The program is started, never changed: its wrapper where one is beside it, else the program itself with the seed, the folder and the idle
times of the rank. Its file of results becomes that of the rank, with our block in one key more. Ranks do not talk to one another: the
official program starts no pass together. Exit codes as of :mod:`pytest_mlpstorage.ranks.program`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, FileSystemError, code_of_os
from pytest_mlpstorage.kvcache.aggregate import RankFigures
from pytest_mlpstorage.kvcache.leftovers import remove_leftovers
from pytest_mlpstorage.kvcache.official_copy import child_environment, folder_digest
from pytest_mlpstorage.kvcache.official_facts import Outside, block, evidence, with_block
from pytest_mlpstorage.kvcache.official_job import OfficialJob
from pytest_mlpstorage.kvcache.official_watch import Watched, watch
from pytest_mlpstorage.kvcache.progress import Progress
from pytest_mlpstorage.kvcache.rank_directory import RankDirectory
from pytest_mlpstorage.kvcache.rank_file import BLOCK
from pytest_mlpstorage.kvcache.trust import Note, kernel_bytes
from pytest_mlpstorage.kvcache.trust_interposers import preloaded
from pytest_mlpstorage.ranks.program import Start, run_program
from pytest_mlpstorage.ranks.world import launched_ranks, this_rank
from pytest_mlpstorage.results.atomic import write_json, write_text
from pytest_mlpstorage.results.kv_cache_records import RankName

__all__ = ["main", "run_rank"]

_LOCAL_SIZES: Final = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_TASKS_PER_NODE")
_ASK_SECONDS: Final = 60.0
_ASK: Final = "import json; from pytest_mlpstorage.kvcache.trust_interposers import interposers; print(json.dumps(interposers()))"
_LARGEST_FILE: Final = 2**30
_SOON: Final = 0.98


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank of the job file that is the only argument."""
    return run_program("pytest_mlpstorage.kvcache.official", argv, _work, with_mpi=False)


def _work(file: Path, start: Start) -> None:
    start.rank = this_rank()
    job = OfficialJob.load(file)
    start.on_failure = lambda: remove_leftovers(job.cache_dir, job.processes)
    run_rank(job, start.rank)


def run_rank(job: OfficialJob, rank: int) -> None:
    """Do the pass of one rank, and leave its files. Raises MLPStorageError for what a user can understand."""
    started = launched_ranks() or 1
    if started != job.processes:
        raise ConfigurationError(f"the job is for {job.processes} ranks, but {started} were started", code="MLPS-E170")
    digest = folder_digest(Path(job.folder))
    if digest != job.digest:
        raise ConfigurationError(
            f"the official program in {job.folder} on {socket.gethostname()} is not the one that was planned with",
            details={"md5-tree-v2": digest, "planned": job.digest},
            suggestion="put the same copy on every host, and leave it alone while it runs",
            code="MLPS-E151",
        )
    path = os.environ.get("MLPS_PROGRESS") if rank == 0 else None
    progress = Progress(Path(path) if path else None, f"option {job.option} trial {job.trial}", job.processes)
    folder = job.rank_folder(rank)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FileSystemError(f"cannot make {folder}: {error.strerror}", cause=error, code=code_of_os(error)) from error
    environment = child_environment(job.preload)
    replacing, notes = _interposers(job.python, environment)
    progress.wait("pause between options", job.pause_seconds)
    alone = job.form == "program"
    if alone:
        progress.wait("start delay", job.start_delay_seconds)
    with RankDirectory(job.cache_dir, rank) as directory:
        mount = mount_of(directory.path)
        before = kernel_bytes(mount)
        try:
            watched = watch(
                job.command(rank), environment, cwd=folder, cache=directory.path, heartbeat=lambda s, moved: _tell(progress, job, s, moved)
            )
        finally:
            # Without its mark nobody would remove what the program left, however it was ended.
            ours = directory.mark_again()
        after = kernel_bytes(mount)
        if not ours and directory.path.exists():
            notes.append(Note("cache", "warning", f"the official program made {directory.path} anew, so that what is in it is left there"))
        progress.say("clean-up")
    if watched.code:
        how = f"exit code {watched.code}" if watched.code > 0 else f"signal {-watched.code}"
        raise BenchmarkExecutionError(f"{job.script.name} ended with {how}: {watched.last_words}", code="MLPS-E570")
    text, raw = _result(job, rank)
    notes += _otherwise(job, rank, raw, watched)
    seen = Outside(
        watched, mount, before, after, _ranks_here(job), replacing, preloaded(environment), os.environ.get("LD_PRELOAD", ""), tuple(notes)
    )
    content = block(job, rank, raw, seen)
    figures = RankFigures.from_json({**raw, BLOCK: content}, RankName(job.option, job.trial, rank, ""))
    nothing = figures.measured_nothing(has_memory=job.memory)
    if nothing:
        raise BenchmarkExecutionError(f"rank {rank} measured nothing: {nothing}", details={"file": _file(job, rank)}, code="MLPS-E541")
    write_json(job.evidence_file(rank), evidence(job, rank, raw, seen))
    write_text(_settle(job, rank), with_block(text, BLOCK, content))
    if alone:
        progress.wait("end delay", job.end_delay_seconds)


def _tell(progress: Progress, job: OfficialJob, seconds: float, moved: int) -> None:
    """The wrapper begins with its idle time."""
    idle = 0.0 if job.form == "program" else job.start_delay_seconds
    if seconds < idle:
        progress.say("start delay", wait_seconds=round(idle - seconds, 1))
    elif seconds > idle + job.duration_seconds and job.form != "program" and not moved:
        progress.say("end delay")
    else:
        progress.run(seconds - idle, job.duration_seconds, moved, 0)


def _ranks_here(job: OfficialJob) -> int:
    counts = [int(value) for name in _LOCAL_SIZES if (value := os.environ.get(name, "")).isdigit()]
    return max(1, counts[0] if counts else job.processes)


def _interposers(python: str, environment: Mapping[str, str]) -> tuple[dict[str, list[str]], list[Note]]:
    """Calls of the program's interpreter that another object than the C library answers, asked in a process as the program's own is."""
    where = str(Path(__file__).parents[2])
    try:
        done = subprocess.run(
            [python, "-c", _ASK], env={**environment, "PYTHONPATH": where}, capture_output=True, text=True, timeout=_ASK_SECONDS,
            stdin=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        return dict(json.loads(done.stdout)), []
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return {}, [Note("interposers", "info", f"{python} cannot be asked who answers its calls: {error}")]


def _file(job: OfficialJob, rank: int) -> Path:
    """The one file of results that the program left for a rank, wherever below the folder of the pass its form puts it."""
    top = Path(job.output_dir)
    mine = []
    for path in sorted(top.rglob("kvcache_results_*.json")):
        of_ranks = [part for part in path.relative_to(top).parts[:-1] if part.startswith("rank_")]
        if f"rank_{rank}" in of_ranks or (job.processes == 1 and not of_ranks):
            mine.append(path)
    if len(mine) != 1:
        what = "left no file of results" if not mine else f"left {len(mine)} files of results"
        raise BenchmarkExecutionError(
            f"{job.script.name} {what} of rank {rank} below {job.output_dir}", details={"files": list(map(str, mine))}, code="MLPS-E570"
        )
    return mine[0]


def _settle(job: OfficialJob, rank: int) -> Path:
    """Put the file where the readers of a leaf look for it."""
    found, place = _file(job, rank), job.rank_folder(rank)
    if found.parent != place:
        target = place / found.name
        found.replace(target)
        for empty in found.parents:
            if empty in (place, Path(job.output_dir)):
                break
            with contextlib.suppress(OSError):  # the program left more there
                empty.rmdir()
        return target
    return found


def _result(job: OfficialJob, rank: int) -> tuple[str, dict[str, Any]]:
    path = _file(job, rank)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise BenchmarkExecutionError(f"{path} is too large to be read", code="MLPS-E570")
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkExecutionError(
            f"the file of results of {job.script.name} cannot be read: {error}", details={"file": path}, code="MLPS-E570"
        ) from error
    if not isinstance(raw, dict):
        raise BenchmarkExecutionError(f"the file of results of {job.script.name} is no object", details={"file": path}, code="MLPS-E570")
    return text, raw


def _otherwise(job: OfficialJob, rank: int, raw: Mapping[str, Any], watched: Watched) -> list[Note]:
    """What the program did otherwise than it was told, as far as its file and the clock show it."""
    notes = []
    seed, wanted = raw.get("seed"), job.seed + rank
    if seed is not None and seed != wanted:
        notes.append(Note("seed", "warning", f"the official program worked with seed {seed}, where rank {rank} has {wanted}"))
    idle = 0.0 if job.form == "program" else job.start_delay_seconds + job.end_delay_seconds
    least = job.duration_seconds + idle
    if watched.wall_s < least * _SOON:
        text = f"{job.script.name} ended after {watched.wall_s:.0f} s, where window and idle times take {least:.0f} s"
        notes.append(Note("idle", "warning", text))
    return notes


if __name__ == "__main__":
    raise SystemExit(main())
