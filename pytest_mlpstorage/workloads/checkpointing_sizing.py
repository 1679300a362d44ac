"""From an entry of the configuration and the cluster's facts to a plan: how many bytes each rank writes, and where it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.checkpointing.shards import rank_files
from pytest_mlpstorage.dlio.capabilities import Capabilities, probe
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape, CheckpointSize, checkpoint_size
from pytest_mlpstorage.editions.families import CheckpointingEdition, CheckpointModel
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import overlay, value_at
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.checkpointing_engine import choose_engine
from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan
from pytest_mlpstorage.workloads.checkpointing_settings import FOLDER, READS, WRITES, checkpointing_rules

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.config import HostSpec, SuiteConfig
    from pytest_mlpstorage.editions import Edition
    from pytest_mlpstorage.workloads.base import Case
    from pytest_mlpstorage.workloads.checkpointing_settings import CheckpointingEntry, CheckpointingSection

__all__ = ["base_folder", "effective_overrides", "make_plan", "place"]

_COPIES = "model.parallelism.data"
_MODE = "checkpoint.mode"


def base_folder(given: Mapping[str, Any], config: SuiteConfig) -> Path:
    """The folder that has one folder a model: the user's, else the data directory."""
    return Path(str(given[FOLDER])) if FOLDER in given else config.data_dir


def effective_overrides(
    entry: CheckpointingEntry, model: CheckpointModel, rules: CheckpointingEdition, given: Mapping[str, Any], config: SuiteConfig
) -> dict[str, Any]:
    """Every dotted parameter that is laid over the edition's, as the official tool does it (rules.md §4.3).

    The folder gets the model's name. A job with fewer ranks than the model's closed count is a subset of the edition's copies, where
    these are enough for its ranks and the user has not said otherwise. Closed has no such jobs, and 4.6.1 says so.
    """
    overrides = {
        WRITES: rules.checkpoints_written,
        READS: rules.checkpoints_read,
        **given,
        FOLDER: str(base_folder(given, config) / entry.model),
    }
    one_copy = _ranks_of_a_copy(overlay(model.parameters, given))
    fits = one_copy is not None and entry.accelerators <= model.configured_data_parallel * one_copy
    fewer = entry.accelerators < model.processes and config.division is not Division.CLOSED
    if fewer and fits and _MODE not in given and _COPIES not in given:
        overrides |= {_MODE: "subset", _COPIES: model.configured_data_parallel}
    return overrides


def _ranks_of_a_copy(parameters: Mapping[str, Any]) -> int | None:
    try:
        return CheckpointShape.from_parameters(parameters).copy_processes
    except ConfigurationError:
        return None


def make_plan(
    case: Case, entry: CheckpointingEntry, section: CheckpointingSection, config: SuiteConfig, edition: Edition, cluster: ClusterFacts
) -> CheckpointingPlan:
    """Lay the user's parameters over the edition's, size a checkpoint, place the ranks and choose the engine.

    A number of ranks that the model cannot be dealt out to makes a plan without a size, so that the rules can say what they
    say of it. Raises ConfigurationError for hosts that are too few.
    """
    rules = checkpointing_rules(config.edition)
    model = rules.model(entry.model)
    given = {key: setting.value for key, setting in case.item.parameters.items()}
    overrides = effective_overrides(entry, model, rules, given, config)
    parameters = overlay(model.parameters, overrides)
    if section.invocations == "separate" and not (value_at(parameters, WRITES) and value_at(parameters, READS)):
        raise ConfigurationError(
            "checkpointing.invocations: given separate, and nothing is to be "
            + ("written" if not value_at(parameters, WRITES) else "read")
            + "; one run writes and another one reads",
            details={WRITES: value_at(parameters, WRITES), READS: value_at(parameters, READS)},
            suggestion="invocations: together does one of them alone",
            code="MLPS-E113",
        )
    size, problem = _size(parameters, entry.accelerators)
    return CheckpointingPlan(
        case=case,
        config=config,
        edition=edition,
        rules=rules,
        entry_model=model,
        section=section,
        cluster=cluster,
        engine=choose_engine(
            section.engine,
            # Where DLIO will not measure it need not be asked, which takes a second.
            Capabilities(installed=False) if section.engine == "mlpstorage" else probe(),
            subset=value_at(parameters, _MODE) == "subset",
        ),
        ranks=entry.accelerators,
        accelerator=entry.accelerator,
        subset=entry.subset,
        parameters=parameters,
        overrides=overrides,
        base_folder=base_folder(given, config),
        size=size,
        size_problem=problem,
        placement=place(entry.accelerators, config.cluster.hosts, entry.accelerators_per_host),
    )


def _size(parameters: Mapping[str, Any], ranks: int) -> tuple[CheckpointSize | None, str]:
    subset = value_at(parameters, _MODE) == "subset"
    try:
        shape, copies = CheckpointShape.from_parameters(parameters), value_at(parameters, _COPIES) if subset else None
        rank_files(shape, 0, ranks, copies)  # refuses what can be sized and DLIO does not write
        return checkpoint_size(shape, processes=ranks, data_parallel=copies), ""
    except ConfigurationError as error:
        return None, error.message


def place(ranks: int, hosts: Sequence[HostSpec], per_host: int | None) -> tuple[int, ...]:
    """Ranks of each host that gets any: so many a host where told, else as many as it has slots, else evenly.

    Raises ConfigurationError where told numbers leave ranks over.
    """
    slots = [host.slots for host in hosts]
    if per_host is not None:
        if per_host * len(hosts) < ranks:
            raise ConfigurationError(
                f"accelerators_per_host: given {per_host}, which is {per_host * len(hosts)} on {len(hosts)} host(s); "
                f"allowed at least {-(-ranks // len(hosts))} for {ranks} accelerators",
                suggestion="raise it, or name more hosts in cluster.hosts",
                code="MLPS-E115",
            )
        limits = [per_host] * len(hosts)
    elif all(slots) and sum(s or 0 for s in slots) >= ranks:
        limits = [s or 0 for s in slots]
    else:
        each, more = divmod(ranks, len(hosts))
        limits = [each + (number < more) for number in range(len(hosts))]
    left, placed = ranks, []
    for limit in limits:
        placed.append(min(limit, left))
        left -= placed[-1]
    return tuple(count for count in placed if count)
