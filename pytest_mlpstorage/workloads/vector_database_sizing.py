"""From the configuration, the edition and the engine's own table to the plan of a vector database case: entry > section > default."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.config import Origin, Setting, SuiteConfig
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.units import parse_duration
from pytest_mlpstorage.vectordb.address import address_shown
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.vector_database_plan import BENCHMARK, BUILD_SECONDS_PER_NUMBER, LOAD_BYTES_PER_SECOND, VectorPlan
from pytest_mlpstorage.workloads.vector_database_settings import (
    FAMILY,
    OFFICIAL_SCALES,
    OWN_SCALES,
    VectorEntry,
    VectorSection,
    vector_rules,
)
from pytest_mlpstorage.workloads.vector_database_thresholds import thresholds_of

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.editions.families import VectorDatabaseEdition
    from pytest_mlpstorage.workloads.base import Case

__all__ = ["case_settings", "make_plan", "scale_of"]

_ENGINE_PARAMETERS: Final = "engine_parameters"
_NOT_OF_THE_INDEX: Final = ("metric_type", _ENGINE_PARAMETERS)
_DEADLINE_FACTOR, _DEADLINE_GRACE_SECONDS = 3.0, 600.0


def scale_of(section: VectorSection, rules: VectorDatabaseEdition) -> tuple[int, int]:
    """Vectors and dimensions: those that are given, in place of the others the scale's, which may be of the edition's data sets."""
    if section.scale in OWN_SCALES:
        rows, dim = OWN_SCALES[section.scale]
    else:
        official = rules.configuration(OFFICIAL_SCALES[section.scale])
        rows, dim = official.num_vectors, official.dimension
    return section.num_vectors or rows, section.dimension or dim


def make_plan(case: Case, section: VectorSection, config: SuiteConfig, cluster: ClusterFacts) -> VectorPlan:
    """The plan. ConfigurationError for an engine, an index or a parameter that there is not."""
    from pytest_mlpstorage.vectordb.check import check_parameters, family_of, name_problem
    from pytest_mlpstorage.vectordb.registry import engine

    entry, rules = case.item.own, vector_rules(config.edition)
    assert isinstance(entry, VectorEntry)
    given = {key: setting.value for key, setting in case.item.parameters.items()}
    capabilities = engine(entry.engine).capabilities()
    family = family_of(capabilities, entry.index_type, entry.engine)
    rows, dim = scale_of(section, rules)
    metric = str(given.get("index.metric_type", rules.defaults["index.metric_type"]))
    if metric not in capabilities.metrics:
        raise ConfigurationError(
            f"{entry.engine} knows no metric {metric!r}", details={"known": ", ".join(sorted(capabilities.metrics))}, code="MLPS-E114"
        )
    if section.k > rows:
        raise ConfigurationError(f"vectordb.k: {section.k} neighbours of {rows} vectors cannot be", code="MLPS-E115")
    build = check_parameters(family, _parameters(given, "index"))
    search = check_parameters(family, _parameters(given, "search"), part="search", k=section.k)
    shards = int(str(given.get("dataset.num_shards", 1)))
    if entry.uri is not None and capabilities.form == "embedded":
        raise ConfigurationError(
            f"vectordb.workloads.uri: {entry.engine} is embedded and has no address",
            suggestion="leave uri out: its collections lie in data_dir",
            code="MLPS-E160",
        )
    name = str(given.get("dataset.collection_name", "")) or _name(section, entry, rows, dim, metric, shards, build.values)
    if problem := name_problem(name):
        raise ConfigurationError(f"vectordb dataset.collection_name: {problem}", code="MLPS-E111")
    foreseen = {"load": rows * dim * 4 / LOAD_BYTES_PER_SECOND, "build": rows * dim * BUILD_SECONDS_PER_NUMBER}
    return VectorPlan(
        case=case,
        config=config,
        edition=edition(config.edition),
        rules=rules,
        section=section,
        entry=entry,
        cluster=cluster,
        capabilities=capabilities,
        rows=rows,
        dim=dim,
        metric=metric,
        shards=shards,
        workers=int(str(given.get("run.num_query_processes", 1))),
        name=name,
        build=build.values,
        search=search.values,
        overrides=given,
        cold_seconds=parse_duration(section.cold_duration),
        runtime_seconds=float(rules.default_runtime_seconds) if section.duration is None else parse_duration(section.duration),
        load_deadline_seconds=_deadline(section.load_deadline, foreseen["load"]),
        build_deadline_seconds=_deadline(section.build_deadline, foreseen["build"]),
        answer_deadline_seconds=parse_duration(section.answer_deadline),
        thresholds=thresholds_of(section.thresholds, claims=config.division is not Division.WHATIF),
    )


def _deadline(configured: str | None, foreseen_seconds: float) -> float:
    return parse_duration(configured) if configured is not None else _DEADLINE_FACTOR * foreseen_seconds + _DEADLINE_GRACE_SECONDS


def _parameters(given: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The parameters of one group by name; those of the engine's own among them."""
    named = {key.partition(".")[2]: value for key, value in given.items() if key.startswith(f"{group}.")}
    own = named.get(_ENGINE_PARAMETERS, {})
    if not isinstance(own, Mapping):
        raise ConfigurationError(
            f"vectordb {group}.{_ENGINE_PARAMETERS}: allowed a mapping of names to values, given {own!r}", code="MLPS-E111"
        )
    found = {name: value for name, value in named.items() if name not in _NOT_OF_THE_INDEX and "." not in name}
    inner = {name.partition(".")[2]: value for name, value in named.items() if name.startswith(f"{_ENGINE_PARAMETERS}.")}
    return {**found, **own, **inner}


def _name(
    section: VectorSection, entry: VectorEntry, rows: int, dim: int, metric: str, shards: int, build: Mapping[str, int | float | str]
) -> str:
    """A name that two data sets or two indexes on one server never share."""
    what = [section.generator, section.sigma, section.seed, rows, dim, metric, shards, sorted(build.items())]
    digest = hashlib.sha256(json.dumps(what, default=str).encode()).hexdigest()[:8]
    return f"mlps_{entry.index_type.lower()}_{rows}x{dim}_{digest}"


def case_settings(case: Case, config: SuiteConfig) -> list[Setting]:
    """Every parameter of a case with its origin; those that nobody gave have the engine's table or the edition behind them."""
    from pytest_mlpstorage.errors import MLPStorageError
    from pytest_mlpstorage.vectordb.registry import engine

    entry, section = case.item.own, config.families[FAMILY].own
    assert isinstance(entry, VectorEntry)
    assert isinstance(section, VectorSection)
    rules, of_edition, of_engine = (
        vector_rules(config.edition),
        Origin("edition", f"edition {config.edition}"),
        Origin("default", entry.engine),
    )
    found = dict(case.item.parameters)
    rows, dim = scale_of(section, rules)
    of_scale = Origin("default", f"scale {section.scale}")
    for key, value, given in (("dataset.num_vectors", rows, section.num_vectors), ("dataset.dimension", dim, section.dimension)):
        own = f"{FAMILY}.{'num_vectors' if key.endswith('vectors') else 'dimension'}"
        found[key] = Setting(key, value, of_scale if given is None else config.origin(own))
    found.setdefault("index.metric_type", Setting("index.metric_type", rules.defaults["index.metric_type"], of_edition))
    if section.duration is None:
        found["run.runtime"] = Setting("run.runtime", f"{rules.default_runtime_seconds}s", of_edition)
    else:
        found["run.runtime"] = Setting("run.runtime", section.duration, config.origin(f"{FAMILY}.duration"))
    try:
        families = engine(entry.engine).capabilities().families
    except MLPStorageError:  # the preflight item says why
        families = {}
    if entry.index_type in families:
        family = families[entry.index_type]
        for group, table in (("index", family.build), ("search", family.search)):
            for spec in table:
                found.setdefault(f"{group}.{spec.name}", Setting(f"{group}.{spec.name}", spec.default, of_engine))
    folder = str(config.data_dir / BENCHMARK / f"{entry.engine}-{entry.index_type}")
    found["storage.storage_root"] = Setting(
        "storage.storage_root", address_shown(entry.uri or "") or folder, Origin("computed", "uri" if entry.uri else "data_dir")
    )
    return [found[key] for key in sorted(found)]
