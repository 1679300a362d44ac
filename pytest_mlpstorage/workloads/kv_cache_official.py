"""The official KV cache program as engine: the user's copy, what of the plan it can be told, its job, and what a leaf says of it."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.units import GIB, format_bytes
from pytest_mlpstorage.verdict import Category, Division, Finding, Severity
from pytest_mlpstorage.workloads.kv_cache_settings import FAMILY

if TYPE_CHECKING:
    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.editions.families import KVCacheEdition
    from pytest_mlpstorage.kvcache.official_copy import Form, OfficialCopy
    from pytest_mlpstorage.kvcache.official_job import OfficialJob
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan, OptionPlan, PassSequence
    from pytest_mlpstorage.workloads.kv_cache_settings import KVCacheSection

__all__ = [
    "OFFICIAL", "OfficialEngine", "engine_facts", "kept_sequence", "official_engine", "official_findings", "official_job",
]  # fmt: skip

OFFICIAL: Final = "official"

_OWN_KEYS: Final = ("official_path", "official_python", "official_preload")
_AT_ONCE: Final = 2
"""Copies of an entry that a worker of the official program holds while it reads one."""


@dataclasses.dataclass(frozen=True)
class OfficialEngine:
    """A copy, and the form in which it is started: the program itself where its wrapper cannot be told the plan's parameters."""

    copy: OfficialCopy
    form: Form
    preload: str = ""

    @property
    def script(self) -> Path:
        """What is started."""
        return self.copy.script(self.form)

    @property
    def takes_delays(self) -> bool:
        """Whether the idle times are those of the plan; else they are the wrapper's own."""
        return self.form == "program" or all(self.copy.takes(self.form, flag) for flag in ("start-delay", "end-delay"))


@functools.lru_cache(maxsize=8)
def _copy(folder: Path, python: str, preload: str) -> OfficialCopy:
    from pytest_mlpstorage.kvcache.official_copy import find_copy

    return find_copy(folder, python, preload=preload)


def official_engine(
    section: KVCacheSection, config: SuiteConfig, options: tuple[OptionPlan, ...], rules: KVCacheEdition
) -> OfficialEngine | None:
    """The engine that the section asks for, None for our own. ConfigurationError for keys that contradict it, with their place."""
    if section.engine != OFFICIAL:
        for key in _OWN_KEYS:
            if getattr(section, key) is not None:
                raise _wrong(config, key, "has no effect without engine: official")
        return None
    if section.official_path is None:
        raise _wrong(config, "engine", "the official program is the user's own copy: give its folder as official_path")
    if section.profile != "mlc-v3":
        raise _wrong(config, "profile", f"the official program does the work of mlc-v3, not of {section.profile}")
    plain = type(section.io)()
    for key, value in section.io.model_dump().items():
        if value != getattr(plain, key):
            raise _wrong(config, f"io.{key}", "the official program moves its bytes in its own way, through the page cache")
    folder = Path(section.official_path).expanduser()
    preload = section.official_preload or ""
    try:
        copy = _copy(folder, section.official_python or sys.executable, preload)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{_place(config, 'official_path')}: {error.message}", details=error.details, suggestion=error.suggestion, code=error.code
        ) from error
    form = copy.form
    if form == "table" and any(_changed(option, rules) for option in options):
        form = "program"
    engine = OfficialEngine(copy, form, preload)
    if section.capacity is not None and not copy.takes(form, "storage-capacity-gb"):
        raise _wrong(config, "capacity", f"{engine.script.name} of this copy takes no --storage-capacity-gb")
    return engine


def _place(config: SuiteConfig, key: str) -> str:
    try:
        return f"{config.origin(f'{FAMILY}.{key}')}: {FAMILY}.{key}"
    except KeyError:  # nobody gave it
        return f"{FAMILY}.{key}"


def _wrong(config: SuiteConfig, key: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{_place(config, key)}: {why}", code="MLPS-E113")


def _changed(option: OptionPlan, rules: KVCacheEdition) -> list[str]:
    """Parameters of an option that are not the edition's, by their official flags."""
    book = rules.option(option.number)
    edition = {
        "model": book.model,
        "num-users": str(book.users_per_client),
        "duration": f"{book.duration_seconds:g}",
        "gpu-mem-gb": f"{book.gpu_memory_gb:g}",
        "cpu-mem-gb": f"{book.cpu_memory_gb:g}",
        "max-concurrent-allocs": str(book.max_concurrent_allocations),
        "generation-mode": book.generation_mode,
    }
    return [flag for flag, value in option.flags().items() if value != edition[flag]]


def kept_sequence(engine: OfficialEngine | None, sequence: PassSequence, rules: KVCacheEdition) -> PassSequence:
    """The sequence as it will be: a wrapper that takes no idle times keeps the edition's."""
    if engine is None or engine.takes_delays:
        return sequence
    return dataclasses.replace(sequence, start_delay_seconds=rules.start_delay_seconds, end_delay_seconds=rules.end_delay_seconds)


def official_findings(plan: KVCachePlan) -> Iterator[Finding]:
    """What a user of the official program must know before it runs."""
    engine = plan.official
    if engine is None:
        return
    whatif = plan.config.division is Division.WHATIF
    if engine.form != engine.copy.form:
        yield _told(
            "the wrapper takes its parameters from a table of its own, so that the program itself is started with the changed ones",
            field="engine",
        )
    asked = {key: getattr(plan.section, key) for key in ("start_delay", "end_delay")}
    if not engine.takes_delays and any(value is not None for value in asked.values()):
        yield _told(
            f"{engine.script.name} takes no idle times, and keeps its own before and after each pass",
            severity=Severity.WARNING,
            measured=", ".join(f"{key}: {value}" for key, value in asked.items() if value is not None),
            field="start_delay",
        )
    if engine.preload or os.environ.get("LD_PRELOAD"):
        handed = f"{engine.preload} is loaded into the official program before all other libraries, as you declare"
        closed = plan.config.division is Division.CLOSED
        yield _told(
            handed if engine.preload else "LD_PRELOAD is not handed to the official program",
            severity=(Severity.ERROR if closed else Severity.WARNING) if engine.preload else Severity.INFO,
            measured=engine.preload or os.environ.get("LD_PRELOAD"),
            field="official_preload",
        )
    if plan.capacity_bytes is None and plan.sharers > 1:
        yield _told(
            f"each of the {plan.sharers} clients of one storage takes 95 % of what is free for its own: together they may fill it",
            severity=Severity.INFO if whatif else Severity.WARNING,
            field="capacity",
        )
    largest = max(plan.options, key=lambda option: option.workers * option.largest_entry_bytes)
    most = _AT_ONCE * largest.workers * largest.largest_entry_bytes * plan.section.clients_per_host
    for host in plan.cluster.hosts[: plan.hosts]:
        if host.memory["MemAvailable"] < most:
            yield _told(
                f"the official program bounds no memory: the entries that clients of option {largest.number} read at once may need more "
                f"than {host.called} has",
                severity=Severity.INFO if whatif else Severity.WARNING,
                measured=format_bytes(host.memory["MemAvailable"]),
                required=format_bytes(most),
                field="clients_per_host",
            )


def _told(
    message: str, *, field: str, severity: Severity = Severity.INFO, measured: str | None = None, required: str | None = None
) -> Finding:
    category = Category.INVALID if severity is Severity.ERROR else Category.CLOSED
    return Finding(
        message, severity=severity, category=category, measured=measured, required=required, field=f"{FAMILY}.{field}", rule="MLPS-KVC-5"
    )


def official_job(plan: KVCachePlan, step: Step, output: Path, run_datetime: str) -> OfficialJob:
    """What the ranks are to do. ``output`` is the folder of the pass."""
    from pytest_mlpstorage.kvcache.official_job import OfficialJob
    from pytest_mlpstorage.workloads.kv_cache_changes import work_changes
    from pytest_mlpstorage.workloads.kv_cache_plan import place_of

    engine = plan.official
    assert engine is not None
    (number, trial), option, sequence = place_of(step), plan.option(step), plan.sequence
    config = plan.workload_file or engine.copy.config
    return OfficialJob(
        option=number,
        trial=trial,
        folder=str(engine.copy.folder),
        python=engine.copy.python,
        digest=engine.copy.digest,
        form=engine.form,
        parameters=option.flags(),
        cache_dir=str(plan.cache_dir),
        output_dir=str(output),
        run_datetime=run_datetime,
        processes=plan.ranks,
        seed=sequence.seed,
        duration_seconds=option.duration_seconds,
        largest_entry_bytes=option.largest_entry_bytes,
        start_delay_seconds=sequence.start_delay_seconds,
        end_delay_seconds=sequence.end_delay_seconds,
        pause_seconds=plan.delay_before(step) - sequence.start_delay_seconds,
        delays=engine.takes_delays and engine.form != "program",
        config="" if config is None else str(config),
        capacity_gb="" if plan.capacity_bytes is None else f"{plan.capacity_bytes / GIB:g}",
        preload=engine.preload,
        memory=bool(option.gpu_bytes or option.cpu_bytes),
        closed=plan.config.division is Division.CLOSED,
        changed=work_changes(plan, option),
    )


def engine_facts(plan: KVCachePlan) -> dict[str, Any]:
    """What a leaf says of the engine, besides its name and profile; nothing of our own."""
    engine = plan.official
    if engine is None:
        return {}
    return {
        "path": str(engine.copy.folder),
        "md5_tree_v2": engine.copy.digest,
        "python": engine.copy.python,
        "form": engine.form,
        "preload": engine.preload,
    }
