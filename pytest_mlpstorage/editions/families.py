"""Checkpointing, KV cache and vector database of an edition (rules.md §3.2 to §3.4)."""

from __future__ import annotations

from pydantic import Field

from pytest_mlpstorage.editions.base import Data, Frozen, Parameters, RunGap, Unknown, nearest
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.verdict import Division

__all__ = [
    "CheckpointModel",
    "CheckpointingEdition",
    "DerivedCheckpoint",
    "KVCacheEdition",
    "KVCacheOption",
    "VectorConfiguration",
    "VectorDatabaseEdition",
]


class DerivedCheckpoint(Data):
    """What the formulas of §4.3 give for one model; not published, held to be checked against.

    ``model_bytes_by_rank`` maps bytes to the number of ranks that write as much (of the whole closed process count).
    """

    parameters: int
    model_gib: float
    optimizer_gib: float
    total_gib: float
    subset_gib: float
    optimizer_bytes_per_rank: int
    model_bytes_by_rank: Frozen[int, int]


class CheckpointModel(Data):
    """One model whose checkpoints are written and read.

    ``parameters``: nested official parameters (read-only). ``processes``: MPI processes of a closed run.
    ``data_parallel``: copies at that count; ``configured_data_parallel`` what the tool sets in subset mode.
    ``processes_per_instance``: the unit that an open run's count is a multiple of at run time, ``open_multiple`` the unit of
    the validator (4.6.4). ``gate_gb``: size the aggregate accelerator memory must hold. Sizes as published, in their text.
    ``tool_model_gb``, ``tool_optimizer_gb``: constants of the official tool's own estimate.
    """

    dlio_name: str
    processes: int
    data_parallel: int
    configured_data_parallel: int
    processes_per_instance: int
    open_multiple: int
    published_size: str
    published_subset_size: str
    gate_gb: int
    tool_model_gb: int
    tool_optimizer_gb: int
    verified_hash: bool
    derived: DerivedCheckpoint
    parameters: Parameters


class CheckpointingEdition(Data):
    """Everything an edition says about checkpointing.

    ``closed_invocations``: allowed (writes, reads) of a closed result's invocations in order. ``subset_keys``: what the tool sets for
    the subset form. A limit of None is no limit in this edition.
    """

    models: Frozen[str, CheckpointModel]
    accelerators_by_division: Frozen[Division, tuple[str, ...]]
    accelerator_memory_gb: Frozen[str, int]
    checkpoints_written: int
    checkpoints_read: int
    closed_invocations: tuple[tuple[tuple[int, int], ...], ...] | None
    subset_models: tuple[str, ...]
    subset_processes: int
    subset_keys: tuple[str, ...]
    closed_keys: tuple[str, ...]
    template_keys_ignored: tuple[str, ...]
    min_accelerators_per_host_text: int | None
    accelerators_per_host_above: int | None
    data_to_memory_ratio: float | None
    cache_memory_multiple: float | None
    failover_gap_seconds: float | None
    run_gap: RunGap | None
    remap_time_fraction: float | None
    metric_list_length: int
    combined_runs: int | None = None

    def model(self, name: str) -> CheckpointModel:
        """Return the model of that name; ConfigurationError with the nearest names."""
        if name not in self.models:
            raise ConfigurationError(f"unknown checkpointing model {name!r}; {nearest(name, self.models)}", code="MLPS-E114")
        return self.models[name]


class KVCacheOption(Data):
    """One of the fixed workloads; memory in GB, duration in seconds."""

    name: str
    model: str
    users_per_client: int
    duration_seconds: int
    gpu_memory_gb: int
    cpu_memory_gb: int
    max_concurrent_allocations: int
    generation_mode: str
    result_group: str


class KVCacheEdition(Data):
    """The KV cache workload: its options by number, the locks of closed, what closed and open may vary.

    ``pass_flags``: flags of a recorded command line that vary nothing; ``open_flags``: an open argument to the flags that use it.
    ``start_delay_seconds``, ``end_delay_seconds``: idle time before and after each pass, in which an array destages.
    """

    options: Frozen[int, KVCacheOption]
    trials: int
    seed: int
    inter_option_delay_seconds: int
    start_delay_seconds: int
    end_delay_seconds: int
    autoscaling: bool
    workload_identity: str
    runs: int
    closed_arguments: tuple[str, ...]
    open_arguments: tuple[str, ...]
    pass_flags: tuple[str, ...]
    open_flags: Frozen[str, tuple[str, ...]]

    def option(self, number: int) -> KVCacheOption:
        """Return the option of that number; ConfigurationError naming the numbers."""
        if number not in self.options:
            raise ConfigurationError(f"unknown KV cache option {number}; {nearest(str(number), map(str, self.options))}", code="MLPS-E114")
        return self.options[number]


class VectorConfiguration(Data):
    """One shipped configuration of the vector workload; counts of vectors, ``comparability_class`` of the edition."""

    num_vectors: int
    dimension: int
    distribution: str
    num_shards: int
    chunk_size: int
    older_chunk_size: int | None = None
    insert_batch: int
    index_type: str
    metric_type: str
    index_parameters: Parameters
    compact: bool
    benchmark: Parameters = Field(default_factory=dict)
    comparability_class: str


class VectorDatabaseEdition(Data):
    """The vector database workload.

    ``defaults``: dotted key to its closed default. ``scales``: (vectors, dimension). What no source establishes is Unknown.
    """

    configurations: Frozen[str, VectorConfiguration]
    databases_closed: tuple[str, ...]
    databases_open: tuple[str, ...]
    index_types_closed: tuple[str, ...]
    index_types_open: tuple[str, ...]
    run_modes: tuple[str, ...]
    engine_directories: tuple[str, ...]
    closed_keys: tuple[str, ...]
    open_keys: tuple[str, ...]
    defaults: Parameters
    runs: int
    minimum_runtime_seconds: int
    default_runtime_seconds: int
    object_backends: tuple[str, ...]
    object_backend_prefixes: tuple[str, ...]
    required_metrics: tuple[str, ...]
    recall_keys: tuple[str, ...]
    ground_truth_coverage: float
    scales: Unknown | tuple[tuple[int, int], ...]
    minimum_recall: Unknown | float
    minimum_queries: Unknown | int
    result_reduction: Unknown | str

    def configuration(self, name: str) -> VectorConfiguration:
        """Return the shipped configuration of that name; ConfigurationError with the nearest names."""
        if name not in self.configurations:
            raise ConfigurationError(
                f"unknown vector database configuration {name!r}; {nearest(name, self.configurations)}", code="MLPS-E114"
            )
        return self.configurations[name]
