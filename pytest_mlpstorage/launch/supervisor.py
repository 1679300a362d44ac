"""Run a job so that it always ends, in bounded time, and leaves no process behind.

Between pytest and the launcher stands a starter, and over each rank a guard (see ``starter`` and ``guard``). This process
holds the control line to the starter (see ``line``), asks for counters at intervals, and reads what the starter reports. It
installs no signal handler: Ctrl-C arrives as KeyboardInterrupt and ends the job before it goes on; a pytest that dies by SIGTERM,
SIGHUP or SIGKILL breaks the line, and the starter ends the job then.

What a rank finds in its environment: this process's, unchanged (HOME, LD_LIBRARY_PATH, locale …), the job's ``env``,
``MLPS_RUN_ID``, ``MLPS_GUARD``, ``MLPS_PROGRESS``, and a TMPDIR of the run's own, which is removed at its end.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.launch.addresses import listen, own_address
from pytest_mlpstorage.launch.connection import with_names
from pytest_mlpstorage.launch.folder import make_folder, memory_folder, remove_folder
from pytest_mlpstorage.launch.guard import GUARD_VARIABLE
from pytest_mlpstorage.launch.job import Job, Launcher, runs_here
from pytest_mlpstorage.launch.line import StarterLine, guard_command
from pytest_mlpstorage.launch.outcome import Beat, Outcome, RankIO, require_success
from pytest_mlpstorage.launch.processes import RUN_ID_VARIABLE, carriers, end_all, name_of
from pytest_mlpstorage.launch.sampler_child import SAMPLER_VARIABLE
from pytest_mlpstorage.launch.sampling import Sampling, SamplingDesk
from pytest_mlpstorage.launch.slurm_words import ended_by_slurm
from pytest_mlpstorage.launch.sweep import sweep
from pytest_mlpstorage.launch.tail import Echo, last_lines
from pytest_mlpstorage.launch.usage import Usage
from pytest_mlpstorage.launch.verdict import Ending, conclude
from pytest_mlpstorage.launch.watch import RankWatch, last_progress
from pytest_mlpstorage.results.time_series import SeriesRecord

__all__ = ["PROGRESS_VARIABLE", "Beat", "Outcome", "RankIO", "guard_command", "require_success", "run_job"]

PROGRESS_VARIABLE = "MLPS_PROGRESS"

# Ends that may come from outside: at all others, what Slurm says of a cancelled step is the echo of what was done here.
_MAY_BE_SLURMS = ("signal", "lost", "daemon", "missing", "launcher")
_ECHO_SECONDS = 0.2
_ANSWER_SECONDS = 0.5
_SWEEP_SECONDS = 2.0
_AFTER_DEADLINE_SECONDS = 30.0
_LOOKS_PER_STALL = 4


def run_job(
    launcher: Launcher,
    job: Job,
    *,
    stdout: Path,
    stderr: Path,
    deadline_seconds: float,
    heartbeat: Callable[[Beat], None] | None = None,
    heartbeat_seconds: float = 30.0,
    stall_warning_seconds: float = 120.0,
    stall_abort_seconds: float | None = None,
    run_id: str | None = None,
    echo: Callable[[str], None] | None = None,
    diagnose: Callable[[Sequence[str]], str | None] | None = None,
    sampling: Sampling | None = None,
) -> Outcome:
    """Run a job to its end and say how it ended; a job that fails is an Outcome, not an exception.

    ``stdout`` and ``stderr`` are written by the launcher itself, so no reader can hold the job up; ``echo`` gets each of
    their lines as they grow. ``heartbeat`` is called every ``heartbeat_seconds`` and when a stall is first seen; the job is
    ended for a stall only where ``stall_abort_seconds`` is set. ``diagnose`` may name a cause from the last lines of stderr.
    ``sampling`` asks for a time series of every host; that there is none is a warning, and no failure.

    Raises MPIError when no rank could be started. KeyboardInterrupt, and whatever a callback raises, goes on after every
    process of the job has ended (below 12 s, at once at a second Ctrl-C).
    """
    run = _Run(launcher, job, stdout, stderr, deadline_seconds, run_id or secrets.token_hex(6), stall_warning_seconds)
    run.sampling = sampling
    folder = make_folder(run.run_id)
    try:
        try:
            run.start(Path(folder))
            run.watch(heartbeat, heartbeat_seconds, stall_abort_seconds, echo)
        finally:
            run.end()  # ended already unless something was raised, which goes on after this
    finally:
        remove_folder(folder, run.run_id)
        remove_folder(memory_folder(run.run_id), run.run_id)
    return run.outcome(diagnose)


class _Run:
    def __init__(
        self, launcher: Launcher, job: Job, stdout: Path, stderr: Path, deadline_seconds: float, run_id: str, stall_warning_seconds: float
    ) -> None:
        self.launcher, self.job, self.run_id = launcher, job, run_id
        self.stdout, self.stderr, self.deadline_seconds = stdout, stderr, deadline_seconds
        self.watcher = RankWatch(stall_warning_seconds)
        self.ending = Ending(asked=job.ranks, deadline_seconds=deadline_seconds)
        self.io: list[RankIO] = []
        self.left: list[str] = []
        self.warnings: list[str] = []
        self.line = StarterLine(self.take)
        self.sampling: Sampling | None = None
        self.desk: SamplingDesk | None = None
        self.series: SeriesRecord | None = None

    # ------------------------------------------------------------------------------------------------------ the start
    def start(self, folder: Path) -> None:
        """Start the starter, which starts the launcher."""
        address = own_address(self.job)
        here = runs_here(self.job)
        self.progress_file = Path(self.job.env.get(PROGRESS_VARIABLE, folder / "progress.jsonl"))
        listener = listen(address, here=here, backlog=max(128, self.job.ranks))
        with listener, self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            extra = {
                **self.job.env,
                RUN_ID_VARIABLE: self.run_id,
                GUARD_VARIABLE: f"{address},{listener.getsockname()[1]},{secrets.token_hex(8)}",
                PROGRESS_VARIABLE: str(self.progress_file),
                "TMPDIR": str(folder),
                **self.call_samplers(address, here=here),
            }
            forwarded = {name: value for name, value in extra.items() if here or name != "TMPDIR"}
            job = dataclasses.replace(self.job, env=forwarded, memory_folder=self.make_memory_folder() if here else None)
            self.command = tuple(self.launcher.command(job, guard_command()))
            environment = {**os.environ, **extra}
            environment.setdefault("HOME", str(Path.home()))  # Open MPI does not start without one
            self.started, self.clock = datetime.now().astimezone(), time.monotonic()
            try:
                self.line.start(
                    self.command,
                    listener,
                    ranks=job.ranks,
                    deadline_seconds=self.deadline_seconds,
                    ping=not here,
                    out=out,
                    err=err,
                    cwd=job.cwd,
                    env=environment,
                )
            except OSError as error:
                raise MPIError(
                    "the job could not be started", details={"command": " ".join(self.command)}, cause=error, code="MLPS-E340"
                ) from error

    def call_samplers(self, address: str, *, here: bool) -> dict[str, str]:
        """Open the desk that samplers of the hosts call, where a time series is wanted, and say where it is."""
        if self.sampling is None:
            return {}
        try:
            self.desk = SamplingDesk(self.sampling, address=address, here=here)
        except OSError as error:
            self.warnings.append(f"there is no time series: {error}")
            return {}
        return {SAMPLER_VARIABLE: self.desk.variable}

    def make_memory_folder(self) -> str | None:
        """A folder for shared memory, or None on a host that has no memory filesystem at the usual place."""
        path = Path(memory_folder(self.run_id))
        if not os.access(path.parent, os.W_OK):
            return None
        path.mkdir(mode=0o700, exist_ok=True)
        return str(path)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.clock

    # ---------------------------------------------------------------------------------------------------- the watching
    def watch(
        self,
        heartbeat: Callable[[Beat], None] | None,
        heartbeat_seconds: float,
        stall_abort_seconds: float | None,
        echo: Callable[[str], None] | None,
    ) -> None:
        """Take in reports until the last one, and look at the ranks at intervals."""
        look_seconds = min(heartbeat_seconds, max(1.0, min(self.watcher.warning_seconds, stall_abort_seconds or 3600.0) / _LOOKS_PER_STALL))
        next_look, next_beat = look_seconds, heartbeat_seconds
        echoes = [Echo(path, echo) for path in (self.stdout, self.stderr)] if echo else []
        backstop = self.deadline_seconds + _AFTER_DEADLINE_SECONDS
        while not self.line.over and self.elapsed < backstop:
            self.line.listen(min(next_look - self.elapsed, _ECHO_SECONDS if echoes else 1e3, backstop - self.elapsed))
            for tail in echoes:
                tail.read()
            now = self.elapsed
            if now >= next_look and not self.line.over:
                next_look = now + look_seconds
                beat = self.look(now)
                if beat.warning:
                    self.warnings.append(beat.warning)
                if heartbeat is not None and (now >= next_beat - look_seconds / 2 or beat.warning):
                    next_beat = now + heartbeat_seconds
                    heartbeat(beat)
                if stall_abort_seconds is not None and beat.stalled_seconds >= stall_abort_seconds and not self.ending.stall:
                    self.ending.stall = self.watcher.stalled(now)[1]
                    self.line.say("end")
        for tail in echoes:
            tail.close()

    def look(self, now: float) -> Beat:
        """Ask all ranks what they have used, and sum up what they answer in time."""
        self.line.say("usage")
        limit = now + _ANSWER_SECONDS
        while not self.line.over and self.watcher.unseen(now) and self.elapsed < limit:
            self.line.listen(limit - self.elapsed)
        self.watcher.progressed(last_progress(self.progress_file), now)
        return self.watcher.beat(self.elapsed)

    def take(self, word: str, rest: list[str]) -> None:
        """One report of the starter; its file has the list of them."""
        if word == "rank":
            self.watcher.started(int(rest[0]), rest[1], int(rest[2]), self.elapsed)
        elif word == "usage":
            self.watcher.used(int(rest[0]), Usage.read(rest[1:]), self.elapsed)
        elif word == "io":
            rank = int(rest[0])
            self.watcher.ended(rank)
            self.io.append(RankIO(rank, self.watcher.ranks[rank].host, *map(int, rest[1:5])))
        elif word == "verdict":
            self.ending.kind, self.ending.host = rest[0], rest[2]
            self.ending.rank, self.ending.number = int(rest[1]), int(rest[3])
        elif word == "waits":
            self.ending.waits.append(rest[0])
        elif word == "launcher":
            self.ending.launcher_code, self.ending.launcher_signal = int(rest[0]), int(rest[1])
        elif word == "left":
            self.left.append(" ".join(rest))
        elif word == "bye":
            self.ending.started = int(rest[0])

    # ------------------------------------------------------------------------------------------------------- the ending
    def end(self) -> None:
        """See to it that everything of the job has ended."""
        if self.line.end() and not self.ending.kind:
            # The starter was killed. Its launcher and the guards then end by themselves; what does not is swept here.
            left = end_all(self.swept, grace_seconds=_SWEEP_SECONDS)
            self.left += [f"{pid} {name_of(pid)}" for pid in left]
        if self.desk is not None:
            self.series = self.desk.close(set(self.watcher.ranks_on().values()))
            self.warnings += self.series.problems

    def swept(self) -> list[int]:
        """What carries the run's id, this process and those above it left out."""
        return [pid for pid in carriers(self.run_id) if pid != os.getppid()]

    def outcome(self, diagnose: Callable[[Sequence[str]], str | None] | None) -> Outcome:
        """How it ended; raises MPIError when no rank was started."""
        unheard = set(self.watcher.ranks) - {io.rank for io in self.io}
        if unheard and self.ending.kind != "silent" and not runs_here(self.job):
            sweep(self.launcher, self.job.hosts, self.run_id, self.started.timestamp())
        lines = last_lines(self.stderr)
        ending = conclude(self.ending, self.launcher, lines, self.watcher.ranks_on())
        ending = dataclasses.replace(ending, cause=with_names(ending.cause, [host.name for host in self.job.hosts]))
        if self.ending.never_started:
            raise ending.mpi_error(self.command, lines)
        said = diagnose(lines) if diagnose is not None and ending.cause else None
        by_slurm = ended_by_slurm(lines) if self.ending.kind in _MAY_BE_SLURMS and ending.code != "MLPS-E530" else ""
        return Outcome(
            returncode=ending.returncode,
            signal=ending.signal,
            elapsed_seconds=self.elapsed,
            failed_rank=ending.rank,
            failed_host=ending.host,
            cause=": ".join(dict.fromkeys(filter(None, (ending.cause, by_slurm, said)))),
            stderr_tail=tuple(lines[-30:]) if ending.cause else (),
            command=self.command,
            run_id=self.run_id,
            left=tuple(self.left),
            started=self.started,
            ended=datetime.now().astimezone(),
            io=tuple(sorted(self.io, key=lambda io: io.rank)),
            progress=self.watcher.progress,
            warnings=tuple(self.warnings),
            series=self.series,
            code=ending.code,
        )
