"""What one launch of the vector database benchmark is to do - a load or one run of searches - as a JSON file that every rank reads."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import plain
from pytest_mlpstorage.ranks.job_file import fields_of, read_job
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.vectordb.address import address_shown
from pytest_mlpstorage.vectordb.engine import IndexSpec, Metric, Value

__all__ = ["ANSWERS", "SAMPLES", "DataSource", "VectorJob"]

Phase = Literal["datagen", "run"]
Queries = Literal["planted", "heldout"]

SAMPLES: Final = "samples"
"""Folder of a run's leaf with one file a worker and phase: seconds, number of the query, status."""

ANSWERS: Final = "answers"
"""Folder beside the run's leaf files, of what workers answered; the program removes it when recall is known."""

_WHAT: Final = "vector database job"
_LARGEST: Final = 2**53
_DIMENSIONS: Final = 1_000_000


@dataclasses.dataclass(frozen=True)
class DataSource:
    """The vectors: which generator makes how many of them from which seed, and which queries are asked. ``sigma`` is clustered-v1's."""

    generator: str = "clustered-v1"
    rows: int = 20_000
    dim: int = 128
    seed: int = 7
    sigma: float = 1.0
    queries: Queries = "planted"

    def __post_init__(self) -> None:
        for name, least, most in (("rows", 1, _LARGEST), ("dim", 1, _DIMENSIONS), ("seed", 0, 2**63 - 1)):
            _whole(name, getattr(self, name), least, most)
        _number("sigma", self.sigma, least=0)
        if self.queries not in get_args(Queries):
            raise _wrong("queries", f"one of {', '.join(get_args(Queries))}", self.queries)


@dataclasses.dataclass(frozen=True)
class VectorJob:
    """A load (``datagen``) or one run of ``processes`` ranks with ``workers`` searching processes each.

    ``where`` is the folder of an embedded engine's collections or the address of a server; with ``server_dir`` the program starts the
    engine's server itself, with its data there, and ``where`` is empty. ``output_dir`` is the leaf, staged as its owner likes and the
    same on all hosts; ``store_dir`` keeps exact answers. ``run_number`` keeps the queries of runs apart. With ``cold_queries`` 0 there
    is no cold phase, with ``runtime_seconds`` 0 no steady one. ``replace`` allows a load to remove what it finds under its name.
    ``stream_queries`` are prepared for each worker: beyond them the steady phase asks again. ``dataset_sha256``,
    ``dataset_fingerprint`` and ``dataset_contrast`` are what the load found; without a hash all is found anew. ``thresholds`` are only
    recorded. ``drop_caches``: where the user may (``auto``), or not at all.
    """

    phase: Phase
    engine: str
    name: str
    family: str
    output_dir: str
    store_dir: str
    where: str = ""
    server_dir: str = ""
    data: DataSource = dataclasses.field(default_factory=DataSource)
    metric: str = "COSINE"
    shards: int = 1
    build: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    search: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    k: int = 10
    processes: int = 1
    workers: int = 1
    threads: int = 1
    run_number: int = 0
    cold_queries: int = 200
    cold_seconds: float = 60.0
    runtime_seconds: float = 60.0
    recall_queries: int = 500
    stream_queries: int = 10_000
    load_deadline_seconds: float = 3600.0
    build_deadline_seconds: float = 3600.0
    answer_deadline_seconds: float = 20.0
    open_deadline_seconds: float = 20.0
    drop_caches: Literal["auto", "no"] = "auto"
    replace: bool = False
    dataset_sha256: str = ""
    dataset_fingerprint: str = ""
    dataset_contrast: float | None = None
    storage_backend: str = ""
    thresholds: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    run_id: str = ""

    def __post_init__(self) -> None:
        if self.phase not in get_args(Phase):
            raise _wrong("phase", f"one of {', '.join(get_args(Phase))}", self.phase)
        for name in ("engine", "name", "family", "output_dir", "store_dir"):
            _text(name, getattr(self, name), empty=False)
        for name in ("where", "server_dir", "dataset_sha256", "dataset_fingerprint", "storage_backend", "run_id"):
            _text(name, getattr(self, name), empty=True)
        if bool(self.where) == bool(self.server_dir):
            raise ConfigurationError(
                "a vector database job has either an address or folder (where) or a folder for a server (server_dir)", code="MLPS-E170"
            )
        for name, least in (
            ("shards", 1), ("k", 1), ("processes", 1), ("workers", 1), ("threads", 1), ("run_number", 0),
            ("cold_queries", 0), ("recall_queries", 1), ("stream_queries", 1),
        ):  # fmt: skip
            _whole(name, getattr(self, name), least, _LARGEST)
        for name in (
            "cold_seconds",
            "runtime_seconds",
            "load_deadline_seconds",
            "build_deadline_seconds",
            "answer_deadline_seconds",
            "open_deadline_seconds",
        ):
            _number(name, getattr(self, name), least=0)
        if self.metric not in get_args(Metric):
            raise _wrong("metric", f"one of {', '.join(get_args(Metric))}", self.metric)
        if self.phase == "run" and not self.cold_queries and not self.runtime_seconds:
            raise ConfigurationError("a run of a vector database job searches in a cold phase, a steady one or both", code="MLPS-E170")
        if self.stream_queries < self.cold_queries + (1 if self.runtime_seconds else 0):
            raise _wrong("stream_queries", "enough for the cold phase and one more", self.stream_queries)
        if self.k > self.data.rows:
            raise _wrong("k", f"at most the {self.data.rows} rows", self.k)
        if self.dataset_contrast is not None:
            _number("dataset_contrast", self.dataset_contrast, least=0)
        if not isinstance(self.thresholds, Mapping):
            raise _wrong("thresholds", "an object", self.thresholds)
        for name in ("build", "search"):
            _parameters(name, getattr(self, name))

    @property
    def spec(self) -> IndexSpec:
        """The collection as an engine is asked for it."""
        return IndexSpec(self.name, self.data.dim, cast("Metric", self.metric), self.family, self.build, self.shards)

    @property
    def all_workers(self) -> int:
        """Searching processes of all ranks."""
        return self.processes * self.workers

    @property
    def phases(self) -> tuple[str, ...]:
        """Phases of a run, in order."""
        return tuple(name for name, there in (("cold", self.cold_queries), ("steady", self.runtime_seconds)) if there)

    def to_json(self) -> dict[str, Any]:
        """Write as a JSON object, every field by its name."""
        return {**dataclasses.asdict(self), "build": dict(self.build), "search": dict(self.search), "thresholds": plain(self.thresholds)}

    @classmethod
    def from_json(cls, raw: object) -> VectorJob:
        """From what ``to_json`` wrote; ConfigurationError for what is no such job."""
        values = fields_of(cls, raw, _WHAT)
        values["data"] = DataSource(**fields_of(DataSource, values.get("data", {}), f"data set of a {_WHAT}"))
        return cls(**values)

    def write(self, path: Path) -> None:
        """Write the file that the ranks load; nobody else may read one whose address holds a password."""
        write_json(path, self.to_json(), private=address_shown(self.where) != self.where)

    @classmethod
    def load(cls, path: Path) -> VectorJob:
        """Read a file that ``write`` made; ConfigurationError where it is not there or no job."""
        return cls.from_json(read_job(path, _WHAT))


def _wrong(name: str, wanted: str, given: object) -> ConfigurationError:
    return ConfigurationError(f"{name} of a vector database job must be {wanted}, given {repr(given)[:60]}", code="MLPS-E170")


def _text(name: str, value: object, *, empty: bool) -> None:
    if not isinstance(value, str) or not (value or empty):
        raise _wrong(name, "a text", value)


def _whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(name, f"a whole number from {least} to {most}", value)


def _number(name: str, value: object, *, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise _wrong(name, f"a finite number of at least {least}", value)


def _parameters(name: str, value: object) -> None:
    if not isinstance(value, Mapping) or any(isinstance(v, bool) or not isinstance(v, int | float | str) for v in value.values()):
        raise _wrong(name, "names with numbers or texts", value)
