"""The load of a collection, in its own process: create, insert block by block, build, and ask the engine what it holds."""

from __future__ import annotations

import hashlib
import resource
import time
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.errors import BenchmarkExecutionError, EngineError
from pytest_mlpstorage.units import KIB
from pytest_mlpstorage.vectordb.check import check_parameters, family_of, vectors_problem
from pytest_mlpstorage.vectordb.generator import Dataset, contrast, dataset
from pytest_mlpstorage.vectordb.registry import engine as find_engine
from pytest_mlpstorage.vectordb.truth import self_check

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.channel import Channel
    from pytest_mlpstorage.vectordb.engine import BuildReport, Engine, EngineStats
    from pytest_mlpstorage.vectordb.job import VectorJob

__all__ = ["abandon_collection", "build_collection", "data_of", "engine_facts", "peak_rss_bytes", "require_whole"]

_TELL_SECONDS: Final = 0.5


def data_of(job: VectorJob) -> Dataset:
    """The data set of a job."""
    source = job.data
    return dataset(source.generator, source.seed, source.rows, source.dim, sigma=source.sigma, queries=source.queries)


def build_collection(job: VectorJob, channel: Channel, _rank: int, _number: int) -> None:
    """Load and build, telling the rank of each phase; ends with ``done`` and everything that was found."""
    where = channel.next()["where"]
    tell = _Teller(channel)
    tell("check")
    engine, data = find_engine(job.engine), data_of(job)
    family = family_of(engine.capabilities(), job.family, job.engine)
    check_parameters(family, job.build)
    tell("create")
    engine.create(job.spec, where, replace=job.replace)
    try:
        load_seconds, digest = _load(engine, data, tell)
        tell("build")
        report = engine.build(lambda fraction: tell("build", fraction=fraction))
        tell("count")
        stats = engine.stats()
        require_whole(job, stats)
        facts = engine_facts(engine, job)
    finally:
        engine.close()
    tell("self-check")
    checked = self_check(data, job.k, job.spec.metric, tell=lambda part: tell("self-check", fraction=part))
    tell("contrast")
    channel.say(
        "done",
        engine=facts,
        load_seconds=load_seconds,
        build=_report(report),
        stats=_stats(stats),
        dataset={
            **data.describe(),
            "sha256": digest,
            "fingerprint": data.fingerprint(),
            "k": job.k,
            "contrast": contrast(data, k=job.k),
            "self_check": checked.to_json(),
        },
        peak_rss=peak_rss_bytes(),
    )


def abandon_collection(job: VectorJob, channel: Channel, _rank: int, _number: int) -> None:
    """Drop a collection whose load or build was given up."""
    where = channel.next()["where"]
    _Teller(channel)("drop")
    engine = find_engine(job.engine)
    try:
        engine.attach(job.spec, where)
        engine.drop()
    finally:
        engine.close()
    channel.say("done")


class _Teller:
    """Tells the rank of a phase when it begins, and then now and then."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._phase, self._at = channel, "", 0.0

    def __call__(self, phase: str, **words: Any) -> None:
        now = time.monotonic()
        if phase != self._phase or now - self._at >= _TELL_SECONDS or words.get("fraction") == 1.0:
            self._phase, self._at = phase, now
            self._channel.say("progress", phase=phase, **words)


def _load(engine: Engine, data: Dataset, tell: _Teller) -> tuple[float, str]:
    """Insert every block; seconds within the engine, and the hash of what was inserted."""
    state, seconds, loaded = hashlib.sha256(), 0.0, 0
    tell("load", rows=0)
    for number in range(data.blocks):
        ids, vectors = data.ids_of(number), data.block(number)
        problem = vectors_problem(ids, vectors, data.dim)
        if problem is not None:
            raise EngineError(f"block {number} was not given to {engine.name}: {problem}")
        state.update(vectors.astype("<f4", copy=False).tobytes())
        begun = time.perf_counter()
        accepted = engine.load(ids, vectors)
        seconds += time.perf_counter() - begun
        if accepted != len(ids):
            raise EngineError(f"{engine.name} took {accepted} of the {len(ids)} rows of block {number}")
        loaded += accepted
        tell("load", rows=loaded, fraction=loaded / data.rows)
    return seconds, state.hexdigest()


def require_whole(job: VectorJob, stats: EngineStats) -> None:
    """Rows, distinct ids and the index are whole by the engine's own word (MLPS-VDB-09). Raises BenchmarkExecutionError."""
    wrong = {}
    if stats.rows != job.data.rows:
        wrong["rows"] = f"{stats.rows} of {job.data.rows}"
    if stats.distinct_ids is not None and stats.distinct_ids != job.data.rows:
        wrong["distinct ids"] = f"{stats.distinct_ids} of {job.data.rows}"
    if stats.completeness < 1.0:
        wrong["index"] = f"{stats.completeness:.1%} of the rows"
    if wrong:
        raise BenchmarkExecutionError(
            f"own threshold MLPS-VDB-09: the collection {job.name} of {job.engine} does not hold the data set",
            details=wrong,
            suggestion="load it anew: --mlps-rerun=datagen",
            code="MLPS-E543",
        )


def engine_facts(engine: Engine, job: VectorJob) -> dict[str, Any]:
    """What a result records of the engine: versions, index by the engine's name, what it can do."""
    can, version = engine.capabilities(), dict(engine.version())
    family = can.families[job.family]
    return {
        "name": engine.name,
        "versions": version,
        "index_native": family.native,
        "residence": family.residence,
        "form": can.form,
        "higher_is_better": can.higher_is_better,
        "deterministic_build": can.deterministic_build,
    }


def peak_rss_bytes() -> int:
    """The most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def _report(report: BuildReport) -> dict[str, Any]:
    return {"seconds": report.seconds, "effective": dict(report.effective)}


def _stats(stats: EngineStats) -> dict[str, Any]:
    return {
        "rows": stats.rows,
        "distinct_ids": stats.distinct_ids,
        "completeness": stats.completeness,
        "bytes_on_disk": dict(stats.bytes_on_disk),
    }
