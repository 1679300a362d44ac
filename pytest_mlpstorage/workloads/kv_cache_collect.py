"""Reading what a pass left: exit code 0 is no proof, so every rank's file is checked before the pass counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.kvcache.aggregate import OptionFigures, RankFigures, aggregate_option
from pytest_mlpstorage.kvcache.option_block import block_problems, option_block
from pytest_mlpstorage.kvcache.run_summary import read_ranks
from pytest_mlpstorage.rules.kv_cache_client import client_sentences
from pytest_mlpstorage.workloads.base import Collected
from pytest_mlpstorage.workloads.kv_cache_figures import official_rates, view_of
from pytest_mlpstorage.workloads.kv_cache_official import OFFICIAL
from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan, place_of
from pytest_mlpstorage.workloads.kv_cache_records import ENGINE, engine_record
from pytest_mlpstorage.workloads.kv_cache_series import passes
from pytest_mlpstorage.workloads.kv_cache_trust import trust_of

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.workloads.base import Step

__all__ = ["collect"]

_FACTOR_WORTH_TELLING = 1.05


def collect(plan: KVCachePlan, step: Step, *, staged: Path, outcome: Outcome) -> Collected:
    """Check a finished pass and return its figures. Raises BenchmarkExecutionError for anything less."""
    option, trial = place_of(step)
    found = read_ranks(staged, option)
    figures = _alone(plan, step, {rank: one for (of, rank), one in found.items() if of == trial})
    trust = trust_of(staged, option, trial, plan.ranks, required=_ours(figures.sound[0]))
    problems = [*figures.problems, *block_problems(figures.sound), *_other_work(plan, step, figures.sound[0]), *trust.problems]
    if problems:
        raise BenchmarkExecutionError(f"{step.name} is no measurement: {'; '.join(problems)}", code="MLPS-E542")
    entry = {**figures.entry, "mlps": option_block(figures)}
    view = view_of(entry)
    notes = [
        f"the official tool would have said {view[key]:.4g} GiB/s to {word}, {factor:.2f} times the rate in the window"
        for word in ("read", "write")
        if (factor := view.get(f"official_over_window_{word}", 0.0)) > _FACTOR_WORTH_TELLING
        and (key := f"official_{word}_gib_per_second") in view
    ]
    rates = ", ".join(f"{word} {view[key]:.3g} GiB/s" for word in ("read", "write") if (key := f"{word}_gib_per_second") in view)
    rates = rates or official_rates(view)
    if "requests_per_second" in view:
        rates += f", {view['requests_per_second']:.3g} requests/s"
    block = entry["mlps"]
    if block.get("client_bound") is True:
        notes += client_sentences(trust.evidence, native=plan.official is None)
    late = block.get("late_requests_lower_bound")
    if plan.official is not None and late:
        notes.append(f"at least {late:g} requests ended after the window, and count in rates that are divided by its length")
    notes += trust.notes
    reasons = block.get("comparable_reasons")
    if block.get("comparable") is False:
        why = ", ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons)
        notes.append(f"not to be compared with figures of the official tool: {why}")
    comparable = {key: block.get(key) for key in ("comparable", "comparable_reasons", "direct", "filesystem")}
    return Collected(
        {**view, "launch_seconds": outcome.elapsed_seconds},
        tuple(notes),
        {"engine": {**engine_record(plan), **comparable}, "pass": {"option": option, "trial": trial}, "trust": list(trust.record)},
        rates,
    )


def _ours(ranks: tuple[RankFigures, ...]) -> bool:
    """Whether a program of ours measured or looked on, which leaves the evidence of every rank."""
    return any(one.block.get("engine") in (ENGINE, OFFICIAL) for one in ranks)


def _alone(plan: KVCachePlan, step: Step, ranks: dict[int, RankFigures]) -> OptionFigures:
    """The pass as an option of one trial."""
    option = plan.option(step)
    memory = bool(option.gpu_bytes or option.cpu_bytes)
    return aggregate_option(
        option.number, {(0, rank): one for rank, one in ranks.items()}, trials=1, ranks=plan.ranks, has_memory=memory, where=step.name
    )


def _other_work(plan: KVCachePlan, step: Step, ranks: tuple[RankFigures, ...]) -> list[str]:
    """Ranks whose compiled work is not that of the other trials of this option that are done."""
    option, trial = place_of(step)
    mine = {one.result.name.rank: str(one.block.get("schedule_sha256")) for one in ranks}
    for name, leaf in passes(plan).items():
        if not name.startswith(f"option{option}-") or name == step.name:
            continue
        for (_, rank), other in read_ranks(leaf, option).items():
            theirs = str(other.block.get("schedule_sha256"))
            if mine.get(rank, theirs) != theirs:
                return [f"rank {rank} did other work in trial {trial} than in {name}"]
    return []
