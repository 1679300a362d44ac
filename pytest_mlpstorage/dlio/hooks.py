"""Our observers around DLIO's own steps. They watch, prove and refuse; none changes what DLIO measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_mlpstorage.dlio import checks, effective, flavour
from pytest_mlpstorage.dlio.cold_reads import LOADS, ColdReads, checkpoint_files
from pytest_mlpstorage.dlio.configure import load_config
from pytest_mlpstorage.dlio.observe import watch_generation, watch_loading, watch_training
from pytest_mlpstorage.dlio.session import Session
from pytest_mlpstorage.errors import DependencyError

__all__ = ["attach"]


def attach(session: Session) -> Callable[[], None]:
    """Import DLIO, wrap its steps, and return its main; raises DependencyError for one that has other steps."""
    # DLIO imports torch when it already runs; here its files are read before the I/O baseline is taken.
    import dlio_benchmark.main as dlio
    import torch.utils.data  # noqa: F401

    missing = [name for name in ("LoadConfig", "DLIOBenchmark", "StatsCounter", "GeneratorFactory", "main") if not hasattr(dlio, name)]
    if missing:
        raise DependencyError(f"this DLIO has no {', '.join(missing)} in its main module", suggestion=flavour.INSTALL, code="MLPS-E220")
    load = dlio.LoadConfig
    dlio.LoadConfig = lambda arguments, config: load_config(session, load, arguments, config)
    _wrap(dlio.DLIOBenchmark, "initialize", lambda benchmark, call: _initialize(session, benchmark, call))
    _wrap(dlio.DLIOBenchmark, "finalize", lambda benchmark, call: _finalize(session, benchmark, call))
    _choose_generator(session, dlio.GeneratorFactory)
    watch_training(session, dlio.StatsCounter)
    watch_loading(session, dlio.StatsCounter)
    watch_generation(session)
    main: Callable[[], None] = dlio.main
    return main


def _wrap(owner: type, name: str, around: Callable[[Any, Callable[[], Any]], Any]) -> None:
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(self, lambda: original(self, *args, **kwargs))

    setattr(owner, name, wrapped)


def _choose_generator(session: Session, factory: Any) -> None:
    """DLIO has no key for a generator (training.md §3): ours is put in front of the factory, for its formats only."""
    original = factory.get_generator

    def get_generator(format_type: Any) -> Any:
        name = session.engine.generator if session.engine else "builtin"
        if name == "raw":
            from pytest_mlpstorage.dlio.raw_generator import RawGenerator

            return RawGenerator(session.progress)
        if name == "parquet":
            from pytest_mlpstorage.dlio.parquet_generator import ParquetGenerator

            return ParquetGenerator(session.parquet, session.progress)
        return original(format_type)

    factory.get_generator = staticmethod(get_generator)


def _is_local(arguments: Any) -> bool:
    return str(getattr(arguments.storage_type, "value", arguments.storage_type)) == "local_fs"


def _initialize(session: Session, benchmark: Any, call: Callable[[], Any]) -> Any:
    """Before: the data set on disk is the one described. After: the classes in effect are the ones wanted."""
    arguments = benchmark.args
    listed = session.training and not arguments.generate_data and not getattr(arguments, "skip_listing", False)
    if session.rank == 0 and listed and _is_local(arguments):
        root = Path(str(arguments.storage_root or "."))
        checks.check_dataset(
            root / str(arguments.data_folder),
            suffix=str(getattr(arguments.format, "value", arguments.format)),
            files=int(arguments.num_files_train),
            subfolders=int(arguments.num_subfolders_train),
        )
    # The other ranks wait for that verdict: DLIO's own error on them would come first and say less.
    benchmark.comm.barrier()
    result = call()
    session.effective["classes"] = effective.prove_classes(session.wanted, arguments)
    generator = getattr(benchmark, "data_generator", None)
    session.effective["classes"]["generator_class"] = (
        f"{type(generator).__module__}.{type(generator).__qualname__}" if generator else "none"
    )
    session.effective["arguments"] = effective.plain_arguments(arguments)
    session.effective["expected_steps"] = _steps(session, arguments) if session.training else 0
    session.write("effective", session.effective)
    session.cold = _cold_reads(session, benchmark)
    session.begin_loads = _cold_loads(session, benchmark)
    if generator is not None:
        files = list(getattr(generator, "_file_list", None) or [])
        mine = [generator.storage.get_uri(path) for path in files[session.rank :: session.size]] if _is_local(arguments) else []
        session.end |= {"phase": "datagen", "files": len(mine), "bytes": checks.check_generated(mine)}
    return result


def _cold_reads(session: Session, benchmark: Any) -> ColdReads | None:
    """What keeps this run's reads cold; None where that was not asked for, or the data lie in no filesystem."""
    arguments, budget = benchmark.args, session.arguments.cache_budget_seconds
    if budget is None or not session.training or arguments.generate_data or not _is_local(arguments):
        return None
    files = [str(file) for file in getattr(arguments, "file_list_train", None) or []]
    drop = session.arguments.drop_caches
    return ColdReads(benchmark.comm, files, drop=drop, budget_seconds=budget, epochs=int(arguments.epochs))


def _cold_loads(session: Session, benchmark: Any) -> Callable[[], ColdReads] | None:
    """What makes the reads of a checkpointing run cold, to be called when they begin; None as above."""
    arguments, budget = benchmark.args, session.arguments.cache_budget_seconds
    if budget is None or session.training or not session.checkpointing or not _is_local(arguments):
        return None

    def begin() -> ColdReads:
        # Nobody drops what another rank still writes.
        benchmark.comm.barrier()
        files = checkpoint_files(Path(str(arguments.checkpoint_folder)), int(arguments.num_checkpoints_read))
        return ColdReads(benchmark.comm, files, drop=session.arguments.drop_caches, budget_seconds=budget, epochs=1, phase=LOADS)

    return begin


def _steps(session: Session, arguments: Any) -> int:
    steps = checks.expected_steps(
        files=int(arguments.num_files_train),
        samples_per_file=int(arguments.num_samples_per_file),
        batch_size=int(arguments.batch_size),
        ranks=session.size,
        limit=int(arguments.total_training_steps),
    )
    return max(steps, 0)


def _finalize(session: Session, benchmark: Any, call: Callable[[], Any]) -> Any:
    """After DLIO saved its results: they are complete on this rank, and the counters are put beside them."""
    arguments = benchmark.args
    cold = session.cold.end() if session.cold is not None else None
    if cold is not None:
        session.write("page_cache", cold)
    if session.counters is not None:
        session.write("io", session.io_record())
    result = call()
    if session.training:
        done = checks.check_results(
            Path(arguments.output_folder), rank=session.rank, epochs=int(arguments.epochs), steps=_steps(session, arguments)
        )
        session.end |= {"phase": "train", "epochs": len(done), "steps": sum(done.values())}
    elif not session.end:
        session.end = {"phase": "checkpoint" if session.checkpointing else "nothing"}
    # No rank may call its run finished while another one's check still fails.
    benchmark.comm.barrier()
    return result
