"""From the configuration and the edition to the plan of the KV cache case: option > section > edition, key by key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_mlpstorage.config import Origin, Setting, SuiteConfig
from pytest_mlpstorage.editions import Edition, edition
from pytest_mlpstorage.editions.base import nearest
from pytest_mlpstorage.editions.families import KVCacheEdition, KVCacheOption
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.units import GIB, parse_duration, parse_size
from pytest_mlpstorage.workloads.kv_cache_official import kept_sequence, official_engine
from pytest_mlpstorage.workloads.kv_cache_plan import BENCHMARK, KVCachePlan, OptionPlan, PassSequence
from pytest_mlpstorage.workloads.kv_cache_serving import OFFICIAL_WORK, check_profile, chunk_tokens, workers_of
from pytest_mlpstorage.workloads.kv_cache_settings import FAMILY, KVCacheEntry, KVCacheSection, kv_cache_rules

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.config import ItemConfig
    from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig
    from pytest_mlpstorage.workloads.base import Case

__all__ = ["asked_dir", "cache_dir", "effective", "make_plan", "option_settings", "pass_sequence"]

_T = TypeVar("_T")

_KEYS = {
    "duration": "duration_seconds",
    "model": "model",
    "num_users": "users_per_client",
    "gpu_mem": "gpu_memory_gb",
    "cpu_mem": "cpu_memory_gb",
    "generation_mode": "generation_mode",
}
"""Keys that an option and the section have, and where the edition has their values."""


def make_plan(case: Case, section: KVCacheSection, config: SuiteConfig, cluster: ClusterFacts) -> KVCachePlan:
    """The plan; ConfigurationError for a model that there is not, and for a workload file that cannot be read."""
    book: Edition = edition(config.edition)
    rules = kv_cache_rules(config.edition)
    check_profile(section, config)
    file = workload_file(section, config)
    workload = _workload(file)
    options = tuple(_option(item, section, rules, config, workload) for item in config.families[FAMILY].items)
    official = official_engine(section, config, options, rules)
    return KVCachePlan(
        case=case,
        config=config,
        edition=book,
        rules=rules,
        section=section,
        cluster=cluster,
        options=options,
        sequence=kept_sequence(official, pass_sequence(section, rules), rules),
        workload=workload,
        workload_file=file,
        cache_dir=cache_dir(section, config),
        capacity_bytes=None if section.capacity is None else parse_size(section.capacity),
        chunk_bytes=None if section.io.chunk is None else parse_size(section.io.chunk),
        shared_cache=_shared(section, config, cluster) if section.shared_cache is None else section.shared_cache,
        official=official,
    )


def asked_dir(section: KVCacheSection, config: SuiteConfig) -> Path:
    """The directory that hosts are asked about: the cache's own where one is given, else the one that it lies in."""
    return Path(section.cache_dir) if section.cache_dir is not None else config.data_dir


def _shared(section: KVCacheSection, config: SuiteConfig, cluster: ClusterFacts) -> bool:
    """Whether several hosts mount the cache from one place that is no device of their own."""
    sources = {host.mount(asked_dir(section, config)).source for host in cluster.hosts}
    return len(cluster.hosts) > 1 and len(sources) == 1 and not next(iter(sources)).startswith("/dev/")


def cache_dir(section: KVCacheSection, config: SuiteConfig) -> Path:
    """Where the ranks' directories stand; by default in the directory of the storage under test."""
    return Path(section.cache_dir) if section.cache_dir is not None else config.data_dir / BENCHMARK


def workload_file(section: KVCacheSection, config: SuiteConfig) -> Path | None:
    """The user's config.yaml; a relative path is taken from the directory of the configuration that names it."""
    if section.workload_config is None:
        return None
    base = config.path.parent if config.path is not None else Path.cwd()
    return (base / Path(section.workload_config).expanduser()).absolute()


def _workload(file: Path | None) -> WorkloadConfig:
    from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig

    if file is None:
        return WorkloadConfig()
    from pytest_mlpstorage.kvcache.workload_config import read_workload_config

    return read_workload_config(file)


def pass_sequence(section: KVCacheSection, rules: KVCacheEdition) -> PassSequence:
    """The sequence: what is not given is the edition's."""
    return PassSequence(
        trials=_first(section.trials, rules.trials),
        seed=_first(section.seed, rules.seed),
        start_delay_seconds=_seconds(section.start_delay, rules.start_delay_seconds),
        end_delay_seconds=_seconds(section.end_delay, rules.end_delay_seconds),
        inter_option_delay_seconds=_seconds(section.inter_option_delay, rules.inter_option_delay_seconds),
    )


def effective(entry: KVCacheEntry, section: KVCacheSection, option: KVCacheOption, key: str) -> Any:
    """A parameter of an option: its own, else the section's, else the edition's."""
    own, common = getattr(entry, key), getattr(section, key)
    return _first(own, _first(common, getattr(option, _KEYS[key])))


def _option(item: ItemConfig, section: KVCacheSection, rules: KVCacheEdition, config: SuiteConfig, workload: WorkloadConfig) -> OptionPlan:
    entry = item.own
    assert isinstance(entry, KVCacheEntry)
    option = rules.option(entry.option)
    key = effective(entry, section, option, "model")
    if key not in workload.models:
        given = item.origins.get("model") or config.origin(f"{FAMILY}.model")
        raise ConfigurationError(
            f"{given}: model {key!r} of option {entry.option} is none that is known; {nearest(key, workload.models)}", code="MLPS-E114"
        )
    model = workload.models[key]
    most_tokens = chunk_tokens(section) or max(template.context_tokens[1] for template in workload.templates)
    users = effective(entry, section, option, "num_users")
    return OptionPlan(
        number=entry.option,
        name=option.name,
        model=key,
        users=users,
        workers=workers_of(section, users),
        duration_seconds=_seconds_of(effective(entry, section, option, "duration")),
        gpu_bytes=_bytes_of(effective(entry, section, option, "gpu_mem")),
        cpu_bytes=_bytes_of(effective(entry, section, option, "cpu_mem")),
        allocations=_allocations(section, option),
        generation_mode=effective(entry, section, option, "generation_mode"),
        bytes_per_token=model.bytes_per_token,
        largest_entry_bytes=model.entry_bytes(most_tokens),
    )


def _allocations(section: KVCacheSection, option: KVCacheOption) -> int:
    """Stores at a time, 0 where there is no limit."""
    return option.max_concurrent_allocations if section.profile == OFFICIAL_WORK else section.max_concurrent_allocs or 0


def option_settings(config: SuiteConfig, rules: KVCacheEdition) -> list[Setting]:
    """Every parameter of every option with its origin, and the sequence."""
    section = config.families[FAMILY].own
    assert isinstance(section, KVCacheSection)
    of_edition = Origin("edition", f"edition {config.edition}")
    of_allocations = of_edition if section.profile == OFFICIAL_WORK else Origin("default", "default")
    if section.max_concurrent_allocs is not None:
        of_allocations = config.origin(f"{FAMILY}.max_concurrent_allocs")
    found: list[Setting] = []
    for item in config.families[FAMILY].items:
        entry = item.own
        assert isinstance(entry, KVCacheEntry)
        option = rules.option(entry.option)
        for key in _KEYS:
            if getattr(entry, key) is not None:
                origin = item.origins[key]
            else:
                origin = of_edition if getattr(section, key) is None else config.origin(f"{FAMILY}.{key}")
            found.append(Setting(f"option{entry.option}.{key}", effective(entry, section, option, key), origin))
        found.append(Setting(f"option{entry.option}.max_concurrent_allocs", _allocations(section, option), of_allocations))
    for key, value in (
        ("trials", rules.trials),
        ("seed", rules.seed),
        ("start_delay", f"{rules.start_delay_seconds}s"),
        ("end_delay", f"{rules.end_delay_seconds}s"),
        ("inter_option_delay", f"{rules.inter_option_delay_seconds}s"),
    ):
        own = getattr(section, key)
        found.append(Setting(key, value if own is None else own, of_edition if own is None else config.origin(f"{FAMILY}.{key}")))
    return found


def _first(one: _T | None, other: _T) -> _T:
    return other if one is None else one


def _seconds(text: str | None, of_edition: float) -> float:
    return float(of_edition) if text is None else parse_duration(text)


def _seconds_of(value: object) -> float:
    """A duration as it was written, or the edition's seconds."""
    return parse_duration(value) if isinstance(value, str) else float(str(value))


def _bytes_of(value: object) -> int:
    """A size as it was written, or the edition's GiB."""
    return parse_size(value) if isinstance(value, str) else int(str(value)) * GIB
