"""What one launch of the KV cache engine is to do - one pass: one trial of one option - as a JSON file that every rank reads."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.buffers import calls_of_stretch, chunk_bytes
from pytest_mlpstorage.kvcache.io import Durability
from pytest_mlpstorage.kvcache.limits import MOST_WORKERS
from pytest_mlpstorage.kvcache.population import offered_requests_per_second, population
from pytest_mlpstorage.kvcache.schedule import FloodOptions, compile_flood
from pytest_mlpstorage.kvcache.serving_job import ServingJob
from pytest_mlpstorage.kvcache.stamps import Verify
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig
from pytest_mlpstorage.nested import plain
from pytest_mlpstorage.ranks.job_file import fields_of, read_job
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.units import KIB, MIB

__all__ = ["ENGINE", "MOST_DURATION_SECONDS", "MOST_USERS", "MOST_WORKERS", "PROFILE", "IOPath", "KVCacheJob"]

ENGINE: Final = "native"
"""Name of this engine in the files of a rank."""

PROFILE: Final = "mlc-v3"

IOPath = Literal["direct", "buffered"]
GenerationMode = Literal["none", "fast", "realistic"]
Mode = Literal["both", "prefill", "decode"]

MOST_USERS: Final = 100_000
MOST_DURATION_SECONDS: Final = 86_400

_WHAT: Final = "KV cache job"
_JOIN_SECONDS: Final = 2
_PASSES: Final = 256
"""What the eight bits of a stamp tell apart."""

_LEAST_CHUNK, _LARGEST_CHUNK = 4 * KIB, 64 * MIB
_LARGEST: Final = 2**62


@dataclasses.dataclass(frozen=True)
class KVCacheJob:
    """One pass of ``processes`` ranks. ConfigurationError names the field where a value cannot be.

    ``output_dir`` is the folder of this pass (``option_<O>/trial_<T>``, staged as its owner likes), there and the same on all hosts; each
    rank makes ``rank_<N>/`` in it with ``kvcache_results_<run_datetime>.json``, ``evidence.json`` and its two logs of operations.
    Objects stand in ``<cache_dir>/rank_<N>``; nothing of them is left. ``seed`` is that of rank 0, each further rank adds its number.
    Bytes of memory and ``capacity_bytes`` are per rank; without a capacity the ranks of a filesystem share 95 % of what is free on it:
    those of a host whose folder is on the same device, all of them with ``shared_cache``. ``max_concurrent_allocations`` 0 is no limit,
    ``chunk_bytes`` 0 the chunk that fits the memory for buffers. ``pass_no`` tells the data of this pass from any other's, modulo 256.
    ``serving`` makes it a pass of profile ``serving`` or ``replay``. ``changed`` are the keys that make the work another one than the
    edition's.
    """

    option: int
    trial: int
    model: str
    users: int
    cache_dir: str
    output_dir: str
    run_datetime: str
    processes: int = 1
    seed: int = 42
    duration_seconds: float = 300.0
    start_delay_seconds: float = 90.0
    end_delay_seconds: float = 90.0
    gpu_memory_bytes: int = 0
    cpu_memory_bytes: int = 0
    max_concurrent_allocations: int = 16
    generation_mode: GenerationMode = "none"
    io_path: IOPath = "direct"
    chunk_bytes: int = 0
    verify: Verify = "stamps"
    durability: Durability = "fsync"
    compressible_fraction: float = 0.0
    capacity_bytes: int | None = None
    shared_cache: bool = False
    mode: Mode = "both"
    multi_turn: bool = True
    rag: bool = False
    rag_documents: int = 10
    workload: WorkloadConfig = dataclasses.field(default_factory=WorkloadConfig)
    pass_no: int = 0
    run_id: str = ""
    serving: ServingJob | None = None
    changed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least, most in (
            ("option", 0, _LARGEST), ("trial", 0, _LARGEST), ("users", 1, MOST_USERS), ("processes", 1, _LARGEST), ("seed", 0, _LARGEST),
            ("gpu_memory_bytes", 0, _LARGEST), ("cpu_memory_bytes", 0, _LARGEST), ("max_concurrent_allocations", 0, _LARGEST),
            ("chunk_bytes", 0, _LARGEST_CHUNK), ("rag_documents", 1, _LARGEST), ("pass_no", 0, _LARGEST),
        ):  # fmt: skip
            _whole(name, getattr(self, name), least, most)
        if self.capacity_bytes is not None:
            _whole("capacity_bytes", self.capacity_bytes, 1, _LARGEST)
        if self.chunk_bytes % _LEAST_CHUNK:
            raise _wrong("chunk_bytes", f"a multiple of {_LEAST_CHUNK}", self.chunk_bytes)
        for name, most_seconds in (("duration_seconds", MOST_DURATION_SECONDS), ("start_delay_seconds", None), ("end_delay_seconds", None)):
            _number(name, getattr(self, name), most_seconds)
        if not self.duration_seconds:
            raise _wrong("duration_seconds", "more than 0", self.duration_seconds)
        _number("compressible_fraction", self.compressible_fraction, 1)
        for name in ("shared_cache", "multi_turn", "rag"):
            if not isinstance(getattr(self, name), bool):
                raise _wrong(name, "true or false", getattr(self, name))
        for name in ("model", "cache_dir", "output_dir", "run_datetime", "run_id"):
            value = getattr(self, name)
            if not isinstance(value, str) or not (value or name == "run_id"):
                raise _wrong(name, "a text", value)
        for name, allowed in (
            ("generation_mode", get_args(GenerationMode)), ("io_path", get_args(IOPath)), ("verify", get_args(Verify)),
            ("durability", get_args(Durability)), ("mode", get_args(Mode)),
        ):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise _wrong(name, f"one of {', '.join(allowed)}", getattr(self, name))
        if self.serving is not None and not isinstance(self.serving, ServingJob):
            raise _wrong("serving", "how requests are served, or nothing", self.serving)
        if not isinstance(self.changed, tuple) or not all(isinstance(key, str) for key in self.changed):
            raise _wrong("changed", "names of keys", self.changed)
        if not isinstance(self.workload, WorkloadConfig):
            raise _wrong("workload", "the workload's options", self.workload)
        if self.model not in self.workload.models:
            raise ConfigurationError(f"unknown KV cache model {self.model!r}; allowed: {', '.join(self.workload.models)}", code="MLPS-E114")

    @property
    def profile(self) -> str:
        """The profile that this is a pass of."""
        return PROFILE if self.serving is None else self.serving.profile

    @property
    def workers(self) -> int:
        """Threads that serve requests, one each at a time."""
        return min(self.users if self.serving is None else self.serving.outstanding, MOST_WORKERS)

    @property
    def arena(self) -> tuple[int, int, int]:
        """Lanes of a rank's buffers, bytes of a call, and calls that a lane holds."""
        chunk = self.chunk_bytes or chunk_bytes(self.workers)
        return self.workers, chunk, calls_of_stretch(self.workers, chunk)

    @property
    def warmup_seconds(self) -> float:
        """How long before its window a pass begins."""
        return 0.0 if self.serving is None else self.serving.warmup_seconds

    @property
    def stamp_pass(self) -> int:
        """The number of this pass as stamps hold it."""
        return self.pass_no % _PASSES

    @property
    def seconds_per_token(self) -> float:
        """How long the generation of a token is pretended to take."""
        return self.workload.generation_seconds[self.generation_mode]

    @property
    def longest_drain_seconds(self) -> float:
        """How long after its window a pass may go on at most: the request generator and each worker are waited for, 2 s each."""
        return float(_JOIN_SECONDS * (self.workers + 1))

    @property
    def longest_seconds(self) -> float:
        """The longest that the pass can take, delays included; what start-up and clean-up take comes on top."""
        return self.start_delay_seconds + self.warmup_seconds + self.duration_seconds + self.longest_drain_seconds + self.end_delay_seconds

    def flood(self) -> FloodOptions:
        """The request stream of this job."""
        return self.workload.flood(mode=self.mode, multi_turn=self.multi_turn, rag=self.rag, rag_documents=self.rag_documents)

    def schedule(self, rank: int) -> Schedule:
        """The work of one rank: the same wherever and whenever it is compiled."""
        seed = self.seed + rank
        users = population(seed, self.users, self.workload.templates, self.workload.shares)
        if self.serving is not None:
            from pytest_mlpstorage.kvcache.serving_work import serving_schedule

            model, seconds = self.workload.models[self.model], self.duration_seconds
            return serving_schedule(self.serving, model, list(users), seed=seed, duration_seconds=seconds, flood=self.flood())
        return compile_flood(
            self.workload.models[self.model], users, effective_seed=seed, duration_seconds=self.duration_seconds, options=self.flood()
        )

    def offered_requests_per_second(self, rank: int) -> float:
        """Requests a second that the users of a rank send."""
        return offered_requests_per_second(population(self.seed + rank, self.users, self.workload.templates, self.workload.shares))

    def rank_folder(self, rank: int) -> Path:
        """Where a rank leaves its files."""
        return Path(self.output_dir) / f"rank_{rank}"

    def rank_file(self, rank: int) -> Path:
        """The file of a rank's results."""
        return self.rank_folder(rank) / f"kvcache_results_{self.run_datetime}.json"

    def operations_log(self, rank: int) -> Path:
        """The log of a rank's operations (``events.EVENT_DTYPE``)."""
        return self.rank_folder(rank) / "operations.log"

    def requests_log(self, rank: int) -> Path:
        """The log of a rank's requests (``events.REQUEST_EVENT_DTYPE``)."""
        return self.rank_folder(rank) / "requests.log"

    def evidence_file(self, rank: int) -> Path:
        """What proves a rank's results, and every note on them with its level."""
        return self.rank_folder(rank) / "evidence.json"

    def to_json(self) -> dict[str, Any]:
        """Write as a JSON object, every field by its name."""
        nested = ("workload", "serving")
        fields = {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self) if field.name not in nested}
        serving = None if self.serving is None else dataclasses.asdict(self.serving)
        return fields | {"workload": self.workload.to_json(), "serving": serving}

    @classmethod
    def from_json(cls, raw: object) -> KVCacheJob:
        """From what ``to_json`` wrote; ConfigurationError for what is no such job."""
        values = fields_of(cls, raw, _WHAT)
        if values.get("serving") is not None:
            values["serving"] = ServingJob.from_json(values["serving"])
        if isinstance(values.get("changed"), list):
            values["changed"] = tuple(values["changed"])
        if "workload" in values:
            try:
                values["workload"] = WorkloadConfig.from_json(values["workload"])
            except (TypeError, KeyError, AttributeError) as error:
                raise ConfigurationError(f"workload of a KV cache job cannot be read: {error}", code="MLPS-E170") from error
        return cls(**values)

    def write(self, path: Path) -> None:
        """Write the file that the ranks load."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> KVCacheJob:
        """Read a file that ``write`` made; ConfigurationError where it is not there or no job."""
        return cls.from_json(read_job(path, _WHAT))


def _wrong(name: str, wanted: str, given: object) -> ConfigurationError:
    return ConfigurationError(f"{name} of a KV cache job must be {wanted}, given {repr(given)[:60]}", code="MLPS-E170")


def _whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(name, f"a whole number from {least} to {most}", value)


def _number(name: str, value: object, most: float | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= (math.inf if most is None else most):
        raise _wrong(name, "a number of at least 0" + ("" if most is None else f" and at most {most}"), value)
    if math.isinf(value):
        raise _wrong(name, "a finite number", value)
