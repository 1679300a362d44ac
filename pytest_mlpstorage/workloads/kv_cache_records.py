"""What a KV cache plan records: metadata of a pass and of the whole run, and the result as the preflight rules see it.

Every pass is recorded as the official flags say it (``command_output_files``), and every option in the table of the newest official
metadata (``parameters.options``), so that rules 6.3 and 6.6 read our leaves and foreign ones alike. What was really executed is
a job file; that command stands in ``mlps.passes``.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage import __version__
from pytest_mlpstorage.results.metadata import CommandOutput
from pytest_mlpstorage.results.planned import planned_kv_cache
from pytest_mlpstorage.results.records import KVCacheResult, LeafMetadata
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.again import AGAIN, again_record
from pytest_mlpstorage.workloads.base import Step
from pytest_mlpstorage.workloads.kv_cache_official import OFFICIAL, engine_facts, official_job
from pytest_mlpstorage.workloads.kv_cache_plan import BENCHMARK, KVCachePlan, place_of
from pytest_mlpstorage.workloads.kv_cache_precondition import preconditioned
from pytest_mlpstorage.workloads.kv_cache_serving import OFFICIAL_WORK, serving_identity

__all__ = ["ENGINE", "engine_record", "log_name", "official_command", "pass_metadata", "result_of_plan", "run_metadata"]

ENGINE: Final = "native"
"""The engine as ``mlps.engine.name`` tells it; rule MLPS-ENGINE-1 makes a result of it OPEN at best."""


def log_name(step: Step, timestamp: str, stream: str) -> str:
    """Name of a pass's log in the leaf of the run, as the official tool names it."""
    option, trial = place_of(step)
    return f"kvcache_opt{option}_trial{trial}_{timestamp}.{stream}.log"


def engine_record(plan: KVCachePlan) -> dict[str, Any]:
    """What measures, as ``mlps.engine`` tells it. The official program does not tell its version; the hash of its folder stands for it."""
    if plan.official is not None:
        return {"name": OFFICIAL, "version": None, "profile": plan.section.profile, **engine_facts(plan)}
    return {"name": ENGINE, "version": __version__, "profile": plan.section.profile}


def official_command(plan: KVCachePlan, step: Step, leaf: Path) -> str:
    """What a pass did, as a command line of official flags: what its job file says. Of the program alone it is that of rank 0."""
    option, trial = place_of(step)
    if plan.official is not None:
        job = official_job(plan, step, leaf / f"option_{option}" / f"trial_{trial}", leaf.name)
        return shlex.join(["mpirun", "-n", str(plan.ranks), "--npernode", str(plan.section.clients_per_host), *job.command(0)])
    flags = {
        "rank-output-base": str(leaf / f"option_{option}" / f"trial_{trial}"),
        "rank-cache-base": str(plan.cache_dir),
        "seed-base": str(plan.sequence.seed),
        **({"config": str(plan.workload_file)} if plan.workload_file is not None else {}),
        **plan.option(step).flags(),
        **({"storage-capacity-gb": f"{plan.capacity_bytes / GIB:g}"} if plan.capacity_bytes is not None else {}),
        "start-delay": f"{plan.sequence.start_delay_seconds:g}",
        "end-delay": f"{plan.sequence.end_delay_seconds:g}",
    }
    launcher = ["mpirun", "-n", str(plan.ranks), "--npernode", str(plan.section.clients_per_host)]
    program = ["python3", "-m", "pytest_mlpstorage.kvcache"]
    return shlex.join([*launcher, *program, *(word for flag, value in flags.items() for word in (f"--{flag}", value))])


def pass_metadata(plan: KVCachePlan, step: Step, leaf: Path) -> LeafMetadata:
    """The record of one pass, while its series is not whole."""
    return _metadata(plan, leaf, [step], {"step": step.name})


def run_metadata(plan: KVCachePlan, leaf: Path, passes: Sequence[Mapping[str, Any]]) -> LeafMetadata:
    """The record of the whole run; ``passes`` tells of each pass what was executed, and when."""
    return _metadata(plan, leaf, plan.case.steps, {"passes": list(passes), AGAIN: again_record(plan.config, plan.case)})


def _metadata(plan: KVCachePlan, leaf: Path, steps: Sequence[Step], more: Mapping[str, Any]) -> LeafMetadata:
    whatif = plan.config.division is Division.WHATIF
    return LeafMetadata(
        benchmark_type=BENCHMARK,
        model=plan.rules.workload_identity,
        command="run",
        run_datetime=leaf.name,
        num_processes=plan.ranks,
        result_dir=str(leaf),
        parameters=_parameters(plan),
        override_parameters=_overrides(plan),
        command_output_files=tuple(
            CommandOutput(official_command(plan, step, leaf), *(str(leaf / log_name(step, leaf.name, s)) for s in ("stdout", "stderr")))
            for step in steps
        ),
        args=_args(plan),
        system_info=plan.cluster.system_info(),
        verification=None if whatif else plan.config.division.value.upper(),
        mlps={
            "tool": {"name": "pytest-mlpstorage", "version": __version__},
            "rules_edition": plan.edition.name,
            "not_for_submission": whatif,
            "python": sys.version.split()[0],
            "engine": engine_record(plan),
            "series": plan.fingerprint,
            "io": plan.section.io.model_dump(),
            "preconditioned": preconditioned(plan),
            **more,
        },
    )


def _parameters(plan: KVCachePlan) -> dict[str, Any]:
    """Options, sequence and features under the keys of the newest official metadata."""
    return {
        "options": {
            str(option.number): {
                "model": option.model,
                "num_users": option.users,
                "duration": option.duration_seconds,
                "gpu_mem_gb": option.gpu_bytes / GIB,
                "cpu_mem_gb": option.cpu_bytes / GIB,
                "max_concurrent_allocs": option.allocations,
                "generation_mode": option.generation_mode,
            }
            for option in plan.options
        },
        "sequence": {
            "seed": plan.sequence.seed,
            "trials": plan.sequence.trials,
            "inter_option_delay_s": plan.sequence.inter_option_delay_seconds,
            "config": None if plan.workload_file is None else str(plan.workload_file),
        },
        "features": {"autoscaling": False},
        **({} if plan.section.profile == OFFICIAL_WORK else {"serving": serving_identity(plan.section)}),
    }


def _overrides(plan: KVCachePlan) -> dict[str, Any]:
    """What is not the edition's and no flag of a pass tells of."""
    sequence, rules = plan.sequence, plan.rules
    pairs = {
        "trials": (sequence.trials, rules.trials),
        "seed": (sequence.seed, rules.seed),
        "inter_option_delay": (sequence.inter_option_delay_seconds, rules.inter_option_delay_seconds),
    }
    found: dict[str, Any] = {key: mine for key, (mine, edition) in pairs.items() if mine != edition}
    plain = type(plan.section.io)()
    found |= {f"io.{key}": value for key, value in plan.section.io.model_dump().items() if value != getattr(plain, key)}
    return found


def _args(plan: KVCachePlan) -> dict[str, Any]:
    """The command-line snapshot that the official tool writes, of what we have of it."""
    config = plan.config
    return {
        "mode": config.division.value,
        "benchmark": "kvcache",
        "command": "run",
        "model": plan.rules.workload_identity,
        "hosts": [host.name for host in config.cluster.hosts],
        "num_client_hosts": plan.hosts,
        "num_processes": plan.ranks,
        "npernode": plan.section.clients_per_host,
        "cache_dir": str(plan.cache_dir),
        **({} if plan.official is None else {"kvcache_bin_path": str(plan.official.copy.folder)}),
        "results_dir": str(config.results_dir),
        "orgname": config.submitter,
        "systemname": config.system,
        "seed": plan.sequence.seed,
        "trials": plan.sequence.trials,
        "inter_option_delay": plan.sequence.inter_option_delay_seconds,
        "config_file": None if plan.workload_file is None else str(plan.workload_file),
    }


def result_of_plan(plan: KVCachePlan) -> KVCacheResult:
    """The result as the preflight rules see it: one run of all passes, without figures."""
    config = plan.config
    return planned_kv_cache(
        root=config.results_dir,
        division=config.division,
        submitter=config.submitter,
        system=config.system,
        edition=plan.edition.name,
        metadata=run_metadata(plan, plan.result_dir() / "run" / "planned", ()),
    )
