"""The plan of the KV cache case: options, sequence, clients, memory and expected time, before anything is launched."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.config import SuiteConfig
from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import KVCacheEdition
from pytest_mlpstorage.results.layout import STAGING, result_path
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.units import GIB, MIB, format_bytes, format_seconds
from pytest_mlpstorage.workloads.base import Case, Step
from pytest_mlpstorage.workloads.kv_cache_serving import serving_identity, trace_content, warmup_seconds
from pytest_mlpstorage.workloads.kv_cache_settings import KVCacheSection

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig
    from pytest_mlpstorage.workloads.foreseen import Foreseen
    from pytest_mlpstorage.workloads.kv_cache_official import OfficialEngine

__all__ = ["BENCHMARK", "SERIES", "KVCachePlan", "OptionPlan", "PassSequence", "place_of"]

BENCHMARK: Final = "kv_cache"
"""The directory of this family in a tree, and the word for it in metadata."""

SERIES: Final = "series"
"""Directory in ``.mlps`` for the finished passes of series that are not whole."""

ASSUMED_BYTES_PER_SECOND: Final = 250 * MIB
"""Assumed speed of the storage a host, only to foresee bytes; it is printed as an assumption."""

WRITE_SHARE: Final = 0.2
"""Of the bytes moved; the official work reads about four times what it writes."""

DRAIN_SECONDS: Final = 2
"""For its request generator and for each of its workers a pass waits as long at most, after its window (kvcache.md §5.2)."""

STARTUP_SECONDS: Final = 5.0
"""mpirun, Python, numpy, the compilation of the work, and the removal of what was written."""

RANK_BYTES: Final = 512 * MIB
"""Memory of a rank besides its memory tier, whatever its users and its model (kvcache.md §5.6)."""

OFFICIAL_RANK_BYTES: Final = 1536 * MIB
"""That of a rank of the official program at its start; what it reads at once comes on top, and is bounded by nothing (F13)."""


@dataclasses.dataclass(frozen=True)
class OptionPlan:
    """One option with every parameter in effect."""

    number: int
    name: str
    model: str
    users: int
    workers: int
    duration_seconds: float
    gpu_bytes: int
    cpu_bytes: int
    allocations: int
    generation_mode: str
    bytes_per_token: int
    largest_entry_bytes: int

    def flags(self) -> dict[str, str]:
        """The parameters as the official flags say them, without dashes."""
        return {
            "model": self.model,
            "num-users": str(self.users),
            "duration": f"{self.duration_seconds:g}",
            "gpu-mem-gb": f"{self.gpu_bytes / GIB:g}",
            "cpu-mem-gb": f"{self.cpu_bytes / GIB:g}",
            "max-concurrent-allocs": str(self.allocations),
            "generation-mode": self.generation_mode,
        }

    @property
    def writes_at_once(self) -> int:
        """Entries that a client writes at a time at most."""
        return min(self.allocations or self.workers, self.workers)

    @property
    def drain_seconds(self) -> float:
        """What a pass may take beyond its window: its request generator and each worker are waited for."""
        return DRAIN_SECONDS * (self.workers + 1)


@dataclasses.dataclass(frozen=True)
class PassSequence:
    """How passes follow one another; times in seconds."""

    trials: int
    seed: int
    start_delay_seconds: float
    end_delay_seconds: float
    inter_option_delay_seconds: float


def place_of(step: Step) -> tuple[int, int]:
    """Option and trial of a step ``option2-trial0``."""
    option, _, trial = step.name.partition("-")
    return int(option.removeprefix("option")), int(trial.removeprefix("trial"))


@dataclasses.dataclass(frozen=True)
class KVCachePlan:
    """Everything known of the case before launch. ``workload`` is what a config.yaml of the user, or nobody, says of the work."""

    case: Case
    config: SuiteConfig
    edition: Edition
    rules: KVCacheEdition
    section: KVCacheSection
    cluster: ClusterFacts
    options: tuple[OptionPlan, ...]
    sequence: PassSequence
    workload: WorkloadConfig
    workload_file: Path | None
    cache_dir: Path
    capacity_bytes: int | None
    chunk_bytes: int | None
    shared_cache: bool
    official: OfficialEngine | None = None

    # -- what follows from the parameters ---------------------------------------------------------------------------

    @property
    def hosts(self) -> int:
        """Hosts that run clients."""
        return max(1, len(self.config.cluster.hosts))

    @property
    def ranks(self) -> int:
        """All clients."""
        return self.hosts * self.section.clients_per_host

    @property
    def sharers(self) -> int:
        """Clients that use one storage: of all hosts, or of one."""
        return self.ranks if self.shared_cache else self.section.clients_per_host

    def option(self, step: Step) -> OptionPlan:
        """The option that a step is a pass of."""
        number, _trial = place_of(step)
        return next(option for option in self.options if option.number == number)

    def delay_before(self, step: Step) -> float:
        """Idle seconds before a pass: the start delay, and where another option ends before it that between options."""
        number, trial = place_of(step)
        between = trial == 0 and number != self.options[0].number
        return self.sequence.start_delay_seconds + (self.sequence.inter_option_delay_seconds if between else 0.0)

    def planned_seconds(self, step: Step) -> float:
        """Idle times and windows of a step, without what it waits for its last requests."""
        return self.delay_before(step) + warmup_seconds(self.section) + self.option(step).duration_seconds + self.sequence.end_delay_seconds

    def rank_memory_bytes(self, option: OptionPlan) -> int:
        """Memory of one client."""
        return option.cpu_bytes + (RANK_BYTES if self.official is None else OFFICIAL_RANK_BYTES)

    def held_bytes(self, option: OptionPlan) -> int:
        """Foreseen bytes on the storage of one host at the end of a pass: nothing is removed before the room is used up."""
        written = int(ASSUMED_BYTES_PER_SECOND * option.duration_seconds * WRITE_SHARE)
        limit = None if self.capacity_bytes is None else self.capacity_bytes * self.section.clients_per_host
        return written if limit is None else min(written, limit)

    @property
    def fingerprint(self) -> str:
        """What tells this series from any other: two passes of one result agree in all of it."""
        what = {
            "edition": self.edition.name,
            "profile": self.section.profile,
            "options": {str(option.number): option.flags() for option in self.options},
            "sequence": dataclasses.asdict(self.sequence),
            "workload": self.workload.to_json(),
            "io": self.section.io.model_dump(),
            "capacity": self.capacity_bytes,
            "cache_dir": str(self.cache_dir),
            "shared_cache": self.shared_cache,
            "hosts": [host.name for host in self.config.cluster.hosts],
            "clients_per_host": self.section.clients_per_host,
        }
        what |= serving_identity(self.section) | trace_content(self)
        if self.official is not None:
            copy = self.official.copy
            what["engine"] = [copy.digest, copy.python, self.official.form, self.official.preload]
        return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]

    # -- the Plan protocol --------------------------------------------------------------------------------------------

    def bytes_to_write(self, step: Step) -> int:
        """Foreseen bytes put on the storage under test."""
        return int(ASSUMED_BYTES_PER_SECOND * self.hosts * self.option(step).duration_seconds * WRITE_SHARE)

    def bytes_to_read(self, step: Step) -> int:
        """Foreseen bytes read from the storage under test."""
        return int(ASSUMED_BYTES_PER_SECOND * self.hosts * self.option(step).duration_seconds * (1 - WRITE_SHARE))

    def expected_seconds(self, step: Step) -> float:
        """Expected wall time at most: idle times, window, and the wait for the last requests."""
        return STARTUP_SECONDS + self.planned_seconds(step) + self.option(step).drain_seconds

    def foreseen(self, step: Step) -> Foreseen:
        """What is known of a pass: its times and memory. It moves what the storage completes in its window, which is what is measured."""
        from pytest_mlpstorage.workloads.kv_cache_foreseen import foreseen_pass

        return foreseen_pass(self, step)

    def lines(self) -> Sequence[str]:
        """The plan for people, one fact a line."""
        sequence, steps = self.sequence, self.case.steps
        planned = sum(map(self.planned_seconds, steps))
        most = planned + sum(self.option(step).drain_seconds for step in steps)
        options = [
            f"  option {o.number} ({o.name}): {o.model}, {o.users} users a client, {o.duration_seconds:g} s, "
            f"{format_bytes(o.gpu_bytes)} + {format_bytes(o.cpu_bytes)} of memory before storage, "
            f"{f'at most {o.allocations}' if o.allocations else 'any number of'} writes at once, "
            f"generation {o.generation_mode}; an entry: {o.bytes_per_token} bytes a token, at most {format_bytes(o.largest_entry_bytes)}; "
            f"{format_bytes(self.rank_memory_bytes(o))} of memory a client"
            for o in self.options
        ]
        return [
            f"{self.case.id}: {self.ranks} client(s) on {self.hosts} host(s), profile {self.section.profile} by {self.measured_by}, "
            f"cache in {self.cache_dir}",
            *options,
            f"  {len(steps)} passes ({len(self.options)} options × {sequence.trials} trials), seed {sequence.seed} + rank: {planned:g} s "
            f"({sequence.start_delay_seconds:g} s before and {sequence.end_delay_seconds:g} s after each pass, "
            f"{sequence.inter_option_delay_seconds:g} s between options) plus up to {DRAIN_SECONDS} s × (users + 1) a pass, "
            f"so at most {format_seconds(most)}",
            "  storage is filled to 95 % at most"
            if self.capacity_bytes is None
            else f"  storage is filled with {format_bytes(self.capacity_bytes)} a client at most",
            *self._official_lines(),
            f"  passes wait in {self.series_dir} until all of them are there: the result is one leaf",
        ]

    def _official_lines(self) -> Sequence[str]:
        """What every client starts, as of the first pass."""
        if self.official is None:
            return ()
        from pytest_mlpstorage.workloads.kv_cache_official import official_job

        step = next(step for step in self.case.steps if step.name.startswith("option"))
        option, trial = place_of(step)
        job = official_job(self, step, self.series_dir / "YYYYMMDD_HHMMSS" / f"option_{option}" / f"trial_{trial}", "YYYYMMDD_HHMMSS")
        each = "every client starts" if job.form != "program" else "client 0 starts"
        return (f"  {each} in {step.name}: {shlex.join(job.command(0))}",)

    @property
    def measured_by(self) -> str:
        """The engine, for people."""
        if self.official is None:
            return f"the native engine, I/O {self.section.io.path}"
        return f"the official program, {self.official.script} ({self.official.copy.digest})"

    @property
    def series_dir(self) -> Path:
        """Where finished passes stand until their series is whole."""
        c = self.config
        name = "-".join((BENCHMARK, c.division.value, self.fingerprint))
        return c.results_dir / STAGING / SERIES / f"{name}-{_digest(c.submitter, c.system)}"

    def leaf_parent(self, step: Step) -> Path:  # noqa: ARG002 - every pass waits in one place
        """Where the leaf of a pass stands: not in the tree, whose leaf is the whole series (:mod:`.kv_cache_series`)."""
        return self.series_dir

    def result_dir(self) -> Path:
        """The directory of the workload: one result."""
        c = self.config
        return result_path(c.results_dir, c.division, c.submitter, c.system, BENCHMARK, self.rules.workload_identity)

    def metadata(self, step: Step, leaf: Path) -> LeafMetadata:
        """The metadata record of a pass, in the edition's vocabulary."""
        from pytest_mlpstorage.workloads.kv_cache_records import pass_metadata

        return pass_metadata(self, step, leaf)


def _digest(*names: str) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:8]
