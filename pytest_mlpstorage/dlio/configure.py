"""Around DLIO's LoadConfig: refusals and translation before it, proof that it took everything after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from pytest_mlpstorage.dlio import checks, effective, flavour
from pytest_mlpstorage.dlio.engine import choose
from pytest_mlpstorage.dlio.keys import official_keys
from pytest_mlpstorage.dlio.session import Session
from pytest_mlpstorage.dlio.translate import RECORD_KEYS, translate_for_registry
from pytest_mlpstorage.nested import dotted, value_at

__all__ = ["load_config"]

_CLASS_KEYS = ("reader.reader_classname", "reader.data_loader_classname", "checkpoint.checkpoint_mechanism_classname")


def load_config(session: Session, load: Callable[[Any, Any], Any], arguments: Any, config: Any) -> Any:
    """Call DLIO's ``load`` with the ``workload`` section in its own vocabulary.

    Hydra has written its ``dlio_config`` before this, so that what stands there keeps the edition's vocabulary. Raises
    ConfigurationError or DependencyError for what this DLIO cannot do or did not take.
    """
    from omegaconf import OmegaConf

    given: Any = OmegaConf.to_container(config, resolve=True)
    checks.check_workload(given, kind=session.kind, ranks=session.size, absent=session.stand_ins)
    engine = choose(given, flavour=session.kind, reader=session.arguments.reader, generator=session.arguments.generator)
    session.engine = engine
    session.training = checks.is_training(given)
    session.checkpointing = bool(value_at(given, "workflow.checkpoint", False))
    session.parquet = value_at(given, "dataset.parquet") or {}
    translated = {**(translate_for_registry(given) if session.kind != flavour.MLCOMMONS else {}), **engine.settings}
    sources = _sources(given, translated, engine.reader, engine.generator)
    if engine.generator == "parquet":
        from pytest_mlpstorage.dlio.parquet_format import add_parquet_format

        add_parquet_format()
        # After the format is there, because the loader imports DLIO.
        from pytest_mlpstorage.dlio.parquet_loader import parquet_description

        parquet_description(session.parquet)
    workload = OmegaConf.create(given)
    for key, value in translated.items():
        OmegaConf.update(workload, key, value, force_add=True)
    with effective.keys_read() as read:
        result = load(arguments, workload)
    overrides = _overrides()
    proof = effective.prove_keys(
        dict(dotted(given)),
        read=read,
        overridden=effective.overridden_keys(overrides),
        translated=translated,
        sources=sources,
        arguments=arguments,
        known=official_keys(),
        engine=flavour.engine_name(session.kind),
    )
    if session.kind == flavour.MLCOMMONS and value_at(workload, "reader.reader_classname"):
        _cure_reader_factory()
    session.wanted = {key: value_at(given, key) or engine.settings.get(key) for key in _CLASS_KEYS}
    session.effective = {
        **session.identity(),
        "flavour": session.kind,
        "dlio_version": flavour.version(),
        "dlio_commit": flavour.commit(),
        "stand_ins": list(session.stand_ins),
        "engine": {"reader": engine.reader, "generator": engine.generator, "builtin": engine.builtin},
        "translated": translated,
        "translated_from": sources,
        "ignored": list(proof.ignored),
        "effective": list(proof.effective),
        "overrides": overrides,
    }
    return result


def _overrides() -> list[str]:
    from hydra.core.hydra_config import HydraConfig

    return [str(word) for word in HydraConfig.get().overrides.task]


def _sources(given: Mapping[str, Any], translated: Mapping[str, Any], reader: str, generator: str) -> dict[str, str]:
    """Official key → what it became, for keys that DLIO itself does not read."""
    found = {official: old for official, old in RECORD_KEYS.items() if old in translated}
    if reader == "raw-odirect" or (reader != "builtin" and value_at(given, "reader.odirect") is False):
        found["reader.odirect"] = "reader.reader_classname"
    if generator == "parquet":
        found |= {key: "our parquet generator and loader" for key, _ in dotted(given) if key.startswith("dataset.parquet")}
    return found


def _cure_reader_factory() -> None:
    """Give the fork's factory the ``self`` that it logs a plug-in reader through (training.md §0.6)."""
    import logging

    import dlio_benchmark.reader.reader_factory as factory

    if not hasattr(factory, "self"):
        factory.self = SimpleNamespace(logger=logging.getLogger("dlio_benchmark.reader"))
